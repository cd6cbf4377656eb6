//! What to compact next: a pure function of the tree's shape.
//!
//! A compaction of a partition takes all that L2 holds for its range, so age order is kept, and with it none of the
//! partition's runs (it *adds* one), the newest few (it *merges* them) or all (it *rewrites* the partition). Rules, in order:
//! 1. L2 has files to compact (its count is at the trigger, or all of it is wanted in L3): among the free partitions
//!    that the *oldest* file still touches, the one for which L2 has most bytes, so that the oldest file is soon used up. If
//!    other compactions are busy with all of those: the next file's. [`runs_to_take`] says how many runs it takes; more, if
//!    scans have earned that and L2 is not beyond the trigger: what is added as a run would soon be written again.
//! 2. Of what a reader of a partition has to pass, deletes above its oldest run are more than their share: whoever looks
//!    there for the next key reads them all. It is rewritten, and what they hide goes with them.
//! 3. A partition above [`SPLIT_FACTOR`] times the target is split, if it can be: a huge value stays in one piece. One of a single
//!    run is split at twice the target.
//! 4. A partition of which more than the same share is garbage for certain is rewritten: what snapshots held that are gone.
//! 5. Of all partitions together, newer runs are estimated to hide more than that share for what they do not hide: the one
//!    with most for its size is rewritten.
//! 6. A partition that a caller wants clean is rewritten, whatever its share. This rule and the one before it come first of all
//!    every second time, for with enough writers the turn of the rules below the first never comes.
//! 7. Nobody writes, nor needs the device to read: a partition of several runs is rewritten as one.
//! 8. Scans have earned the bytes of a compaction that spares them sources: of the newer runs of a partition, or of all,
//!    with what L2 has for it. Of several, that which spares most for its bytes: so what is small is merged everywhere
//!    before anything large is written again.
//! 9. A partition below a quarter of the target is merged with its smaller neighbour, if both
//!    together stay within the target.
//!
//! No rule chooses the same again and again: a compaction leaves nothing of L2 in its range, a rewrite leaves one run, cuts
//! what it can, and keeps as garbage only what live snapshots need, which does not count.

use std::cmp::Ordering;

/// A partition of several runs is split from so many times the target on. Splitting rewrites it, so its keys are written
/// `f / (f - 1)` times more for a factor `f` while a database grows; its size limits the space that a rewrite needs.
const SPLIT_FACTOR: u64 = 4;

/// With more data than so many targets, partitions are larger instead of more: slices of flushed files stay worth a file.
const PARTITIONS_MAX: u64 = 1024;

/// A partition with so many times the garbage that all together may have is rewritten when L2 has something for it.
/// Uniform overwrites bring none to more than twice that share before rule 5 does.
const WASTE_FACTOR: u64 = 3;

/// For the sake of scans, a run is written again only with what is not so many times smaller.
const SLICE_FACTOR: u64 = 32;

/// The newest runs come along when a run is added if together they are so many times smaller than what is added.
const ALONG_FACTOR: u64 = 4;

/// What a file of L2 has for a partition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct FlushedShape {
    /// Bytes that are still to be compacted there.
    pub(crate) bytes: u64,
    /// About how many entries these are.
    pub(crate) entries: u64,
    /// Deletes among them.
    pub(crate) deletes: u64,
}

/// A partition, as the planner sees it.
#[derive(Clone, Debug, Default)]
pub(crate) struct PartitionShape {
    /// Bytes of the files of its runs, newest first.
    pub(crate) runs: Vec<u64>,
    /// Those beside the largest block of each, which is never cut.
    pub(crate) divisible: u64,
    /// Entries in its runs.
    pub(crate) entries: u64,
    /// Deletes in all its runs but the oldest.
    pub(crate) deletes: u64,
    /// Bytes of its runs that a rewrite would leave out for certain.
    pub(crate) garbage: u64,
    /// About how many more that would be: what newer runs hide in older ones.
    pub(crate) hidden: u64,
    /// Whether a caller waits for its garbage to be taken out, however little it is.
    pub(crate) is_unclean: bool,
    /// Whether a compaction is at work on it.
    pub(crate) is_busy: bool,
}

impl PartitionShape {
    fn bytes(&self) -> u64 {
        self.runs.iter().sum()
    }

    /// Bytes that a rewrite would leave out, estimates included.
    fn waste(&self) -> u64 {
        self.garbage + self.hidden
    }

    /// About how many bytes a rewrite would leave.
    fn live(&self) -> u64 {
        self.bytes().saturating_sub(self.waste())
    }

    /// About how many of so many bytes from L2 do not overwrite what is here, if they are as those that came before.
    fn new_among(&self, bytes: u64) -> u64 {
        let above: u64 = self.runs.iter().rev().skip(1).sum();
        bytes - bytes.min(bytes.saturating_mul(per_mille(self.hidden, above)) / 1000)
    }
}

/// The tree, as the planner sees it.
#[derive(Clone, Debug)]
pub(crate) struct Shape {
    /// L3, by key.
    pub(crate) partitions: Vec<PartitionShape>,
    /// L2, oldest first: for each partition, what the file has for it.
    pub(crate) flushed: Vec<Vec<FlushedShape>>,
}

/// What the planner aims at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Goals {
    /// L2 files from which on they are compacted into L3.
    pub(crate) trigger: usize,
    /// Compact all of L2 into L3, however little there is, and rewrite the partitions it comes to.
    pub(crate) compact_all: bool,
    /// Nobody writes, nor needs the device to read: leave each partition with one run.
    pub(crate) settle: bool,
    /// Bytes of compaction that scans have earned.
    pub(crate) scan_credit_bytes: u64,
    /// What they pay for each compaction beside its bytes.
    pub(crate) compaction_cost_bytes: u64,
    /// It is the turn of partitions with garbage, and of those that callers want clean.
    pub(crate) clean_first: bool,
    /// Share of deletes or garbage, in per cent, from which on it is work; never, if zero.
    pub(crate) garbage_percent: u64,
    /// Target size of a partition in bytes.
    pub(crate) partition_bytes: u64,
    /// Most runs of a partition.
    pub(crate) max_runs: usize,
}

/// A compaction to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    /// First partition of its range.
    pub(crate) first: usize,
    /// Last partition of its range.
    pub(crate) last: usize,
    /// How many runs of its partitions it takes, the newest ones.
    pub(crate) runs: usize,
    /// Whether these are all: then nothing older lies below.
    pub(crate) is_rewrite: bool,
    /// Bytes of all inputs.
    pub(crate) input_bytes: u64,
    /// Length in bytes at which the output is cut.
    pub(crate) piece_len: u64,
    /// Whether it is only for what L2 holds: if that turns out to be nothing, there is nothing to do.
    pub(crate) is_for_flushed: bool,
    /// If it is done for scans: the bytes that they pay for, which are not due without them.
    pub(crate) scan_bytes: Option<u64>,
}

/// What a rule chooses.
struct Choice {
    first: usize,
    last: usize,
    /// So many of the newest runs; all, if there are not more.
    runs: usize,
    is_for_flushed: bool,
    /// If it is done for scans: the bytes that they pay for.
    scan_bytes: Option<u64>,
}

impl Choice {
    /// The rewrite of one partition.
    fn rewrite(index: usize) -> Self {
        Self { first: index, last: index, runs: usize::MAX, is_for_flushed: false, scan_bytes: None }
    }
}

type Rule = fn(&Shape, &Goals) -> Option<Choice>;

/// The next compaction, if one is due.
pub(crate) fn plan(shape: &Shape, goals: &Goals) -> Option<Plan> {
    assert!(shape.flushed.iter().all(|file| file.len() == shape.partitions.len()));
    assert!(goals.max_runs > 0);
    let all_bytes: u64 = shape.partitions.iter().map(PartitionShape::bytes).sum();
    let goals = Goals { partition_bytes: goals.partition_bytes.max(all_bytes / PARTITIONS_MAX), ..*goals };
    let in_turn: [Rule; 4] = [flushed, deletes, too_large, garbage];
    let every_second_time: [Rule; 2] = [overwritten, unclean];
    let at_last: [Rule; 3] = [unsettled, scanned, too_small];
    let rules: Vec<Rule> = if goals.clean_first {
        every_second_time.into_iter().rev().chain(in_turn).chain(at_last).collect()
    } else {
        in_turn.into_iter().chain(every_second_time).chain(at_last).collect()
    };
    let choice = rules.iter().find_map(|rule| rule(shape, &goals))?;
    Some(plan_of(shape, &goals, &choice))
}

fn plan_of(shape: &Shape, goals: &Goals, choice: &Choice) -> Plan {
    let Choice { first, last, is_for_flushed, scan_bytes, .. } = *choice;
    let partitions = &shape.partitions[first..=last];
    let count = partitions.iter().map(|partition| partition.runs.len()).sum();
    let (runs, is_rewrite) = (choice.runs.min(count), choice.runs >= count);
    assert!(is_rewrite || first == last, "of several partitions all runs are taken");
    let of_flushed: u64 = (first..=last).map(|index| shape.flushed_bytes(index)).sum();
    let taken: u64 = partitions.iter().flat_map(|partition| &partition.runs).take(runs).sum();
    let piece_len = if is_rewrite {
        let new = |index: usize| shape.partitions[index].new_among(shape.flushed_bytes(index));
        let left = (first..=last).map(|index| shape.partitions[index].live() + new(index)).sum();
        piece_len(left, goals)
    } else {
        u64::MAX
    };
    let input_bytes = taken + of_flushed;
    Plan { first, last, runs, is_rewrite, input_bytes, piece_len, is_for_flushed, scan_bytes }
}

impl Shape {
    /// Bytes of all files.
    pub(crate) fn bytes(&self) -> u64 {
        let flushed = (0..self.partitions.len()).map(|index| self.flushed_bytes(index));
        self.partitions.iter().map(PartitionShape::bytes).sum::<u64>() + flushed.sum::<u64>()
    }

    /// Average length of the entries.
    pub(crate) fn entry_len(&self) -> u64 {
        let of_flushed: u64 = self.flushed.iter().flatten().map(|slice| slice.entries).sum();
        let in_partitions: u64 = self.partitions.iter().map(|partition| partition.entries).sum();
        self.bytes() / (of_flushed + in_partitions).max(1)
    }

    /// How many runs and files of L2 have something for a partition, on the average.
    pub(crate) fn sources(&self) -> u64 {
        let runs: usize = self.partitions.iter().map(|partition| partition.runs.len()).sum();
        let slices = self.flushed.iter().flatten().filter(|slice| slice.bytes > 0).count();
        ((runs + slices) / self.partitions.len().max(1)) as u64
    }

    /// Bytes of the compactions that scans would pay for next, one for each partition.
    pub(crate) fn useful_to_scans(&self, goals: &Goals) -> u64 {
        (0..self.partitions.len()).filter_map(|index| Some(sparing(self, goals, index)?.bytes)).sum()
    }

    fn free(&self) -> impl Iterator<Item = usize> {
        (0..self.partitions.len()).filter(|index| !self.partitions[*index].is_busy)
    }

    /// Of the free partitions that the oldest file of L2 touches, the one for which L2 has most; if none is free, of those
    /// that the next file touches.
    fn touched(&self) -> Option<usize> {
        self.flushed.iter().find_map(|oldest| {
            let touched = self.free().filter(|index| oldest[*index].bytes > 0);
            touched.max_by_key(|index| self.flushed_bytes(*index))
        })
    }

    /// Bytes that L2 has for a partition.
    fn flushed_bytes(&self, index: usize) -> u64 {
        self.flushed.iter().map(|file| file[index].bytes).sum()
    }
}

/// The partition for which L2 has most, of those that its oldest file touches.
fn flushed(shape: &Shape, goals: &Goals) -> Option<Choice> {
    if !goals.compact_all && shape.flushed.len() < goals.trigger {
        return None;
    }
    let index = shape.touched()?;
    let partition = &shape.partitions[index];
    let needed = runs_to_take(partition, shape.flushed_bytes(index), goals);
    // They do not have what is due wait for what they would like.
    let for_scans = sparing(shape, goals, index).filter(|_| shape.flushed.len() <= goals.trigger);
    let for_scans = for_scans.filter(|sparing| sparing.is_earned(goals));
    let runs = for_scans.as_ref().map_or(needed, |sparing| sparing.runs.max(needed));
    let scan_bytes = for_scans.map(|_| partition.runs[needed..runs].iter().sum());
    Some(Choice { runs, is_for_flushed: true, scan_bytes, ..Choice::rewrite(index) })
}

/// How many of a partition's newest runs are merged with what L2 has for it.
///
/// All, if it has to be rewritten anyway: to be split, or for its garbage. None while it has fewer than it may have,
/// but for those that cost next to nothing beside what is added. Else as many as cost least for each run that there is
/// less then, and those behind them that are not larger than the result. For slices of one size above three others at
/// most, which stand on a run that is too large, that is: 1, 1 1, 1 1 1, 4, 1 4, 1 1 4, 3 4, 1 3 4, 2 3 4, 10: none is
/// written more than three times until ten have come. So the number of writes grows like the logarithm of the number
/// of slices, and slower with more runs.
fn runs_to_take(partition: &PartitionShape, added: u64, goals: &Goals) -> usize {
    let count = partition.runs.len();
    let is_wasteful = goals.garbage_percent > 0
        && per_mille(partition.waste(), partition.live()) >= 10 * WASTE_FACTOR * goals.garbage_percent;
    if goals.compact_all || is_wasteful || is_to_split(partition, goals) {
        return count;
    }
    let costs: Vec<u64> = partition
        .runs
        .iter()
        .scan(0, |sum, bytes| {
            *sum += bytes;
            Some(*sum)
        })
        .collect();
    let along = costs.partition_point(|cost| cost * ALONG_FACTOR <= added);
    if count - along < goals.max_runs {
        return along;
    }
    let per_run = |runs: &usize| u128::from(costs[*runs - 1]) * u128::from(u32::MAX) / *runs as u128;
    let enough = (count + 1 - goals.max_runs)..=count;
    let mut runs = enough.rev().min_by_key(per_run).expect("the range has the partition's count");
    // A run that is not larger than what would come to lie on it would be in the way of all that follow.
    while runs < count && partition.runs[runs] <= added + costs[runs - 1] {
        runs += 1;
    }
    runs
}

/// The partition where deletes that hide something further down are the largest share of all entries, if that is
/// too large.
fn deletes(shape: &Shape, goals: &Goals) -> Option<Choice> {
    let share = |index: &usize| {
        let partition = &shape.partitions[*index];
        let of_flushed = shape.flushed.iter().map(|file| file[*index]);
        let (entries, deletes) = of_flushed.fold((partition.entries, partition.deletes), |sum, slice| {
            (sum.0 + slice.entries, sum.1 + slice.deletes)
        });
        per_mille(deletes, entries)
    };
    let most = shape.free().max_by_key(share)?;
    let is_due = goals.garbage_percent > 0 && share(&most) >= 10 * goals.garbage_percent;
    // With those of the runs there is something to do, whatever L2 turns out to hold.
    let is_for_flushed = shape.partitions[most].deletes == 0;
    is_due.then(|| Choice { is_for_flushed, ..Choice::rewrite(most) })
}

/// The partition with the largest share of what is garbage for certain, if that is too large.
fn garbage(shape: &Shape, goals: &Goals) -> Option<Choice> {
    let share = |index: &usize| {
        let partition = &shape.partitions[*index];
        per_mille(partition.garbage, partition.bytes())
    };
    let most = shape.free().filter(|index| shape.partitions[*index].garbage > 0).max_by_key(share)?;
    (goals.garbage_percent > 0 && share(&most) >= 10 * goals.garbage_percent).then(|| Choice::rewrite(most))
}

/// The partition with the largest share of what newer runs hide, if in all together that is too much. Those at work are
/// as good as rewritten.
fn overwritten(shape: &Shape, goals: &Goals) -> Option<Choice> {
    let (hidden, bytes) =
        (|index: &usize| shape.partitions[*index].hidden, |index: &usize| shape.partitions[*index].bytes());
    let all: u64 = shape.free().map(|index| bytes(&index)).sum();
    let all_hidden: u64 = shape.free().map(|index| hidden(&index)).sum();
    let share = per_mille(all_hidden, all.saturating_sub(all_hidden));
    let is_due = goals.garbage_percent > 0 && share >= 10 * goals.garbage_percent;
    let candidates = shape.free().filter(|index| is_due && hidden(index) > 0);
    candidates.max_by_key(|index| per_mille(hidden(index), bytes(index))).map(Choice::rewrite)
}

/// The first partition that a caller wants clean.
fn unclean(shape: &Shape, _: &Goals) -> Option<Choice> {
    shape.free().find(|index| shape.partitions[*index].is_unclean).map(Choice::rewrite)
}

/// The partition with most runs, if each is to have one.
fn unsettled(shape: &Shape, goals: &Goals) -> Option<Choice> {
    let runs = |index: &usize| shape.partitions[*index].runs.len();
    shape.free().filter(|index| goals.settle && runs(index) > 1).max_by_key(runs).map(Choice::rewrite)
}

/// The partition where scans are spared most sources for the bytes of a compaction, if they have earned these.
fn scanned(shape: &Shape, goals: &Goals) -> Option<Choice> {
    let candidates = shape.free().filter_map(|index| Some((index, sparing(shape, goals, index)?)));
    let (index, sparing) = candidates.max_by(|(_, a), (_, b)| a.cmp_worth(b))?;
    let Sparing { runs, bytes, .. } = sparing;
    let (is_for_flushed, scan_bytes) = (runs < 2, Some(bytes));
    let choice = Choice { runs, is_for_flushed, scan_bytes, ..Choice::rewrite(index) };
    sparing.is_earned(goals).then_some(choice)
}

/// What a compaction for scans costs and is good for.
struct Sparing {
    /// How many of the partition's newest runs it takes, with all that L2 has.
    runs: usize,
    /// Bytes of its inputs, and what it costs beside.
    bytes: u64,
    /// How many sources fewer a scan there has.
    sources: u64,
}

impl Sparing {
    /// The order by sources for each byte; of equals, that with most bytes is worth most.
    fn cmp_worth(&self, other: &Self) -> Ordering {
        let worth = |a: &Self, b: &Self| u128::from(a.sources) * u128::from(b.bytes);
        worth(self, other).cmp(&worth(other, self)).then(self.bytes.cmp(&other.bytes))
    }

    fn is_earned(&self, goals: &Goals) -> bool {
        self.bytes <= goals.scan_credit_bytes
    }
}

/// The compaction of a partition that spares scans most sources for its bytes: with all runs, or, since the oldest is
/// mostly by far the largest, with all but that. No run is written again for little.
fn sparing(shape: &Shape, goals: &Goals, index: usize) -> Option<Sparing> {
    let runs = &shape.partitions[index].runs;
    let files = shape.flushed.iter().filter(|file| file[index].bytes > 0).count();
    // Of the runs taken, the oldest is to be worth what is merged with it.
    let sparing = |taken: usize| {
        let bytes = shape.flushed_bytes(index) + runs[..taken].iter().sum::<u64>();
        let oldest = runs[..taken].last().copied().unwrap_or(0);
        let sources = (files + taken).saturating_sub(1) as u64;
        let is_worth = sources > 0 && (bytes - oldest).saturating_mul(SLICE_FACTOR) >= oldest;
        is_worth.then_some(Sparing { runs: taken, bytes: bytes + goals.compaction_cost_bytes, sources })
    };
    // That leaves two.
    let newer = runs.len().checked_sub(1).filter(|_| goals.max_runs > 1).and_then(sparing);
    sparing(runs.len()).into_iter().chain(newer).max_by(Sparing::cmp_worth)
}

/// The share of a part in a whole; an empty whole has none.
fn per_mille(part: u64, whole: u64) -> u64 {
    part.saturating_mul(1000) / whole.max(1)
}

/// The largest of the partitions that are to be split.
fn too_large(shape: &Shape, goals: &Goals) -> Option<Choice> {
    let split = shape.free().filter(|index| is_to_split(&shape.partitions[*index], goals));
    split.max_by_key(|index| shape.partitions[*index].bytes()).map(Choice::rewrite)
}

fn is_to_split(partition: &PartitionShape, goals: &Goals) -> bool {
    let live = partition.live();
    // A cut is made at the first key behind a piece's length: at the largest block's boundary at the
    // latest. Without one the compaction would change nothing, and be chosen again and again.
    let has_cut = partition.divisible.saturating_sub(partition.waste()) >= piece_len(live, goals);
    let factor = if partition.runs.len() > 1 { SPLIT_FACTOR } else { 2 };
    has_cut && live > factor * goals.partition_bytes
}

fn too_small(shape: &Shape, goals: &Goals) -> Option<Choice> {
    let bytes = |index: usize| shape.partitions[index].bytes();
    let is_free = |index: usize| !shape.partitions[index].is_busy;
    let pairs = (0..shape.partitions.len().saturating_sub(1)).map(|index| (index, index + 1));
    pairs
        .filter(|(a, b)| is_free(*a) && is_free(*b))
        .filter(|(a, b)| bytes(*a).min(bytes(*b)) < goals.partition_bytes / 4)
        .filter(|(a, b)| bytes(*a) + bytes(*b) <= goals.partition_bytes)
        .min_by_key(|(a, b)| bytes(*a) + bytes(*b))
        .map(|(first, last)| Choice { first, last, ..Choice::rewrite(first) })
}

/// One piece, unless that would have to be split at once; then equal pieces near the target. Each
/// is given 2 % more than its share, so that what estimates leave over joins the last piece instead
/// of becoming a tiny one behind it.
fn piece_len(output_bytes: u64, goals: &Goals) -> u64 {
    let target = goals.partition_bytes;
    if output_bytes <= 2 * target {
        return u64::MAX;
    }
    let pieces = (output_bytes + target / 2) / target;
    (output_bytes + output_bytes / 50).div_ceil(pieces)
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
