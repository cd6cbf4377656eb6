//! What stands in the arena: a node for each key, a version for each value that somebody may see.
//!
//! ```text
//! node    | newest | cut for (4) | key len (2) | cutting (1) | key ... |
//! version | older | tag (8) | value len (4) | value ... |
//! ```
//!
//! The versions of a node are a list from the newest to the oldest. Both are reached through pointers that may read
//! the bytes behind the struct, never through a reference to the struct alone.

use std::marker::PhantomData;
use std::ptr::{self, NonNull};

use super::arena::Arena;
use crate::base::key::{SeqNo, Tag};
use crate::base::prefetch::prefetch_at;
use crate::base::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, Ordering};

/// The fixed part of a node.
#[repr(C)]
pub(super) struct Node {
    newest: AtomicPtr<Version>,
    /// The oldest reader, its lower half, for whom versions were cut off last.
    cut_for: AtomicU32,
    key_len: u16,
    /// Somebody is cutting off old versions.
    cutting: AtomicBool,
}

/// The fixed part of a version.
#[repr(C)]
pub(super) struct Version {
    pub(super) older: AtomicPtr<Version>,
    tag: Tag,
    value_len: u32,
}

/// A node of an arena that lives at least as long as `'a`.
#[derive(Clone, Copy)]
pub(super) struct NodeRef<'a>(NonNull<Node>, PhantomData<&'a Arena>);

impl PartialEq for NodeRef<'_> {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl<'a> NodeRef<'a> {
    /// Makes a node that is in no page yet.
    pub(super) fn new(arena: &'a Arena, key: &[u8], newest: Option<VersionRef<'a>>) -> Self {
        let key_len = u16::try_from(key.len()).expect("keys are at most KEY_LEN_MAX bytes");
        let node = arena.alloc(size_of::<Node>() + key.len()).cast::<Node>();
        let fixed = Node {
            newest: AtomicPtr::new(newest.map_or(ptr::null_mut(), VersionRef::as_ptr)),
            cut_for: AtomicU32::new(0),
            key_len,
            cutting: AtomicBool::new(false),
        };
        // SAFETY: the arena has just given out so many bytes at an address that suits a pointer, to nobody else.
        unsafe {
            node.write(fixed);
            let behind = node.add(1).cast::<u8>();
            behind.copy_from_nonoverlapping(NonNull::from(key).cast(), key.len());
        }
        Self(node, PhantomData)
    }

    /// The node at a pointer.
    ///
    /// # Safety
    /// Null, or a node of an arena that lives as long as `'a`, complete for this thread.
    #[inline]
    pub(super) unsafe fn from_ptr(node: *mut Node) -> Option<Self> {
        NonNull::new(node).map(|node| Self(node, PhantomData))
    }

    #[inline]
    pub(super) fn as_ptr(self) -> *mut Node {
        self.0.as_ptr()
    }

    #[inline]
    fn fixed(self) -> &'a Node {
        // SAFETY: a node is complete before anybody has a reference to it, and lives as long as the arena.
        unsafe { self.0.as_ref() }
    }

    #[inline]
    pub(super) fn key(self) -> &'a [u8] {
        let len = self.fixed().key_len.into();
        // SAFETY: so many bytes were copied behind the fixed part, and nobody writes there.
        unsafe { NonNull::slice_from_raw_parts(self.0.add(1).cast::<u8>(), len).as_ref() }
    }

    /// Asks for the memory of its newest version.
    #[inline]
    pub(super) fn prefetch_newest(self) {
        // A model would take the look for one that matters.
        if !cfg!(loom) {
            let newest = self.newest_link().load(Ordering::Relaxed);
            prefetch_at(newest);
            // Its value goes on in the next line.
            prefetch_at(newest.wrapping_byte_add(64));
        }
    }

    #[inline]
    pub(super) fn newest(self) -> Option<VersionRef<'a>> {
        // SAFETY: versions of the same arena; Acquire pairs with the Release that put it there.
        unsafe { VersionRef::from_ptr(self.fixed().newest.load(Ordering::Acquire)) }
    }

    #[inline]
    pub(super) fn newest_link(self) -> &'a AtomicPtr<Version> {
        &self.fixed().newest
    }

    /// The newest version that a reader sees, whatever it says.
    #[inline]
    pub(super) fn at(self, reader: SeqNo) -> Option<VersionRef<'a>> {
        let mut version = self.newest();
        while let Some(found) = version
            && found.tag().seqno() > reader
        {
            version = found.older();
        }
        version
    }

    /// Whether versions were cut off for this oldest reader last: none has become unseen since.
    #[inline]
    pub(super) fn is_cut_for(self, oldest_reader: SeqNo) -> bool {
        self.fixed().cut_for.load(Ordering::Relaxed) == oldest_reader.0 as u32
    }

    /// Notes for whom versions were cut off. Only who has the right to.
    #[inline]
    pub(super) fn set_cut_for(self, oldest_reader: SeqNo) {
        self.fixed().cut_for.store(oldest_reader.0 as u32, Ordering::Relaxed);
    }

    /// Takes the right to cut versions off; `false` if somebody has it.
    #[inline]
    pub(super) fn begin_cutting(self) -> bool {
        !self.fixed().cutting.swap(true, Ordering::Acquire)
    }

    #[inline]
    pub(super) fn end_cutting(self) {
        self.fixed().cutting.store(false, Ordering::Release);
    }
}

/// A version in an arena that lives at least as long as `'a`, and which is not cut off meanwhile.
#[derive(Clone, Copy)]
pub(super) struct VersionRef<'a>(NonNull<Version>, PhantomData<&'a Arena>);

impl<'a> VersionRef<'a> {
    /// Bytes that a version with so long a value takes.
    pub(super) fn len(value_len: usize) -> usize {
        size_of::<Version>() + value_len
    }

    /// Makes a version in memory of its own.
    ///
    /// # Safety
    /// `memory` is [`len`](Self::len) bytes of an arena, at a multiple of eight, that nobody else has.
    pub(super) unsafe fn new(memory: NonNull<u8>, tag: Tag, value: &[u8]) -> Self {
        let value_len = u32::try_from(value.len()).expect("values are at most VALUE_LEN_MAX bytes");
        let version = memory.cast::<Version>();
        // SAFETY: the caller's promise.
        unsafe {
            version.write(Version { older: AtomicPtr::new(ptr::null_mut()), tag, value_len });
            version.add(1).cast::<u8>().copy_from_nonoverlapping(NonNull::from(value).cast(), value.len());
        }
        Self(version, PhantomData)
    }

    /// The version at a pointer.
    ///
    /// # Safety
    /// Null, or a version of an arena that lives as long as `'a`, complete for this thread, not cut off before.
    #[inline]
    pub(super) unsafe fn from_ptr(version: *mut Version) -> Option<Self> {
        NonNull::new(version).map(|version| Self(version, PhantomData))
    }

    #[inline]
    pub(super) fn as_ptr(self) -> *mut Version {
        self.0.as_ptr()
    }

    #[inline]
    fn fixed(self) -> &'a Version {
        // SAFETY: a version is complete before anybody has a reference to it; see `from_ptr`.
        unsafe { self.0.as_ref() }
    }

    #[inline]
    pub(super) fn older_link(self) -> &'a AtomicPtr<Version> {
        &self.fixed().older
    }

    #[inline]
    pub(super) fn older(self) -> Option<Self> {
        // SAFETY: as for `NodeRef::newest`.
        unsafe { Self::from_ptr(self.fixed().older.load(Ordering::Acquire)) }
    }

    #[inline]
    pub(super) fn tag(self) -> Tag {
        self.fixed().tag
    }

    #[inline]
    pub(super) fn value(self) -> &'a [u8] {
        let len = self.fixed().value_len as usize;
        // SAFETY: so many bytes were copied behind the fixed part, and nobody writes there.
        unsafe { NonNull::slice_from_raw_parts(self.0.add(1).cast::<u8>(), len).as_ref() }
    }
}
