//! `suite`: several engines in turns, and a report that ranks like with like only.

use crate::harness::{Bench, Said, read_json};

const SMALL: &str = "--records 1000 --operations 500 --smoke";

fn run(bench: &Bench, arguments: &str) -> Said {
    bench.run(&format!("suite {SMALL} --dir databases {arguments}"))
}

#[test]
fn engines_take_turns_and_every_run_leaves_its_numbers() {
    let bench = Bench::new();
    let said =
        run(&bench, "--engines rabi,memory --workloads a,e --repeat 2").expect(0, "no limit was asked for");
    let turns: Vec<&str> = said.err.lines().filter_map(|line| Some(line.split_once("/4] ")?.1)).collect();
    let turns: Vec<&str> = turns.into_iter().filter(|turn| turn.contains("repeat")).collect();
    assert_eq!(turns, ["rabi, repeat 1", "memory, repeat 1", "memory, repeat 2", "rabi, repeat 2"]);
    let dir = bench.results();
    for name in ["rabi-1", "memory-1", "memory-2", "rabi-2"] {
        let report = read_json(&dir.join(format!("raw/{name}.json")));
        let phases = report["phases"].as_array().unwrap();
        let titles: Vec<_> = phases.iter().map(|phase| phase["workload"].as_str().unwrap()).collect();
        assert_eq!(titles, ["workloada", "workloada", "workloade"], "{name}");
        assert!(phases[0]["resources"]["cpu_us_per_operation"].as_f64().unwrap() > 0.0);
        assert!(phases[0]["harness"]["null_ns_per_operation"].as_f64().unwrap() > 0.0);
    }
    let left: Vec<_> = std::fs::read_dir(bench.path("databases")).unwrap().collect();
    assert!(left.is_empty(), "databases are left behind: {left:?}");
}

#[test]
fn the_report_ranks_by_what_is_kept_and_names_commands_and_versions() {
    let bench = Bench::new();
    let said = run(&bench, "--engines rabi,memory --workloads a --repeat 1").expect(0, "");
    assert!(said.out.contains("workloada, durability kept: process"), "{}", said.out);
    assert!(said.out.contains("workloada, durability kept: nothing"), "{}", said.out);
    assert!(!said.out.contains(" *\n"), "a best of one engine: {}", said.out);
    assert!(said.out.contains("No other engine kept the durability that rabi kept"), "{}", said.out);
    assert!(said.err.contains("2 runs, each of a load and 1 workload of at most 5 s"), "{}", said.err);
    assert!(said.err.contains("[1/2] took ") && said.err.contains(" left\n"), "{}", said.err);
    let dir = bench.results();
    let readme = std::fs::read_to_string(dir.join("README.md")).unwrap();
    for part in [
        "rabi-bench --engine rabi --dir ",
        "| memory | process | nothing | may be lost | may be lost |",
        "with 1 repeats no best is marked",
        "| versions | rabi ",
        "| rabi   | cache and memtables, bytes | 260 MiB ",
        "raw/rabi-1.json",
    ] {
        assert!(readme.contains(part), "'{part}' is not in:\n{readme}");
    }
    let page = std::fs::read_to_string(dir.join("report.html")).unwrap();
    assert!(page.contains("<svg") && page.contains("Durability kept: process"));
    assert!(!page.contains("http://") && !page.contains("https://"), "the page asks the network");
}

#[test]
fn patterns_follow_on_each_run_if_asked_for() {
    let bench = Bench::new();
    let arguments = "--engines rabi,memory --workloads c --repeat 1 --duration 0.02 --cliffs";
    let said = run(&bench, arguments).expect(0, "the patterns of cliffs follow on each run");
    assert!(said.out.contains("scan of 1 over 2,000 deleted keys"), "{}", said.out);
    let dir = bench.results();
    let readme = std::fs::read_to_string(dir.join("README.md")).unwrap();
    assert!(readme.contains("## Cliffs") && readme.contains("raw/memory-1-cliffs.json"), "{readme}");
    assert!(
        std::fs::read_to_string(dir.join("report.html")).unwrap().contains("push, look at the head, pop")
    );
}

#[test]
fn each_run_has_the_limit_that_was_asked_for_and_says_what_it_used_of_it() {
    let bench = Bench::new();
    if !bench.limits_memory() {
        return;
    }
    let limit = 512 << 20;
    let arguments =
        "--engines rabi,memory --workloads c --repeat 1 --memory-limit 512MiB --cliffs --duration 0.02";
    let said = run(&bench, arguments).expect(0, "512 MiB for each run by a control group of its own");
    assert!(said.out.contains("Summary"), "{}", said.out);
    for name in ["rabi-1", "memory-1", "rabi-1-cliffs", "memory-1-cliffs"] {
        let report = read_json(&bench.results().join(format!("raw/{name}.json")));
        let environment = report.get("environment").unwrap_or(&report["phases"][0]["environment"]);
        assert_eq!(environment["memory_limit_bytes"], limit, "{name}");
    }
    let readme = std::fs::read_to_string(bench.results().join("README.md")).unwrap();
    for part in [
        "--memory-limit 536870912",
        "Of the memory of a run, the OS cache included, they used (medians): rabi ",
        "MiB, never all of it",
    ] {
        assert!(readme.contains(part), "'{part}' is not in:\n{readme}");
    }
    assert!(!readme.contains("--join-group"), "a group that is gone is no part of a command: {readme}");
}

#[test]
fn a_data_set_loaded_once_serves_all_repeats() {
    let bench = Bench::new();
    run(&bench, "--engines rabi --workloads c --repeat 2 --load-once --verify")
        .expect(0, "cloned the data set: ");
    let dir = bench.results();
    let load = read_json(&dir.join("raw/rabi-load.json"));
    assert_eq!(load["phases"].as_array().unwrap().len(), 1);
    for name in ["rabi-1", "rabi-2"] {
        let phases = read_json(&dir.join(format!("raw/{name}.json")));
        let phases = phases["phases"].as_array().unwrap();
        assert_eq!(phases.len(), 1);
        assert_eq!(phases[0]["operations"]["READ"]["count"], 500);
        assert_eq!(phases[0]["errors_total"], 0);
    }
}

#[test]
fn an_engine_that_refuses_is_left_out_and_fails_the_suite() {
    let bench = Bench::new();
    let said = run(&bench, "--engines memory,rabi --durability power --workloads a --repeat 2");
    let said = said.expect(1, "FAILED: memory could not be run, and is left out");
    assert_eq!(said.err.matches("cannot offer durability power").count(), 1, "{}", said.err);
    assert!(said.out.contains("workloada, durability kept: power"), "{}", said.out);
}

#[test]
fn a_preset_asks_its_question_of_any_size() {
    let bench = Bench::new();
    if !bench.limits_memory() {
        return;
    }
    // What is typed wins over the preset.
    let preset = "suite --preset larger-than-memory --records 2000 --engines rabi --repeat 1 --duration 0.1";
    let typed = "--clients 8 --workloads uniform-reads,e --dir databases";
    let said = bench.run(&format!("{preset} {typed}")).expect(0, " MiB for each run by a control group");
    for title in ["uniform-reads", "workloade"] {
        assert!(said.out.contains(&format!("\n{title}, durability kept: process\n")), "{}", said.out);
    }
    let readme = std::fs::read_to_string(bench.results().join("README.md")).unwrap();
    assert!(
        readme.contains("rabi called by 32 threads, rabi-async called by 8 async clients on "),
        "{readme}"
    );
}
