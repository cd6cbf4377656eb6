//! Sorted numbers with a search that costs few cache lines: a static B+-tree.
//!
//! The numbers lie in groups of eight, one cache line each. Above them lie the last numbers of all groups, in
//! groups again, and so on up to a level of one group. A search counts in one group of each level, without a
//! branch: for 20,000 numbers five lines, of which the upper ones stay in the nearest caches, where a binary
//! search waits for fifteen loads one after the other.

use crate::base::prefetch::prefetch;

/// Numbers that fill a cache line.
pub(super) const GROUP_LEN: usize = 8;

#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
struct Group([u64; GROUP_LEN]);

impl Group {
    /// Number of those below `wanted`.
    #[inline(always)]
    fn count_below(&self, wanted: u64) -> usize {
        self.0.iter().map(|&number| usize::from(number < wanted)).sum()
    }
}

/// Numbers in ascending order, equal ones among them.
#[derive(Debug, Default)]
pub(super) struct Heads {
    len: usize,
    last: u64,
    /// The numbers, and above them the last of each group; the highest level is one group.
    levels: Vec<Box<[Group]>>,
}

impl Heads {
    /// Takes numbers in ascending order.
    pub(super) fn new(numbers: &[u64]) -> Self {
        debug_assert!(numbers.is_sorted(), "numbers ascend");
        let Some(&last) = numbers.last() else { return Self::default() };
        let mut levels = vec![groups_of(numbers)];
        while let Some(level) = levels.last().filter(|level| level.len() > 1) {
            let lasts: Vec<u64> = level.iter().map(|group| group.0[GROUP_LEN - 1]).collect();
            levels.push(groups_of(&lasts));
        }
        Self { len: numbers.len(), last, levels }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The number at a place.
    #[inline]
    pub(super) fn get(&self, place: usize) -> Option<u64> {
        (place < self.len).then(|| self.levels[0][place / GROUP_LEN].0[place % GROUP_LEN])
    }

    /// How many are below `wanted`. Calls `near` with a place close to that one before the last line has
    /// arrived.
    #[inline]
    pub(super) fn count_below(&self, wanted: u64, near: impl FnOnce(usize)) -> usize {
        if self.len == 0 || self.last < wanted {
            return self.len;
        }
        // One of them is not below, so no search ends among the numbers that fill the last group.
        let (lowest, upper) = self.levels.split_first().expect("there are numbers");
        let group = upper.iter().rev().fold(0, |no, level| no * GROUP_LEN + level[no].count_below(wanted));
        prefetch(&lowest[group]);
        near(group * GROUP_LEN + GROUP_LEN / 2);
        group * GROUP_LEN + lowest[group].count_below(wanted)
    }

    /// Memory in bytes.
    pub(super) fn memory_bytes(&self) -> usize {
        self.levels.iter().map(|level| size_of_val(&**level)).sum()
    }
}

/// Groups of these numbers, the last one filled up with the greatest there is.
fn groups_of(numbers: &[u64]) -> Box<[Group]> {
    let group = |numbers: &[u64]| {
        let mut group = Group([u64::MAX; GROUP_LEN]);
        group.0[..numbers.len()].copy_from_slice(numbers);
        group
    };
    numbers.chunks(GROUP_LEN).map(group).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_counts_as_a_walk_does() {
        for len in [0, 1, 2, 7, 8, 9, 63, 64, 65, 511, 512, 513, 700] {
            // Every number three times, and the greatest there is among them.
            let mut numbers: Vec<u64> = (0..len).map(|n| n / 3 * 10 + 5).collect();
            if len > 60 {
                numbers[len as usize - 4..].fill(u64::MAX);
            }
            let heads = Heads::new(&numbers);
            assert_eq!(heads.len(), numbers.len());
            let probes =
                numbers.iter().flat_map(|&n| [n - 1, n, n.saturating_add(1)]).chain([0, 1, u64::MAX]);
            for wanted in probes {
                let expected = numbers.partition_point(|&number| number < wanted);
                let mut nearby = None;
                assert_eq!(
                    heads.count_below(wanted, |place| nearby = Some(place)),
                    expected,
                    "{wanted} of {len}"
                );
                assert!(nearby.is_none_or(|place| place.abs_diff(expected) <= GROUP_LEN / 2));
            }
            assert!((0..=numbers.len()).all(|place| heads.get(place) == numbers.get(place).copied()));
        }
    }
}
