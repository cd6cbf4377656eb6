//! How many bytes a range of keys takes, from what is in memory.

use super::Engine;
use crate::base::error::Result;
use crate::base::key_range::KeyRange;

impl Engine {
    /// About how many bytes the keys of a range take in memtables and files. Reads indexes, no blocks.
    pub(crate) fn approximate_size(&self, range: &KeyRange) -> Result<u64> {
        self.check_open()?;
        if range.is_empty() {
            return Ok(0);
        }
        let view = self.published.get();
        let (lower, upper) = (range.lower.as_slice(), range.upper.as_deref());
        let memtables = std::iter::once(&view.memtable).chain(&view.frozen);
        let in_memtables: u64 = memtables.map(|memtable| memtable.bytes_between(lower, upper)).sum();
        let files = &view.files;
        let left = files.flushed.iter().flat_map(|file| {
            let gaps = file.consumed.gaps(range).into_iter();
            gaps.map(|gap| file.table.bytes_in_range(&gap.lower, gap.upper.as_deref()))
        });
        let first = files.partition_of(lower);
        let last = upper.map_or(files.partitions.len() - 1, |upper| files.partition_below(upper));
        let homes = files.partitions[first..=last.max(first)].iter().filter_map(|home| home.table.as_ref());
        let in_homes: u64 = homes.map(|table| table.bytes_in_range(lower, upper)).sum();
        Ok(in_memtables + left.sum::<u64>() + in_homes)
    }
}
