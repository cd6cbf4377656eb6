//! One client thread.
//!
//! Keys and records are made outside the measured time, in buffers that are kept from one
//! operation to the next. A value read is copied out of the engine within the measured time,
//! so that engines that hand out references into a mapped file do their share of the work.

use std::sync::Barrier;
use std::time::Duration;

use crate::engine::{Engine, EngineResult, Session};
use crate::generator::OpRandom;
use crate::measure::{Clock, Done, Latency, Moment, Outcome, Recorder, Row};
use crate::workload::{KeyChooser, Operation, RecordBuilder, field, version};

use super::PhaseKind;
use super::shared::Shared;

/// The life of a client thread. Returns when its last operation ended.
pub fn run(
    engine: &dyn Engine,
    shared: &Shared<'_>,
    thread: usize,
    barrier: &Barrier,
) -> EngineResult<Moment> {
    let session = engine.session();
    let chooser = KeyChooser::new(&shared.job.workload, shared.inserts);
    let records = RecordBuilder::new(shared.pool, shared.job.workload.records.clone());
    let expected = RecordBuilder::new(shared.pool, shared.job.workload.records.clone());
    // Reached also after an error, or the other threads would wait for ever.
    barrier.wait();
    let start = shared.origin();
    let mut worker = Worker {
        shared,
        clock: shared.clock,
        session: session?,
        chooser,
        records,
        expected,
        recorder: &shared.recorders[thread],
        key: Vec::new(),
        value: Vec::new(),
        due: start,
        end: start,
        done: Done::default(),
    };
    worker.run(thread);
    Ok(worker.end)
}

struct Worker<'a> {
    shared: &'a Shared<'a>,
    clock: Clock,
    session: Box<dyn Session + 'a>,
    chooser: KeyChooser<'a>,
    records: RecordBuilder<'a>,
    /// What a record should be, under `dataintegrity`.
    expected: RecordBuilder<'a>,
    recorder: &'a Recorder,
    key: Vec<u8>,
    value: Vec<u8>,
    /// The intended start of the current operation.
    due: Moment,
    /// The end of the last call.
    end: Moment,
    done: Done,
}

impl Worker<'_> {
    fn run(&mut self, thread: usize) {
        let shared = self.shared;
        let mut turns = shared.turns();
        while !shared.is_stopped() {
            let Some(turn) = turns.next(self.end) else {
                return;
            };
            self.due = turn.due;
            match shared.job.kind {
                PhaseKind::Load => self.load(turn.index),
                PhaseKind::Run => self.operate(turn.index),
            }
            self.done.operations += 1;
            shared.progress.store(thread, &self.done);
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
                self.recorder.record(Row::ReadModifyWrite, outcome, self.latency(start));
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
    fn read(&mut self, random: &mut OpRandom) -> (Moment, Outcome) {
        let workload = &self.shared.job.workload;
        let whole = workload.read_all_fields || workload.verify || workload.integrity;
        let one = (!whole).then(|| random.below(workload.records.fields));
        let value = &mut self.value;
        let start = self.clock.before();
        let found = self.session.read(&self.key, &mut |bytes| {
            value.clear();
            value.extend_from_slice(match one {
                Some(index) => field(bytes, index).unwrap_or_default(),
                None => bytes,
            });
        });
        self.end = self.clock.after();
        if let Ok(true) = found {
            self.done.read_bytes += (self.key.len() + self.value.len()) as u64;
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
        let start = self.clock.before();
        let written = self.session.update(&self.key, self.records.bytes());
        self.end = self.clock.after();
        let outcome = self.outcome_of(written);
        self.count_write(outcome);
        self.finish(Row::Update, outcome, start);
        outcome
    }

    fn delete(&mut self) {
        let start = self.clock.before();
        let removed = self.session.delete(&self.key);
        self.end = self.clock.after();
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
            let start = self.clock.before();
            let written = self.session.insert(&self.key, self.records.bytes());
            self.end = self.clock.after();
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
        let start = self.clock.before();
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
        self.end = self.clock.after();
        self.done.read_bytes += scanned_bytes;
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
            self.done.written_bytes += (self.key.len() + self.records.bytes().len()) as u64;
        }
    }

    fn failed(&mut self, error: &str) -> Outcome {
        self.shared.keep_error(format!("{}: {error}", self.key.escape_ascii()));
        Outcome::Error
    }

    /// The latency of what began at `start` and has just ended.
    #[inline]
    fn latency(&self, start: Moment) -> Latency {
        Latency { service_ns: self.end.ns_since(start), response_ns: self.end.ns_since(self.due) }
    }

    fn finish(&mut self, row: Row, outcome: Outcome, start: Moment) {
        self.recorder.record(row, outcome, self.latency(start));
        if outcome == Outcome::Ok {
            return;
        }
        let missing_is_fine = self.shared.job.workload.mix.delete > 0.0;
        if outcome == Outcome::NotFound && missing_is_fine {
            return;
        }
        self.done.failures += 1;
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
