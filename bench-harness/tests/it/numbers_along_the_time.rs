//! The time series of a phase, its warm-up, and that both add up.

use serde_json::Value;

use crate::harness::{Bench, count};

fn run(bench: &Bench, arguments: &str) -> Value {
    bench.run("load -P {a} --engine rabi --dir db").expect(0, "");
    let run = format!("run -P {{a}} -p operationcount=0 --engine rabi --dir db --json x.json {arguments}");
    bench.run(&run).expect(0, "");
    bench.json("x.json")
}

#[test]
fn a_short_run_has_at_least_twenty_intervals_that_add_up_to_it() {
    let bench = Bench::new();
    let report = run(&bench, "--duration 1 --threads 2");
    let intervals = report["series"]["intervals"].as_array().unwrap();
    // A machine so busy that the watcher is kept waiting joins some of sixty-four.
    assert!((20..=64).contains(&intervals.len()), "{}", intervals.len());
    let sum = |name: &str| intervals.iter().map(|each| each[name].as_u64().unwrap()).sum::<u64>();
    assert_eq!(sum("operations"), report["operations_total"].as_u64().unwrap());
    assert_eq!(sum("failures"), 0);
    for row in ["READ", "UPDATE"] {
        let counts = intervals.iter().map(|each| each["rows"][row]["count"].as_u64().unwrap_or(0));
        assert_eq!(counts.sum::<u64>(), count(&report, row), "{row}");
    }
    let (mut end_s, mut with_latencies) = (0.0, 0);
    for interval in intervals {
        assert!((interval["start_s"].as_f64().unwrap() - end_s).abs() < 1e-6);
        end_s += interval["length_s"].as_f64().unwrap();
        let service = &interval["service_us"];
        // An operation and its latency are counters of their own, read one after the other while clients
        // work: an interval may have one operation and not yet its latency.
        if service.is_null() {
            continue;
        }
        with_latencies += 1;
        let us: Vec<f64> = ["p50", "p99", "p999", "max"].map(|name| service[name].as_f64().unwrap()).to_vec();
        assert!(us[0] > 0.0 && us.is_sorted(), "{service}");
    }
    assert!(with_latencies >= 10, "{with_latencies} of {}", intervals.len());
    assert!((end_s - report["elapsed_s"].as_f64().unwrap()).abs() < 1e-6);
    let memtable = report["series"]["engine"]["memtable_bytes"].as_array().unwrap();
    assert_eq!(memtable.len(), intervals.len());
    assert!(memtable[0].as_u64() < memtable[memtable.len() - 1].as_u64(), "updates fill it");
}

#[test]
fn a_warm_up_is_in_no_figure() {
    let bench = Bench::new();
    let report = run(&bench, "--warmup 0.6 --duration 0.4 --arrivals fixed --rate 2000 --threads 2");
    assert_eq!(report["warmup_s"], 0.6);
    let elapsed_s = report["elapsed_s"].as_f64().unwrap();
    assert!((0.2..0.5).contains(&elapsed_s), "{elapsed_s}");
    let done = report["operations_total"].as_u64().unwrap();
    let counted = count(&report, "READ") + count(&report, "UPDATE");
    // 800 are due in the measured part, 2000 in all; the watcher may begin it a little late.
    assert!((300..=850).contains(&done), "{done}");
    // The watcher reads one counter after the other while clients work.
    assert!(counted.abs_diff(done) <= 40, "{counted} {done}");
    assert!(report["resources"]["user_written_bytes"].as_u64().unwrap() < 700 * 1100);
}

#[test]
fn a_run_that_ends_within_its_warm_up_is_an_error() {
    let bench = Bench::new();
    bench.run("load -P {c} --engine memory --dir db").expect(0, "");
    bench
        .run("run -P {c} --engine memory --dir db --warmup 30")
        .expect(2, "the run ended within its warm-up of 30 s");
}

#[test]
fn a_run_with_cool_caches_finds_its_records_and_says_what_was_dropped() {
    let bench = Bench::new();
    let report = run(&bench, "--duration 1.5 --cool-caches --verify");
    // A thousand records of 1 KB are in the files.
    assert!(report["cooled_bytes"].as_u64().unwrap() > 1_000_000, "{}", report["cooled_bytes"]);
    assert!(report["steady_state"]["steady"].is_boolean(), "{}", report["steady_state"]);
}
