//! What to compact next: a pure function of the tree's shape.
//!
//! Rules, in order:
//! 1. L2 has files to bring down (its count is at the trigger, or it is being drained): among the
//!    free partitions that the *oldest* file still touches, the densest one, which has most L2
//!    bytes for its own size. It takes all that L2 holds for its range, so age order is kept, and
//!    the oldest file is soon used up. If other steps are busy with all of those: the next file's.
//! 2. A partition above twice the target is split, if it can be: a huge value stays in one piece.
//! 3. A partition below a quarter of the target is merged with its smaller neighbour, if both
//!    together stay within the target.

/// A file of L2, as the planner sees it.
#[derive(Clone, Debug)]
pub(crate) struct FlushedShape {
    /// For each partition, bytes of the file that are still to go down there.
    pub(crate) slices: Vec<u64>,
}

/// The tree, as the planner sees it.
#[derive(Clone, Debug)]
pub(crate) struct Shape {
    /// Bytes of each partition, by key.
    pub(crate) partitions: Vec<u64>,
    /// Bytes of each partition beside its largest block, which is never cut.
    pub(crate) divisible: Vec<u64>,
    /// Whether a step is at work on it.
    pub(crate) busy: Vec<bool>,
    /// L2, oldest first.
    pub(crate) flushed: Vec<FlushedShape>,
}

/// What the planner aims at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Goals {
    /// L2 files from which on they are brought down.
    pub(crate) trigger: usize,
    /// Bring all of L2 down, however little there is.
    pub(crate) drain: bool,
    /// Target size of a partition in bytes.
    pub(crate) partition_bytes: u64,
}

/// A step to take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    /// First partition of the step's range.
    pub(crate) first: usize,
    /// Last partition of the step's range.
    pub(crate) last: usize,
    /// Bytes of all inputs.
    pub(crate) input_bytes: u64,
    /// Length in bytes at which the output is cut.
    pub(crate) piece_len: u64,
}

/// The next step, if one is due.
pub(crate) fn plan(shape: &Shape, goals: &Goals) -> Option<Plan> {
    assert_eq!(shape.partitions.len(), shape.busy.len());
    let bring_down = goals.drain || shape.flushed.len() >= goals.trigger;
    let chosen = bring_down.then(|| densest(shape)).flatten();
    let chosen = chosen.map(|index| (index, index));
    let (first, last) = chosen.or_else(|| too_large(shape, goals)).or_else(|| too_small(shape, goals))?;
    let of_flushed = |index: usize| shape.flushed.iter().map(|file| file.slices[index]).sum::<u64>();
    let input_bytes = (first..=last).map(|index| shape.partitions[index] + of_flushed(index)).sum();
    Some(Plan { first, last, input_bytes, piece_len: piece_len(input_bytes, goals.partition_bytes) })
}

fn densest(shape: &Shape) -> Option<usize> {
    shape.flushed.iter().find_map(|oldest| {
        let touched = (0..shape.partitions.len()).filter(|index| oldest.slices[*index] > 0);
        touched.filter(|index| !shape.busy[*index]).max_by_key(|index| density(shape, *index))
    })
}

/// L2 bytes for each KiB of the partition: what a step moves for what it rewrites.
fn density(shape: &Shape, index: usize) -> u64 {
    let slices: u64 = shape.flushed.iter().map(|file| file.slices[index]).sum();
    slices.saturating_mul(1024) / (shape.partitions[index] + 1)
}

fn too_large(shape: &Shape, goals: &Goals) -> Option<(usize, usize)> {
    let bytes = |index: &usize| shape.partitions[*index];
    // A cut is made at the first key behind a piece's length: at the largest block's border at the
    // latest. Without one the step would change nothing, and be chosen again and again.
    let has_cut = |index: &usize| shape.divisible[*index] >= piece_len(bytes(index), goals.partition_bytes);
    let free = (0..shape.partitions.len()).filter(|index| !shape.busy[*index]);
    let largest = free.filter(has_cut).max_by_key(bytes)?;
    (bytes(&largest) > 2 * goals.partition_bytes).then_some((largest, largest))
}

fn too_small(shape: &Shape, goals: &Goals) -> Option<(usize, usize)> {
    let bytes = &shape.partitions;
    let pairs = (0..bytes.len().saturating_sub(1)).map(|index| (index, index + 1));
    pairs
        .filter(|(a, b)| !shape.busy[*a] && !shape.busy[*b])
        .filter(|(a, b)| bytes[*a].min(bytes[*b]) < goals.partition_bytes / 4)
        .filter(|(a, b)| bytes[*a] + bytes[*b] <= goals.partition_bytes)
        .min_by_key(|(a, b)| bytes[*a] + bytes[*b])
}

/// One piece, unless that would have to be split at once; then equal pieces near the target. Each
/// is given 2 % more than its share, so that what estimates leave over joins the last piece instead
/// of becoming a tiny one behind it.
fn piece_len(input_bytes: u64, target: u64) -> u64 {
    if input_bytes <= 2 * target {
        return u64::MAX;
    }
    let pieces = (input_bytes + target / 2) / target;
    (input_bytes + input_bytes / 50).div_ceil(pieces)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `partitions` as sizes, busy ones with a star, `+` and a size for a block that takes as much; `flushed` oldest first, a slice for each
    /// partition.
    fn check(partitions: &str, flushed: &[&str], drain: bool, expected: &str) {
        let sizes = partitions.split_whitespace();
        let number = |word: &str| word.trim_end_matches('*').parse::<u64>().unwrap();
        let parts = |word: &str| word.split('+').map(number).collect::<Vec<_>>();
        let shape = Shape {
            partitions: sizes.clone().map(|word| parts(word).iter().sum()).collect(),
            divisible: sizes.clone().map(|word| parts(word)[0]).collect(),
            busy: sizes.map(|word| word.ends_with('*')).collect(),
            flushed: flushed
                .iter()
                .map(|slices| FlushedShape { slices: slices.split_whitespace().map(number).collect() })
                .collect(),
        };
        let goals = Goals { trigger: 2, drain, partition_bytes: 100 };
        let found = plan(&shape, &goals).map_or_else(
            || "nothing".to_string(),
            |plan| {
                let cut = if plan.piece_len == u64::MAX {
                    String::new()
                } else {
                    format!(" cut {}", plan.piece_len)
                };
                format!("{}-{} of {}{cut}", plan.first, plan.last, plan.input_bytes)
            },
        );
        assert_eq!(found, expected, "{partitions} {flushed:?}");
    }

    #[test]
    fn the_densest_partition_of_the_oldest_file_goes_first() {
        check("100 100 100", &["5 5 5"], false, "nothing");
        check("100 100 100", &["5 5 5"], true, "2-2 of 105");
        check("100 50 100", &["5 5 5", "5 5 5"], false, "1-1 of 60");
        check("100 50* 100", &["5 5 9", "5 5 5"], false, "2-2 of 114");
        // The newer file is denser elsewhere, but the oldest decides.
        check("100 100 100", &["5 0 0", "5 90 90"], false, "0-0 of 110");
        // The oldest file's partition is taken: the next file's turn.
        check("100* 100 100", &["5 0 0", "5 8 9"], false, "2-2 of 109");
        check("100* 100* 100*", &["5 5 5", "5 5 5"], false, "nothing");
    }

    #[test]
    fn the_first_partitions_come_from_all_files_at_once() {
        check("0", &["150", "150"], false, "0-0 of 300 cut 102");
    }

    #[test]
    fn large_partitions_are_split_and_small_ones_merged_with_the_smaller_neighbour() {
        check("201 90", &[], false, "0-0 of 201 cut 103");
        check("200 90", &[], false, "nothing");
        // One block cannot be cut, nor is it worth much to cut a little off.
        check("0+900 90", &[], false, "nothing");
        check("50+900 240 90", &[], false, "1-1 of 240 cut 122");
        check("300+900 240 90", &[], false, "0-0 of 1200 cut 102");
        check("90 10 60", &["0 1 0"], false, "1-2 of 71");
        check("90 10 90", &[], false, "0-1 of 100");
        check("99 24 99", &[], false, "nothing");
        check("20 20* 70", &[], false, "nothing");
    }

    #[test]
    fn a_full_partition_is_split_while_l2_comes_down() {
        check("190 10", &["30 0", "30 0"], false, "0-0 of 250 cut 85");
    }
}
