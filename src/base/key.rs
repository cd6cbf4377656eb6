//! Keys and their place in the one total order of writes.
//!
//! A stored entry is `(user key, seqno, kind)`. Entries sort by user key ascending, then by seqno
//! *descending*: the newest version of a key comes first, so the first entry at or after
//! `(key, s)` with that key is what a reader at seqno `s` sees.

use std::cmp::Ordering;
use std::fmt;
use std::ops::Add;

/// Position of a write in the total order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct SeqNo(pub(crate) u64);

impl SeqNo {
    /// Before every write.
    pub(crate) const ZERO: Self = Self(0);

    /// The largest seqno: it shares 64 bits with the entry kind. No entry has it, so a key with this seqno is the
    /// position before all versions of the key.
    pub(crate) const MAX: Self = Self((1 << 56) - 1);

    /// The seqno of the next write.
    #[inline]
    pub(crate) fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// `count` writes before, or [`SeqNo::ZERO`].
    #[inline]
    pub(crate) fn saturating_sub(self, count: u64) -> Self {
        Self(self.0.saturating_sub(count))
    }
}

/// The seqno of the last of so many writes that follow.
impl Add<u64> for SeqNo {
    type Output = Self;

    #[inline]
    fn add(self, count: u64) -> Self {
        Self(self.0 + count)
    }
}

impl fmt::Display for SeqNo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What an entry says about its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The key has no value from this seqno on.
    Delete = 0,
    /// The key has this value from this seqno on.
    Put = 1,
}

/// Seqno and kind in one word, as stored: `seqno << 8 | kind`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tag(u64);

impl Tag {
    /// Packs the two.
    pub(crate) fn new(seqno: SeqNo, kind: Kind) -> Self {
        assert!(seqno <= SeqNo::MAX, "seqno space is used up");
        Self(seqno.0 << 8 | kind as u64)
    }

    /// Unpacks a stored word; `None` if it names an unknown kind.
    #[inline]
    pub(crate) fn from_raw(raw: u64) -> Option<Self> {
        (raw & 0xff <= Kind::Put as u64).then_some(Self(raw))
    }

    /// The stored word.
    #[inline]
    pub(crate) fn raw(self) -> u64 {
        self.0
    }

    /// The seqno.
    #[inline]
    pub(crate) fn seqno(self) -> SeqNo {
        SeqNo(self.0 >> 8)
    }

    /// The kind.
    #[inline]
    pub(crate) fn kind(self) -> Kind {
        if self.0 & 0xff == 0 { Kind::Delete } else { Kind::Put }
    }
}

/// Hash of a user key, as memtables and filters use it. Compute it once per lookup.
#[inline]
pub(crate) fn key_hash(key: &[u8]) -> u64 {
    xxhash_rust::xxh3::xxh3_64(key)
}

/// The first eight bytes of a key as a number that orders as they do. A shorter key is filled up with zeros: where two
/// numbers are alike, the whole keys decide.
#[inline]
pub(crate) fn key_head(key: &[u8]) -> u64 {
    if let Some(first) = key.first_chunk() {
        return u64::from_be_bytes(*first);
    }
    let mut bytes = [0; 8];
    bytes[..key.len()].copy_from_slice(key);
    u64::from_be_bytes(bytes)
}

/// Order of two stored entries: key ascending, then newest first.
#[inline]
pub(crate) fn compare(a_key: &[u8], a_seqno: SeqNo, b_key: &[u8], b_seqno: SeqNo) -> Ordering {
    a_key.cmp(b_key).then(b_seqno.cmp(&a_seqno))
}

/// The smallest key greater than every key that starts with `prefix`; `None` if there is none.
pub(crate) fn prefix_end(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|&byte| byte != 0xff)?;
    let mut end = prefix[..=last].to_vec();
    end[last] += 1;
    Some(end)
}

/// The smallest key after `key`.
pub(crate) fn successor(key: &[u8]) -> Vec<u8> {
    let mut next = Vec::with_capacity(key.len() + 1);
    next.extend_from_slice(key);
    next.push(0);
    next
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newer_versions_sort_first_within_a_key() {
        assert_eq!(compare(b"a", SeqNo(1), b"b", SeqNo(9)), Ordering::Less);
        assert_eq!(compare(b"a", SeqNo(9), b"a", SeqNo(1)), Ordering::Less);
        assert_eq!(compare(b"a", SeqNo(1), b"a", SeqNo(1)), Ordering::Equal);
    }

    #[test]
    fn tags_come_back_and_unknown_kinds_are_refused() {
        let tag = Tag::new(SeqNo::MAX, Kind::Put);
        assert_eq!((tag.seqno(), tag.kind()), (SeqNo::MAX, Kind::Put));
        assert_eq!(Tag::from_raw(tag.raw()), Some(tag));
        assert_eq!(Tag::from_raw(7 << 8 | 2), None);
    }

    #[test]
    fn the_end_of_a_prefix_skips_full_bytes() {
        assert_eq!(prefix_end(b"ab"), Some(b"ac".to_vec()));
        assert_eq!(prefix_end(b"a\xff\xff"), Some(b"b".to_vec()));
        assert_eq!(prefix_end(b"\xff"), None);
        assert_eq!(prefix_end(b""), None);
    }
}
