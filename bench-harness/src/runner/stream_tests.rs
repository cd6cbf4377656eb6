//! The operations of a seed are the same for any number of threads: they are collected where they
//! arrive, in an engine that remembers every call.

use std::sync::{Mutex, OnceLock};

use xxhash_rust::xxh3::xxh3_64;

use super::{Job, PhaseKind, PhaseResult, Unwatched, run_phase};
use crate::engine::{Direction, Engine, EngineResult, Keeps, Kept, ReadVisitor, Scan, ScanVisitor, Session};
use crate::measure::Row;
use crate::workload::Pool;

/// Kind, key, and what else the call had: a length, or the hash of a value.
type Call = (&'static str, Vec<u8>, u64);

#[derive(Default)]
struct Remembering {
    calls: Mutex<Vec<Call>>,
    /// Whether reads of every seventh key, by its hash, find nothing.
    lacks_some: bool,
}

impl Remembering {
    fn note(&self, kind: &'static str, key: &[u8], what: u64) {
        self.calls.lock().unwrap().push((kind, key.to_vec(), what));
    }
}

impl Engine for Remembering {
    fn session(&self) -> EngineResult<Box<dyn Session + '_>> {
        Ok(Box::new(self))
    }

    fn keeps(&self) -> Keeps {
        Keeps { kept: Kept::Nothing, how: "calls are remembered, records are not" }
    }
}

impl Session for &Remembering {
    fn read(&mut self, key: &[u8], visit: &mut dyn FnMut(&[u8])) -> EngineResult<bool> {
        self.note("read", key, 0);
        if self.lacks_some && is_lacking(key) {
            return Ok(false);
        }
        visit(b"what is there");
        Ok(true)
    }

    fn insert(&mut self, key: &[u8], value: &[u8]) -> EngineResult<()> {
        self.note("insert", key, xxh3_64(value));
        Ok(())
    }

    fn update(&mut self, key: &[u8], value: &[u8]) -> EngineResult<()> {
        self.note("update", key, xxh3_64(value));
        Ok(())
    }

    fn delete(&mut self, key: &[u8]) -> EngineResult<()> {
        self.note("delete", key, 0);
        Ok(())
    }

    fn scan(&mut self, scan: Scan<'_>, visit: ScanVisitor<'_>) -> EngineResult<usize> {
        let kind = if scan.direction == Direction::Forward { "scan" } else { "scan back" };
        self.note(kind, scan.start, scan.limit as u64);
        visit(scan.start, &[]);
        Ok(1)
    }

    fn multi_read(&mut self, keys: &[Vec<u8>], visit: ReadVisitor<'_>) -> EngineResult<()> {
        self.note("multi-read", &keys.concat(), keys.len() as u64);
        (0..keys.len()).for_each(|place| visit(place, &[]));
        Ok(())
    }

    fn write_batch(&mut self, records: &[(Vec<u8>, Vec<u8>)]) -> EngineResult<()> {
        let bytes: Vec<u8> =
            records.iter().flat_map(|(key, value)| [key.clone(), value.clone()].concat()).collect();
        self.note("batch", &records[0].0, xxh3_64(&bytes));
        Ok(())
    }
}

fn is_lacking(key: &[u8]) -> bool {
    xxh3_64(key).is_multiple_of(7)
}

/// All calls of a run, sorted.
fn calls(mix: &str, seed: u64, threads: usize) -> Vec<Call> {
    run(Remembering::default(), mix, seed, threads).1
}

/// The result of a run and its calls, sorted.
fn run(engine: Remembering, mix: &str, seed: u64, threads: usize) -> (PhaseResult, Vec<Call>) {
    let common = "recordcount=20000\noperationcount=20000\nfieldcount=2\nfieldlength=30\nmaxscanlength=50";
    let job = Job::of(PhaseKind::Run, &format!("{common}\nthreadcount={threads}\n{mix}"), seed);
    // Making it takes longer than the run; that it is of another seed changes no choice.
    static POOL: OnceLock<Pool> = OnceLock::new();
    let pool = POOL.get_or_init(|| job.pool());
    let result = run_phase(&engine, &job, pool, None, &mut Unwatched).unwrap();
    let mut calls = engine.calls.into_inner().unwrap();
    calls.sort_unstable();
    (result, calls)
}

/// Every operation, a fifth of them inserts.
const ALL: &str = "readproportion=2\nupdateproportion=1\ninsertproportion=2\nscanproportion=1\n\
                   readmodifywriteproportion=1\nrabi.deleteproportion=1\nrabi.multireadproportion=1\n\
                   rabi.batchproportion=1\nrabi.reversescanproportion=1";

#[test]
fn the_calls_of_a_seed_are_the_same_for_any_number_of_threads() {
    for request in ["uniform", "hotspot", "sequential", "rabi.zipf", "rabi.keyranges"] {
        let mix = format!("{ALL}\nrequestdistribution={request}");
        let one = calls(&mix, 7, 1);
        assert!(one.len() > 20_000, "{request}: {}", one.len());
        for threads in [2, 4] {
            assert!(one == calls(&mix, 7, threads), "{request} with {threads} threads");
        }
        assert!(one != calls(&mix, 8, 1), "{request}: another seed gave the same calls");
    }
}

#[test]
fn without_inserts_the_others_are_the_same_as_well() {
    for request in ["zipfian", "latest", "exponential"] {
        let mix = format!("requestdistribution={request}\nscanproportion=0.1");
        let one = calls(&mix, 7, 1);
        for threads in [2, 4] {
            assert!(one == calls(&mix, 7, threads), "{request} with {threads} threads");
        }
    }
}

/// The exception that `KeyChooser` documents: a request for a record whose insert another thread has
/// not finished is drawn again. How often that happens depends on the scheduler, so only what
/// does not is compared: what is inserted, and how many operations of each kind there are.
#[test]
fn requests_that_reach_inserts_leave_inserts_and_kinds_the_same() {
    let inserts = |calls: &[Call]| -> Vec<Call> {
        calls.iter().filter(|(kind, ..)| *kind == "insert").cloned().collect()
    };
    let kinds = |calls: &[Call]| -> Vec<&'static str> { calls.iter().map(|(kind, ..)| *kind).collect() };
    for request in ["zipfian", "latest", "exponential"] {
        let mix = format!("{ALL}\nrequestdistribution={request}");
        let one = calls(&mix, 7, 1);
        for threads in [2, 4] {
            let several = calls(&mix, 7, threads);
            assert!(inserts(&one) == inserts(&several), "{request} with {threads} threads: inserts differ");
            assert!(kinds(&one) == kinds(&several), "{request} with {threads} threads: kinds differ");
        }
    }
}

/// With a target rate operations are made one at a time, without one several ahead, and reads in rows.
#[test]
fn operations_made_ahead_are_those_made_one_at_a_time() {
    for request in ["zipfian", "uniform", "latest"] {
        for mix in
            ["readproportion=1", "readproportion=0.8\nscanproportion=0.1\nreadmodifywriteproportion=0.1"]
        {
            let mix = format!("{mix}\nupdateproportion=0.1\nrequestdistribution={request}");
            let ahead = calls(&mix, 7, 2);
            assert!(ahead == calls(&format!("{mix}\ntarget=100000000"), 7, 2), "{mix}");
        }
    }
}

#[test]
fn reads_in_rows_are_counted_with_those_that_find_nothing() {
    let lacking = || Remembering { lacks_some: true, ..Remembering::default() };
    let (result, calls) = run(lacking(), "readproportion=0.9\nupdateproportion=0.1", 7, 2);
    assert_eq!((result.operations, calls.len()), (20_000, 20_000));
    let reads: Vec<&Call> = calls.iter().filter(|call| call.0 == "read").collect();
    let missing = reads.iter().filter(|call| is_lacking(&call.1)).count() as u64;
    assert!(missing > 1_000, "{missing}");
    let row = result.rows.iter().find(|row| row.row == Row::Read.name()).unwrap();
    assert_eq!((row.count, row.errors), (reads.len() as u64 - missing, missing));
    let found_bytes: u64 =
        reads.iter().filter(|call| !is_lacking(&call.1)).map(|call| call.1.len() as u64 + 13).sum();
    assert_eq!(result.read_bytes, found_bytes);
    assert!(result.first_errors[0].ends_with("READ: the record is not there"), "{:?}", result.first_errors);
}
