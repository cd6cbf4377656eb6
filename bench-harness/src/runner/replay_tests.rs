//! Runs that were recorded are replayed, and come to the same.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::{Job, PhaseKind, PhaseResult, Unwatched, run_phase};
use crate::engine::{self, Durability, Engine, Scan, Settings};
use crate::trace::{Format, Recording, Replay};
use crate::workload::{Pool, version};

/// Every operation but deletes, whose outcome depends on who comes first.
const MIX: &str = "recordcount=500\noperationcount=4000\nfieldcount=2\nfieldlength=30\nmaxscanlength=20\n\
                   fieldlengthdistribution=uniform\nreadproportion=2\nupdateproportion=1\n\
                   insertproportion=1\nscanproportion=1\nreadmodifywriteproportion=1\n\
                   rabi.multireadproportion=1\nrabi.batchproportion=1\nrabi.reversescanproportion=1\n";

fn job(kind: PhaseKind, text: &str) -> Job {
    Job::of(kind, text, 7)
}

fn replay(file: &Path, text: &str) -> Job {
    let mut job = job(PhaseKind::Run, text);
    job.workload.read_all_fields = true;
    Job { replay: Some(Replay::of(file, Format::Rabi)), ..job }
}

fn memory(dir: &Path) -> Box<dyn Engine> {
    let settings = Settings { durability: Durability::Process, options: Vec::new() };
    engine::open("memory", dir, &settings).unwrap()
}

fn run(engine: &dyn Engine, job: &Job, pool: &Pool) -> PhaseResult {
    run_phase(engine, job, pool, None, &mut Unwatched).unwrap()
}

/// Writes down what a job does.
fn recorded(engine: &dyn Engine, mut job: Job, pool: &Pool, file: &Path) -> PhaseResult {
    let recording = Arc::new(Recording::create(file, job.workload.threads).unwrap());
    job.recording = Some(Arc::clone(&recording));
    let result = run(engine, &job, pool);
    assert_eq!(recording.finish().unwrap(), result.operations);
    result
}

/// The outcomes of each row.
fn outcomes(result: &PhaseResult) -> BTreeMap<&'static str, BTreeMap<&'static str, u64>> {
    result.rows.iter().map(|row| (row.row, row.returns.clone())).collect()
}

/// All keys with the lengths of their values, each of which was written under its key.
fn content(engine: &dyn Engine) -> Vec<(Vec<u8>, usize)> {
    let mut all = Vec::new();
    let visit = &mut |key: &[u8], value: &[u8]| {
        assert!(version(key, value).is_some(), "{} is not what was written", key.escape_ascii());
        all.push((key.to_vec(), value.len()));
    };
    engine.session().unwrap().scan(Scan::forward(&[0], usize::MAX), visit).unwrap();
    all
}

/// The recorded run and its replay on a data set that was loaded alike.
fn run_and_replay(mix: &str, threads: u32) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("run.trace");
    let (first, second) = (dir.path().join("1"), dir.path().join("2"));
    let text = format!("{mix}threadcount={threads}\n");
    let load = job(PhaseKind::Load, &text);
    let pool = load.pool();
    let mut engines = Vec::new();
    for dir in [&first, &second] {
        std::fs::create_dir(dir).unwrap();
        let engine = memory(dir);
        run(&*engine, &load, &pool);
        engines.push(engine);
    }
    let ran = recorded(&*engines[0], job(PhaseKind::Run, &text), &pool, &file);
    // The operations of one thread begin in the order in which those of several began.
    let replayed = run(&*engines[1], &replay(&file, mix), &pool);
    assert_eq!(outcomes(&replayed), outcomes(&ran));
    assert!(ran.rows.len() >= 6, "{:?}", outcomes(&ran));
    let (mut first, mut second) = (content(&*engines[0]), content(&*engines[1]));
    assert_eq!((replayed.operations, replayed.written_bytes), (4_000, ran.written_bytes));
    if threads > 1 {
        // Of two writes of a record that overlapped in time, either may have been the last.
        let nothing =
            |content: &mut Vec<(Vec<u8>, usize)>| content.iter_mut().for_each(|(_, length)| *length = 0);
        nothing(&mut first);
        nothing(&mut second);
    }
    assert!(first == second, "{} and {} records", first.len(), second.len());
    assert!(replayed.trace.unwrap().problem.is_none());
}

#[test]
fn the_replay_of_a_run_has_its_operations_its_outcomes_and_its_records() {
    run_and_replay(MIX, 1);
    run_and_replay(&format!("{MIX}rabi.deleteproportion=1\n"), 1);
}

#[test]
fn the_replay_of_several_threads_keeps_the_order_in_which_they_began() {
    run_and_replay(MIX, 3);
}

#[test]
fn a_load_that_is_replayed_on_nothing_gives_the_same_records_with_any_threads() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("load.trace");
    let load = job(PhaseKind::Load, &format!("{MIX}threadcount=3\n"));
    let pool = load.pool();
    let engine = memory(dir.path());
    recorded(&*engine, load, &pool, &file);
    let empty = tempfile::tempdir().unwrap();
    let other = memory(empty.path());
    let replayed = run(&*other, &replay(&file, &format!("{MIX}threadcount=4\noperationcount=0\n")), &pool);
    assert_eq!((replayed.operations, replayed.errors()), (500, 0));
    assert!(content(&*other) == content(&*engine));
    // A trace that is replayed can be recorded, and is the same again.
    let again = dir.path().join("again.trace");
    recorded(&*other, replay(&file, MIX), &pool, &again);
    let bytes = |path: &Path| std::fs::read(path).unwrap();
    assert!(bytes(&again).len() > 10_000 && bytes(&file).len().abs_diff(bytes(&again).len()) < 2_000);
}

fn twitter(dir: &Path, text: &str, speed: Option<f64>, more: &str) -> Job {
    let file = dir.join("cluster.csv");
    std::fs::write(&file, text).unwrap();
    let mut job = replay(&file, &format!("recordcount=1\n{more}"));
    let replay = job.replay.as_mut().unwrap();
    (replay.format, replay.speed) = (Format::Twitter, speed);
    job
}

#[test]
fn a_record_that_is_not_there_is_counted_and_no_failure_and_foreign_bytes_are_one() {
    let dir = tempfile::tempdir().unwrap();
    let engine = memory(dir.path());
    engine.session().unwrap().insert(b"foreign", b"bytes of somebody else").unwrap();
    // Values shorter than a checksum, of no bytes, and of more bytes than the pool.
    let text = "0,none,4,0,1,get,0\n0,a,1,3,1,set,9\n0,a,1,3,1,get,0\n0,b,1,0,1,add,9\n0,b,1,0,1,get,0\n\
                0,c,1,5000000,1,set,9\n0,c,1,5000000,1,get,0\n0,none,4,9,1,incr,0\n0,foreign,7,22,1,get,0\n";
    let job = twitter(dir.path(), text, None, "rabi.verify=true\n");
    let result = run(&*engine, &job, &job.pool());
    let of = |row, outcome| outcomes(&result).get(row).and_then(|row| row.get(outcome).copied()).unwrap_or(0);
    assert_eq!((of("READ", "OK"), of("READ", "NOT_FOUND")), (4, 2));
    assert_eq!((of("VERIFY", "OK"), of("VERIFY", "UNEXPECTED_STATE")), (3, 1));
    assert_eq!((of("UPDATE", "OK"), of("INSERT", "OK"), of("READ-MODIFY-WRITE", "NOT_FOUND")), (2, 1, 1));
    assert_eq!((result.errors(), result.operations), (1, 9));
    let text = "foreign: VERIFY: expected a record that was written under this key";
    assert!(result.first_errors[0].starts_with(text), "{:?}", result.first_errors);
    let lengths: Vec<usize> = content_lengths(&*engine);
    assert_eq!(lengths, [3, 1, 5_000_000, 22]);
}

fn content_lengths(engine: &dyn Engine) -> Vec<usize> {
    let mut lengths = Vec::new();
    engine
        .session()
        .unwrap()
        .scan(Scan::forward(&[0], 100), &mut |_, value| lengths.push(value.len()))
        .unwrap();
    lengths
}

#[test]
fn at_a_speed_operations_wait_for_their_times_and_what_was_due_is_counted() {
    let dir = tempfile::tempdir().unwrap();
    let engine = memory(dir.path());
    // Four at 0, 0.25, 0.5 and 0.75 s, four a second later.
    let text = "9,a,1,1,1,get,0\n".repeat(4) + &"10,a,1,1,1,get,0\n".repeat(4);
    let job = twitter(dir.path(), &text, Some(10.0), "threadcount=2\n");
    let pool = job.pool();
    let result = run(&*engine, &job, &pool);
    assert_eq!(result.operations, 8);
    assert!(result.elapsed >= Duration::from_millis(175), "{:?}", result.elapsed);
    assert!(result.elapsed < Duration::from_secs(5), "{:?}", result.elapsed);
    assert!(result.rows[0].failed.is_some(), "what was not found has latencies of its own");
    assert_eq!(result.backlog, Some(Default::default()));
    // Until 0.01 s of the run, which is 0.1 s of the trace.
    let short = twitter(dir.path(), &text, Some(10.0), "maxexecutiontime=0.01\n");
    let result = run(&*engine, &short, &pool);
    assert_eq!((result.operations, result.backlog.map(|backlog| backlog.operations)), (1, Some(0)));
}
