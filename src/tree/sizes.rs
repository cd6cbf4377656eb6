//! How many bytes a range of keys takes, from what is in memory.

use super::Tree;
use crate::base::key_range::KeyRange;
use crate::base::sync::epoch;

impl Tree {
    /// About how many bytes the keys of a range take in memtables and files. Reads indexes, no blocks.
    pub(crate) fn approximate_size(&self, range: &KeyRange) -> u64 {
        if range.is_empty() {
            return 0;
        }
        let guard = epoch::pin();
        let view = self.view();
        let (lower, upper) = (range.lower.as_slice(), range.upper.as_deref());
        let memtables = std::iter::once(&view.memtable).chain(&view.frozen);
        let in_memtables: u64 = memtables.map(|memtable| memtable.bytes_between(lower, upper, &guard)).sum();
        let files = &view.files;
        let left = files.flushed.iter().flat_map(|file| {
            let gaps = file.consumed.gaps(range).into_iter();
            gaps.map(|gap| file.table.bytes_in_range(&gap.lower, gap.upper.as_deref()))
        });
        let first = files.partition_of(lower);
        let last = upper.map_or(files.partitions.len() - 1, |upper| files.partition_below(upper));
        let runs = files.partitions[first..=last.max(first)].iter().flat_map(|partition| &partition.runs);
        let in_runs: u64 = runs.map(|run| run.table.bytes_in_range(lower, upper)).sum();
        in_memtables + left.sum::<u64>() + in_runs
    }
}
