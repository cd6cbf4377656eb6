//! `load` and `run`: what YCSB's users do, on one directory, command after command.

use crate::harness::{Bench, count, engines};

#[test]
fn a_load_and_all_six_workloads_keep_their_proportions_and_verify() {
    for engine in engines() {
        let bench = Bench::new();
        let load = format!("load -P {{a}} --engine {engine} --dir db --json load.json");
        let said = bench.run(&load).expect(0, "");
        assert!(said.out.contains("[INSERT], Return=OK, 1000\n"), "{}", said.out);
        let report = bench.json("load.json");
        assert_eq!((count(&report, "INSERT"), report["records"].as_u64()), (1000, Some(1000)));
        for (letter, shares) in [
            ('a', &[("READ", 0.5), ("UPDATE", 0.5)][..]),
            ('b', &[("READ", 0.95), ("UPDATE", 0.05)]),
            ('c', &[("READ", 1.0)]),
            ('d', &[("READ", 0.95), ("INSERT", 0.05)]),
            ('e', &[("SCAN", 0.95), ("INSERT", 0.05)]),
            ('f', &[("READ", 1.0), ("UPDATE", 0.5), ("READ-MODIFY-WRITE", 0.5)]),
        ] {
            check_shares(&bench, engine, letter, shares);
        }
    }
}

fn check_shares(bench: &Bench, engine: &str, letter: char, shares: &[(&str, f64)]) {
    let run = format!(
        "run -P {{{letter}}} -p operationcount=4000 --engine {engine} --dir db --threads 3 --verify \
         --json run.json"
    );
    bench.run(&run).expect(0, "");
    let report = bench.json("run.json");
    let rows = report["operations"].as_object().unwrap().keys().filter(|row| *row != "VERIFY");
    assert_eq!(rows.count(), shares.len());
    assert_eq!(report["audit"]["bad"], 0);
    for (operation, share) in shares {
        let seen = count(&report, operation) as f64 / 4000.0;
        // Three standard deviations of 4000 draws are at most 0.024.
        assert!((seen - share).abs() < 0.025, "{engine} {letter} {operation}: {seen}");
    }
}

#[test]
fn the_json_has_the_fields_that_others_rely_on() {
    let bench = Bench::new();
    bench.run("load -P {a} --engine memory --dir db").expect(0, "");
    let run = "run -P {a} --engine memory --dir db --threads 2 --json a.json";
    bench.run(run).expect(0, "");
    let report = bench.json("a.json");
    assert_eq!(report["schema"], 2);
    assert_eq!(report["mode"], "closed");
    assert_eq!(report["engine"], "memory");
    assert_eq!(report["workload"], "workloada");
    assert_eq!(report["phase"], "run");
    assert_eq!(report["threads"], 2);
    assert_eq!(report["durability"], "process");
    assert_eq!(report["records"], 1000);
    assert_eq!(report["engine_stats"]["records"], 1000);
    assert!(report["elapsed_s"].as_f64().unwrap() > 0.0);
    assert!(report["throughput_ops_s"].as_f64().unwrap() > 0.0);
    assert!(report["environment"]["kernel"].is_string());
    let read = &report["operations"]["READ"];
    assert_eq!(read["errors"], 0);
    let latencies: Vec<f64> = ["p50", "p95", "p99", "p999", "max"]
        .iter()
        .map(|name| read["service_us"][name].as_f64().unwrap())
        .collect();
    assert!(latencies[0] > 0.0 && latencies.is_sorted(), "{latencies:?}");
    assert!(read["service_us"]["mean"].as_f64().unwrap() > 0.0);
    assert!(read["response_us"].is_null(), "a closed loop has no intended starts");
}

#[test]
fn the_text_has_the_rows_of_ycsb() {
    let bench = Bench::new();
    bench.run("load -P {f} --engine memory --dir db").expect(0, "");
    let said = bench.run("run -P {f} --engine memory --dir db").expect(0, "");
    for part in [
        "[OVERALL], RunTime(ms), ",
        "[OVERALL], Throughput(ops/sec), ",
        "[READ], Operations, 1000\n",
        "[READ], AverageLatency(us), ",
        "[READ], MinLatency(us), ",
        "[READ], MaxLatency(us), ",
        "[READ], 50thPercentileLatency(us), ",
        "[READ], 95thPercentileLatency(us), ",
        "[READ], 99thPercentileLatency(us), ",
        "[READ], Return=OK, 1000\n",
        "[UPDATE], Operations, ",
        "[READ-MODIFY-WRITE], Operations, ",
    ] {
        assert!(said.out.contains(part), "'{part}' is not in:\n{}", said.out);
    }
}

#[test]
fn equal_seeds_give_equal_operations_for_any_number_of_threads() {
    let bench = Bench::new();
    bench.run("load -P {a} --engine memory --dir db").expect(0, "");
    let reads = |arguments: &str| {
        let run = format!("run -P {{a}} --engine memory --dir db --json x.json {arguments}");
        bench.run(&run).expect(0, "");
        count(&bench.json("x.json"), "READ")
    };
    let one = reads("--threads 1 --seed 7");
    assert_eq!(one, reads("--threads 4 --seed 7"));
    assert_ne!(one, reads("--threads 4 --seed 8"));
}

#[test]
fn a_duration_ends_an_unbounded_run_and_a_target_holds_its_rate() {
    let bench = Bench::new();
    bench.run("load -P {c} --engine null --dir db").expect(0, "");
    let run = "run -P {c} -p operationcount=0 --engine null --dir db --threads 2 --target 2000 \
         --duration 0.5 --json x.json -s -p status.interval=0.1";
    bench.run(run).expect(0, "ops/s");
    let report = bench.json("x.json");
    let elapsed_s = report["elapsed_s"].as_f64().unwrap();
    assert!((0.3..5.0).contains(&elapsed_s), "{elapsed_s}");
    // The schedule allows 2000 operations a second; a busy machine may give fewer, never more.
    let done = count(&report, "READ");
    assert!((1..=1002).contains(&done), "{done}");
}

#[test]
fn a_data_set_can_be_loaded_in_parts() {
    let bench = Bench::new();
    bench.write("part", "recordcount=100\ninsertcount=50\n");
    bench.run("load -P part --engine memory --dir db").expect(0, "");
    bench.run("load -P part -p insertstart=50 --engine memory --dir db").expect(0, "");
    let run = "run -P part -p insertcount=100 -p operationcount=500 --engine memory --dir db \
               --verify --json x.json";
    bench.run(run).expect(0, "");
    assert_eq!(bench.json("x.json")["engine_stats"]["records"], 100);
}

#[test]
fn the_deletes_of_the_extension_make_missing_records_no_error() {
    let bench = Bench::new();
    bench.write("mix", "recordcount=200\noperationcount=2000\nrabi.deleteproportion=0.5\n");
    bench.run("load -P mix --engine memory --dir db").expect(0, "");
    bench.run("run -P mix --engine memory --dir db --json x.json").expect(0, "");
    let report = bench.json("x.json");
    assert!(count(&report, "DELETE") > 400);
    assert!(report["operations"]["READ"]["returns"]["NOT_FOUND"].as_u64().unwrap() > 0);
    assert_eq!(report["errors_total"], 0);
}

#[test]
fn the_data_set_is_the_same_byte_for_byte_whichever_threads_wrote_it() {
    let data_set = |threads: u32, seed: u32| {
        let bench = Bench::new();
        for (command, letter) in [("load", 'a'), ("run", 'd')] {
            let arguments = format!(
                "{command} -P {{{letter}}} --engine memory --dir db --threads {threads} --seed {seed}"
            );
            bench.run(&arguments).expect(0, "");
        }
        std::fs::read(bench.path("db/memory.dump")).unwrap()
    };
    let one = data_set(1, 7);
    assert!(one.len() > 1_000 * 1_018);
    assert!(one == data_set(4, 7), "four threads wrote something else than one");
    assert!(one != data_set(4, 8), "another seed wrote the same");
}
