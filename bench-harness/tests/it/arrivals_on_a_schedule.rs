//! Open loop: operations are due on a schedule, and both kinds of latency are reported.

use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use crate::harness::{Bench, count};

fn run(bench: &Bench, arguments: &str) -> Value {
    bench.run("load -P {c} --engine memory --dir db").expect(0, "");
    let run = format!("run -P {{c}} -p operationcount=0 --engine memory --dir db --json x.json {arguments}");
    bench.run(&run).expect(0, "");
    bench.json("x.json")
}

#[test]
fn an_open_loop_brings_what_its_rate_says_and_has_both_latencies() {
    for arrivals in [
        "--arrivals fixed --rate 2000",
        "--arrivals poisson --rate 2000",
        "--arrivals ramp --rate 1000 --rate-to 3000",
        "--arrivals step --rate 1000 --rate-to 3000 --steps 3",
        "--arrivals sine --rate 2000 --rate-to 4000",
    ] {
        let bench = Bench::new();
        let report = run(&bench, &format!("{arrivals} --duration 0.6 --threads 2"));
        assert_eq!(report["mode"], "open");
        let shape = report["arrivals"]["shape"].as_str().unwrap();
        assert!(arrivals.contains(shape) || shape == "constant", "{shape}");
        // All rates bring 1200 on average: four standard deviations of a Poisson count are 139.
        let due = count(&report, "READ") + report["unstarted"].as_u64().unwrap();
        assert!((1061..=1339).contains(&due), "{arrivals}: {due}");
        let read = &report["operations"]["READ"];
        let us = |kind: &str, name: &str| read[kind][name].as_f64().unwrap();
        for name in ["mean", "p50", "p99", "max"] {
            // A response begins before its service. Both are rounded up within one part in a thousand.
            assert!(us("response_us", name) * 1.002 >= us("service_us", name), "{arrivals}: {name}");
        }
    }
}

#[test]
fn equal_seeds_give_the_same_number_of_arrivals_whatever_the_threads() {
    let bench = Bench::new();
    let due = |arguments: &str| {
        let report = run(&bench, &format!("--arrivals poisson --rate 3000 --duration 0.3 {arguments}"));
        count(&report, "READ") + report["unstarted"].as_u64().unwrap()
    };
    let one = due("--threads 1 --seed 7");
    assert_eq!(one, due("--threads 4 --seed 7"));
    assert_ne!(one, due("--threads 4 --seed 9"));
}

#[test]
fn a_stall_is_in_the_response_times_of_those_who_waited_and_not_in_their_service_times() {
    let bench = Bench::new();
    // Each read takes 2 ms, and one is due every millisecond: the queue grows by the second.
    let report = run(&bench, "--arrivals fixed --rate 1000 --duration 0.5 --inject-delay-ns 2000000");
    let read = &report["operations"]["READ"];
    assert!(read["service_us"]["p50"].as_f64().unwrap() < 20_000.0, "{read}");
    assert!(read["response_us"]["p99"].as_f64().unwrap() > 100_000.0, "{read}");
    assert!(report["unstarted"].as_u64().unwrap() > 100, "{}", report["unstarted"]);
    assert!(report["unstarted_wait_us"].as_u64().unwrap() > 100_000);
}

/// The value of a line of the text, and the place of the line.
fn said(text: &str, start: &str) -> Option<(usize, f64)> {
    let lines = text.lines().enumerate();
    let mut found = lines.filter_map(|(place, line)| Some((place, line.strip_prefix(start)?.parse().ok()?)));
    found.next()
}

#[test]
fn the_text_of_a_schedule_begins_with_response_times_and_calls_a_stall_no_steady_state() {
    for schedule in ["--arrivals fixed --rate 2000", "--arrivals poisson --rate 2000", "--target 2000"] {
        let bench = Bench::new();
        bench.run("load -p recordcount=1000 --engine null --dir db").expect(0, "");
        let mut run = bench.start(&format!(
            "run -p recordcount=1000 -p operationcount=0 -p readproportion=1 -p updateproportion=0 --engine null \
             --dir db --duration 5 --threads 2 --json x.json {schedule}"
        ));
        run.wait_for("warning: this is a debug build");
        std::thread::sleep(Duration::from_secs(2));
        run.signal(Signal::STOP);
        std::thread::sleep(Duration::from_secs(1));
        run.signal(Signal::CONT);
        let done = run.end_within(Duration::from_secs(60)).expect(0, "NOT STEADY: ");
        let us = |row: &str, name: &str| said(&done.out, &format!("[{row}], {name}Latency(us), "));
        let (first, p99) = us("Intended-READ", "99thPercentile").unwrap();
        let (later, service_p99) = us("READ", "99thPercentile").unwrap();
        assert!(p99 > 500_000.0 && us("Intended-READ", "Max").unwrap().1 > 900_000.0, "{}", done.out);
        assert!(service_p99 < 100_000.0 && first < later, "{}", done.out);
        assert!(done.out.contains("[SCHEDULE], READ, service time: "), "{}", done.out);
        assert!(done.out.contains("[SCHEDULE], Intended-READ, response time: "), "{}", done.out);
        assert!(done.out.contains("[STEADY], State, stalled\n"), "{}", done.out);
        let steadiness = &bench.json("x.json")["steady_state"];
        assert_eq!(steadiness["steady"], false);
        assert!(steadiness["response"]["worst_p99_us"].as_f64().unwrap() > 500_000.0, "{steadiness}");
    }
}

#[test]
fn the_main_job_shows_response_times_before_service_times() {
    let bench = Bench::new();
    let job = "--smoke --engine memory --workloads c --arrivals fixed --rate 2000 --duration 1";
    let said = bench.run(job).expect(0, "");
    let order = |text: &str, parts: [&str; 2]| {
        let places =
            parts.map(|part| text.find(part).unwrap_or_else(|| panic!("'{part}' is not in:\n{text}")));
        assert!(places[0] < places[1], "{parts:?}:\n{text}");
    };
    order(&said.out, ["Response times, from", "Service times, from"]);
    let results = bench.results();
    let file = |name: &str| std::fs::read_to_string(results.join(name)).unwrap();
    order(&file("README.md"), ["Response times", "Service times"]);
    let page = file("report.html");
    order(&page, [">Response times</h2>", ">Service times</h2>"]);
    order(&page, ["Response time of all operations", "Service time of all operations"]);
    assert!(page.contains("workloadc, response times"), "the distributions are of service times");
}

#[test]
fn ycsb_rows_count_from_the_start_that_was_asked_for() {
    let bench = Bench::new();
    bench.run("load -P {c} --engine memory --dir db").expect(0, "");
    let mean_us = |text: &str, row: &str| {
        let line = format!("[{row}], AverageLatency(us), ");
        text.lines().find_map(|l| l.strip_prefix(&line)).map(|v| v.parse::<f64>().unwrap())
    };
    let said = |measured: &str| {
        let run = format!(
            "run -P {{c}} -p operationcount=100 --engine memory --dir db --target 2000 \
             --inject-delay-ns 1000000 -p measurement.interval={measured}"
        );
        bench.run(&run).expect(0, "").out
    };
    let (op, intended, both) = (said("op"), said("intended"), said("both"));
    let (service, response) = (mean_us(&op, "READ").unwrap(), mean_us(&intended, "READ").unwrap());
    // Half the time each read takes is too much, and adds up.
    assert!(response > 5.0 * service, "{response} {service}");
    // The response is always there, and never behind the service.
    assert!(mean_us(&op, "Intended-READ").unwrap() > 5.0 * service);
    assert!(mean_us(&intended, "Intended-READ").is_none());
    assert!(response > 5.0 * mean_us(&intended, "Service-READ").unwrap());
    assert!(mean_us(&both, "Intended-READ").unwrap() > 5.0 * mean_us(&both, "READ").unwrap());
}
