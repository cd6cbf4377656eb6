//! An entry as the skip list stores it, and the probe with which it is looked up.

use std::borrow::Borrow;
use std::cmp::Ordering;

use crate::base::key::{SeqNo, Tag, compare};

/// Key, tag and value in one allocation.
pub(super) struct Record {
    bytes: Box<[u8]>,
    key_len: u32,
    tag: Tag,
}

impl Record {
    /// Copies key and value.
    pub(super) fn new(key: &[u8], tag: Tag, value: &[u8]) -> Self {
        let mut bytes = Vec::with_capacity(key.len() + value.len());
        bytes.extend_from_slice(key);
        bytes.extend_from_slice(value);
        let key_len = u32::try_from(key.len()).expect("keys are at most KEY_LEN_MAX bytes");
        Self { bytes: bytes.into_boxed_slice(), key_len, tag }
    }

    /// The user key.
    #[inline]
    pub(super) fn key(&self) -> &[u8] {
        &self.bytes[..self.key_len as usize]
    }

    /// The value; empty for a deletion.
    #[inline]
    pub(super) fn value(&self) -> &[u8] {
        &self.bytes[self.key_len as usize..]
    }

    /// Seqno and kind.
    #[inline]
    pub(super) fn tag(&self) -> Tag {
        self.tag
    }
}

/// A place in the order of entries. Lets the list be searched by a borrowed key.
pub(super) trait Position {
    /// User key and seqno.
    fn position(&self) -> (&[u8], SeqNo);
}

impl Position for Record {
    #[inline]
    fn position(&self) -> (&[u8], SeqNo) {
        (self.key(), self.tag.seqno())
    }
}

/// A place that need not hold an entry.
pub(super) struct Probe<'a> {
    pub(super) key: &'a [u8],
    pub(super) seqno: SeqNo,
}

impl Position for Probe<'_> {
    #[inline]
    fn position(&self) -> (&[u8], SeqNo) {
        (self.key, self.seqno)
    }
}

impl<'a> Borrow<dyn Position + 'a> for Record {
    #[inline]
    fn borrow(&self) -> &(dyn Position + 'a) {
        self
    }
}

impl Ord for dyn Position + '_ {
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        let ((a_key, a_seqno), (b_key, b_seqno)) = (self.position(), other.position());
        compare(a_key, a_seqno, b_key, b_seqno)
    }
}

impl PartialOrd for dyn Position + '_ {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for dyn Position + '_ {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for dyn Position + '_ {}

impl Ord for Record {
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        (self as &dyn Position).cmp(other)
    }
}

impl PartialOrd for Record {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Record {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Record {}
