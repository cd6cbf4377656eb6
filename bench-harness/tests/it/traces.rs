//! `--trace` and `--record-trace`: operations from files and into files.

use crate::harness::{Bench, count, engines};

/// A key that is read first, one that is written first, one that is not there, and one of every kind.
const TWITTER: &str = "100,cold,4,40,1,get,0\n100,hot,3,50,1,set,60\n100,hot,3,50,1,get,0\n\
                       101,hot,3,50,2,append,0\n101,new,3,7,1,add,60\n101,hot,3,0,1,delete,0\n\
                       102,hot,3,0,1,get,0\n102,cold,4,40,1,gets,0\n";

fn returns(report: &serde_json::Value, row: &str, outcome: &str) -> u64 {
    report["operations"][row]["returns"][outcome].as_u64().unwrap_or(0)
}

#[test]
fn a_twitter_trace_is_replayed_on_what_was_loaded_for_it() {
    for engine in engines() {
        let bench = Bench::new();
        bench.write("cluster.csv", TWITTER);
        bench
            .run(&format!("load --trace cluster.csv --engine {engine} --dir db --json load.json"))
            .expect(0, "");
        let load = bench.json("load.json");
        assert_eq!((count(&load, "INSERT"), load["records"].as_u64()), (1, Some(1)), "{engine}");
        assert_eq!(load["workload"], "cluster.csv");
        let run = format!("run --trace cluster.csv --engine {engine} --dir db --verify --json run.json");
        let said =
            bench.run(&run).expect(0, "with --trace, --verify checks that each value read was written");
        assert!(said.out.contains("[READ], Return=OK, 4\n"), "{}", said.out);
        let run = bench.json("run.json");
        assert_eq!(run["operations_total"], 8, "{engine}");
        let outcomes =
            [("READ", "OK", 4), ("READ", "NOT_FOUND", 1), ("VERIFY", "OK", 4), ("UPDATE", "OK", 2)];
        for (row, outcome, expected) in outcomes {
            assert_eq!(returns(&run, row, outcome), expected, "{engine} {row} {outcome}");
        }
        assert_eq!(
            (count(&run, "DELETE"), count(&run, "INSERT"), count(&run, "READ-MODIFY-WRITE")),
            (1, 1, 1)
        );
        assert_eq!((&run["mode"], &run["errors_total"]), (&"closed".into(), &0.into()));
        assert_eq!((&run["trace"]["format"], &run["trace"]["sample"]), (&"twitter".into(), &1.0.into()));
    }
}

#[test]
fn a_recorded_run_is_replayed_on_any_engine_with_the_same_counts() {
    let bench = Bench::new();
    let load = "load -P {f} -p fieldlength=20 --engine memory --dir db";
    bench
        .run(&format!("{load} --record-trace load.trace"))
        .expect(0, "recorded 1000 operations in load.trace");
    let run = "run -P {f} -p fieldlength=20 --engine memory --dir db --threads 3 --json run.json";
    bench.run(&format!("{run} --record-trace run.trace")).expect(0, "recorded 1000 operations in run.trace");
    let ran = bench.json("run.json");
    for engine in engines() {
        let replay = |trace: &str| {
            let json = format!("--json {trace}.json --threads 2");
            bench.run(&format!("run --trace {trace} --engine {engine} --dir {engine} {json}")).expect(0, "");
            bench.json(&format!("{trace}.json"))
        };
        assert_eq!(count(&replay("load.trace"), "INSERT"), 1000);
        let replayed = replay("run.trace");
        for row in ["READ", "UPDATE", "READ-MODIFY-WRITE"] {
            assert_eq!(count(&replayed, row), count(&ran, row), "{engine} {row}");
        }
    }
}

#[test]
fn a_rocksdb_trace_says_what_it_cannot_replay() {
    let bench = Bench::new();
    let trace = concat!(env!("CARGO_MANIFEST_DIR"), "/src/trace/rocksdb_11_8.trace");
    let said =
        bench.run(&format!("run --trace {trace} --engine memory --dir db --json run.json")).expect(0, "");
    assert!(said.out.contains("[TRACE], Skipped=delete-range, 1\n"), "{}", said.out);
    let run = bench.json("run.json");
    assert_eq!(run["trace"]["skipped"]["delete-range"], 1);
    assert_eq!(
        (count(&run, "BATCH"), count(&run, "DELETE"), run["operations_total"].as_u64()),
        (1, 3, Some(11))
    );
}

#[test]
fn recorded_times_make_an_open_loop() {
    let bench = Bench::new();
    bench.write("cluster.csv", TWITTER);
    bench
        .run("run --trace cluster.csv --trace-speed 10 --engine memory --dir db --json a.json")
        .expect(0, "");
    let report = bench.json("a.json");
    assert_eq!((&report["mode"], &report["unstarted"]), (&"open".into(), &0.into()));
    assert!(report["operations"]["READ"]["response_us"]["p50"].is_number());
    // The last of eight is due after two and a half seconds of the trace.
    assert!(report["elapsed_s"].as_f64().unwrap() >= 0.25, "{}", report["elapsed_s"]);
    let short =
        "run --trace cluster.csv --trace-speed 0.1 --duration 0.1 --engine memory --dir db --json b.json";
    bench.run(short).expect(0, "");
    let short = bench.json("b.json");
    assert_eq!((&short["operations_total"], &short["unstarted"]), (&1.into(), &0.into()));
}

#[test]
fn a_share_of_the_keys_has_their_whole_history() {
    let bench = Bench::new();
    let lines = (0..2_000).map(|n| format!("0,k{0},4,9,1,set,0\n0,k{0},4,9,1,get,0\n", n % 500));
    bench.write("cluster.csv", &lines.collect::<String>());
    let run = "run --trace cluster.csv --trace-sample 0.2 --engine memory --dir db --json a.json";
    bench.run(run).expect(0, "");
    let report = bench.json("a.json");
    let reads = count(&report, "READ");
    assert_eq!((reads % 4, reads), (0, count(&report, "UPDATE")));
    // A hundred keys with a standard deviation of nine, four times each.
    assert!((240..=560).contains(&reads), "{reads}");
}

#[test]
fn damage_further_on_ends_the_run_with_what_was_done_and_the_place() {
    let bench = Bench::new();
    bench.write("cluster.csv", &format!("{TWITTER}103,cold,4,40,1,touch,0\n"));
    let said = bench.run("run --trace cluster.csv --engine memory --dir db --json a.json").expect(
        1,
        "1 operations failed; the first of them:\n  cluster.csv:9: expected an operation out of get, gets",
    );
    assert!(said.out.contains("[READ], Return=NOT_FOUND, "), "{}", said.out);
    assert_eq!(bench.json("a.json")["operations_total"], 8);
    bench.write("cluster.csv", TWITTER);
    bench.run("run --trace cluster.csv --engine memory --dir db --record-trace a.trace").expect(0, "");
    let whole = std::fs::read(bench.path("a.trace")).unwrap();
    std::fs::write(bench.path("cut.trace"), &whole[..whole.len() - 3]).unwrap();
    bench
        .run("run --trace cut.trace --engine memory --dir db")
        .expect(1, "the trace cut.trace is cut off at offset ")
        .expect(
            1,
            "expected the 8 bytes of a block, found the end of the file; copy it again, or record it again",
        );
}
