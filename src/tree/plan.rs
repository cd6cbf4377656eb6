//! What to compact next: a pure function of the tree's shape.
//!
//! Rules, in order:
//! 1. L2 has files to compact (its count is at the trigger, or all of it is wanted in L3): among the
//!    free partitions that the *oldest* file still touches, the densest one, which has most L2
//!    bytes for its own size. It takes all that L2 holds for its range, so age order is kept, and
//!    the oldest file is soon used up. If other compactions are busy with all of those: the next file's.
//! 2. Of what a reader of a partition has to pass, L2's deletes are more than their share: whoever
//!    looks there for the next key reads them all. They are compacted, with what they hide.
//! 3. A partition above twice the target is split, if it can be: a huge value stays in one piece.
//! 4. A partition of which more than the same share is garbage is rewritten: what snapshots held that
//!    are gone. One that a caller wants clean, whatever its share; every second time, these come first
//!    of all, for with enough writers the turn of the rules below the first never comes.
//! 5. A partition below a quarter of the target is merged with its smaller neighbour, if both
//!    together stay within the target.
//!
//! No rule chooses the same again and again: a compaction leaves nothing of L2 in its range, cuts what it
//! can, and keeps as garbage only what live snapshots need, which does not count.

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
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct PartitionShape {
    /// Bytes of its file.
    pub(crate) bytes: u64,
    /// Those beside its largest block, which is never cut.
    pub(crate) divisible: u64,
    /// Entries in its file.
    pub(crate) entries: u64,
    /// Bytes of its file that a rewrite would leave out.
    pub(crate) garbage: u64,
    /// Whether a caller waits for its garbage to be taken out, however little it is.
    pub(crate) is_unclean: bool,
    /// Whether a compaction is at work on it.
    pub(crate) is_busy: bool,
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
    /// Compact all of L2 into L3, however little there is.
    pub(crate) compact_all: bool,
    /// It is the turn of partitions that callers want clean.
    pub(crate) clean_first: bool,
    /// Share of deletes or garbage, in per cent, from which on it is work; never, if zero.
    pub(crate) garbage_percent: u64,
    /// Target size of a partition in bytes.
    pub(crate) partition_bytes: u64,
}

/// A compaction to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    /// First partition of its range.
    pub(crate) first: usize,
    /// Last partition of its range.
    pub(crate) last: usize,
    /// Bytes of all inputs.
    pub(crate) input_bytes: u64,
    /// Length in bytes at which the output is cut.
    pub(crate) piece_len: u64,
    /// Whether it is only for what L2 holds: if that turns out to be nothing, there is nothing to do.
    pub(crate) is_for_flushed: bool,
}

/// The next compaction, if one is due.
pub(crate) fn plan(shape: &Shape, goals: &Goals) -> Option<Plan> {
    assert!(shape.flushed.iter().all(|file| file.len() == shape.partitions.len()));
    let is_due = goals.compact_all || shape.flushed.len() >= goals.trigger;
    let to_clean = unclean(shape);
    let for_flushed = match to_clean {
        Some(_) if goals.clean_first => None,
        _ => is_due.then(|| densest(shape)).flatten().or_else(|| deletes(shape, goals)),
    };
    let by_size = || too_large(shape, goals).or_else(|| garbage(shape, goals));
    let alone = if goals.clean_first {
        to_clean.or(for_flushed).or_else(by_size)
    } else {
        for_flushed.or_else(by_size).or(to_clean)
    };
    let (first, last) = alone.map(|index| (index, index)).or_else(|| too_small(shape, goals))?;
    let of_flushed = |index: usize| shape.flushed.iter().map(|file| file[index].bytes).sum::<u64>();
    let input_bytes = (first..=last).map(|index| shape.partitions[index].bytes + of_flushed(index)).sum();
    let piece_len = piece_len(input_bytes, goals);
    Some(Plan { first, last, input_bytes, piece_len, is_for_flushed: for_flushed.is_some() })
}

impl Shape {
    fn free(&self) -> impl Iterator<Item = usize> {
        (0..self.partitions.len()).filter(|index| !self.partitions[*index].is_busy)
    }
}

fn densest(shape: &Shape) -> Option<usize> {
    shape.flushed.iter().find_map(|oldest| {
        let touched = shape.free().filter(|index| oldest[*index].bytes > 0);
        touched.max_by_key(|index| density(shape, *index))
    })
}

/// L2 bytes for each KiB of the partition: what a compaction moves for what it rewrites.
fn density(shape: &Shape, index: usize) -> u64 {
    let slices: u64 = shape.flushed.iter().map(|file| file[index].bytes).sum();
    slices.saturating_mul(1024) / (shape.partitions[index].bytes + 1)
}

/// The partition where L2's deletes are the largest share of all entries, if that is too large.
fn deletes(shape: &Shape, goals: &Goals) -> Option<usize> {
    let share = |index: &usize| {
        let of_flushed = shape.flushed.iter().map(|file| file[*index]);
        let (entries, deletes) =
            of_flushed.fold((0, 0), |sum, slice| (sum.0 + slice.entries, sum.1 + slice.deletes));
        per_mille(deletes, entries + shape.partitions[*index].entries)
    };
    let most = shape.free().max_by_key(share)?;
    (goals.garbage_percent > 0 && share(&most) >= 10 * goals.garbage_percent).then_some(most)
}

/// The partition with the largest share of garbage, if that is too large.
fn garbage(shape: &Shape, goals: &Goals) -> Option<usize> {
    let share = |index: &usize| {
        let partition = &shape.partitions[*index];
        per_mille(partition.garbage, partition.bytes)
    };
    let most = shape.free().filter(|index| shape.partitions[*index].garbage > 0).max_by_key(share)?;
    (goals.garbage_percent > 0 && share(&most) >= 10 * goals.garbage_percent).then_some(most)
}

/// The first partition that a caller wants clean.
fn unclean(shape: &Shape) -> Option<usize> {
    shape.free().find(|index| shape.partitions[*index].is_unclean)
}

/// The share of a part in a whole; an empty whole has none.
fn per_mille(part: u64, whole: u64) -> u64 {
    part.saturating_mul(1000) / whole.max(1)
}

fn too_large(shape: &Shape, goals: &Goals) -> Option<usize> {
    let bytes = |index: &usize| shape.partitions[*index].bytes;
    // A cut is made at the first key behind a piece's length: at the largest block's boundary at the
    // latest. Without one the compaction would change nothing, and be chosen again and again.
    let has_cut = |index: &usize| shape.partitions[*index].divisible >= piece_len(bytes(index), goals);
    let largest = shape.free().filter(has_cut).max_by_key(bytes)?;
    (bytes(&largest) > 2 * goals.partition_bytes).then_some(largest)
}

fn too_small(shape: &Shape, goals: &Goals) -> Option<(usize, usize)> {
    let bytes = |index: usize| shape.partitions[index].bytes;
    let is_free = |index: usize| !shape.partitions[index].is_busy;
    let pairs = (0..shape.partitions.len().saturating_sub(1)).map(|index| (index, index + 1));
    pairs
        .filter(|(a, b)| is_free(*a) && is_free(*b))
        .filter(|(a, b)| bytes(*a).min(bytes(*b)) < goals.partition_bytes / 4)
        .filter(|(a, b)| bytes(*a) + bytes(*b) <= goals.partition_bytes)
        .min_by_key(|(a, b)| bytes(*a) + bytes(*b))
}

/// One piece, unless that would have to be split at once; then equal pieces near the target. Each
/// is given 2 % more than its share, so that what estimates leave over joins the last piece instead
/// of becoming a tiny one behind it.
fn piece_len(input_bytes: u64, goals: &Goals) -> u64 {
    let target = goals.partition_bytes;
    if input_bytes <= 2 * target {
        return u64::MAX;
    }
    let pieces = (input_bytes + target / 2) / target;
    (input_bytes + input_bytes / 50).div_ceil(pieces)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The number before `letter`'s own, as in `100d5`: 5 for `d`; zero if there is none.
    fn field(word: &str, letter: char) -> u64 {
        let rest = word.split_once(letter).map_or("0", |(_, rest)| rest);
        rest.split(|c: char| !c.is_ascii_digit()).next().unwrap().parse().unwrap()
    }

    /// Bytes and entries, and `+` bytes for a block that takes as much, `g` bytes of garbage, `u` if it
    /// is wanted clean, a star if a compaction is at work.
    fn partition(word: &str) -> PartitionShape {
        let divisible = field(&format!("={word}"), '=');
        let bytes = divisible + field(word, '+');
        let (garbage, is_unclean, is_busy) = (field(word, 'g'), word.contains('u'), word.ends_with('*'));
        PartitionShape { bytes, divisible, entries: bytes, garbage, is_unclean, is_busy }
    }

    /// Bytes and entries, and `d` deletes among them.
    fn slice(word: &str) -> FlushedShape {
        let bytes = field(&format!("={word}"), '=');
        FlushedShape { bytes, entries: bytes, deletes: field(word, 'd') }
    }

    /// `partitions` by key; `flushed` oldest first, a slice for each partition.
    fn check(partitions: &str, flushed: &[&str], compact_all: bool, expected: &str) {
        let goals =
            Goals { trigger: 2, compact_all, clean_first: false, garbage_percent: 25, partition_bytes: 100 };
        check_with(partitions, flushed, &goals, expected);
    }

    fn check_with(partitions: &str, flushed: &[&str], goals: &Goals, expected: &str) {
        let slices = |text: &&str| text.split_whitespace().map(slice).collect();
        let shape = Shape {
            partitions: partitions.split_whitespace().map(partition).collect(),
            flushed: flushed.iter().map(slices).collect(),
        };
        let found = plan(&shape, goals).map_or_else(
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
    fn a_full_partition_is_split_while_l2_is_compacted() {
        check("190 10", &["30 0", "30 0"], false, "0-0 of 250 cut 85");
    }

    #[test]
    fn deletes_are_compacted_where_they_are_more_than_their_share_of_what_readers_pass() {
        check("100 100", &["30d24 30d30"], false, "nothing");
        check("100 100", &["50d24 50d38"], false, "1-1 of 150");
        // Deletes with nothing below them.
        check("0", &["10d10"], false, "0-0 of 10");
        check("60 50", &["20d9 9d9"], false, "nothing");
        check("100 100*", &["50d24 50d38"], false, "nothing");
        // All files of the range count together, and go together.
        check_with(
            "60 60",
            &["20d9 20d0", "20d18 20d0"],
            &Goals {
                trigger: 9,
                compact_all: false,
                clean_first: false,
                garbage_percent: 25,
                partition_bytes: 100,
            },
            "0-0 of 100",
        );
        let never = Goals {
            trigger: 9,
            compact_all: false,
            clean_first: false,
            garbage_percent: 0,
            partition_bytes: 100,
        };
        check_with("0", &["10d10"], &never, "nothing");
        check_with("100g100", &[], &never, "nothing");
    }

    #[test]
    fn garbage_is_taken_out_from_its_share_on() {
        check("100g24 100g20", &[], false, "nothing");
        check("100g25 100g20", &[], false, "0-0 of 100");
        check("100g30* 100g20", &[], false, "nothing");
        check("100g1 100g2", &[], true, "nothing");
    }

    #[test]
    fn what_a_caller_wants_clean_gets_every_second_turn() {
        check("100 100g2u", &[], true, "1-1 of 100");
        check("100 100g2u*", &[], true, "nothing");
        let flushed = ["5 0", "5 0"];
        check("100 100g2u", &flushed, false, "0-0 of 110");
        let goals = Goals {
            trigger: 2,
            compact_all: false,
            clean_first: true,
            garbage_percent: 25,
            partition_bytes: 100,
        };
        check_with("100 100g2u", &flushed, &goals, "1-1 of 100");
        check_with("100 100g2u*", &flushed, &goals, "0-0 of 110");
        check_with("100 100g2", &flushed, &goals, "0-0 of 110");
    }
}
