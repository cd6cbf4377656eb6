//! One client: a thread, or one of many futures on a thread.
//!
//! Keys and records are made outside the measured time, in buffers that are kept from one
//! operation to the next. The operations of a thread are in `reads` and `writes`, with what they share with those of a
//! future, which are in `future`.

use std::sync::Barrier;

use crate::engine::{Direction, Engine, EngineResult, Session};
use crate::measure::{Clock, Done, Latency, Moment, Outcome, Recorder, Row};
use crate::trace::ThreadLog;
use crate::workload::{KeyChooser, Lots, Operation, RecordBuilder};

use super::PhaseKind;
use super::ahead::Ahead;
use super::shared::Shared;
use super::turns::Turns;

/// The life of a client thread. Returns when its last operation ended.
pub fn run(
    engine: &dyn Engine,
    shared: &Shared<'_>,
    thread: usize,
    barrier: &Barrier,
) -> EngineResult<Moment> {
    let session = engine.session();
    // Reached also after an error, or the other threads would wait for ever.
    barrier.wait();
    let mut worker = Worker::new(shared, session?, thread);
    worker.log = shared.job.recording.as_ref().and_then(|recording| recording.take(thread));
    worker.run(thread);
    worker.bring_back_log(thread);
    Ok(worker.end)
}

/// What a client has for itself. `S` is its way into the engine: calls that block, or calls that are awaited.
pub struct Worker<'a, S = Box<dyn Session + 'a>> {
    pub shared: &'a Shared<'a>,
    pub clock: Clock,
    /// Whether what is read is checked.
    pub checks: bool,
    /// Whether reads that follow each other are made as a row.
    in_rows: bool,
    pub session: S,
    pub lots: Lots,
    pub ahead: Ahead,
    pub chooser: KeyChooser<'a>,
    /// Makes the records to be written.
    pub records: RecordBuilder<'a>,
    /// What a record should be, under `dataintegrity`.
    pub expected: RecordBuilder<'a>,
    pub recorder: &'a Recorder,
    /// The record of the current operation.
    pub number: u64,
    pub key: Vec<u8>,
    /// What was read.
    pub value: Vec<u8>,
    /// The records of a multi-get or batch.
    pub numbers: Vec<u64>,
    /// The keys of a multi-get.
    pub keys: Vec<Vec<u8>>,
    /// What a multi-get found: the place of a key, and where its value ends in `value`.
    pub ends: Vec<(usize, usize)>,
    /// The records of a batch.
    pub batch: Vec<(Vec<u8>, Vec<u8>)>,
    /// The intended start of the current operation.
    pub due: Moment,
    /// The end of the last call.
    pub end: Moment,
    pub done: Done,
    /// The most records of the last scan.
    pub scan_limit: usize,
    /// Where its operations are written down, if they are.
    pub log: Option<ThreadLog>,
}

impl<'a, S> Worker<'a, S> {
    /// A client on this thread, which begins now.
    pub fn new(shared: &'a Shared<'a>, session: S, thread: usize) -> Worker<'a, S> {
        let (workload, start) = (&shared.job.workload, shared.origin());
        let checks = workload.verify || workload.integrity;
        Worker {
            shared,
            clock: shared.clock,
            checks,
            in_rows: !checks && !shared.is_scheduled() && workload.read_all_fields,
            session,
            lots: workload.mix.lots(),
            ahead: Ahead::new(shared),
            chooser: KeyChooser::new(workload, shared.inserts),
            records: RecordBuilder::new(shared.pool, workload.records.clone()),
            expected: RecordBuilder::new(shared.pool, workload.records.clone()),
            recorder: &shared.recorders[thread],
            number: 0,
            key: Vec::new(),
            value: Vec::new(),
            numbers: Vec::new(),
            keys: Vec::new(),
            ends: Vec::new(),
            batch: Vec::new(),
            due: start,
            end: start,
            done: Done::default(),
            scan_limit: 0,
            log: None,
        }
    }

    /// Ends a load: without this record, what follows is no load of the data set.
    #[cold]
    pub fn give_up(&self) {
        let first = self.shared.first_errors().into_iter().next();
        self.shared.cut(first.unwrap_or_else(|| "an insert failed".to_owned()));
    }

    /// The record of a part of the operation with this index: of part number `turn`, counted over all.
    pub fn choose(&mut self, index: u64, turn: u64, random: &mut crate::generator::OpRandom) -> u64 {
        self.chooser.choose(turn, self.shared.insert_numbers.at(index), random)
    }

    /// Whether a record that is not there is no error.
    pub fn missing_is_fine(&self) -> bool {
        self.shared.job.missing_is_fine()
    }

    /// Keeps an error of the engine in words.
    pub fn failed(&mut self, error: &str) -> Outcome {
        self.shared.keep_error(format!("{}: {error}", self.key.escape_ascii()));
        Outcome::Error
    }

    /// Records what began at `start` and has just ended.
    #[inline]
    pub fn record(&self, row: Row, outcome: Outcome, start: Moment) {
        let latency =
            Latency { service_ns: self.end.ns_since(start), response_ns: self.end.ns_since(self.due) };
        self.recorder.record(row, outcome, latency);
    }

    /// Records a call of the engine, and counts it as failed if it did not end as it should.
    #[inline]
    pub fn finish(&mut self, row: Row, outcome: Outcome, start: Moment) {
        self.record(row, outcome, start);
        if outcome != Outcome::Ok {
            self.count_failure(row, outcome);
        }
    }

    #[cold]
    fn count_failure(&mut self, row: Row, outcome: Outcome) {
        if outcome == Outcome::NotFound && self.missing_is_fine() {
            return;
        }
        self.done.failures += 1;
        if outcome == Outcome::NotFound {
            let text = format!("{}: {}: the record is not there", self.key.escape_ascii(), row.name());
            self.shared.keep_error(text);
        }
    }
}

impl Worker<'_> {
    fn run(&mut self, thread: usize) {
        let shared = self.shared;
        if let Some(feed) = &shared.feed {
            return self.replay(thread, feed);
        }
        let mut turns = shared.turns();
        while !shared.is_stopped() {
            let Some(turn) = turns.next(self.end) else {
                return;
            };
            self.due = turn.due;
            match shared.job.kind {
                _ if self.log.is_some() => self.perform_and_log(turn.index),
                PhaseKind::Load => self.load(turn.index),
                PhaseKind::Run if self.in_rows => self.operate_in_rows(turn.index, &mut turns),
                PhaseKind::Run => {
                    self.operate(turn.index);
                }
            }
            shared.progress.store(thread, &self.done);
        }
    }

    /// The insert with this index.
    pub fn load(&mut self, index: u64) {
        let workload = &self.shared.job.workload;
        let inserted = self.insert(workload.insert_start + index);
        if !inserted && !workload.retry.keep_going {
            self.give_up();
        }
        self.done.operations += 1;
    }

    /// The operation with this index; if it is a read, also the reads behind it.
    fn operate_in_rows(&mut self, index: u64, turns: &mut Turns<'_>) {
        let place = self.place(index);
        let reads = self.reads_from(place);
        if reads < 2 {
            self.operate(index);
            return;
        }
        let count = 1 + turns.take_more(reads - 1);
        let done = self.read_row(place, count, turns.deadline());
        turns.give_back(count - done);
    }

    /// The operation with this index; returns which it was.
    pub fn operate(&mut self, index: u64) -> Operation {
        self.done.operations += 1;
        let (operation, mut random) = self.take(index);
        match operation {
            Operation::Insert => self.insert_new(index),
            Operation::MultiRead => self.multi_read(index, &mut random),
            Operation::Batch => self.batch(index, &mut random),
            Operation::Read => self.read_and_check(&mut random),
            Operation::Update => self.update(&mut random),
            Operation::Scan => self.scan(Direction::Forward, &mut random),
            Operation::ReverseScan => self.scan(Direction::Back, &mut random),
            Operation::ReadModifyWrite => self.read_modify_write(&mut random),
            Operation::Delete => self.delete(),
            Operation::Ticket => unreachable!("threads have no tickets: `Job::check` refuses them"),
        }
        operation
    }

    fn insert_new(&mut self, index: u64) {
        let number = self.shared.insert_numbers.at(index);
        self.insert(number);
        // Also after a failure, as in YCSB: the limit must not stop here for ever.
        self.shared.inserts.acknowledge(number);
    }
}
