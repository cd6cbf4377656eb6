//! Clients that are futures: many on one thread, each with one operation at a time.
//!
//! They do what clients with threads of their own do, by calls that are awaited, and give way to each other after each
//! operation, so that what is answered at once keeps nobody from being asked. The latency of an operation ends when its
//! client has the answer, with the wait for its turn on the thread.

use std::cell::Cell;
use std::sync::Barrier;

use crate::engine::{AsyncSession, AsyncThread, Direction, Engine, EngineResult, Scan, drive};
use crate::generator::OpRandom;
use crate::measure::{Moment, Outcome, Row};
use crate::workload::Operation;

use super::PhaseKind;
use super::executor::{self, Local, Task};
use super::ledger::Change;
use super::reads::{Seen, keep};
use super::shared::Shared;
use super::turns::Turns;
use super::worker::Worker;

/// The longest sleep, so that a client that waits for long sees that it is to stop.
const SLEEP_NS_MAX: u64 = 50_000_000;

/// A client that is a future.
type Client<'a> = Worker<'a, AsyncSession>;

/// The life of a thread and its clients. Returns when their last operation ended.
pub fn run(
    engine: &dyn Engine,
    shared: &Shared<'_>,
    thread: usize,
    barrier: &Barrier,
) -> EngineResult<Moment> {
    let places = (thread..shared.job.clients()).step_by(shared.job.client_threads());
    let on_thread = engine.async_thread(shared.job.workload.drivers);
    // Reached also after an error, or the other threads would wait for ever.
    barrier.wait();
    let mut on_thread = on_thread?;
    let local = Local::new(shared.clock);
    let last = Cell::new(shared.origin());
    let sessions: Vec<AsyncSession> = places.clone().map(|_| on_thread.session()).collect();
    let clients = places.zip(sessions).map(|(place, session)| -> Task<'_> {
        let client = Client::new(shared, session, thread);
        let (local, last) = (&local, &last);
        Box::pin(async move {
            let end = client.live(place, local).await;
            last.set(last.get().max(end));
        })
    });
    let spin = shared.job.workload.spin;
    match &mut on_thread {
        AsyncThread::RabiDriver(driver) => {
            let db = driver.db();
            let sleep = |time| {
                let db = db.clone();
                async move { db.sleep(time).await }
            };
            let all = executor::run_awaited(&local, spin, clients, sleep);
            drive(driver, all)?;
        }
        _ => executor::run(&local, spin, clients),
    }
    Ok(last.get())
}

impl Client<'_> {
    /// Operations one after the other. Returns when the last one ended.
    async fn live(mut self, place: usize, local: &Local) -> Moment {
        let shared = self.shared;
        let mut turns = shared.turns();
        while !shared.is_stopped() {
            let Some(turn) = turns.take(self.clock.before()) else { break };
            if turns.have_times() && !self.wait_until(turn.due, &turns, local).await {
                break;
            }
            self.due = turn.due;
            match shared.job.kind {
                PhaseKind::Load => self.load_awaited(turn.index, local).await,
                PhaseKind::Run => self.operate_awaited(turn.index, local).await,
            }
            shared.progress.store(place, &self.done);
            local.give_way().await;
        }
        self.end
    }

    /// False if the deadline comes first, or the phase is ended early.
    async fn wait_until(&self, due: Moment, turns: &Turns<'_>, local: &Local) -> bool {
        let until = turns.deadline().map_or(due, |deadline| deadline.min(due));
        loop {
            let now = self.clock.before();
            if now >= until {
                return until == due;
            }
            if self.shared.is_stopped() {
                return false;
            }
            local.sleep_until(until.min(now.plus_ns(SLEEP_NS_MAX))).await;
        }
    }

    async fn load_awaited(&mut self, index: u64, local: &Local) {
        let workload = &self.shared.job.workload;
        let inserted = self.insert_awaited(workload.insert_start + index, local).await;
        if !inserted && !workload.retry.keep_going {
            self.give_up();
        }
        self.done.operations += 1;
    }

    async fn operate_awaited(&mut self, index: u64, local: &Local) {
        self.done.operations += 1;
        let (operation, mut random) = self.take(index);
        match operation {
            Operation::Insert => {
                let number = self.shared.insert_numbers.at(index);
                self.insert_awaited(number, local).await;
                // Also after a failure, as in YCSB: the limit must not stop here for ever.
                self.shared.inserts.acknowledge(number);
            }
            Operation::MultiRead => {
                self.choose_keys(index, &mut random);
                self.read_keys_awaited().await;
            }
            Operation::Batch => {
                self.make_batch(index, self.shared.job.workload.batch_size, &mut random);
                self.write_batch_awaited().await;
            }
            Operation::Ticket => {
                self.make_batch(index, self.shared.job.workload.ticket_size, &mut random);
                self.submit_and_await().await;
            }
            Operation::Read => {
                let floor = self.floor(self.number);
                let (_, outcome) = self.read_awaited(&mut random).await;
                self.check(self.number, floor, outcome);
            }
            Operation::Update => {
                self.records.fill(&self.key, &mut random);
                self.begin_write(Change::Put);
                self.write_over_awaited().await;
            }
            Operation::Scan => self.scan_awaited(Direction::Forward, &mut random).await,
            Operation::ReverseScan => self.scan_awaited(Direction::Back, &mut random).await,
            Operation::ReadModifyWrite => self.read_modify_write_awaited(&mut random).await,
            Operation::Delete => self.delete_awaited().await,
        }
    }

    async fn read_awaited(&mut self, random: &mut OpRandom) -> (Moment, Outcome) {
        let one = self.field_to_read(random);
        let value = &mut self.value;
        let start = self.clock.before();
        let found = self.session.read(&self.key, &mut |bytes| keep(value, one, bytes)).await;
        self.end = self.clock.after();
        (start, self.end_read(start, found))
    }

    async fn read_keys_awaited(&mut self) {
        let floors = self.floors();
        let (value, ends) = (&mut self.value, &mut self.ends);
        value.clear();
        ends.clear();
        let mut visit = |place: usize, bytes: &[u8]| {
            value.extend_from_slice(bytes);
            ends.push((place, value.len()));
        };
        let start = self.clock.before();
        let called = self.session.multi_read(&self.keys, &mut visit).await;
        self.end = self.clock.after();
        self.end_multi_read(start, called, &floors);
    }

    async fn scan_awaited(&mut self, direction: Direction, random: &mut OpRandom) {
        self.scan_limit = self.shared.job.workload.scan_length.draw(random);
        let mut seen = Seen::new(self.checks, direction);
        let (start_key, value) = (&self.key, &mut self.value);
        let mut visit = |key: &[u8], bytes: &[u8]| seen.visit(start_key, value, (key, bytes));
        let start = self.clock.before();
        let scan = Scan { start: start_key, limit: self.scan_limit, direction };
        let count = self.session.scan(scan, &mut visit).await;
        self.end = self.clock.after();
        self.end_scan(start, count, seen);
    }

    async fn read_modify_write_awaited(&mut self, random: &mut OpRandom) {
        self.records.fill(&self.key, random);
        let floor = self.floor(self.number);
        let (start, read) = self.read_awaited(random).await;
        if read != Outcome::Ok {
            self.record(Row::ReadModifyWrite, read, start);
            return self.check(self.number, floor, read);
        }
        self.begin_write(Change::Put);
        let outcome = self.write_over_awaited().await;
        self.record(Row::ReadModifyWrite, outcome, start);
        self.check(self.number, floor, Outcome::Ok);
    }

    async fn write_over_awaited(&mut self) -> Outcome {
        let start = self.clock.before();
        let written = self.session.put(&self.key, self.records.bytes()).await;
        self.end = self.clock.after();
        self.end_put(Row::Update, start, written)
    }

    async fn delete_awaited(&mut self) {
        self.begin_write(Change::Delete);
        let start = self.clock.before();
        let removed = self.session.delete(&self.key).await;
        self.end = self.clock.after();
        self.end_delete(start, removed);
    }

    async fn insert_awaited(&mut self, number: u64, local: &Local) -> bool {
        let mut random = self.make_new(number);
        self.begin_write(Change::Put);
        let mut attempts_left = self.shared.job.workload.retry.limit;
        loop {
            let start = self.clock.before();
            let written = self.session.put(&self.key, self.records.bytes()).await;
            self.end = self.clock.after();
            if written.is_ok() || attempts_left == 0 || self.shared.is_stopped() {
                return self.end_put(Row::Insert, start, written) == Outcome::Ok;
            }
            attempts_left -= 1;
            let pause_ns = self.pause(&mut random).as_nanos() as u64;
            local.sleep_until(self.clock.before().plus_ns(pause_ns)).await;
        }
    }

    async fn write_batch_awaited(&mut self) {
        let start = self.clock.before();
        let written = self.session.write_batch(&self.batch).await;
        self.end = self.clock.after();
        self.end_batch(Row::Batch, start, written);
    }

    /// One beginning and two ends: when the batch is visible, and when it survives loss of power.
    async fn submit_and_await(&mut self) {
        let start = self.clock.before();
        let submitted = self.session.submit(&self.batch).await;
        self.end = self.clock.after();
        let (ticket, visible) = match submitted {
            Ok(ticket) => (Some(ticket), Ok(())),
            Err(error) => (None, Err(error)),
        };
        self.end_batch(Row::Submit, start, visible);
        let Some(ticket) = ticket else { return };
        let durable = ticket.durable().await;
        self.end = self.clock.after();
        let outcome = self.outcome_of(durable);
        self.finish(Row::Durable, outcome, start);
    }
}
