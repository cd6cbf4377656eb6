//! The operations of a seed are the same for any number of threads: they are collected where they
//! arrive, in an engine that remembers every call.

use std::path::Path;
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use xxhash_rust::xxh3::xxh3_64;

use super::{Job, Observer, PhaseKind, Tick, run_phase};
use crate::engine::{Engine, EngineResult, EngineStats, Keeps, Kept, ReadVisitor, ScanVisitor, Session};
use crate::properties::Properties;
use crate::workload::{Pool, Workload};

/// Kind, key, and what else the call had: a length, or the hash of a value.
type Call = (&'static str, Vec<u8>, u64);

#[derive(Default)]
struct Remembering {
    calls: Mutex<Vec<Call>>,
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

    fn stats(&self) -> EngineStats {
        EngineStats::default()
    }

    fn keeps(&self) -> Keeps {
        Keeps { kept: Kept::Nothing, how: "calls are remembered, records are not" }
    }

    fn settings(&self) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    fn settle(&self, _limit: Duration) -> EngineResult<()> {
        Ok(())
    }

    fn close(self: Box<Self>) -> EngineResult<()> {
        Ok(())
    }
}

impl Session for &Remembering {
    fn read(&mut self, key: &[u8], visit: &mut dyn FnMut(&[u8])) -> EngineResult<bool> {
        self.note("read", key, 0);
        visit(&[]);
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

    fn scan(&mut self, start: &[u8], limit: usize, visit: ScanVisitor<'_>) -> EngineResult<usize> {
        self.note("scan", start, limit as u64);
        visit(start, &[]);
        Ok(1)
    }

    fn scan_back(&mut self, start: &[u8], limit: usize, visit: ScanVisitor<'_>) -> EngineResult<usize> {
        self.note("scan back", start, limit as u64);
        visit(start, &[]);
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

struct Unwatched;

impl Observer for Unwatched {
    fn interval(&self) -> Duration {
        Duration::from_secs(1)
    }

    fn tick(&mut self, _tick: &Tick<'_>) {}
}

/// All calls of a run, sorted.
fn calls(mix: &str, seed: u64, threads: usize) -> Vec<Call> {
    let mut properties = Properties::default();
    let common = "recordcount=20000\noperationcount=20000\nfieldcount=2\nfieldlength=30\nmaxscanlength=50";
    properties.add_text(Path::new("mix"), &format!("{common}\nthreadcount={threads}\n{mix}")).unwrap();
    let workload = Workload::from_properties(&properties).unwrap();
    let job = Job { kind: PhaseKind::Run, workload_name: "mix".to_owned(), workload, seed };
    let engine = Remembering::default();
    // Making it takes longer than the run; that it is of another seed changes no choice.
    static POOL: OnceLock<Pool> = OnceLock::new();
    run_phase(&engine, &job, POOL.get_or_init(|| job.pool()), None, &mut Unwatched).unwrap();
    let mut calls = engine.calls.into_inner().unwrap();
    calls.sort_unstable();
    calls
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
