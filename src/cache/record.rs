//! A cached record: a key and the newest value that files have for it, in one piece of memory.

use std::marker::PhantomData;
use std::ptr::NonNull;

use super::Piece;
use super::pieces::Pieces;
use crate::base::key::{SeqNo, Tag, key_hash};
use crate::base::keyspace::KeyspaceId;
use crate::base::sync::Arc;
#[cfg(all(test, loom))]
use crate::base::sync::loom_tests::Watched;

/// Which record: a key of a keyspace, with its hash.
#[derive(Clone, Copy)]
pub(crate) struct RecordId<'a> {
    pub(crate) keyspace: KeyspaceId,
    pub(crate) key: &'a [u8],
    /// Its [`key_hash`].
    pub(crate) hash: u64,
}

impl<'a> RecordId<'a> {
    /// That of `key`.
    pub(crate) fn of(keyspace: KeyspaceId, key: &'a [u8]) -> Self {
        Self { keyspace, key, hash: key_hash(key) }
    }
}

/// What lies at the beginning of the piece; key and value follow.
#[repr(C)]
pub(super) struct Record {
    piece: Piece,
    tag: Tag,
    keyspace: KeyspaceId,
    key_len: u32,
    value_len: u32,
    /// Stands for the whole record in models.
    #[cfg(all(test, loom))]
    watched: Watched,
}

/// So many bytes a record takes, but for what its piece is longer.
pub(super) fn record_bytes(key: &[u8], value: &[u8]) -> usize {
    size_of::<Record>() + key.len() + value.len()
}

/// A record that nobody else has.
pub(super) struct OwnedRecord(NonNull<Record>);

// SAFETY: it is memory that the record owns, and nothing that belongs to a thread.
unsafe impl Send for OwnedRecord {}

impl OwnedRecord {
    pub(super) fn new(pieces: &Arc<Pieces>, id: &RecordId<'_>, tag: Tag, value: &[u8]) -> Self {
        let piece = pieces.take(record_bytes(id.key, value));
        let start = piece.start();
        let (key_len, value_len) = (id.key.len() as u32, value.len() as u32);
        let record = start.cast::<Record>();
        // SAFETY: the piece is long enough for the head, the key and the value, begins at a multiple of 64, and is this
        // record's alone.
        unsafe {
            record.write(Record {
                piece,
                tag,
                keyspace: id.keyspace,
                key_len,
                value_len,
                #[cfg(all(test, loom))]
                watched: Watched::new(7),
            });
            let bytes = start.add(size_of::<Record>());
            bytes.copy_from_nonoverlapping(NonNull::from(id.key).cast(), id.key.len());
            bytes.add(id.key.len()).copy_from_nonoverlapping(NonNull::from(value).cast(), value.len());
        }
        Self(record)
    }

    /// Memory it takes, in bytes.
    pub(super) fn weight_bytes(&self) -> usize {
        self.borrow().weight_bytes()
    }

    pub(super) fn borrow(&self) -> RecordRef<'_> {
        RecordRef { record: self.0, _lives: PhantomData }
    }

    /// The record as a pointer, which is to be made one again.
    pub(super) fn into_raw(self) -> *mut Record {
        let record = self.0.as_ptr();
        std::mem::forget(self);
        record
    }

    /// # Safety
    /// The pointer comes from [`into_raw`](Self::into_raw), and nobody else makes a record of it, nor reads it from now on.
    pub(super) unsafe fn from_raw(record: NonNull<Record>) -> Self {
        Self(record)
    }
}

impl Drop for OwnedRecord {
    fn drop(&mut self) {
        #[cfg(all(test, loom))]
        // SAFETY: nobody else has it, and it is not looked at any more.
        unsafe {
            (&raw mut (*self.0.as_ptr()).watched).drop_in_place();
        }
        // SAFETY: nobody else has it; the piece is taken out of the memory that it owns, once.
        drop(unsafe { (&raw mut (*self.0.as_ptr()).piece).read() });
    }
}

/// A record that stays at least as long as this.
#[derive(Clone, Copy)]
pub(crate) struct RecordRef<'a> {
    record: NonNull<Record>,
    _lives: PhantomData<&'a ()>,
}

impl<'a> RecordRef<'a> {
    /// # Safety
    /// The pointer comes from [`OwnedRecord::into_raw`], and no record is made of it as long as this lives.
    pub(super) unsafe fn from_raw(record: NonNull<Record>) -> Self {
        Self { record, _lives: PhantomData }
    }

    fn head(self) -> &'a Record {
        // SAFETY: the record is complete and does not change while it lives.
        unsafe { self.record.as_ref() }
    }

    fn bytes(self, from: usize, len: usize) -> &'a [u8] {
        // SAFETY: the callers name bytes of the key or the value, which lie behind the head in the same piece, from whose
        // start the pointer comes.
        unsafe { NonNull::slice_from_raw_parts(self.record.add(1).cast::<u8>().add(from), len).as_ref() }
    }

    /// Whether it is this one.
    #[inline]
    pub(super) fn is(self, id: &RecordId<'_>) -> bool {
        let head = self.head();
        #[cfg(all(test, loom))]
        assert_eq!(head.watched.get(), 7);
        self.bytes(0, head.key_len as usize) == id.key && head.keyspace == id.keyspace
    }

    /// Seqno of the value.
    #[inline]
    pub(crate) fn seqno(self) -> SeqNo {
        self.head().tag.seqno()
    }

    /// The value.
    #[inline]
    pub(crate) fn value(self) -> &'a [u8] {
        let head = self.head();
        self.bytes(head.key_len as usize, head.value_len as usize)
    }

    pub(super) fn as_ptr(self) -> *mut Record {
        self.record.as_ptr()
    }

    /// Memory it takes, in bytes.
    pub(super) fn weight_bytes(self) -> usize {
        self.head().piece.len()
    }
}
