//! Shapes as text in, plans as text out.

use super::*;

/// The number before `letter`'s own, as in `100d5`: 5 for `d`; zero if there is none.
fn field(word: &str, letter: char) -> u64 {
    let rest = word.split_once(letter).map_or("0", |(_, rest)| rest);
    rest.split(|c: char| !c.is_ascii_digit()).next().unwrap().parse().unwrap()
}

/// Bytes of its runs, newest first, with commas between; as many entries. `+` bytes for a block that takes as much, `g`
/// bytes of garbage, `h` hidden ones, `d` deletes, `u` if it is wanted clean, a star if a compaction is at work.
fn partition(word: &str) -> PartitionShape {
    let end = word.find(|c: char| !c.is_ascii_digit() && c != ',').unwrap_or(word.len());
    let mut runs: Vec<u64> = word[..end].split(',').map(|run| run.parse().unwrap()).collect();
    let divisible = runs.iter().sum();
    *runs.last_mut().unwrap() += field(word, '+');
    runs.retain(|bytes| *bytes > 0);
    PartitionShape {
        divisible,
        entries: runs.iter().sum(),
        deletes: field(word, 'd'),
        garbage: field(word, 'g'),
        hidden: field(word, 'h'),
        is_unclean: word.contains('u'),
        is_busy: word.ends_with('*'),
        runs,
    }
}

/// Bytes and entries, and `d` deletes among them.
fn slice(word: &str) -> FlushedShape {
    let bytes = field(&format!("={word}"), '=');
    FlushedShape { bytes, entries: bytes, deletes: field(word, 'd') }
}

/// Partitions of one run, unless a test wants more.
const GOALS: Goals = Goals {
    trigger: 2,
    compact_all: false,
    settle: false,
    scan_credit_bytes: 0,
    compaction_cost_bytes: 0,
    clean_first: false,
    garbage_percent: 25,
    partition_bytes: 100,
    max_runs: 1,
};

fn check(partitions: &str, flushed: &[&str], compact_all: bool, expected: &str) {
    check_with(partitions, flushed, &Goals { compact_all, ..GOALS }, expected);
}

/// `partitions` by key; `flushed` oldest first, a slice for each partition.
fn shape(partitions: &str, flushed: &[&str]) -> Shape {
    let slices = |text: &&str| text.split_whitespace().map(slice).collect();
    Shape {
        partitions: partitions.split_whitespace().map(partition).collect(),
        flushed: flushed.iter().map(slices).collect(),
    }
}

fn check_with(partitions: &str, flushed: &[&str], goals: &Goals, expected: &str) {
    let found = plan(&shape(partitions, flushed), goals).map_or_else(
        || "nothing".to_string(),
        |plan| {
            let runs = match (plan.is_rewrite, plan.runs) {
                (true, _) => String::new(),
                (false, 0) => "adds ".to_string(),
                (false, runs) => format!("merges {runs} "),
            };
            let cut =
                if plan.piece_len == u64::MAX { String::new() } else { format!(" cut {}", plan.piece_len) };
            format!("{}-{} {runs}of {}{cut}", plan.first, plan.last, plan.input_bytes)
        },
    );
    assert_eq!(found, expected, "{partitions} {flushed:?}");
}

#[test]
fn the_partition_with_the_largest_slices_goes_first_if_the_oldest_file_touches_it() {
    check("100 100 100", &["5 5 5"], false, "nothing");
    check("100 100 100", &["5 5 5"], true, "2-2 of 105");
    check("100 50 100", &["5 5 5", "5 6 5"], false, "1-1 of 61");
    check("100 50* 100", &["5 5 9", "5 5 5"], false, "2-2 of 114");
    // The newer file has more elsewhere, but the oldest decides.
    check("100 100 100", &["5 0 0", "5 90 90"], false, "0-0 of 110");
    // The oldest file's partition is taken: the next file's turn.
    check("100* 100 100", &["5 0 0", "5 8 9"], false, "2-2 of 109");
    check("100* 100* 100*", &["5 5 5", "5 5 5"], false, "nothing");
}

#[test]
fn scans_pay_for_one_run_where_they_have_earned_it() {
    let after_scans = |credit, partitions, flushed: &[&str], expected| {
        let goals = Goals { scan_credit_bytes: credit, max_runs: 4, trigger: 4, ..GOALS };
        check_with(partitions, flushed, &goals, expected);
    };
    after_scans(79, "50,30 100", &[], "nothing");
    after_scans(80, "50,30 100", &[], "0-0 of 80");
    after_scans(80, "50,30* 100", &[], "nothing");
    after_scans(1000, "50 100", &[], "nothing");
    // Where it spares most for its bytes: newer runs without the oldest, if that is large.
    after_scans(1000, "10,50 10,10,50 100", &[], "1-1 merges 2 of 20");
    after_scans(1000, "10,50 30,30,50 100", &[], "1-1 of 110");
    after_scans(1000, "10,50 20,50 100", &[], "0-0 of 60");
    // What is worth more is waited for.
    after_scans(19, "10,10,50 1,70", &[], "nothing");
    after_scans(20, "10,10,50 1,70", &[], "0-0 merges 2 of 20");
    // What L2 has goes with them.
    after_scans(1000, "50,30 100", &["0 7", "5 2"], "1-1 adds of 9");
    after_scans(1000, "50,30 100", &["0 7", "5 0"], "0-0 of 85");
    after_scans(1000, "50,5,30 100", &["0 7", "5 0"], "0-0 of 90");
    after_scans(1000, "5,50 100", &["0 7", "5 0"], "0-0 merges 1 of 10");
    // But for little there is no run rewritten.
    after_scans(1000, "64", &["1"], "nothing");
    after_scans(1000, "64", &["2"], "0-0 of 66");
    after_scans(1000, "64", &["1", "1"], "0-0 adds of 2");
    after_scans(1000, "0", &["100"], "nothing");
    after_scans(1000, "1,64", &[], "nothing");
    after_scans(1000, "2,64", &[], "0-0 of 66");
    after_scans(1000, "1,64", &["1"], "0-0 merges 1 of 2");
    after_scans(1000, "40,150", &["1"], "0-0 of 191");
    after_scans(1000, "0", &["50", "50"], "0-0 of 100");
    // At the trigger they pay for what goes beyond what is due, and far above it for nothing.
    let flushed = ["0 7", "5 2", "1 1", "1 1"];
    after_scans(1000, "50,30 5,100", &flushed, "1-1 merges 1 of 16");
    after_scans(15, "50,30 5,100", &flushed, "1-1 adds of 11");
    let flushed = ["0 7", "5 2", "1 1", "1 1", "1 1", "1 1", "1 1", "1 1"];
    after_scans(1000, "50,30 5,100", &flushed, "1-1 adds of 15");
}

#[test]
fn scans_pay_for_what_is_not_due_and_for_each_compaction() {
    let goals = Goals { scan_credit_bytes: 1000, max_runs: 4, trigger: 4, ..GOALS };
    let paid = |partitions: &str, flushed: &[&str], goals: &Goals| {
        plan(&shape(partitions, flushed), goals).and_then(|plan| plan.scan_bytes)
    };
    let full = ["2", "2", "2", "2"];
    assert_eq!(paid("5,100", &full, &goals), Some(5));
    assert_eq!(paid("100", &full, &goals), Some(0));
    // The first comes along anyway.
    assert_eq!(paid("1,5,100", &full, &goals), Some(5));
    assert_eq!(paid("5,100", &full, &Goals { scan_credit_bytes: 12, ..goals }), None);
    assert_eq!(paid("5,50", &[], &goals), Some(55));
    let dear = Goals { compaction_cost_bytes: 7, ..goals };
    assert_eq!(paid("5,50", &[], &Goals { scan_credit_bytes: 61, ..dear }), None);
    assert_eq!(paid("5,50", &[], &Goals { scan_credit_bytes: 62, ..dear }), Some(62));
    // Where there is to be one run, none is added.
    check_with("64", &["1", "1"], &Goals { max_runs: 1, ..goals }, "0-0 of 66");
    check_with("64", &["1", "0", "0"], &Goals { max_runs: 1, ..goals }, "nothing");
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
    check_with("60 60", &["20d9 20d0", "20d18 20d0"], &Goals { trigger: 9, ..GOALS }, "0-0 of 100");
    let never = Goals { trigger: 9, garbage_percent: 0, ..GOALS };
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
    let goals = Goals { clean_first: true, ..GOALS };
    check_with("100 100g2u", &flushed, &goals, "1-1 of 100");
    check_with("100 100g2u*", &flushed, &goals, "0-0 of 110");
    check_with("100 100g2", &flushed, &goals, "0-0 of 110");
}

const RUNS: Goals = Goals { max_runs: 4, garbage_percent: 0, ..GOALS };

#[test]
fn a_run_is_added_until_there_are_as_many_as_there_may_be() {
    let check = |partition, slice, expected| check_with(partition, &[slice, "0"], &RUNS, expected);
    check("100", "10", "0-0 adds of 10");
    check("10,10,100", "10", "0-0 adds of 10");
    check("10,10,10,100", "10", "0-0 merges 3 of 40");
    check("1,30,29,100", "1", "0-0 merges 1 of 2");
    check("20,30,29,100", "9", "0-0 merges 1 of 29");
    check("21,30,29,100", "9", "0-0 merges 3 of 89");
    // What is tiny beside the slice comes along, though there is room.
    check("2,100", "10", "0-0 merges 1 of 12");
    check("3,100", "10", "0-0 adds of 10");
    check("1,1,100", "8", "0-0 merges 2 of 10");
    check("10", "40", "0-0 of 50");
    check("0", "10", "0-0 of 10");
    // With fewer permitted than there are.
    check("9,9,9,9,9,100", "10", "0-0 merges 5 of 55");
    check("1,1,90,90,90,100", "1", "0-0 of 373 cut 95");
}

#[test]
fn runs_are_merged_where_that_costs_least_for_each_that_goes() {
    let mut runs = vec![1_000_000_u64];
    let mut seen = Vec::new();
    let mut written = 0;
    for count in 1..=10 {
        let shape = Shape {
            partitions: vec![PartitionShape { runs: runs.clone(), ..PartitionShape::default() }],
            flushed: vec![vec![FlushedShape { bytes: 10, ..FlushedShape::default() }]],
        };
        let plan = plan(&shape, &Goals { trigger: 1, partition_bytes: 1_000_000, ..RUNS }).unwrap();
        let run = 10 + runs.drain(..plan.runs).sum::<u64>();
        runs.insert(0, run);
        written += run;
        assert!(
            written <= (2 + u64::from(count > 9)) * 10 * count,
            "{written} bytes for {count} slices of ten"
        );
        let above = runs[..runs.len() - 1].iter().map(|bytes| (bytes / 10).to_string());
        seen.push(above.collect::<Vec<_>>().join(" "));
    }
    assert_eq!(seen.join(", "), "1, 1 1, 1 1 1, 4, 1 4, 1 1 4, 3 4, 1 3 4, 2 3 4, 10");
}

#[test]
fn a_partition_is_rewritten_instead_if_it_is_due() {
    let goals = Goals { garbage_percent: 25, ..RUNS };
    // To be split, for its own garbage, and because a caller waits for L2.
    check_with("200,201", &["10", "0"], &goals, "0-0 of 411 cut 105");
    check_with("200,200", &["10", "0"], &goals, "0-0 adds of 10");
    check_with("75,100h75 900", &["10 0", "0 0"], &goals, "0-0 of 185");
    check_with("75,100h74 900", &["10 0", "0 0"], &goals, "0-0 adds of 10");
    check_with("100,100", &["10", "0"], &Goals { compact_all: true, ..goals }, "0-0 of 210 cut 107");
    // Pieces are as large as what is left, not as what is read.
    check_with("150,150h150", &["10", "0"], &goals, "0-0 of 310");
}

#[test]
fn the_most_wasteful_partition_is_rewritten_if_all_together_waste_too_much() {
    check_with("30,100h30 20,100h20", &[], &RUNS, "nothing");
    let goals = Goals { garbage_percent: 25, ..RUNS };
    check_with("30,100h30 20,100h19", &[], &goals, "nothing");
    check_with("30,100h30 20,100h20", &[], &goals, "0-0 of 130");
    check_with("30,100h30* 20,100h20", &[], &goals, "nothing");
    // Every second time that goes before what L2 has.
    let flushed = ["1 2", "1 2"];
    check_with("30,100h30 20,100h20", &flushed, &goals, "1-1 adds of 4");
    let clean_first = Goals { clean_first: true, ..goals };
    check_with("30,100h30 20,100h20", &flushed, &clean_first, "0-0 of 132");
}

#[test]
fn deletes_above_the_oldest_run_are_work_like_those_in_l2() {
    let goals = Goals { garbage_percent: 25, ..RUNS };
    check_with("40,60d24", &[], &goals, "nothing");
    check_with("40,60d25", &[], &goals, "0-0 of 100");
    check_with("40,60d20", &["10d10"], &goals, "0-0 of 110");
}

#[test]
fn where_nobody_writes_each_partition_gets_one_run() {
    check_with("90,9 90,2,3 100", &[], &RUNS, "nothing");
    let goals = Goals { settle: true, ..RUNS };
    check_with("90,9 90,2,3 100", &[], &goals, "1-1 of 95");
    check_with("90,9 90,2,3* 100", &[], &goals, "0-0 of 99");
    check_with("100 100", &[], &goals, "nothing");
}

#[test]
fn partitions_grow_when_there_are_many() {
    let goals = Goals { partition_bytes: 1, ..GOALS };
    check_with("2048 1", &[], &goals, "0-0 of 2048 cut 3");
    check_with("1,7 2048 4", &["1 0 0"], &Goals { trigger: 1, max_runs: 2, ..goals }, "0-0 merges 1 of 2");
}
