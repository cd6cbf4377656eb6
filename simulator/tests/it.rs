//! The simulator as its user meets it: a smoke run over new seeds, the same run twice, the seeds
//! that once found something, and how a failure is told.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod shortage;

use std::process::{Command, Output};

/// Seeds of the smoke run: about twenty seconds in a debug build on two cores.
const SEEDS: &str = "60";

fn run(arguments: &[&str]) -> (Output, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_rabi-sim")).args(arguments).output().unwrap();
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    (output, text)
}

fn passes(arguments: &[&str]) -> String {
    let (output, text) = run(arguments);
    assert!(output.status.success(), "rabi-sim {}\n{text}", arguments.join(" "));
    text
}

/// The number before `what` in the text.
fn number_before(text: &str, what: &str) -> u64 {
    let before = text.split(what).next().unwrap();
    before.split_whitespace().last().unwrap().parse().unwrap()
}

#[test]
fn some_seeds_pass_and_meet_crashes_faults_and_all_levels() {
    let text = passes(&["--seeds", SEEDS, "--coverage"]);
    assert!(text.contains(&format!("{SEEDS} seeds in ")), "{text}");
    for what in [" losses of power", " process deaths", " of both during an opening", " faults struck"] {
        assert!(number_before(&text, what) > 20, "too few{what}:\n{text}");
    }
    let marks = text.lines().find(|line| line.ends_with(" marks reached")).unwrap();
    let reached: u64 = marks.split(' ').next().unwrap().parse().unwrap();
    assert!(reached > 65, "{text}");
}

#[test]
fn openings_of_damaged_files_are_refused_or_invent_nothing() {
    let text = passes(&["--seeds", "60", "--profile", "file-damage", "--coverage"]);
    assert!(number_before(&text, " runs unreadable") > 5, "damage is too seldom noticed:\n{text}");
    for mark in ["open: the stage is gone", "replay: a damaged stage"] {
        let reached = text.lines().any(|line| line.ends_with(mark) && !line.contains("never"));
        assert!(reached, "{mark} is not reached:\n{text}");
    }
}

#[test]
fn the_same_seed_is_the_same_run_on_any_thread() {
    let digest = |threads| {
        let text = passes(&["--first-seed", "1000", "--seeds", "6", "--threads", threads]);
        text.lines().last().unwrap().to_owned()
    };
    let alone = digest("1");
    assert!(alone.starts_with("digest ") && alone.ends_with("; 0 failed"), "{alone}");
    assert_eq!(alone, digest("1"));
    assert_eq!(alone, digest("3"));
    let other = passes(&["--first-seed", "1001", "--seeds", "6"]);
    assert!(!other.contains(&alone), "other seeds give the same digest");
}

#[test]
fn seeds_that_found_something_pass_now() {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/seeds.txt")).unwrap();
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let mut count = 0;
    for line in lines {
        let (arguments, _found) = line.split_once(" : ").expect("`--seed N [options] : what it found`");
        passes(&arguments.split_whitespace().collect::<Vec<_>>());
        count += 1;
    }
    assert!(count > 0, "seeds.txt has no seeds");
}

/// A few of the bugs that `--planted` looks for, those that few seeds find.
#[test]
fn a_bug_that_is_planted_is_found() {
    let bugs = [
        "DirectoryNotSynced",
        "AcknowledgedEarly",
        "NewerPastOlder",
        "ManifestNotSynced",
        "FilterIncomplete",
        "StageNotReplayed",
        "StageOverrun",
        "SnapshotIgnored",
    ];
    for bug in bugs {
        let text = passes(&["--planted", "--plant", bug, "--seeds", "400"]);
        assert!(text.contains(&format!("(`{bug}`) | ")), "{text}");
    }
    let (output, text) = run(&["--seeds", "100", "--plant", "AcknowledgedEarly"]);
    assert_eq!(output.status.code(), Some(1));
    let repeat = text.lines().find(|line| line.contains("repeat: ")).unwrap();
    assert!(repeat.starts_with("  repeat: cargo run --release -p rabi-sim -- --seed "), "{repeat}");
    assert!(repeat.ends_with(" --plant AcknowledgedEarly"), "{repeat}");
}

#[test]
fn a_command_line_that_makes_no_sense_is_refused() {
    let (output, _) = run(&["--seed", "1", "--hours", "1"]);
    assert_eq!(output.status.code(), Some(2));
}
