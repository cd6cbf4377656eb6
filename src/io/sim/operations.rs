//! Operations between their submission and their completion: when each is due, and in which order those that
//! are due take effect.

use std::time::Duration;

use super::flight::{Effect, Flight, Landed};
use super::state::State;

/// How long an operation takes, in nanoseconds.
const LATENCY_NS: (u64, u64) = (20_000, 200_000);

/// How long a sync or a durable write takes, in nanoseconds.
const SYNC_LATENCY_NS: (u64, u64) = (100_000, 2_000_000);

/// How much longer an operation takes when its latency is a spike.
const SPIKE: u64 = 1000;

/// An operation that has completed: its number, what it was, and what came of it.
pub(super) type Completed = (u64, Flight, Landed);

impl State {
    /// Takes an operation; returns its number.
    pub(super) fn submit(&mut self, process: u64, mut flight: Flight) -> u64 {
        self.next_flight += 1;
        let number = self.next_flight;
        if process == self.process {
            flight.due = self.now + self.latency(&flight);
            match &mut flight.effect {
                // No change has the number zero: a sync up to there does nothing.
                Effect::Sync { order } => {
                    let is_skipped = self.liar.skips_sync(&mut self.disk, flight.inode, &flight.path);
                    *order = if is_skipped { 0 } else { self.disk.order() };
                }
                Effect::Remove { .. } => {
                    let (current, asked) = (self.current_dir, flight.inode);
                    flight.inode = self.liar.removes_from(&self.disk, current, asked, &flight.path);
                }
                _ => {}
            }
            self.flights.insert(number, flight);
        }
        number
    }

    fn latency(&mut self, flight: &Flight) -> Duration {
        let slow = matches!(flight.effect, Effect::Sync { .. } | Effect::Write { durable: true, .. });
        let (low, high) = if slow { SYNC_LATENCY_NS } else { LATENCY_NS };
        let mut latency = Duration::from_nanos(self.random.within(low, high));
        if self.random.chance(self.faults.latency_spike) {
            self.counts.faults += 1;
            latency *= SPIKE as u32;
        }
        if self.random.chance(self.faults.queue_full) {
            let last = self.flights.values().filter(|other| other.queue == flight.queue);
            let last = last.map(|other| other.due).max().unwrap_or_default();
            latency += last.saturating_sub(self.now);
        }
        latency
    }

    /// A turn of a queue that would sleep until `deadline` if nothing completes.
    pub(super) fn turn(&mut self, process: u64, queue: u64, deadline: Option<Duration>) -> Vec<Completed> {
        if process != self.process {
            return Vec::new();
        }
        match deadline {
            Some(deadline) => self.deadlines.insert(queue, deadline),
            None => self.deadlines.remove(&queue),
        };
        let now = self.now;
        self.land(|flight| flight.queue == queue && flight.due <= now)
    }

    /// Waits for all that a queue has in flight, since the queue is going away.
    pub(super) fn drain(&mut self, process: u64, queue: u64) -> Vec<Completed> {
        if process != self.process {
            return Vec::new();
        }
        self.deadlines.remove(&queue);
        self.land(|flight| flight.queue == queue)
    }

    /// Completes operations, in any order.
    fn land(&mut self, which: impl Fn(&Flight) -> bool) -> Vec<Completed> {
        let mut due: Vec<u64> =
            self.flights.iter().filter(|(_, flight)| which(flight)).map(|(number, _)| *number).collect();
        let mut landed = Vec::with_capacity(due.len());
        while !due.is_empty() {
            let number = due.swap_remove(self.random.below(due.len() as u64) as usize);
            let flight = self.flights.remove(&number).expect("it was just listed");
            self.counts.operations += 1;
            let outcome = if self.liar.skips(&flight) {
                Landed { result: Ok(0), bytes: Vec::new() }
            } else {
                self.liar.report(&flight, flight.land(&mut self.disk, &self.faults, &mut self.random))
            };
            self.trace.add(self.now, format_args!("{flight} -> {outcome}"));
            self.counts.faults += u64::from(outcome.result.is_err());
            landed.push((number, flight, outcome));
        }
        landed
    }
}
