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

/// As many as keep a processor busy; with their keys a small part of its nearest cache.
pub const COUNT: usize = 16;

#[derive(Debug, Clone)]
pub struct Ready {
    pub operation: Operation,
    /// The record, where the operation is on one that is there.
    pub number: u64,
    pub key: Vec<u8>,
    /// For what is still to be drawn.
    pub random: OpRandom,
}

#[derive(Debug)]
pub struct Ahead {
    pub count: usize,
    pub first: u64,
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
    pub fn place(&self, index: u64) -> Option<usize> {
        let place = index.checked_sub(self.first)? as usize;
        (place < self.ready.len()).then_some(place)
    }
}
