//! SIGINT and SIGTERM: the first ends a command early with a report of what there is, marked; the second at once.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::harness::{Bench, names, read_json};

/// Far less than the commands here would take by themselves, far more than ending takes on a busy machine.
const SOON: Duration = Duration::from_secs(60);

const INT: (Signal, i32, &str) = (Signal::INT, 130, "SIGINT");
const TERM: (Signal, i32, &str) = (Signal::TERM, 143, "SIGTERM");

fn loaded(engine: &str) -> Bench {
    let bench = Bench::new();
    bench.run(&format!("load -P {{a}} -p recordcount=1000 --engine {engine} --dir db")).expect(0, "");
    bench
}

#[test]
fn a_run_reports_what_it_has_done_whenever_the_signal_comes() {
    for ((signal, code, name), delay_ms) in [(INT, 0), (TERM, 30), (INT, 200), (TERM, 900)] {
        let bench = loaded("rabi");
        let mut run = bench.start("run -P {a} -p recordcount=1000 -p operationcount=0 --duration 600 --dir db --threads 2 --json x.json \
             --csv x.csv");
        run.wait_for("warning: this is a debug build");
        std::thread::sleep(Duration::from_millis(delay_ms));
        run.signal(signal);
        let said = run.end_within(SOON).expect(code, &format!("{name}: ending early"));
        assert!(said.out.starts_with(&format!("[CUT-SHORT], By, {name}\n")), "{}", said.out);
        let report = bench.json("x.json");
        assert_eq!(report["cut_short"], name);
        assert!(report["elapsed_s"].as_f64().unwrap() < 60.0);
        let measured = report["operations_total"].as_u64().unwrap();
        assert!(delay_ms < 200 || measured > 0, "nothing of {delay_ms} ms: {}", said.out);
        assert!(bench.path("x.csv").metadata().unwrap().len() > 0);
        assert_eq!(names(&run.temporary), Vec::<String>::new());
    }
}

#[test]
fn whatever_a_client_waits_for_it_ends() {
    // The next arrival in an hour; a warm-up; the retries of an insert; a check of everything.
    for (arguments, measured) in [
        ("--arrivals fixed --rate 0.0003 --duration 600", true),
        ("--target 0.0003 --duration 600", true),
        ("--warmup 600 --duration 600", false),
        ("--verify --duration 600", true),
    ] {
        let bench = loaded("memory");
        let mut run = bench.start(&format!(
            "run -P {{a}} -p recordcount=1000 -p operationcount=0 --engine memory --dir db --json x.json {arguments}"
        ));
        run.wait_for("warning: this is a debug build");
        std::thread::sleep(Duration::from_millis(300));
        run.signal(Signal::INT);
        let said = run.end_within(SOON);
        assert_eq!(said.code, 130, "{arguments}: {}", said.err);
        assert_eq!(bench.path("x.json").exists(), measured, "{arguments}: {}", said.err);
        if measured {
            let report = bench.json("x.json");
            assert_eq!(report["cut_short"], "SIGINT", "{arguments}");
            assert!(report["unstarted"].is_null() || report["unstarted"] == 0, "{}", report["unstarted"]);
        } else {
            assert!(said.err.contains("cut short by SIGINT within its warm-up"), "{}", said.err);
        }
    }
}

#[test]
fn a_load_reports_the_records_it_has_and_the_main_job_the_phases() {
    let bench = Bench::new();
    let mut load = bench.start("load -p recordcount=100000000 --engine null --dir db --json load.json");
    load.wait_for("warning: this is a debug build");
    std::thread::sleep(Duration::from_millis(500));
    load.signal(Signal::TERM);
    load.end_within(SOON).expect(143, "");
    let report = bench.json("load.json");
    assert_eq!(report["cut_short"], "SIGTERM");
    assert!((1..100_000_000).contains(&report["records"].as_u64().unwrap()), "{}", report["records"]);

    let mut job = bench.start("--smoke --operations 1000000000 --duration 600 --workloads c,a --verify");
    job.wait_for("operations in");
    job.wait_for("the harness takes");
    std::thread::sleep(Duration::from_millis(200));
    job.signal(Signal::INT);
    let said = job.end_within(SOON).expect(130, "");
    assert!(said.out.contains("CUT SHORT by SIGINT in workloadc"), "{}", said.out);
    let results = bench.results();
    let report = read_json(&results.join("results.json"));
    assert_eq!(report["cut_short"], "SIGINT");
    let phases = report["phases"].as_array().unwrap();
    assert_eq!(phases.len(), 2, "the load, and what there is of the first workload");
    assert!(phases[0]["cut_short"].is_null() && phases[1]["cut_short"] == "SIGINT");
    for file in ["report.html", "README.md"] {
        let text = std::fs::read_to_string(results.join(file)).unwrap();
        assert!(text.contains("cut short by SIGINT"), "{file}");
    }
    assert_eq!(names(&job.temporary), Vec::<String>::new());
}

#[test]
fn a_suite_takes_its_child_along_and_reports_the_whole_phases() {
    for (signal, code, name) in [INT, TERM] {
        let bench = Bench::new();
        let mut suite = bench.start(
            "suite --engines rabi --smoke --operations 1000000000 --duration 600 --workloads a --repeat 3",
        );
        suite.wait_for("the harness takes");
        let child = child_of(suite.pid().as_raw_nonzero().get());
        suite.signal(signal);
        let said = suite.end_within(SOON).expect(code, name);
        assert!(!std::path::Path::new(&format!("/proc/{child}")).exists(), "{child} lives");
        assert!(said.out.contains(&format!("CUT SHORT by {name}")), "{}", said.out);
        let results = bench.results();
        let cell = read_json(&results.join("raw/rabi-1.json"));
        assert_eq!(cell["cut_short"], name);
        let page = std::fs::read_to_string(results.join("report.html")).unwrap();
        assert!(page.contains(&format!("cut short by {name}")));
        assert_eq!(names(&suite.temporary), Vec::<String>::new());
    }
}

#[test]
fn a_child_of_a_suite_does_not_outlive_it() {
    // Killed, or ended at once by a second signal.
    for signals in [&[Signal::KILL][..], &[Signal::INT, Signal::INT]] {
        let bench = Bench::new();
        let mut suite =
            bench.start("suite --engines rabi --smoke --operations 1000000000 --duration 600 --workloads a");
        suite.wait_for("the harness takes");
        let child = child_of(suite.pid().as_raw_nonzero().get());
        signals.iter().for_each(|signal| suite.signal(*signal));
        let start = Instant::now();
        // One that has ended and is not yet buried has no command line.
        let lives = || std::fs::read(format!("/proc/{child}/cmdline")).is_ok_and(|line| !line.is_empty());
        while lives() {
            assert!(start.elapsed() < SOON, "{child} lives");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

fn child_of(parent: i32) -> i32 {
    let children = std::fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).unwrap();
    children.split_whitespace().next().unwrap().parse().unwrap()
}

#[test]
fn searches_crashes_pairs_calibrations_and_gates_end_and_leave_nothing_behind() {
    let program = env!("CARGO_BIN_EXE_rabi-bench");
    let smoke = "-- --smoke --operations 1000000000 --duration 600 --workloads a";
    for (command, sign, json) in [
        (
            "search --slo p99=1s -P {a} -p recordcount=1000 --dir db --probe-seconds 600 --json x.json"
                .to_owned(),
            "",
            true,
        ),
        ("crash -P {a} -p recordcount=1000 --rounds 1000 --json x.json".to_owned(), "[2/1000]", true),
        (format!("compare {program} --pairs 3 --results pairs {smoke}"), "pair 1 of 3", false),
        (format!("compare {program} --pairs 3 --results pairs --load-once {smoke}"), "pair 1", false),
        (format!("compare --calibrate --pairs 5 {smoke}"), "pair 1 of 5", false),
        ("ci --update-baseline --baseline base.json --operations 1000000".to_owned(), "", false),
    ] {
        let bench = loaded("rabi");
        let mut run = bench.start(&command);
        run.wait_for(sign);
        std::thread::sleep(Duration::from_millis(700));
        run.signal(Signal::TERM);
        let said = run.end_within(SOON);
        assert_eq!(said.code, 143, "{command}: {}", said.err);
        assert!(said.err.contains("SIGTERM: ending early"), "{command}: {}", said.err);
        assert_eq!(names(&run.temporary), Vec::<String>::new(), "{command}");
        assert_eq!(bench.path("x.json").exists(), json, "{command}");
        if json {
            assert_eq!(bench.json("x.json")["cut_short"], "SIGTERM", "{command}");
            assert!(said.out.contains("CUT SHORT by SIGTERM"), "{command}: {}", said.out);
        }
        assert!(!bench.path("base.json").exists() && !bench.path("calibration.json").exists());
    }
}

#[test]
fn a_second_signal_ends_at_once() {
    for second in [Signal::INT, Signal::TERM] {
        let bench = loaded("memory");
        bench.write("x.json", "earlier");
        // Reads of some minutes: nothing that asks for the end is seen meanwhile.
        let mut run = bench.start("run -P {c} -p recordcount=1000 --engine memory --dir db --json x.json --inject-delay-ns 200000000000");
        run.wait_for("warning: this is a debug build");
        std::thread::sleep(Duration::from_millis(300));
        run.signal(Signal::INT);
        run.wait_for("SIGINT: ending early");
        let start = Instant::now();
        run.signal(second);
        let said = run.end_within(Duration::from_secs(5));
        assert_eq!(said.code, 128 + second.as_raw());
        assert!(start.elapsed() < Duration::from_secs(5));
        assert_eq!(std::fs::read_to_string(bench.path("x.json")).unwrap(), "earlier");
    }
}
