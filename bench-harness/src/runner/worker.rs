//! One client thread.
//!
//! Keys and records are made outside the measured time, in buffers that are kept from one
//! operation to the next. A value read is copied out of the engine within the measured time,
//! so that engines that hand out references into a mapped file do their share of the work.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Barrier, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::engine::{Engine, EngineResult, Session};
use crate::generator::{AcknowledgedCounter, OpRandom, Stream};
use crate::measure::{Outcome, Progress, Recorder, Row};
use crate::workload::{KeyChooser, Operation, Pool, RecordBuilder, field, version};

use super::claim::Claims;
use super::throttle::Throttle;
use super::{Job, PhaseKind, RECORD_STREAM, Tick};

/// How many errors a phase keeps in words.
const ERRORS_KEPT: usize = 5;

/// What the threads of a phase share.
pub struct Shared<'a> {
    job: &'a Job,
    /// Random numbers of operations; depends on the phase.
    stream: Stream,
    /// Random numbers of records; the same record number always has the same first content.
    record_stream: Stream,
    pool: &'a Pool,
    claims: Claims,
    stop: AtomicBool,
    /// Numbers for inserts of a run.
    pub inserts: &'a AcknowledgedCounter,
    /// For whoever watches.
    pub progress: Progress,
    /// In the order in which they happened.
    pub first_errors: Mutex<Vec<String>>,
}

impl<'a> Shared<'a> {
    /// The state of a phase that has not begun.
    pub fn new(job: &'a Job, inserts: &'a AcknowledgedCounter, pool: &'a Pool) -> Shared<'a> {
        let workload = &job.workload;
        let phase = format!("{} {}", job.kind.name(), job.workload_name);
        Shared {
            job,
            stream: Stream::new(job.seed, &phase),
            record_stream: Stream::new(job.seed, RECORD_STREAM),
            pool,
            claims: Claims::new(job.operations(), workload.threads, workload.target_ops_s > 0.0),
            stop: AtomicBool::new(false),
            inserts,
            progress: Progress::new(workload.threads),
            first_errors: Mutex::new(Vec::new()),
        }
    }

    /// Asks all threads to end after their current operation.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// How far the phase is.
    pub fn tick(&self, elapsed: Duration) -> Tick {
        Tick { elapsed, operations: self.progress.operations(), failures: self.progress.failures() }
    }

    fn keep_error(&self, text: String) {
        let mut errors = self.first_errors.lock().unwrap_or_else(PoisonError::into_inner);
        if errors.len() < ERRORS_KEPT {
            errors.push(text);
        }
    }
}

/// What one thread hands in at its end.
pub struct ThreadResult {
    /// Everything it measured.
    pub recorder: Recorder,
    /// When its first operation could begin.
    pub start: Instant,
    /// When its last operation ended.
    pub end: Instant,
    /// Keys and values of acknowledged writes.
    pub written_bytes: u64,
    /// Keys and values read.
    pub read_bytes: u64,
}

/// The life of a client thread.
pub fn run(
    engine: &dyn Engine,
    shared: &Shared<'_>,
    thread: usize,
    barrier: &Barrier,
) -> EngineResult<ThreadResult> {
    let session = engine.session();
    // Reached also after an error, or the other threads would wait for ever.
    barrier.wait();
    let start = Instant::now();
    let workload = &shared.job.workload;
    let mut worker = Worker {
        shared,
        session: session?,
        chooser: KeyChooser::new(workload, shared.inserts),
        records: RecordBuilder::new(shared.pool, workload.records.clone()),
        expected: RecordBuilder::new(shared.pool, workload.records.clone()),
        recorder: Recorder::default(),
        key: Vec::new(),
        value: Vec::new(),
        end: start,
        failures: 0,
        written_bytes: 0,
        read_bytes: 0,
    };
    worker.run(thread, start);
    let Worker { recorder, end, written_bytes, read_bytes, .. } = worker;
    Ok(ThreadResult { recorder, start, end, written_bytes, read_bytes })
}

struct Worker<'a> {
    shared: &'a Shared<'a>,
    session: Box<dyn Session + 'a>,
    chooser: KeyChooser<'a>,
    records: RecordBuilder<'a>,
    /// What a record should be, under `dataintegrity`.
    expected: RecordBuilder<'a>,
    recorder: Recorder,
    key: Vec<u8>,
    value: Vec<u8>,
    /// The end of the last call.
    end: Instant,
    failures: u64,
    written_bytes: u64,
    read_bytes: u64,
}

impl Worker<'_> {
    fn run(&mut self, thread: usize, start: Instant) {
        let shared = self.shared;
        let workload = &shared.job.workload;
        let throttle = Throttle::new(start, workload.target_ops_s, workload.threads, workload.spin);
        let deadline = Some(workload.duration_s)
            .filter(|seconds| *seconds > 0.0)
            .map(|seconds| start + Duration::from_secs_f64(seconds));
        let mut done = 0;
        while let Some(indices) = shared.claims.take() {
            for index in indices {
                let over = deadline.is_some_and(|deadline| self.end >= deadline);
                if over || shared.stop.load(Ordering::Relaxed) || !throttle.wait(done, deadline) {
                    return;
                }
                match shared.job.kind {
                    PhaseKind::Load => self.load(index),
                    PhaseKind::Run => self.operate(index),
                }
                done += 1;
                shared.progress.store(thread, done, self.failures);
            }
        }
    }

    fn load(&mut self, index: u64) {
        let workload = &self.shared.job.workload;
        let inserted = self.insert(workload.insert_start + index);
        if !inserted && !workload.retry.keep_going {
            self.shared.stop();
        }
    }

    fn operate(&mut self, index: u64) {
        let workload = &self.shared.job.workload;
        let mut random = self.shared.stream.operation(index);
        let operation = workload.mix.choose(random.unit());
        if operation != Operation::Insert {
            let number = self.chooser.choose(index, &mut random);
            workload.keys.write(number, &mut self.key);
        }
        match operation {
            Operation::Read => {
                self.read(&mut random);
            }
            Operation::Update => {
                self.records.fill(&self.key, &mut random);
                self.update();
            }
            Operation::Insert => self.insert_new(),
            Operation::Scan => self.scan(&mut random),
            Operation::ReadModifyWrite => {
                self.records.fill(&self.key, &mut random);
                let (start, read) = self.read(&mut random);
                let outcome = if read == Outcome::Ok { self.update() } else { read };
                self.recorder.record(Row::ReadModifyWrite, outcome, self.end - start);
            }
            Operation::Delete => self.delete(),
        }
    }

    fn insert_new(&mut self) {
        let number = self.shared.inserts.take();
        self.insert(number);
        // Also after a failure, as in YCSB: the limit must not stop here for ever.
        self.shared.inserts.acknowledge(number);
    }

    /// Reads the record of the current key; returns when the call began and how it ended.
    fn read(&mut self, random: &mut OpRandom) -> (Instant, Outcome) {
        let workload = &self.shared.job.workload;
        let whole = workload.read_all_fields || workload.verify || workload.integrity;
        let one = (!whole).then(|| random.below(workload.records.fields));
        let value = &mut self.value;
        let start = Instant::now();
        let found = self.session.read(&self.key, &mut |bytes| {
            value.clear();
            value.extend_from_slice(match one {
                Some(index) => field(bytes, index).unwrap_or_default(),
                None => bytes,
            });
        });
        self.end = Instant::now();
        if let Ok(true) = found {
            self.read_bytes += (self.key.len() + self.value.len()) as u64;
        }
        let outcome = match found {
            Ok(true) if workload.verify && version(&self.key, &self.value).is_none() => Outcome::Corrupt,
            Ok(true) if workload.integrity && !self.expected.has_fields_of(&self.key, &self.value) => {
                Outcome::Corrupt
            }
            Ok(true) => Outcome::Ok,
            Ok(false) => Outcome::NotFound,
            Err(error) => self.failed(&error.to_string()),
        };
        self.finish(Row::Read, outcome, start);
        (start, outcome)
    }

    fn update(&mut self) -> Outcome {
        let start = Instant::now();
        let written = self.session.update(&self.key, self.records.bytes());
        self.end = Instant::now();
        let outcome = self.outcome_of(written);
        self.count_write(outcome);
        self.finish(Row::Update, outcome, start);
        outcome
    }

    fn delete(&mut self) {
        let start = Instant::now();
        let removed = self.session.delete(&self.key);
        self.end = Instant::now();
        let outcome = self.outcome_of(removed);
        self.finish(Row::Delete, outcome, start);
    }

    /// Inserts a record, again if allowed; only the last attempt is measured and counted.
    fn insert(&mut self, number: u64) -> bool {
        let workload = &self.shared.job.workload;
        let mut random = self.shared.record_stream.operation(number);
        workload.keys.write(number, &mut self.key);
        self.records.fill(&self.key, &mut random);
        let mut attempts_left = workload.retry.limit;
        loop {
            let start = Instant::now();
            let written = self.session.insert(&self.key, self.records.bytes());
            self.end = Instant::now();
            if written.is_ok() || attempts_left == 0 {
                let outcome = self.outcome_of(written);
                self.count_write(outcome);
                self.finish(Row::Insert, outcome, start);
                return outcome == Outcome::Ok;
            }
            attempts_left -= 1;
            let pause_s = workload.retry.interval_s * (0.8 + 0.4 * random.unit());
            std::thread::sleep(Duration::from_secs_f64(pause_s));
        }
    }

    /// Under `verify` the records are checked within the measured time, as they pass by.
    fn scan(&mut self, random: &mut OpRandom) {
        let workload = &self.shared.job.workload;
        let length = workload.scan_length.draw(random);
        let (start_key, last, value) = (&self.key, &mut Vec::new(), &mut self.value);
        let mut intact = true;
        let mut scanned_bytes = 0;
        let start = Instant::now();
        let count = self.session.scan(start_key, length, &mut |key, bytes| {
            value.clear();
            value.extend_from_slice(bytes);
            scanned_bytes += (key.len() + bytes.len()) as u64;
            if workload.verify {
                let ordered = key >= start_key.as_slice() && (last.is_empty() || key > &last[..]);
                intact &= ordered && version(key, bytes).is_some();
                last.clear();
                last.extend_from_slice(key);
            }
        });
        self.end = Instant::now();
        self.read_bytes += scanned_bytes;
        let outcome = match count {
            Ok(_) if !intact => Outcome::Corrupt,
            Ok(0) => Outcome::NotFound,
            Ok(_) => Outcome::Ok,
            Err(error) => self.failed(&error.to_string()),
        };
        self.finish(Row::Scan, outcome, start);
    }

    fn outcome_of(&mut self, result: EngineResult<()>) -> Outcome {
        match result {
            Ok(()) => Outcome::Ok,
            Err(error) => self.failed(&error.to_string()),
        }
    }

    /// Counts the bytes of the record made last, once the engine has acknowledged it.
    fn count_write(&mut self, outcome: Outcome) {
        if outcome == Outcome::Ok {
            self.written_bytes += (self.key.len() + self.records.bytes().len()) as u64;
        }
    }

    fn failed(&mut self, error: &str) -> Outcome {
        self.shared.keep_error(format!("{}: {error}", self.key.escape_ascii()));
        Outcome::Error
    }

    fn finish(&mut self, row: Row, outcome: Outcome, start: Instant) {
        self.recorder.record(row, outcome, self.end - start);
        if outcome == Outcome::Ok {
            return;
        }
        let missing_is_fine = self.shared.job.workload.mix.delete > 0.0;
        if outcome == Outcome::NotFound && missing_is_fine {
            return;
        }
        self.failures += 1;
        if outcome != Outcome::Error {
            let what = match outcome {
                Outcome::NotFound => "the record is not there",
                _ => "the record has other bytes than were written, or is out of order",
            };
            let text = format!("{}: {}: {what}", self.key.escape_ascii(), row.name());
            self.shared.keep_error(text);
        }
    }
}
