//! The writing operations of a client thread.
//!
//! Under `--verify` every write takes a version from the ledger before it begins, and reports its end.

use std::time::Duration;

use super::PhaseKind;
use super::ledger::{Change, Ledger};
use super::worker::Worker;
use crate::engine::{EngineError, EngineResult};
use crate::generator::OpRandom;
use crate::measure::{Moment, Outcome, Row};

impl Worker<'_> {
    pub fn update(&mut self, random: &mut OpRandom) {
        self.records.fill(&self.key, random);
        self.put();
    }

    /// Overwrites the record of the current key with the one made last.
    pub fn put(&mut self) {
        self.begin_write(Change::Put);
        self.write_over();
    }

    /// Reads the record of the current key and writes it back changed.
    pub fn read_modify_write(&mut self, random: &mut OpRandom) {
        self.records.fill(&self.key, random);
        self.read_and_put(random);
    }

    /// Reads the record of the current key and overwrites it with the one made last.
    pub fn read_and_put(&mut self, random: &mut OpRandom) {
        let floor = self.floor(self.number);
        let (start, read) = self.read(random);
        if read != Outcome::Ok {
            self.record(Row::ReadModifyWrite, read, start);
            return self.check(self.number, floor, read);
        }
        // The version is given before the update begins; it makes no call of the engine.
        self.begin_write(Change::Put);
        let outcome = self.write_over();
        self.record(Row::ReadModifyWrite, outcome, start);
        self.check(self.number, floor, Outcome::Ok);
    }

    fn write_over(&mut self) -> Outcome {
        let start = self.clock.before();
        let written = self.session.update(&self.key, self.records.bytes());
        self.end = self.clock.after();
        self.end_put(Row::Update, start, written)
    }

    pub fn delete(&mut self) {
        self.begin_write(Change::Delete);
        let start = self.clock.before();
        let removed = self.session.delete(&self.key);
        self.end = self.clock.after();
        self.end_delete(start, removed);
    }

    /// Inserts a record, again if allowed; only the last attempt is measured and counted.
    pub fn insert(&mut self, number: u64) -> bool {
        let mut random = self.make_new(number);
        self.insert_made(&mut random)
    }

    /// Inserts the record made last under the current key.
    pub fn insert_made(&mut self, random: &mut OpRandom) -> bool {
        self.begin_write(Change::Put);
        let mut attempts_left = self.shared.job.workload.retry.limit;
        loop {
            let start = self.clock.before();
            let written = self.session.insert(&self.key, self.records.bytes());
            self.end = self.clock.after();
            if written.is_ok() || attempts_left == 0 || self.shared.is_stopped() {
                return self.end_put(Row::Insert, start, written) == Outcome::Ok;
            }
            attempts_left -= 1;
            std::thread::sleep(self.pause(random));
        }
    }

    /// Overwrites several records at once, all or none.
    pub fn batch(&mut self, index: u64, random: &mut OpRandom) {
        self.make_batch(index, self.shared.job.workload.batch_size, random);
        self.write_batch();
    }

    /// Writes the batch, whose writes have begun.
    pub fn write_batch(&mut self) {
        let start = self.clock.before();
        let written = self.session.write_batch(&self.batch);
        self.end = self.clock.after();
        self.end_batch(Row::Batch, start, written);
    }
}

/// What calls that block and calls that are awaited have in common.
impl<S> Worker<'_, S> {
    /// Makes the record with this number, which is not there yet.
    pub fn make_new(&mut self, number: u64) -> OpRandom {
        let mut random = self.shared.record_stream.operation(number);
        self.number = number;
        self.shared.job.workload.keys.write(number, &mut self.key);
        self.records.fill(&self.key, &mut random);
        random
    }

    /// The time until a failed insert is tried again.
    pub fn pause(&self, random: &mut OpRandom) -> Duration {
        let interval_s = self.shared.job.workload.retry.interval_s;
        Duration::from_secs_f64(interval_s * (0.8 + 0.4 * random.unit()))
    }

    /// Notes the end of a write of the record made last.
    #[inline]
    pub fn end_put(&mut self, row: Row, start: Moment, written: EngineResult<()>) -> Outcome {
        self.end_write(written.is_ok());
        let outcome = self.outcome_of(written);
        self.count_write(outcome);
        self.finish(row, outcome, start);
        outcome
    }

    /// Notes the end of a delete.
    pub fn end_delete(&mut self, start: Moment, removed: EngineResult<()>) {
        self.end_write(removed.is_ok());
        let outcome = self.outcome_of(removed);
        self.finish(Row::Delete, outcome, start);
    }

    /// Draws `size` records that are overwritten at once, and begins their writes.
    pub fn make_batch(&mut self, index: u64, size: u64, random: &mut OpRandom) {
        let batch = self.shared.ledger.map(Ledger::new_batch);
        self.numbers.clear();
        self.batch.resize_with(size as usize, Default::default);
        for place in 0..size {
            self.number = self.choose(index, index.wrapping_mul(size).wrapping_add(place), random);
            self.numbers.push(self.number);
            self.shared.job.workload.keys.write(self.number, &mut self.key);
            self.records.fill(&self.key, random);
            if let (Some(ledger), Some(batch)) = (self.shared.ledger, batch) {
                let version = ledger.begin_in(self.number, Change::Put, batch);
                self.records.set_version(&self.key, version);
            }
            self.put_into_batch(place as usize);
        }
    }

    /// Makes the record made last, under the current key, the one at this place of the batch.
    pub fn put_into_batch(&mut self, place: usize) {
        let (key, value) = &mut self.batch[place];
        key.clone_from(&self.key);
        value.clear();
        value.extend_from_slice(self.records.bytes());
    }

    /// Notes the end of a batch.
    pub fn end_batch(&mut self, row: Row, start: Moment, written: EngineResult<()>) -> Outcome {
        for place in 0..self.batch.len() {
            self.number = self.numbers[place];
            self.end_write(written.is_ok());
        }
        let outcome = self.outcome_of(written);
        if outcome == Outcome::Ok {
            let bytes = self.batch.iter().map(|(key, value)| key.len() + value.len());
            self.done.written_bytes += bytes.sum::<usize>() as u64;
        }
        self.finish(row, outcome, start);
        outcome
    }

    pub fn begin_write(&mut self, change: Change) {
        let Some(ledger) = self.shared.ledger else {
            return;
        };
        let version = ledger.begin(self.number, change);
        if change == Change::Put {
            self.records.set_version(&self.key, version);
        }
    }

    fn end_write(&mut self, acknowledged: bool) {
        if let Some(ledger) = self.shared.ledger {
            ledger.end(self.number, acknowledged);
        }
    }

    /// How a call ended that hands nothing out.
    pub fn outcome_of(&mut self, result: EngineResult<()>) -> Outcome {
        match result {
            Ok(()) => Outcome::Ok,
            Err(error) => {
                let outcome = self.failed(&error.to_string());
                self.end_if_full(&error);
                outcome
            }
        }
    }

    /// On a full device a phase measures refusals: it ends, unless it is a load that was told to go on.
    #[cold]
    fn end_if_full(&self, error: &EngineError) {
        let job = self.shared.job;
        let goes_on = job.kind == PhaseKind::Load && job.workload.retry.keep_going;
        if error.says_device_is_full() && !goes_on {
            self.shared.cut(error.to_string());
        }
    }

    /// Counts the bytes of the record made last, once the engine has acknowledged it.
    fn count_write(&mut self, outcome: Outcome) {
        if outcome == Outcome::Ok {
            self.done.written_bytes += (self.key.len() + self.records.bytes().len()) as u64;
        }
    }
}
