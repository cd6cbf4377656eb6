//! A set of keys, as disjoint ranges: what of an L2 file is consumed.

use crate::base::codec::{Cursor, put_varint};
use crate::base::key_range::KeyRange;

/// A set of keys: disjoint ranges in order, none adjacent to another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RangeSet(Vec<KeyRange>);

impl RangeSet {
    /// Adds a range, joining it with those it overlaps or touches.
    pub(crate) fn insert(&mut self, added: &KeyRange) {
        let mut joined = added.clone();
        let mut kept = Vec::with_capacity(self.0.len() + 1);
        for range in self.0.drain(..) {
            let apart_below = range.upper.as_ref().is_some_and(|upper| *upper < joined.lower);
            let apart_above = joined.upper.as_ref().is_some_and(|upper| *upper < range.lower);
            if apart_below || apart_above {
                kept.push(range);
                continue;
            }
            joined.lower = joined.lower.min(range.lower);
            joined.upper = match (joined.upper, range.upper) {
                (Some(a), Some(b)) => Some(a.max(b)),
                _ => None,
            };
        }
        kept.push(joined);
        kept.sort_by(|a, b| a.lower.cmp(&b.lower));
        self.0 = kept;
    }

    /// The range that holds `key`.
    pub(crate) fn find(&self, key: &[u8]) -> Option<&KeyRange> {
        let after = self.0.partition_point(|range| range.lower.as_slice() <= key);
        let range = self.0.get(after.checked_sub(1)?)?;
        range.is_below_upper(key).then_some(range)
    }

    /// The ranges, in order.
    pub(crate) fn ranges(&self) -> &[KeyRange] {
        &self.0
    }

    /// Number of the first range that holds keys from `bound` on.
    pub(crate) fn first_above(&self, bound: &[u8]) -> Option<usize> {
        let passed = self.0.partition_point(|range| !range.is_below_upper(bound));
        (passed < self.0.len()).then_some(passed)
    }

    /// Number of the last range that holds keys below `bound`, or of the last.
    pub(crate) fn last_below(&self, bound: Option<&[u8]>) -> Option<usize> {
        let is_below = |range: &KeyRange| bound.is_none_or(|bound| range.lower.as_slice() < bound);
        self.0.partition_point(is_below).checked_sub(1)
    }

    /// Whether one range holds both keys and so everything between.
    pub(crate) fn covers(&self, min: &[u8], max: &[u8]) -> bool {
        self.find(min).is_some_and(|range| range.contains(max))
    }

    /// Whether the set is empty.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The parts of `range` that are not in the set, in order.
    pub(crate) fn gaps(&self, range: &KeyRange) -> Vec<KeyRange> {
        let mut gaps = Vec::new();
        let mut lower = range.lower.clone();
        for taken in self.0.iter().filter(|taken| taken.overlaps(range)) {
            if lower < taken.lower {
                gaps.push(KeyRange { lower, upper: Some(taken.lower.clone()) });
            }
            match &taken.upper {
                None => return gaps,
                Some(upper) => lower = upper.clone(),
            }
        }
        if range.is_below_upper(&lower) {
            gaps.push(KeyRange { lower, upper: range.upper.clone() });
        }
        gaps
    }

    /// Appends the encoding.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        put_varint(out, self.0.len() as u64);
        self.0.iter().for_each(|range| range.encode(out));
    }

    /// Reads an encoding; `None` if it is none: ranges out of order, or that meet.
    pub(crate) fn decode(cursor: &mut Cursor<'_>) -> Option<Self> {
        let mut ranges: Vec<KeyRange> = Vec::new();
        for _ in 0..cursor.varint()? {
            let range = KeyRange::decode(cursor)?;
            let is_apart = |last: &KeyRange| last.upper.as_ref().is_some_and(|upper| *upper < range.lower);
            if !ranges.last().is_none_or(is_apart) {
                return None;
            }
            ranges.push(range);
        }
        Some(Self(ranges))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(lower: &str, upper: &str) -> KeyRange {
        let upper = (upper != "*").then(|| upper.as_bytes().to_vec());
        KeyRange { lower: lower.as_bytes().to_vec(), upper }
    }

    fn show(set: &RangeSet) -> String {
        let show = |range: &KeyRange| {
            let upper = range.upper.as_deref().unwrap_or(b"*");
            format!("{}-{}", String::from_utf8_lossy(&range.lower), String::from_utf8_lossy(upper))
        };
        set.0.iter().map(show).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn ranges_join_where_they_meet() {
        let mut set = RangeSet::default();
        let mut check = |added: KeyRange, expected: &str| {
            set.insert(&added);
            assert_eq!(show(&set), expected);
        };
        check(range("d", "f"), "d-f");
        check(range("m", "p"), "d-f m-p");
        check(range("f", "g"), "d-g m-p");
        check(range("a", "b"), "a-b d-g m-p");
        check(range("e", "n"), "a-b d-p");
        check(range("x", "*"), "a-b d-p x-*");
        check(range("b", "d"), "a-p x-*");
        check(range("", "y"), "-*");
    }

    #[test]
    fn membership_respects_half_open_bounds() {
        let mut set = RangeSet::default();
        set.insert(&range("b", "d"));
        set.insert(&range("f", "*"));
        assert!(set.find(b"a").is_none() && set.find(b"d").is_none());
        assert!(set.find(b"b").is_some() && set.find(b"zz").is_some());
        assert!(set.covers(b"b", b"c") && !set.covers(b"b", b"d") && !set.covers(b"c", b"g"));
    }

    #[test]
    fn the_range_that_a_walk_meets_first_is_found() {
        let mut set = RangeSet::default();
        assert_eq!((set.first_above(b""), set.last_below(None)), (None, None));
        set.insert(&range("b", "d"));
        set.insert(&range("f", "h"));
        let above = |bound: &str| set.first_above(bound.as_bytes());
        assert_eq!(
            ["", "b", "c", "d", "g", "h"].map(above),
            [Some(0), Some(0), Some(0), Some(1), Some(1), None]
        );
        let below = |bound: &str| set.last_below(Some(bound.as_bytes()));
        assert_eq!(
            ["", "b", "c", "d", "f", "h"].map(below),
            [None, None, Some(0), Some(0), Some(0), Some(1)]
        );
        assert_eq!(set.last_below(None), Some(1));
    }

    #[test]
    fn gaps_are_what_is_left_of_a_range() {
        let mut set = RangeSet::default();
        set.insert(&range("b", "d"));
        set.insert(&range("f", "h"));
        let check = |set: &RangeSet, range: KeyRange, expected: &str| {
            assert_eq!(show(&RangeSet(set.gaps(&range))), expected);
        };
        check(&set, range("", "*"), "-b d-f h-*");
        check(&set, range("c", "g"), "d-f");
        check(&set, range("b", "d"), "");
        check(&set, range("d", "f"), "d-f");
        check(&set, range("e", "e1"), "e-e1");
        set.insert(&range("x", "*"));
        check(&set, range("g", "*"), "h-x");
    }

    #[test]
    fn a_set_comes_back_from_its_encoding() {
        let mut set = RangeSet::default();
        set.insert(&range("b", "d"));
        set.insert(&range("f", "*"));
        let mut bytes = Vec::new();
        set.encode(&mut bytes);
        assert_eq!(RangeSet::decode(&mut Cursor::new(&bytes)), Some(set));
        for len in 0..bytes.len() {
            assert_eq!(RangeSet::decode(&mut Cursor::new(&bytes[..len])), None);
        }
        for wrong in [range("d", "e"), range("c", "e"), range("a", "b")] {
            let mut bytes = Vec::new();
            RangeSet(vec![range("b", "d"), wrong]).encode(&mut bytes);
            assert_eq!(RangeSet::decode(&mut Cursor::new(&bytes)), None, "not in order and apart");
        }
    }
}
