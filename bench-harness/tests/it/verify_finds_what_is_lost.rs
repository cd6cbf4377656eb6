//! `--verify` on an engine that loses or spoils a write: the run fails, and says which record.

use crate::harness::{Bench, Said, count, engines};

const MIX: &str = "recordcount=50\noperationcount=2000\nfieldcount=2\nfieldlength=20\n\
                   requestdistribution=uniform\nthreadcount=2\n";

/// A load and a run, the run with a spoilt write.
fn spoilt(mix: &str, injection: &str) -> Said {
    let bench = Bench::new();
    bench.write("mix", &format!("{MIX}{mix}"));
    bench.run("load -P mix --engine memory --dir db --verify").expect(0, "");
    bench.run(&format!("run -P mix --engine memory --dir db --verify {injection}"))
}

#[test]
fn every_engine_and_every_operation_passes() {
    for engine in engines() {
        let bench = Bench::new();
        bench.write(
            "mix",
            "recordcount=300\noperationcount=6000\nfieldcount=2\nfieldlength=20\nmaxscanlength=20\n\
             readproportion=2\nupdateproportion=2\ninsertproportion=1\nscanproportion=1\n\
             readmodifywriteproportion=1\nrabi.deleteproportion=1\nrabi.multireadproportion=1\n\
             rabi.batchproportion=1\nrabi.reversescanproportion=1\nrequestdistribution=zipfian\n\
             threadcount=4\n",
        );
        bench.run(&format!("load -P mix --engine {engine} --dir db --verify")).expect(0, "");
        let said =
            bench.run(&format!("run -P mix --engine {engine} --dir db --verify --json x.json")).expect(0, "");
        let report = bench.json("x.json");
        for row in [
            "READ",
            "UPDATE",
            "INSERT",
            "SCAN",
            "READ-MODIFY-WRITE",
            "DELETE",
            "MULTI-READ",
            "BATCH",
            "REVERSE-SCAN",
        ] {
            let done =
                count(&report, row) + report["operations"][row]["returns"]["NOT_FOUND"].as_u64().unwrap_or(0);
            assert!(done > 250, "{engine}: {row}: {done}\n{}", said.out);
        }
        assert!(count(&report, "VERIFY") > 2_000, "{engine}: {}", said.out);
        assert!(report["audit"]["good"].as_u64().unwrap() > 200, "{engine}: {}", said.out);
        assert_eq!(report["audit"]["bad"], 0, "{engine}");
    }
}

#[test]
fn the_workload_files_of_this_repository_pass() {
    for name in
        ["mixgraph", "twitter-cluster12", "twitter-cluster14", "twitter-cluster19", "twitter-cluster52"]
    {
        let file = format!("{}/../workloads/{name}", env!("CARGO_MANIFEST_DIR"));
        let bench = Bench::new();
        let size = "-p recordcount=2000 -p operationcount=4000 -p threadcount=2";
        let load =
            bench.run(&format!("load -P {file} {size} --engine memory --dir db --verify")).expect(0, "");
        assert!(!load.err.contains("property"), "{name}: {}", load.err);
        bench
            .run(&format!("run -P {file} {size} --engine memory --dir db --verify --json x.json"))
            .expect(0, "");
        // Sums of binomial shares: three standard deviations of 4000 draws are at most 0.024.
        let share = |row: &str| count(&bench.json("x.json"), row) as f64 / 4000.0;
        let updates = match name {
            "mixgraph" => 0.14,
            "twitter-cluster12" => 0.80,
            "twitter-cluster14" => 0.13,
            "twitter-cluster19" => 0.25,
            _ => 0.02 / 0.97,
        };
        assert!((share("UPDATE") - updates).abs() < 0.024, "{name}: {}", share("UPDATE"));
    }
}

#[test]
fn a_lost_update_is_a_stale_version() {
    let said = spoilt("readproportion=0.9\nupdateproportion=0.1", "--inject-lost-write 20");
    let said = said.expect(1, "VERIFY: expected version ");
    let line = said.err.lines().find(|line| line.contains("VERIFY: expected version")).unwrap();
    let key = line.trim().split(':').next().unwrap();
    assert!(key.starts_with("user"), "{line}");
    let versions: Vec<u32> = line
        .rsplit("version ")
        .take(2)
        .map(|part| part.split([',', ' ']).next().unwrap().parse().unwrap())
        .collect();
    assert_eq!(versions[1], versions[0] + 1, "{line}");
    assert!(said.out.contains("[VERIFY], Return=UNEXPECTED_STATE, "), "{}", said.out);
}

#[test]
fn a_lost_update_that_nobody_read_is_found_by_the_audit() {
    spoilt("readproportion=0\nupdateproportion=1\noperationcount=1", "--inject-lost-write 1")
        .expect(1, ": after the run: expected version 2, found version 1");
}

#[test]
fn a_lost_insert_is_found_by_the_audit_of_the_load() {
    let bench = Bench::new();
    bench.write("mix", MIX);
    let said = bench
        .run("load -P mix --engine memory --dir db --verify --inject-lost-write 7")
        .expect(1, ": after the run: expected version 1, found nothing");
    assert!(said.err.contains("user"), "{}", said.err);
    assert!(said.out.contains("[AUDIT], BadRecords, 1"), "{}", said.out);
}

#[test]
fn a_lost_delete_is_found_by_a_read_or_the_audit() {
    spoilt(
        "readproportion=0\nupdateproportion=0\nrabi.deleteproportion=1\noperationcount=1",
        "--inject-lost-write 1",
    )
    .expect(1, ": after the run: expected nothing: it was deleted, found version 1");
}

#[test]
fn a_lost_batch_is_found() {
    spoilt(
        "readproportion=0\nupdateproportion=0\nrabi.batchproportion=1\noperationcount=1\nrabi.batchsize=3",
        "--inject-lost-write 1",
    )
    .expect(1, ": after the run: expected version 2, found version 1");
}

#[test]
fn damage_is_found_by_a_read_and_by_the_audit() {
    let said = spoilt("readproportion=0.9\nupdateproportion=0.1", "--inject-rotten-write 20");
    said.expect(1, ": VERIFY: expected a record that was written under this key, found 50 bytes that");
    spoilt("readproportion=0\nupdateproportion=1\noperationcount=1", "--inject-rotten-write 1")
        .expect(1, ": after the run: expected a record that was written under this key, found 50 bytes that");
}

#[test]
fn a_record_lost_between_load_and_run_is_a_missing_record() {
    let bench = Bench::new();
    bench.write("mix", MIX);
    bench.run("load -P mix --engine memory --dir db --inject-lost-write 7").expect(0, "");
    bench.run("run -P mix --engine memory --dir db --verify").expect(1, "READ: the record is not there");
}

#[test]
fn values_of_dataintegrity_are_checked_without_a_ledger() {
    let bench = Bench::new();
    bench.write("mix", &format!("{MIX}dataintegrity=true\nfieldlength=60\n"));
    bench.run("load -P mix --engine memory --dir db").expect(0, "");
    let said = bench.run("run -P mix --engine memory --dir db").expect(0, "");
    assert!(said.out.contains("[VERIFY], Return=OK, "), "{}", said.out);
    assert!(!said.out.contains("[AUDIT]"), "{}", said.out);
    // The same records with other field names are not what their keys say.
    bench
        .run("run -P mix -p fieldnameprefix=f --engine memory --dir db")
        .expect(1, "VERIFY: expected the fields that follow from the key, found others");
}
