//! `--memory-limit`: a process in a control group of its own, and what it used of that.

use std::path::Path;
use std::time::Duration;

use crate::harness::{Bench, Said};

const RECORDS: &str = "-P {a} -p recordcount=20000 -p operationcount=2000";

/// The limit, the peak and whether the limit was hit.
fn group(bench: &Bench, json: &str) -> (u64, u64, bool) {
    let usage = &bench.json(json)["resources"]["memory_group"];
    let number = |name: &str| usage[name].as_u64().unwrap();
    assert_eq!(usage["peak_is_of_phase"], true, "{usage}");
    (number("limit_bytes"), number("peak_bytes"), usage["limit_was_hit"].as_bool().unwrap())
}

fn load(bench: &Bench, limit: &str) -> Said {
    bench.run(&format!("load {RECORDS} --engine rabi --dir db --json load.json --memory-limit {limit}"))
}

#[test]
fn a_phase_says_what_it_used_of_its_limit() {
    let bench = Bench::new();
    if !bench.limits_memory() {
        return;
    }
    let said = load(&bench, "1GiB").expect(0, "");
    let (limit, peak, was_hit) = group(&bench, "load.json");
    assert_eq!((limit, was_hit), (1 << 30, false));
    assert!(peak > 20 << 20, "20 MB of records were written, and {peak} bytes used");
    for line in ["MemoryLimitBytes, 1073741824", "MemoryLimitWasHit, 0", "MemoryPeakBytes, "] {
        assert!(said.out.contains(&format!("[RESOURCES], {line}")), "{}", said.out);
    }
    let run = format!("run {RECORDS} --engine rabi --dir db --json run.json --memory-limit 1GiB");
    bench.run(&run).expect(0, "");
    assert_eq!(group(&bench, "run.json").0, 1 << 30);
    let report = bench.json("run.json");
    let command = report["environment"]["command"].as_str().unwrap();
    assert!(command.ends_with("--memory-limit 1GiB"), "{command}");
}

#[test]
fn the_os_cache_counts_and_a_limit_below_it_is_hit() {
    let bench = Bench::new();
    if !bench.limits_memory() {
        return;
    }
    // The files alone are larger than what is allowed; an engine with small memtables gets by.
    let small = "--engine-option memtable_size_bytes=2097152 --engine-option cache_size_bytes=1048576";
    load(&bench, &format!("128MiB {small} -p recordcount=150000")).expect(0, "");
    let (limit, peak, was_hit) = group(&bench, "load.json");
    assert_eq!(limit, 128 << 20);
    assert!(was_hit && peak <= limit, "{peak} bytes");
}

#[test]
fn who_needs_more_is_ended_and_told_why() {
    let bench = Bench::new();
    if !bench.limits_memory() {
        return;
    }
    let said = bench.run("load -p recordcount=50000 --engine memory --dir db --memory-limit 32MiB");
    said.expect(2, "error: the system ended the run (signal: 9 (SIGKILL)): 32 MiB of memory were too little");
    let suite =
        "suite --smoke --records 50000 --engines memory --workloads c --repeat 1 --memory-limit 32MiB";
    bench
        .run(suite)
        .expect(1, "memory was ended by the system")
        .expect(1, "32 MiB of memory were too little");
}

#[test]
fn no_group_is_left_behind() {
    let bench = Bench::new();
    if !bench.limits_memory() {
        return;
    }
    let mut running = bench.start(&format!("load {RECORDS} --engine rabi --dir db --memory-limit 256MiB"));
    let name = format!("rabi-bench-{}-", running.pid().as_raw_nonzero());
    running.end_within(Duration::from_secs(60)).expect(0, "");
    let ours = |path: &Path| path.to_string_lossy().contains(&name);
    let mut left = Vec::new();
    let mut to_see = vec![Path::new("/sys/fs/cgroup").to_owned()];
    while let Some(dir) = to_see.pop() {
        let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
        let dirs = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
        for dir in dirs.map(|entry| entry.path()) {
            if ours(&dir) {
                left.push(dir.clone());
            }
            to_see.push(dir);
        }
    }
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn sizes_have_units() {
    let bench = Bench::new();
    for size in ["0", "2gb", "many", "-1GiB"] {
        let said =
            bench.run(&format!("load -p recordcount=1 --engine memory --dir db --memory-limit={size}"));
        said.expect(2, "expected a size above 0, such as 2GiB, 512MiB or 2147483648");
    }
}
