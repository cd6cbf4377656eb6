//! The tree as the planner sees it, drawn from a view: numbers from indexes and footers, no I/O.

use super::compaction::Jobs;
use crate::base::key::SeqNo;
use crate::base::key_range::KeyRange;
use crate::base::planted::planted;
use crate::table::Table;
use crate::tree::plan::{FlushedShape, PartitionShape, Shape};
use crate::tree::view::{Files, Flushed};

/// From the lower bound of one partition to the upper one of another.
pub(super) fn partition_range(files: &Files, first: usize, last: usize) -> KeyRange {
    KeyRange {
        lower: files.partitions[first].lower.clone(),
        upper: files.partitions.get(last + 1).map(|next| next.lower.clone()),
    }
}

/// What of a file of L2 may still be to go down within `range`; zero bytes only if nothing is.
pub(super) fn slice(file: &Flushed, range: &KeyRange) -> FlushedShape {
    let table = &file.table;
    let gaps = file.consumed.gaps(range).into_iter();
    let live = gaps.filter(|gap| gap.touches(table.min_key(), table.max_key()));
    live.fold(FlushedShape::default(), |sum, gap| {
        let upper = gap.upper.as_deref();
        let bytes = table.bytes_in_range(&gap.lower, upper);
        let deletes = table.deletes_in_range(&gap.lower, upper);
        FlushedShape {
            bytes: sum.bytes + bytes.max(1),
            entries: sum.entries + deletes + puts_in(table, bytes),
            deletes: sum.deletes + deletes,
        }
    })
}

/// Puts in so many bytes of a file's blocks, if they lie evenly.
fn puts_in(table: &Table, bytes: u64) -> u64 {
    let puts = u128::from(table.entries() - table.deletes());
    let share = puts * u128::from(bytes) / u128::from(table.data_bytes().max(1));
    u64::try_from(share).unwrap_or(u64::MAX)
}

/// Bytes of a partition's file that a rewrite would leave out.
pub(super) fn removable_bytes(table: &Table, snapshots: &[SeqNo]) -> u64 {
    if planted!(GarbageForgotten) { 0 } else { table.removable_bytes(snapshots) }
}

/// The shape of a view, with these snapshots alive and these steps at work.
pub(super) fn shape_of(files: &Files, jobs: &Jobs, snapshots: &[SeqNo]) -> Shape {
    let ranges: Vec<KeyRange> =
        (0..files.partitions.len()).map(|index| partition_range(files, index, index)).collect();
    let partitions = files.partitions.iter().zip(&ranges).map(|(partition, range)| {
        let table = partition.table.as_ref();
        PartitionShape {
            bytes: table.map_or(0, |table| table.file_len()),
            divisible: table.map_or(0, |table| table.divisible_bytes()),
            entries: table.map_or(0, |table| table.entries()),
            garbage: table.map_or(0, |table| removable_bytes(table, snapshots)),
            is_unclean: table.is_some_and(|table| jobs.is_unclean(table.id())),
            is_busy: jobs.are_busy_in(range),
        }
    });
    let flushed = files.flushed.iter().rev();
    Shape {
        partitions: partitions.collect(),
        flushed: flushed.map(|file| ranges.iter().map(|range| slice(file, range)).collect()).collect(),
    }
}
