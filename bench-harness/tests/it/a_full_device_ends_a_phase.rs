//! A device that gets full: the numbers so far are reported and marked, the error named, the status 1.

use std::process::Command;

use crate::harness::{Bench, Small, names, read_json};

#[test]
fn a_load_and_a_run_report_the_numbers_so_far() {
    let bench = Bench::new();
    let Some(_small) = Small::mount(&bench, 48) else { return };
    let load =
        "load -p recordcount=1000000 --dir small/db --settle --engine-option memtable_size_bytes=1048576";
    let said = bench.run(&format!("{load} --json load.json")).expect(1, "no space left");
    let report = bench.json("load.json");
    let why = report["cut_short"].as_str().unwrap();
    assert!(why.contains("no space left"), "{why}");
    assert!(said.out.starts_with(&format!("[CUT-SHORT], By, {why}\n")), "{}", said.out);
    assert!(report["operations"]["INSERT"]["count"].as_u64().unwrap() > 1000, "{}", said.out);

    let bench = Bench::new();
    let Some(_small) = Small::mount(&bench, 160) else { return };
    let small = "--dir small/db --engine-option memtable_size_bytes=1048576";
    bench.run(&format!("load -p recordcount=1000 {small}")).expect(0, "");
    let run = format!(
        "run -p recordcount=1000 -p operationcount=0 --duration 600 -p readproportion=0.1 -p updateproportion=0 \
         -p insertproportion=0.9 {small} --json run.json --csv small/run.csv"
    );
    // Files on the full device itself fail, and cost no others.
    let said = bench.run(&run).expect(1, "no space left");
    let report = bench.json("run.json");
    assert!(report["cut_short"].as_str().unwrap().contains("no space left"), "{}", report["cut_short"]);
    assert!(report["elapsed_s"].as_f64().unwrap() < 300.0);
    assert!(said.out.contains("[INSERT], Operations, "), "{}", said.out);
}

#[test]
fn the_main_job_reports_the_phases_so_far_and_removes_its_directory() {
    let bench = Bench::new();
    let Some(small) = Small::mount(&bench, 48) else { return };
    let done = Command::new(env!("CARGO_BIN_EXE_rabi-bench"))
        .args("--smoke --records 1000000 --workloads a,b".split(' '))
        .current_dir(bench.path("."))
        .env("TMPDIR", &small.at)
        .output()
        .unwrap();
    let (out, err) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert_eq!(done.status.code(), Some(1), "{out}\n{err}");
    assert!(err.contains("no space left") && out.contains("CUT SHORT by "), "{out}\n{err}");
    let results = bench.results();
    let report = read_json(&results.join("results.json"));
    assert!(report["cut_short"].as_str().unwrap().contains("no space left"), "{}", report["cut_short"]);
    assert_eq!(report["phases"].as_array().unwrap().len(), 1);
    assert!(report["phases"][0]["records"].as_u64().unwrap() > 1000);
    assert_eq!(names(&small.at), Vec::<String>::new());
}

#[test]
fn a_search_ends_where_the_device_is_full() {
    let bench = Bench::new();
    let Some(_small) = Small::mount(&bench, 160) else { return };
    let small = "--dir small/db --engine-option memtable_size_bytes=1048576";
    let workload = "-p readproportion=0 -p updateproportion=0 -p insertproportion=1 -p recordcount=1000";
    bench.run(&format!("load {workload} {small}")).expect(0, "");
    let said = bench
        .run(&format!(
            "search --slo p99=10s --start-rate 100000 --probe-seconds 60 {workload} {small} --json x.json"
        ))
        .expect(1, "");
    assert!(said.out.contains("CUT SHORT by "), "{}", said.out);
    assert!(bench.json("x.json")["cut_short"].as_str().unwrap().contains("no space left"));
}
