//! Which record number each insert of a run gets: a function of the seed and its index.
//!
//! The n-th operation that inserts gets the n-th new number, whichever thread performs it and when. How
//! many inserts there are before an index is counted once for each block of 64 operations,
//! by looking at the choice each of them will make. A run pays a quarter of a byte for each
//! operation, and nothing if it has no inserts.

use std::sync::{PoisonError, RwLock};

use crate::generator::Stream;
use crate::workload::{Lots, Mix, Operation};

const BLOCK: u64 = 64;

/// One block of operations.
#[derive(Debug, Clone, Copy)]
struct Block {
    /// Inserts before its first operation.
    before: u64,
    /// Its own inserts, the first operation in the lowest bit.
    inserts: u64,
}

/// The numbers of all inserts of a run.
#[derive(Debug)]
pub struct InsertNumbers {
    first: u64,
    stream: Stream,
    mix: Mix,
    lots: Lots,
    blocks: RwLock<Vec<Block>>,
}

impl InsertNumbers {
    /// The first insert gets `first`.
    pub fn new(first: u64, stream: Stream, mix: Mix) -> InsertNumbers {
        InsertNumbers { first, stream, mix, lots: mix.lots(), blocks: RwLock::default() }
    }

    /// The number of the insert with this index; of another operation, the number the next insert
    /// gets. All numbers below belong to inserts with smaller indices.
    pub fn at(&self, index: u64) -> u64 {
        if self.mix.insert <= 0.0 {
            return self.first;
        }
        let (place, bit) = ((index / BLOCK) as usize, index % BLOCK);
        let block = self.block(place);
        self.first + block.before + u64::from((block.inserts & ((1 << bit) - 1)).count_ones())
    }

    fn block(&self, place: usize) -> Block {
        let blocks = self.blocks.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(block) = blocks.get(place) {
            return *block;
        }
        drop(blocks);
        let mut blocks = self.blocks.write().unwrap_or_else(PoisonError::into_inner);
        while blocks.len() <= place {
            let before = blocks.last().map_or(0, |last| last.before + u64::from(last.inserts.count_ones()));
            let first = blocks.len() as u64 * BLOCK;
            let is_insert = |index| {
                let unit = self.stream.operation(index).unit();
                u64::from(self.lots.choose(unit) == Operation::Insert)
            };
            let inserts = (0..BLOCK).fold(0, |bits, bit| bits | is_insert(first + bit) << bit);
            blocks.push(Block { before, inserts });
        }
        blocks[place]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inserts_are_numbered_in_the_order_of_their_indices_however_they_are_asked_for() {
        let mix = Mix { read: 0.7, insert: 0.3, ..Mix::default() };
        let stream = Stream::new(5, "numbers");
        let inserts: Vec<u64> = (0..5_000)
            .filter(|index| mix.lots().choose(stream.operation(*index).unit()) == Operation::Insert)
            .collect();
        let numbers = InsertNumbers::new(100, stream, mix);
        // The last one first, so that nothing is known yet.
        for (place, index) in inserts.iter().enumerate().rev() {
            assert_eq!(numbers.at(*index), 100 + place as u64);
        }
        assert_eq!(numbers.at(0), 100);
    }

    #[test]
    fn a_run_without_inserts_and_one_of_nothing_else() {
        let stream = Stream::new(5, "numbers");
        let none = InsertNumbers::new(7, stream, Mix { read: 1.0, ..Mix::default() });
        assert_eq!(none.at(1 << 40), 7);
        let all = InsertNumbers::new(7, stream, Mix { insert: 1.0, ..Mix::default() });
        assert_eq!(all.at(1_000), 1_007);
    }
}
