//! Files of tables that nothing needs any more, kept to be written anew as other tables.
//!
//! Where a file has its blocks already, writing takes neither space nor a commit of the journal, and nothing has to be given
//! back to the device first: many file systems tell it of each block that a removed file had, which it does instead of
//! writing. So a flush or compaction overwrites what earlier ones have left behind, as the log does with its segments.
//!
//! A file comes here once no manifest names it and nobody reads it. It keeps its name until it is taken, so that an opening
//! removes it as it does any file that no manifest names. What is kept is bounded, and given up where space is short and
//! when no table was made for a while.

use crate::base::ids::FileId;
use crate::base::sync::atomic::{AtomicU64, Ordering};
use crate::base::sync::{Mutex, lock};
use crate::io::Space;

/// At most so much of the free space is kept from others: an eighth.
const FREE_SPACE_PART: u64 = 8;

/// A file to be written anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SpareTable {
    pub(super) id: FileId,
    /// Its length in bytes.
    pub(super) len: u64,
}

/// Files to be written anew.
#[derive(Debug, Default)]
pub(super) struct SpareTables {
    kept: Mutex<Vec<SpareTable>>,
    /// Bytes of all that are kept, at most.
    bytes_max: AtomicU64,
    /// Those with lower numbers are not kept.
    first: AtomicU64,
    /// How often one was asked for.
    asked: AtomicU64,
}

impl SpareTables {
    /// Keeps up to so many bytes from now on, of files with numbers from `first` on.
    pub(super) fn permit(&self, bytes_max: u64, first: FileId) {
        // Relaxed: bounds, each read on its own.
        self.first.store(first.0, Ordering::Relaxed);
        self.bytes_max.store(bytes_max, Ordering::Relaxed);
    }

    /// Takes one in, if there is room for it among `free_bytes` of the file system.
    pub(super) fn keep(&self, spare: SpareTable, free_bytes: u64) -> bool {
        let bytes_max = self.bytes_max.load(Ordering::Relaxed).min(part_of(free_bytes));
        let is_own = spare.id.0 >= self.first.load(Ordering::Relaxed);
        let mut kept = lock(&self.kept);
        let fits = is_own && sum(&kept).saturating_add(spare.len) <= bytes_max;
        if fits {
            kept.push(spare);
        }
        fits
    }

    /// Takes the one out that suits a table of about `len` bytes best: the shortest that holds it, else the longest.
    pub(super) fn take(&self, len: u64) -> Option<SpareTable> {
        // Relaxed: a count, which says nothing of other memory.
        self.asked.fetch_add(1, Ordering::Relaxed);
        let mut kept = lock(&self.kept);
        let holds = |spare: &SpareTable| spare.len >= len;
        let numbered = || kept.iter().enumerate();
        let shortest = numbered().filter(|(_, spare)| holds(spare)).min_by_key(|(_, spare)| spare.len);
        let best = shortest.or_else(|| numbered().max_by_key(|(_, spare)| spare.len));
        let (at, _) = best?;
        Some(kept.swap_remove(at))
    }

    /// How often one was asked for.
    pub(super) fn asked(&self) -> u64 {
        self.asked.load(Ordering::Relaxed)
    }

    /// Takes all of them out.
    pub(super) fn take_all(&self) -> Vec<SpareTable> {
        std::mem::take(&mut *lock(&self.kept))
    }

    /// Bytes of all of them.
    pub(super) fn bytes(&self) -> u64 {
        sum(&lock(&self.kept))
    }

    /// What there would be in the file system without them.
    pub(super) fn freed_in(&self, space: Space) -> Space {
        let kept = lock(&self.kept);
        let free_bytes = space.free_bytes.saturating_add(sum(&kept));
        Space { free_bytes, free_files: space.free_files.saturating_add(kept.len() as u64) }
    }
}

/// Of the free space, what may be kept.
pub(super) fn part_of(free_bytes: u64) -> u64 {
    free_bytes / FREE_SPACE_PART
}

fn sum(spares: &[SpareTable]) -> u64 {
    spares.iter().map(|spare| spare.len).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spare(id: u64, len: u64) -> SpareTable {
        SpareTable { id: FileId(id), len }
    }

    #[test]
    fn what_is_kept_is_bounded_by_the_option_and_the_free_space() {
        let spares = SpareTables::default();
        assert!(!spares.keep(spare(1, 1), u64::MAX), "nothing is permitted yet");
        spares.permit(100, FileId(1));
        assert!(!spares.keep(spare(0, 1), u64::MAX), "its number is too low");
        assert!(spares.keep(spare(1, 60), u64::MAX));
        assert!(!spares.keep(spare(2, 41), u64::MAX));
        assert!(!spares.keep(spare(2, 40), 799), "an eighth of the free space is less than all would be");
        assert!(spares.keep(spare(2, 40), 800));
        assert_eq!(spares.bytes(), 100);
        assert_eq!(spares.take_all(), [spare(1, 60), spare(2, 40)]);
        assert_eq!(spares.bytes(), 0);
    }

    #[test]
    fn the_shortest_that_holds_a_table_is_taken_or_else_the_longest() {
        let spares = SpareTables::default();
        spares.permit(u64::MAX, FileId(1));
        for (id, len) in [(1, 50), (2, 20), (3, 40), (4, 30)] {
            assert!(spares.keep(spare(id, len), u64::MAX));
        }
        for (len, taken) in [(25, 4), (40, 3), (60, 1), (60, 2)] {
            assert_eq!(spares.take(len).map(|spare| spare.id), Some(FileId(taken)), "{len}");
        }
        assert_eq!(spares.take(1), None);
    }
}
