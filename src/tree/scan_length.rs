//! How far scans go: what one that has to read is likely to need.
//!
//! A scan does not say where it will stop. One that reads a block at a time until it is known to be long waits for the
//! device four times for fifty entries of a kilobyte. So scans are taken to be about as long as those before them.

use crate::base::ablation::ablated;
use crate::base::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A scan moves the average by this part of what it differs.
const WEIGHT: u64 = 16;

/// What is longer counts as this long: nobody reads so far ahead at once.
const ENTRIES_MAX: u64 = 1 << 12;

/// And what is longer than this many times the average and some more as that: a long scan now and then says nothing of
/// those between.
const OUTLIER_FACTOR: u64 = 4;
const OUTLIER_MIN: u64 = 16;

/// Of the entries that scans of a tree have passed, those that were shown and others, the moving average.
#[derive(Default)]
pub(crate) struct ScanLength {
    /// [`WEIGHT`] times the average. Updates that meet may be lost: it is a guess.
    weighted: AtomicU64,
}

impl ScanLength {
    /// A scan that had to read has passed so many entries.
    pub(crate) fn note(&self, entries: u64) {
        let before = self.weighted.load(Relaxed);
        let entries = entries.min(OUTLIER_FACTOR * (before / WEIGHT) + OUTLIER_MIN).min(ENTRIES_MAX);
        self.weighted.store(before - before / WEIGHT + entries, Relaxed);
    }

    /// Entries that the next is likely to pass; none as long as nothing is known.
    #[inline]
    pub(crate) fn expected(&self) -> u64 {
        if ablated!(ScanLengths) {
            return 0;
        }
        self.weighted.load(Relaxed) / WEIGHT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_average_follows_what_scans_do() {
        let length = ScanLength::default();
        assert_eq!(length.expected(), 0);
        (0..200).for_each(|n| length.note(n % 101));
        assert!((20..90).contains(&length.expected()), "{}", length.expected());
        (0..200).for_each(|_| length.note(u64::MAX));
        assert!(length.expected() <= ENTRIES_MAX && length.expected() > ENTRIES_MAX - 20);
        (0..200).for_each(|_| length.note(1));
        assert!(length.expected() <= 1 + 1);
        for n in 0..200 {
            length.note(if n % 20 == 0 { 6000 } else { 1 });
            assert!(length.expected() <= 4);
        }
    }
}
