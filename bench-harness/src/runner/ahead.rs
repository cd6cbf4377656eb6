//! Operations made ready before their turn.
//!
//! What an operation is, on which record and under which key, is a function of the seed and its
//! index. Each step of that function waits for the one before it, and the clock's fence behind an
//! operation keeps the processor from beginning with the next one meanwhile: made one at a time,
//! operations cost the sum of these waits. Several at once, one step for all before the next, fill
//! the waits of each other.
//!
//! So it is done where an operation depends on nothing else: in closed loops without inserts. Where
//! operations have their time, making several would delay the first; where there are inserts, which
//! records can be read depends on how far these are. There it is one at a time.

use crate::generator::OpRandom;
use crate::workload::Operation;

use super::PhaseKind;
use super::shared::Shared;
use super::worker::Worker;

/// As many as keep a processor busy; with their keys a small part of its nearest cache.
pub const COUNT: usize = 16;

#[derive(Debug, Clone)]
pub struct Ready {
    pub operation: Operation,
    /// The record, where the operation is on one that is there.
    pub number: u64,
    pub key: Vec<u8>,
    /// For what is still to be drawn.
    random: OpRandom,
}

#[derive(Debug)]
pub struct Ahead {
    count: usize,
    first: u64,
    pub ready: Vec<Ready>,
}

impl Ahead {
    pub fn new(shared: &Shared<'_>) -> Ahead {
        let independent = shared.job.workload.mix.insert <= 0.0 && !shared.is_scheduled();
        let count = if shared.job.kind == PhaseKind::Run && independent { COUNT } else { 1 };
        Ahead { count, first: 0, ready: Vec::new() }
    }

    /// Where the operation with this index is, if it is ready.
    #[inline]
    fn place(&self, index: u64) -> Option<usize> {
        let place = index.checked_sub(self.first)? as usize;
        (place < self.ready.len()).then_some(place)
    }
}

impl Worker<'_> {
    /// The operation with this index, which is taken once; its record and key become the current
    /// ones.
    #[inline]
    pub fn take(&mut self, index: u64) -> (Operation, OpRandom) {
        let place = self.place(index);
        let ready = &mut self.ahead.ready[place];
        self.number = ready.number;
        std::mem::swap(&mut self.key, &mut ready.key);
        (ready.operation, ready.random.clone())
    }

    /// Where the operation with this index is ready now.
    #[inline]
    pub fn place(&mut self, index: u64) -> usize {
        self.ahead.place(index).unwrap_or_else(|| self.make_ready(index))
    }

    /// How many of the ready operations are reads, from this place on and without a gap.
    #[inline]
    pub fn reads_from(&self, place: usize) -> usize {
        self.ahead.ready[place..].iter().take_while(|ready| ready.operation == Operation::Read).count()
    }

    /// Makes the operations from this index on; it is in the first place.
    #[inline(never)]
    fn make_ready(&mut self, first: u64) -> usize {
        let (shared, ahead) = (self.shared, &mut self.ahead);
        let none = || Ready {
            operation: Operation::Read,
            number: 0,
            key: Vec::new(),
            random: shared.stream.operation(first),
        };
        ahead.ready.resize_with(ahead.count, none);
        ahead.first = first;
        let limit = shared.insert_numbers.at(first);
        for (ready, index) in ahead.ready.iter_mut().zip(first..) {
            ready.random = shared.stream.operation(index);
            ready.operation = self.lots.choose(ready.random.unit());
        }
        let on_records =
            ahead.ready.iter_mut().zip(first..).filter(|(ready, _)| ready.operation.is_on_a_record());
        let places = on_records.map(|(ready, index)| (index, &mut ready.random, &mut ready.number));
        self.chooser.choose_each(limit, places);
        for ready in &mut ahead.ready {
            shared.job.workload.keys.write(ready.number, &mut ready.key);
        }
        0
    }
}
