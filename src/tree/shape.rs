//! The tree as the planner sees it, drawn from a view: numbers from indexes and footers, no I/O.

use super::compactions::Compactions;
use super::plan::{FlushedShape, PartitionShape, Shape};
use super::view::{Files, Flushed, Run};
use crate::base::key::SeqNo;
use crate::base::key_range::KeyRange;
use crate::base::planted::planted;
use crate::table::Table;

/// From the lower bound of one partition to the upper one of another.
pub(super) fn partition_range(files: &Files, first: usize, last: usize) -> KeyRange {
    KeyRange {
        lower: files.partitions[first].lower.clone(),
        upper: files.partitions.get(last + 1).map(|next| next.lower.clone()),
    }
}

/// What of a file of L2 may still be to be compacted within `range`; zero bytes only if nothing is.
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

/// Bytes of a run that a rewrite would leave out.
pub(super) fn removable_bytes(table: &Table, snapshots: &[SeqNo]) -> u64 {
    if planted!(GarbageForgotten) { 0 } else { table.removable_bytes(snapshots) }
}

/// The shape of a view, with these snapshots alive and these compactions at work.
pub(super) fn shape_of(files: &Files, compactions: &Compactions, snapshots: &[SeqNo]) -> Shape {
    let ranges: Vec<KeyRange> =
        (0..files.partitions.len()).map(|index| partition_range(files, index, index)).collect();
    let partitions = files.partitions.iter().zip(&ranges).map(|(partition, range)| {
        let of_runs =
            |number: fn(&Table) -> u64| -> u64 { partition.runs.iter().map(|run| number(&run.table)).sum() };
        let garbage = |run: &Run| removable_bytes(&run.table, snapshots);
        PartitionShape {
            bytes: of_runs(Table::file_len),
            divisible: of_runs(Table::divisible_bytes),
            entries: of_runs(Table::entries),
            garbage: partition.runs.iter().map(garbage).sum(),
            is_unclean: partition.runs.iter().any(|run| compactions.is_unclean(run.table.id())),
            is_busy: compactions.are_busy_in(range),
        }
    });
    let flushed = files.flushed.iter().rev();
    Shape {
        partitions: partitions.collect(),
        flushed: flushed.map(|file| ranges.iter().map(|range| slice(file, range)).collect()).collect(),
    }
}
