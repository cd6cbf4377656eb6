//! `crash`: engines that are killed lose nothing, an engine that loses something is found out, and wrong
//! arguments are answered.

use serde_json::Value;

use crate::harness::{Bench, Said, Small, engines};

/// Deletes, batches and inserts as well, few enough records that memtables are flushed and merged.
const MIX: &str = "recordcount=3000\nfieldcount=2\nfieldlength=100\nrequestdistribution=uniform\n\
                   readproportion=1\nupdateproportion=4\ninsertproportion=1\nreadmodifywriteproportion=1\n\
                   rabi.deleteproportion=1\nrabi.batchproportion=1\nthreadcount=2\n";

fn rounds(report: &Value, engine: usize) -> &Vec<Value> {
    report["engines"][engine]["rounds"].as_array().unwrap()
}

fn sum(report: &Value, engine: usize, field: &str) -> u64 {
    rounds(report, engine).iter().map(|round| round[field].as_u64().unwrap()).sum()
}

/// Crashes engines in turn, and holds what is reported of each.
fn crash_and_check(engines: &[&str], open_kill: f64) {
    let bench = Bench::new();
    bench.write("mix", MIX);
    let list = engines.join(",");
    let said = bench
        .run(&format!(
            "crash -P mix --engines {list} --rounds 3 --run-s 0.4 --open-kill {open_kill} --seed 6 \
             --memtable-size-bytes 1048576 --dir dbs --json x.json"
        ))
        .expect(0, &format!("[3/3] {}: killed in ", engines[0]));
    let report = bench.json("x.json");
    for (place, engine) in engines.iter().enumerate() {
        assert_eq!(report["engines"][place]["engine"], *engine);
        assert_eq!(rounds(&report, place).len(), 3, "{engine}: {}", said.err);
        assert!(sum(&report, place, "acknowledged") > 30, "{engine}: {}", said.out);
        assert!(sum(&report, place, "good") > 30, "{engine}: {}", said.out);
        assert_eq!(sum(&report, place, "lost") + sum(&report, place, "wrong"), 0, "{engine}");
        let promised = report["engines"][place]["durability_kept"].as_str().unwrap();
        assert!(said.out.contains(&format!("{engine}: promises {promised}: ")), "{}", said.out);
        let again = rounds(&report, place).iter().any(|round| round["killed_again_in"].is_string());
        assert_eq!(again, open_kill > 0.0, "{engine}");
        let mut acknowledged = 0;
        for round in rounds(&report, place) {
            acknowledged += round["acknowledged"].as_u64().unwrap();
            let open_s = round["open_s"].as_f64().unwrap();
            assert!(open_s > 0.0);
            // A kill may come before the first acknowledgement: then there is nothing to be read.
            let first_read_s = round["first_read_s"].as_f64();
            assert!(first_read_s.map_or(acknowledged == 0, |read_s| read_s > open_s), "{engine}: {round}");
        }
    }
}

#[test]
fn every_engine_on_disk_keeps_what_it_has_acknowledged() {
    let on_disk = || engines().into_iter().filter(|engine| *engine != "memory");
    crash_and_check(&on_disk().filter(|engine| *engine != "sled").collect::<Vec<_>>(), 0.5);
    // sled 0.34 may refuse to open what a killed opening has left (its issues 1527 and 1533).
    if on_disk().any(|engine| engine == "sled") {
        crash_and_check(&["sled"], 0.0);
    }
}

/// Three rounds at a pace at which no record is written twice.
fn spoilt(injection: &str) -> (Bench, Said) {
    let bench = Bench::new();
    bench.write(
        "mix",
        "recordcount=1000\nfieldcount=2\nfieldlength=20\nrequestdistribution=sequential\ntarget=1000\n\
         readproportion=0\nupdateproportion=1\nthreadcount=1\n",
    );
    let said = bench.run(&format!(
        "crash -P mix --dir db --rounds 3 --run-s 0.5 --open-kill 0 --json x.json {injection}"
    ));
    (bench, said)
}

#[test]
fn a_lost_write_is_found_and_named() {
    let (bench, said) = spoilt("--inject-lost-write 5");
    let said = said.expect(1, "lost, 0 wrong");
    let line = said.out.lines().find(|line| line.starts_with("rabi: round ")).unwrap();
    assert!(line.contains(": user") && line.contains(": after the run: expected version "), "{line}");
    assert!(line.contains(", found "), "{line}");
    assert!(sum(&bench.json("x.json"), 0, "lost") > 0, "{}", said.out);
}

#[test]
fn a_spoilt_write_is_wrong_and_not_lost() {
    let (bench, said) = spoilt("--inject-rotten-write 5");
    let said = said.expect(1, "0 lost, 1 wrong");
    assert!(said.out.contains("expected a record that was written under this key, found 50 bytes"));
    assert_eq!(sum(&bench.json("x.json"), 0, "lost"), 0, "{}", said.out);
}

#[test]
fn a_database_that_is_there_is_used_as_it_is() {
    let bench = Bench::new();
    bench.write("mix", &format!("{MIX}recordcount=500\n"));
    bench.run("load -P mix --engine rabi --dir db --verify").expect(0, "");
    let said = bench.run("crash -P mix --dir db --rounds 1 --run-s 0.3 --open-kill 0 --json x.json");
    said.expect(0, "killed in run, ");
    assert!(sum(&bench.json("x.json"), 0, "good") > 100);
}

#[test]
fn an_engine_that_does_not_open_is_given_up_with_its_own_words() {
    let bench = Bench::new();
    bench.write("mix", MIX);
    std::fs::create_dir(bench.path("db")).unwrap();
    std::fs::write(bench.path("db/data.mdb"), "").unwrap();
    let said = bench.run("crash -P mix --dir db --rounds 3").expect(
        1,
        "rabi: given up in round 1: the process that writes: open ended by itself with exit status: 2: error: \
         engine rabi: open failed: ",
    );
    assert!(said.err.contains("holds the data of the engine lmdb"), "{}", said.err);
    assert!(said.out.contains("rabi: was never open again"), "{}", said.out);
}

#[test]
fn a_full_device_refuses_writes_serves_reads_and_loses_nothing() {
    let bench = Bench::new();
    let Some(_small) = Small::mount(&bench, 160) else { return };
    bench.write("mix", MIX);
    let said = bench
        .run("crash -P mix --full --dir small --memtable-size-bytes 1048576 --json x.json")
        .expect(0, "rabi: writes again, and all was checked");
    assert!(said.out.contains("no space left to "), "{}", said.out);
    let full = &bench.json("x.json")["full"][0];
    assert!(full["acknowledged"].as_u64().unwrap() > 10_000, "{full}");
    assert_eq!((&full["reads_good"], &full["reads_bad"]), (&1000.into(), &0.into()), "{full}");
    assert_eq!((&full["lost"], &full["wrong"]), (&0.into(), &0.into()), "{full}");
    assert!(full["resumed_s"].is_number() && full["open_s"].is_number(), "{full}");
    assert!(!bench.path("small/rabi").exists() && !bench.path("small/filler").exists());
}
