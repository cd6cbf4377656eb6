//! The tree as the planner sees it, drawn from a view: numbers from indexes and footers, no I/O.

use super::compactions::Compactions;
use super::plan::{FlushedShape, PartitionShape, Shape};
use super::view::{Files, Flushed, Partition, Run};
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

/// About how many bytes of a partition's runs are versions that a newer run hides: its keys that also stand further
/// down, each for as much as an entry there takes.
pub(super) fn hidden_bytes(partition: &Partition) -> u64 {
    let (mut bytes, mut entries, mut hidden) = (0, 0, 0);
    for run in partition.runs.iter().rev() {
        let table = &run.table;
        // A key that stands in several runs counts in each of them but the oldest: never more than there are.
        hidden +=
            u128::from(table.overwrites().min(entries)) * u128::from(bytes) / u128::from(entries.max(1));
        (bytes, entries) = (bytes + table.data_bytes(), entries + table.entries());
    }
    u64::try_from(hidden).unwrap_or(u64::MAX).min(bytes)
}

/// Bytes that are still to be compacted, which is what flushes have to wait for.
pub(crate) fn debt_bytes(files: &Files) -> u64 {
    files.flushed.iter().map(|file| slice(file, &KeyRange::default()).bytes).sum()
}

/// Bytes of all files, in per cent of those that they would have without garbage: an estimate from above, which takes
/// all that L2 holds for overwritten or overwriting.
pub(crate) fn space_amplification_percent(files: &Files) -> u64 {
    let in_flushed = || files.flushed.iter().map(|file| file.table.file_len());
    let in_runs: u64 = files.runs().map(|run| run.table.file_len()).sum();
    let garbage: u64 = files.partitions.iter().map(hidden_bytes).sum::<u64>()
        + files.runs().map(|run| run.table.garbage_bytes()).sum::<u64>();
    // Before there is an L3, no key stands twice in one file.
    let live = in_runs.saturating_sub(garbage).max(in_flushed().max().unwrap_or(0));
    let all = in_runs + in_flushed().sum::<u64>();
    if live == 0 { 100 } else { (u128::from(all) * 100 / u128::from(live)) as u64 }
}

/// The shape of a view, with these snapshots alive and these compactions at work.
pub(super) fn shape_of(files: &Files, compactions: &Compactions, snapshots: &[SeqNo]) -> Shape {
    let ranges: Vec<KeyRange> =
        (0..files.partitions.len()).map(|index| partition_range(files, index, index)).collect();
    let partitions = files.partitions.iter().zip(&ranges).map(|(partition, range)| {
        let of_runs =
            |number: fn(&Table) -> u64| -> u64 { partition.runs.iter().map(|run| number(&run.table)).sum() };
        let garbage = |run: &Run| removable_bytes(&run.table, snapshots);
        let above_oldest = partition.runs.iter().rev().skip(1);
        PartitionShape {
            runs: partition.runs.iter().map(|run| run.table.file_len()).collect(),
            divisible: of_runs(Table::divisible_bytes),
            entries: of_runs(Table::entries),
            deletes: above_oldest.map(|run| run.table.deletes()).sum(),
            garbage: partition.runs.iter().map(garbage).sum(),
            hidden: hidden_bytes(partition),
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
