//! `--clients`: futures in place of threads, and tickets.

use crate::harness::{Bench, count};

const MIX: &str = "-p recordcount=500 -p operationcount=3000 -p readproportion=3 -p updateproportion=2 \
                   -p insertproportion=1 -p scanproportion=1 -p readmodifywriteproportion=1 -p maxscanlength=20 \
                   -p rabi.deleteproportion=0.5 -p rabi.multireadproportion=1 -p rabi.batchproportion=0.5 \
                   -p rabi.reversescanproportion=0.5 -p rabi.batchsize=3 -p rabi.multireadsize=4";
/// UPDATE is not among them: the update of a read-modify-write is made only if a delete was not there first.
const ROWS: [&str; 8] =
    ["READ", "INSERT", "SCAN", "READ-MODIFY-WRITE", "DELETE", "MULTI-READ", "BATCH", "REVERSE-SCAN"];

#[test]
fn futures_do_what_threads_do_and_lose_nothing() {
    let bench = Bench::new();
    let (clients, with_drivers) = ("--clients 8 --cores 2", "--clients 8 --cores 2 --drivers");
    for (name, clients) in [("futures", clients), ("drivers", with_drivers), ("threads", "--threads 3")] {
        let load = format!("load {MIX} {clients} --verify --dir {name} --json load-{name}.json");
        bench.run(&load).expect(0, "");
        let run = format!("run {MIX} {clients} --verify --dir {name} --json {name}.json");
        bench.run(&run).expect(0, "");
    }
    let (futures, threads) = (bench.json("futures.json"), bench.json("threads.json"));
    let drivers = bench.json("drivers.json");
    assert_eq!((futures["clients"].as_u64(), futures["threads"].as_u64()), (Some(8), Some(2)));
    assert_eq!((threads.get("clients"), threads["threads"].as_u64()), (None, Some(3)));
    assert_eq!(count(&bench.json("load-futures.json"), "INSERT"), 500);
    for (report, name) in [(&futures, "futures"), (&drivers, "drivers"), (&threads, "threads")] {
        assert_eq!(report["operations_total"], 3000, "{name}");
        assert_eq!((&report["errors_total"], &report["audit"]["bad"]), (&0.into(), &0.into()), "{name}");
    }
    // Equal seeds draw equal operations, whoever makes them. What they find hangs on who was first.
    let all = |report: &serde_json::Value, row: &str| -> u64 {
        let returns = report["operations"][row]["returns"].as_object();
        returns.into_iter().flatten().filter_map(|(_, count)| count.as_u64()).sum()
    };
    for row in ROWS {
        assert!(all(&futures, row) > 0, "{row}");
        assert_eq!(all(&futures, row), all(&threads, row), "{row}");
        assert_eq!(all(&drivers, row), all(&threads, row), "{row}");
    }
}

#[test]
fn a_ticket_is_visible_first_and_durable_later() {
    let bench = Bench::new();
    let mix = "-p recordcount=100 -p operationcount=400 -p readproportion=0 -p updateproportion=0 \
               -p rabi.ticketproportion=1 -p rabi.ticketsize=2 --dir db";
    bench.run(&format!("load {mix}")).expect(0, "");
    let said = bench.run(&format!("run {mix} --clients 16 --cores 1 --verify --json run.json")).expect(0, "");
    assert!(said.out.contains("[SUBMIT], Operations, 400"), "{}", said.out);
    let report = bench.json("run.json");
    assert_eq!((count(&report, "SUBMIT"), count(&report, "DURABLE")), (400, 400));
    let mean = |row: &str| report["operations"][row]["service_us"]["mean"].as_f64().unwrap();
    assert!(mean("DURABLE") > mean("SUBMIT"));
    assert_eq!(report["operations_total"], 400, "a ticket is one operation");
}

#[test]
fn futures_keep_a_schedule() {
    let bench = Bench::new();
    let shape = "-p recordcount=100 -p operationcount=0 --duration 0.5 --dir db --json run.json --clients 20 --cores 2";
    bench.run("load -p recordcount=100 --dir db").expect(0, "");
    for (rate, mode) in [
        ("--arrivals poisson --rate 1000", "open"),
        ("--target 1000", "target"),
        ("--drivers --target 1000", "target"),
    ] {
        bench.run(&format!("run {shape} {rate}")).expect(0, "");
        let report = bench.json("run.json");
        assert_eq!(report["mode"], mode);
        let done = report["operations_total"].as_u64().unwrap();
        assert!((300..=700).contains(&done), "{rate}: {done} in half a second");
        let read = &report["operations"]["READ"];
        let mean = |kind: &str| read[kind]["mean"].as_f64().unwrap();
        assert!(mean("response_us") >= mean("service_us"), "{read}");
    }
}

#[test]
fn a_suite_runs_engines_that_can_be_awaited_a_second_time_with_futures() {
    let bench = Bench::new();
    let suite =
        "suite --records 500 --operations 500 --smoke --dir databases --engines rabi,memory --workloads a,e";
    let said = bench.run(&format!("{suite} --repeat 1 --threads 3 --clients 6 --cores 2")).expect(0, "");
    assert!(said.err.contains("[2/3] rabi-async, repeat 1"), "{}", said.err);
    let readme = std::fs::read_to_string(bench.results().join("README.md")).unwrap();
    for part in [
        "rabi called by 3 threads, rabi-async called by 6 async clients on 2 threads, memory called by 3 threads",
        "| rabi-async |",
        "--engine rabi --dir",
        "raw/rabi-async-1.json",
    ] {
        assert!(readme.contains(part), "'{part}' is not in:\n{readme}");
    }
    assert_eq!(readme.matches("--clients 6 --cores 2").count(), 2, "of the suite and of one run: {readme}");
}
