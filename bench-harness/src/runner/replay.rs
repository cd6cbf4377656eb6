//! Replays the operations of a trace, and writes down those of a run.
//!
//! Each operation of the trace is the call that a workload would make, with the trace's keys and
//! values of its lengths. A record that is not there is an outcome like any other: what the trace's
//! own database held is not known. `--verify` checks that every value is one that was written under
//! its key; which of them it should be, no ledger knows, because that goes by record numbers.

use crate::engine::Direction;
use crate::generator::OpRandom;
use crate::measure::Moment;
use crate::trace::{Action, Feed, Record, Step};
use crate::workload::Operation;

use super::PhaseKind;
use super::worker::Worker;

impl Worker<'_> {
    /// The life of a client thread that replays.
    pub fn replay(&mut self, thread: usize, feed: &Feed) {
        let shared = self.shared;
        let (origin, speed) = (shared.origin(), shared.job.trace_speed());
        let (mut turns, mut taker) = (shared.turns(), feed.taker());
        while !shared.is_stopped() {
            let Some(turn) = turns.next(self.end) else { return };
            let Some(step) = taker.next(|| {
                shared.is_stopped() || turns.deadline().is_some_and(|end| self.clock.before() >= end)
            }) else {
                return;
            };
            self.due = turn.due;
            if let Some(speed) = speed {
                self.due = origin.plus_ns((step.time_ns as f64 / speed) as u64);
                if !turns.wait_until(self.due) {
                    return;
                }
            }
            let mut random = shared.stream.operation(turn.index);
            if self.log.is_some() {
                let began = self.clock.before();
                self.carry_out(step, &mut random);
                self.log_action(began, step.action.clone());
            } else {
                self.carry_out(step, &mut random);
            }
            self.done.operations += 1;
            shared.progress.store(thread, &self.done);
        }
    }

    fn carry_out(&mut self, step: &Step, random: &mut OpRandom) {
        match &step.action {
            Action::Read { key, .. } => {
                self.key.clone_from(key);
                self.read_and_check(random);
            }
            Action::Insert(record) => {
                self.make(record, random);
                let inserted = self.insert_made(random);
                let job = self.shared.job;
                if !inserted && job.kind == PhaseKind::Load && !job.workload.retry.keep_going {
                    self.give_up();
                }
            }
            Action::Update(record) => {
                self.make(record, random);
                self.put();
            }
            Action::ReadModifyWrite(record) => {
                self.make(record, random);
                self.read_and_put(random);
            }
            Action::Delete { key } => {
                self.key.clone_from(key);
                self.delete();
            }
            Action::Scan { start, limit } => self.scan_from(start, *limit, Direction::Forward),
            Action::ReverseScan { start, limit } => self.scan_from(start, *limit, Direction::Back),
            Action::MultiRead { keys } => {
                self.keys.clone_from(keys);
                self.numbers.resize(keys.len(), 0);
                self.read_keys();
            }
            Action::Batch { records } => {
                self.batch.resize_with(records.len(), Default::default);
                self.numbers.resize(records.len(), 0);
                for (place, record) in records.iter().enumerate() {
                    self.make(record, random);
                    self.put_into_batch(place);
                }
                self.write_batch();
            }
        }
    }

    fn make(&mut self, record: &Record, random: &mut OpRandom) {
        self.key.clone_from(&record.key);
        self.records.fill_to_length(&self.key, record.value_bytes as usize, random);
    }

    fn scan_from(&mut self, start: &[u8], limit: u64, direction: Direction) {
        self.key.clear();
        self.key.extend_from_slice(start);
        self.scan_limit = limit as usize;
        self.scan_to_limit(direction);
    }

    /// Performs an operation of the workload and writes it down, outside of its latency.
    pub fn perform_and_log(&mut self, index: u64) {
        let began = self.clock.before();
        let operation = match self.shared.job.kind {
            PhaseKind::Load => {
                self.load(index);
                Operation::Insert
            }
            PhaseKind::Run => self.operate(index),
        };
        let action = self.action_of(operation);
        self.log_action(began, action);
    }

    fn log_action(&mut self, began: Moment, action: Action) {
        let time_ns = began.ns_since(self.shared.origin());
        if let Some(log) = &mut self.log {
            log.add(time_ns, action);
        }
    }

    /// The operation that has just ended, by what it left.
    fn action_of(&self, operation: Operation) -> Action {
        let key = || self.key.clone();
        let record = || Record::new(&self.key, self.records.bytes().len() as u64);
        let limit = self.scan_limit as u64;
        match operation {
            Operation::Read => Action::Read { key: key(), value_bytes: None },
            Operation::Insert => Action::Insert(record()),
            Operation::Update => Action::Update(record()),
            Operation::ReadModifyWrite => Action::ReadModifyWrite(record()),
            Operation::Delete => Action::Delete { key: key() },
            Operation::Scan => Action::Scan { start: key(), limit },
            Operation::ReverseScan => Action::ReverseScan { start: key(), limit },
            Operation::MultiRead => Action::MultiRead { keys: self.keys.clone() },
            Operation::Batch | Operation::Ticket => {
                let record = |(key, value): &(Vec<u8>, Vec<u8>)| Record::new(key, value.len() as u64);
                Action::Batch { records: self.batch.iter().map(record).collect() }
            }
        }
    }

    /// Gives what was written down back to the recording.
    pub fn bring_back_log(&mut self, thread: usize) {
        if let (Some(recording), Some(log)) = (&self.shared.job.recording, self.log.take()) {
            recording.bring_back(thread, log);
        }
    }
}
