//! `cliffs`: every pattern on every engine, with checks of what is seen.

use crate::harness::Bench;

const MEASUREMENTS: [&str; 14] = [
    "hot-key",
    "queue",
    "deleted",
    "large-put",
    "large-get",
    "scan-forward",
    "scan-back",
    "absent-get",
    "ordered-put",
    "writers",
    "a",
    "e-after-a",
    "hot-a",
    "e-after-hot-a",
];

#[test]
fn every_pattern_is_measured_on_every_engine() {
    let bench = Bench::new();
    let said = bench.run(
        "cliffs --smoke --engines rabi,memory --duration 0.02 --dir databases --json cliffs.json --csv cliffs.csv",
    );
    let said = said.expect(0, "queue: push, look at the head, pop: ");
    assert!(said.out.starts_with("operations a second"), "{}", said.out);
    assert!(said.out.contains("scan of 2 from before a key overwritten 4,000 times"), "{}", said.out);
    let report = bench.json("cliffs.json");
    let cliffs = report["cliffs"].as_array().unwrap();
    for engine in ["rabi", "memory"] {
        let of_engine = cliffs.iter().filter(|cliff| cliff["engine"] == engine);
        let names: Vec<&str> = of_engine.clone().map(|cliff| cliff["name"].as_str().unwrap()).collect();
        assert_eq!(names, MEASUREMENTS, "{engine}");
        assert!(of_engine.clone().all(|cliff| cliff["operations"].as_u64() > Some(0)), "{cliffs:?}");
    }
    let csv = std::fs::read_to_string(bench.path("cliffs.csv")).unwrap();
    assert_eq!(csv.lines().count(), 1 + 2 * MEASUREMENTS.len());
    let left: Vec<_> = std::fs::read_dir(bench.path("databases")).unwrap().collect();
    assert!(left.is_empty(), "databases are left behind: {left:?}");
}

#[test]
fn several_threads_share_patterns() {
    let said = Bench::new().run("cliffs --smoke --engines memory --duration 0.02 --threads 3 --writers 5");
    assert!(said.expect(0, "").out.contains("5 threads putting"));
}

#[test]
fn an_engine_that_makes_things_up_fails_and_the_others_go_on() {
    let said =
        Bench::new().run("cliffs --smoke --engines null,memory --duration 0.02 --patterns queue,deleted");
    let said =
        said.expect(1, "FAILED: null: what stands at the head of the queue is not what was pushed first");
    assert!(said.out.contains("scan of 1 over 2,000 deleted keys"), "{}", said.out);
}

#[test]
fn what_is_wrong_with_the_command_is_said_before_the_work() {
    for (arguments, expected) in [
        ("--engines rabi,rabi", "rabi is named twice; use --duration"),
        ("--patterns queues", "invalid value 'queues'"),
        ("--duration 0", "--duration is no time that can be waited for"),
        ("--records 10", "10 is not in 100.."),
    ] {
        Bench::new().run(&format!("cliffs --smoke {arguments}")).expect(2, expected);
    }
}
