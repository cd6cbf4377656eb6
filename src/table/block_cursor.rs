//! Walks a block in both directions.
//!
//! All entries are decoded at once when the cursor is put on a block (about ten nanoseconds each), so
//! that moving back costs no more than moving on. The cursor shares the block: it may outlive the
//! block's stay in the cache.

use std::ops::Range;

use super::block::Block;
use crate::base::direction::Direction;
use crate::base::key::{self, SeqNo, Tag};
use crate::base::sync::Arc;

/// A decoded entry.
struct Position {
    /// The whole key, in `BlockCursor::keys`. Versions of one key share it.
    key: Range<usize>,
    tag: Tag,
    /// The value, in the block.
    value: Range<usize>,
}

/// A place among the entries of one block, or outside of them. Starts outside.
pub(crate) struct BlockCursor {
    block: Arc<Block>,
    keys: Vec<u8>,
    positions: Vec<Position>,
    /// The current entry; outside if there is none of that number.
    current: usize,
}

impl BlockCursor {
    /// A cursor on `block`.
    pub(crate) fn new(block: Arc<Block>) -> Self {
        let mut cursor = Self { block, keys: Vec::new(), positions: Vec::new(), current: 0 };
        cursor.decode();
        cursor
    }

    /// Goes to another block and uses the memory again.
    pub(crate) fn reset(&mut self, block: Arc<Block>) {
        self.block = block;
        self.decode();
    }

    fn decode(&mut self) {
        self.keys.clear();
        self.positions.clear();
        let (mut at, mut last) = (0, 0..0);
        while at < self.block.entries_len() {
            let entry = self.block.entry(at);
            let suffix = self.block.slice(entry.suffix.clone());
            // One copy for all versions: not only shorter, a long key's many versions could fill the
            // memory. `parse` has checked that the last key has `shared` bytes.
            let is_same_key = *suffix == self.keys[last.start + entry.shared..last.end];
            if !is_same_key {
                let start = self.keys.len();
                self.keys.extend_from_within(last.start..last.start + entry.shared);
                self.keys.extend_from_slice(suffix);
                last = start..self.keys.len();
            }
            self.positions.push(Position { key: last.clone(), tag: entry.tag, value: entry.value() });
            at = entry.end;
        }
        self.current = self.positions.len();
    }

    #[inline]
    fn position(&self) -> &Position {
        self.positions.get(self.current).expect("callers ask is_valid first")
    }

    /// Number of entries that sort before `(key, seqno)`.
    fn count_before(&self, key: &[u8], seqno: SeqNo) -> usize {
        self.positions.partition_point(|position| {
            key::compare(&self.keys[position.key.clone()], position.tag.seqno(), key, seqno).is_lt()
        })
    }

    /// Whether it is on an entry; if not, the accessors must not be called.
    #[inline]
    pub(crate) fn is_valid(&self) -> bool {
        self.current < self.positions.len()
    }

    /// Goes to the entry at which a walk in `direction` begins: the first, or the last.
    pub(crate) fn seek_to_start(&mut self, direction: Direction) {
        self.current = match direction {
            Direction::Forward => 0,
            Direction::Backward => self.positions.len() - 1,
        };
    }

    /// Goes to the first entry at or after `(key, seqno)`, or backward to the last one before it;
    /// outside if there is none.
    pub(crate) fn seek(&mut self, direction: Direction, key: &[u8], seqno: SeqNo) {
        let before = self.count_before(key, seqno);
        self.current = match direction {
            Direction::Forward => before,
            Direction::Backward => before.checked_sub(1).unwrap_or(self.positions.len()),
        };
    }

    /// Goes to the next entry in `direction`; from the last one there, and from outside, to outside.
    #[inline]
    pub(crate) fn advance(&mut self, direction: Direction) {
        let count = self.positions.len();
        self.current = match direction {
            Direction::Forward => (self.current + 1).min(count),
            Direction::Backward if self.is_valid() => self.current.checked_sub(1).unwrap_or(count),
            Direction::Backward => count,
        };
    }

    /// User key of the entry, and its seqno and kind.
    #[inline]
    pub(crate) fn head(&self) -> (&[u8], Tag) {
        let position = self.position();
        (&self.keys[position.key.clone()], position.tag)
    }

    /// Value of the entry; empty for a delete.
    #[inline]
    pub(crate) fn value(&self) -> &[u8] {
        self.block.slice(self.position().value.clone())
    }
}
