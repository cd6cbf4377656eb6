//! A range of user keys: from `lower` on, up to but without `upper`.
//!
//! Every range in the engine has this shape: what a caller iterates over, a partition, what is
//! consumed of a file, what a compaction takes.

use std::ops::{Bound, RangeBounds};

use super::codec::{Cursor, put_bytes};
use super::key::{prefix_end, successor};

/// Keys from `lower` on, up to but without `upper`; `None` is above every key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct KeyRange {
    pub(crate) lower: Vec<u8>,
    pub(crate) upper: Option<Vec<u8>>,
}

impl KeyRange {
    /// The same keys as a range of the language.
    pub(crate) fn of_bounds<K: AsRef<[u8]>>(range: &impl RangeBounds<K>) -> Self {
        let lower = match range.start_bound() {
            Bound::Included(key) => key.as_ref().to_vec(),
            Bound::Excluded(key) => successor(key.as_ref()),
            Bound::Unbounded => Vec::new(),
        };
        let upper = match range.end_bound() {
            Bound::Included(key) => Some(successor(key.as_ref())),
            Bound::Excluded(key) => Some(key.as_ref().to_vec()),
            Bound::Unbounded => None,
        };
        Self { lower, upper }
    }

    /// The keys that begin with `prefix`.
    pub(crate) fn of_prefix(prefix: &[u8]) -> Self {
        Self { lower: prefix.to_vec(), upper: prefix_end(prefix) }
    }

    /// Whether no key can be in it, as in a range whose bounds were given the wrong way round.
    pub(crate) fn is_empty(&self) -> bool {
        self.upper.as_ref().is_some_and(|upper| *upper <= self.lower)
    }

    /// Whether `key` is in the range.
    pub(crate) fn contains(&self, key: &[u8]) -> bool {
        self.lower.as_slice() <= key && self.is_below_upper(key)
    }

    /// Whether `key` lies below the upper bound.
    pub(crate) fn is_below_upper(&self, key: &[u8]) -> bool {
        self.upper.as_deref().is_none_or(|upper| key < upper)
    }

    /// Whether some key may be in both ranges.
    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        self.is_below_upper(&other.lower) && other.is_below_upper(&self.lower)
    }

    /// Whether a key between `min` and `max`, both included, may be in the range.
    pub(crate) fn touches(&self, min: &[u8], max: &[u8]) -> bool {
        self.is_below_upper(min) && self.lower.as_slice() <= max
    }

    /// Appends the encoding.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        put_bytes(out, &self.lower);
        encode_bound(out, self.upper.as_deref());
    }

    /// Reads an encoding; `None` if it is none.
    pub(crate) fn decode(cursor: &mut Cursor<'_>) -> Option<Self> {
        let lower = cursor.bytes()?.to_vec();
        let upper = match cursor.u8()? {
            0 => None,
            1 => Some(cursor.bytes()?.to_vec()),
            _ => return None,
        };
        upper.as_ref().is_none_or(|upper| lower < *upper).then_some(Self { lower, upper })
    }
}

fn encode_bound(out: &mut Vec<u8>, bound: Option<&[u8]>) {
    out.push(u8::from(bound.is_some()));
    if let Some(bound) = bound {
        put_bytes(out, bound);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_become_half_open() {
        let check = |range: KeyRange, lower: &[u8], upper: Option<&[u8]>, is_empty: bool| {
            assert_eq!((range.lower.as_slice(), range.upper.as_deref()), (lower, upper));
            assert_eq!(range.is_empty(), is_empty);
        };
        check(KeyRange::of_bounds::<&str>(&..), b"", None, false);
        check(KeyRange::of_bounds(&("b".."d")), b"b", Some(b"d"), false);
        check(KeyRange::of_bounds(&("b"..="d")), b"b", Some(b"d\0"), false);
        check(KeyRange::of_bounds(&("b"..="b")), b"b", Some(b"b\0"), false);
        check(KeyRange::of_bounds(&("b".."b")), b"b", Some(b"b"), true);
        check(KeyRange::of_bounds(&("d".."b")), b"d", Some(b"b"), true);
        let between = (Bound::Excluded("b"), Bound::Excluded("c"));
        check(KeyRange::of_bounds::<&str>(&between), b"b\0", Some(b"c"), false);
        check(KeyRange::of_prefix(b"ab"), b"ab", Some(b"ac"), false);
        check(KeyRange::of_prefix(b"\xff"), b"\xff", None, false);
    }
}
