//! The scripts of CI, with programs in place of `rabi-bench` that end as they are told.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::harness::{Bench, Said};

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

fn script(bench: &Bench, name: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Said {
    let done = Command::new(repository().join(".ci").join(name))
        .args(arguments)
        .envs(variables.iter().copied())
        .current_dir(bench.path("."))
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Said { code: done.status.code().unwrap(), out: text(done.stdout), err: text(done.stderr) }
}

/// A program that ends with `status`, or as a case of the shell says.
fn program(bench: &Bench, name: &str, body: &str) -> String {
    bench.write(name, &format!("#!/bin/sh\necho \"{name}: $*\"\n{body}\n"));
    let path = bench.path(name);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path.display().to_string()
}

/// The word of the comment and whether the gate passes, for how base and head end.
fn judged(base: &str, head: &str) -> (String, bool) {
    let bench = Bench::new();
    let (base, head) = (program(&bench, "base", base), program(&bench, "head", head));
    let status = script(&bench, "perf", &["counters", &base, &head], &[]).expect(0, "").out.trim().to_owned();
    script(&bench, "perf", &["comment", &status, "0"], &[]).expect(0, "");
    let comment = std::fs::read_to_string(bench.path("out/comment.md")).unwrap();
    let line = comment.lines().find_map(|line| line.strip_prefix("### Counters: ")).unwrap().to_owned();
    (line, script(&bench, "perf", &["gate", &status], &[]).code == 0)
}

#[test]
fn without_a_baseline_there_is_no_verdict_and_that_fails() {
    assert_eq!(judged("exit 2", "exit 0"), ("**no verdict**".to_owned(), false));
    assert_eq!(judged("kill -9 $$", "exit 0"), ("**no verdict**".to_owned(), false));
    assert_eq!(judged("exit 0", "exit 4"), ("**no verdict**".to_owned(), false));
}

#[test]
fn a_regression_and_a_head_that_does_not_run_fail_and_the_rest_passes() {
    assert_eq!(judged("exit 0", "exit 0"), ("no regression".to_owned(), true));
    assert_eq!(judged("exit 0", "exit 1"), ("**regression**".to_owned(), false));
    assert_eq!(judged("exit 0", "exit 2"), ("**failed to run**".to_owned(), false));
    assert_eq!(judged("exit 0", "kill -9 $$"), ("**failed to run**".to_owned(), false));
    assert_eq!(judged("exit 0", "exit 3"), ("inconclusive".to_owned(), true));
    // A step that was cut short has left no status.
    script(&Bench::new(), "perf", &["gate", ""], &[]).expect(1, "");
}

#[test]
fn pairs_that_did_not_run_are_no_regression_and_no_success() {
    let status = |head: &str| {
        let bench = Bench::new();
        let (base, head) = (program(&bench, "base", "exit 0"), program(&bench, "head", head));
        script(&bench, "perf", &["pairs", &base, &head], &[]).expect(0, "").out
    };
    assert_eq!(status("exit 2"), "2\n");
    assert_eq!(status("[ $1 = compare ]"), "0\n");
    assert_eq!(status("[ $1 != compare ]"), "1\n");
    assert_eq!(status("exit 0"), "0\n");
}

#[test]
fn counters_without_a_verdict_fail_where_they_are_meant_to_gate() {
    let bench = Bench::new();
    for (status, here, gate) in [(0, 0, 0), (1, 1, 1), (2, 2, 2), (3, 0, 0), (4, 0, 1)] {
        let bench_program = program(&bench, "bench", &format!("exit {status}"));
        let variables = [("RABI_BENCH", bench_program.as_str())];
        assert_eq!(script(&bench, "counters", &[], &variables).code, here, "{status}");
        assert_eq!(script(&bench, "counters", &["--gate"], &variables).code, gate, "{status}");
    }
}

#[test]
fn the_workflows_call_the_scripts_and_install_what_counts_instructions() {
    let read =
        |name: &str| std::fs::read_to_string(repository().join(".github/workflows").join(name)).unwrap();
    let job = |text: &str, name: &str| {
        let after = text.split(&format!("\n  {name}:\n")).nth(1).unwrap().to_owned();
        after.split("\n\n").next().unwrap().to_owned()
    };
    let (ci, perf) = (read("ci.yml"), read("perf.yml"));
    for name in ["checks", "counters"] {
        assert!(job(&ci, name).contains("install --yes --no-install-recommends valgrind"), "{name}");
    }
    assert!(job(&ci, "counters").contains("- run: .ci/counters --gate"));
    for step in
        ["counters rabi-bench-base", "pairs rabi-bench-base", "comment \"$COUNTERS\"", "gate \"$COUNTERS\""]
    {
        assert!(perf.contains(&format!("head/.ci/perf {step}")), "{step}");
    }
}
