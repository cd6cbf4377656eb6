//! Adjacent blocks of a table that were read at once.

use std::ops::Range;

use super::{Block, Bytes, Table};
use crate::base::error::Result;
use crate::base::sync::Arc;

/// The bytes of adjacent blocks as they were read. Nothing of them is verified before a block is asked for: what is
/// wrong with one that nobody comes to harms nobody.
pub(crate) struct Stretch {
    blocks: Range<usize>,
    bytes: Bytes,
}

impl Stretch {
    /// What was read at the place of `blocks`, at least one; maybe less than all of it.
    pub(crate) fn new(blocks: Range<usize>, bytes: Bytes) -> Self {
        assert!(!blocks.is_empty());
        Self { blocks, bytes }
    }

    /// The numbers of its blocks.
    pub(crate) fn blocks(&self) -> Range<usize> {
        self.blocks.clone()
    }

    /// One of its blocks, in memory of its own: what the cache keeps keeps nothing of its neighbours.
    ///
    /// # Errors
    /// As of [`Table::decode_block`].
    pub(crate) fn block(&self, table: &Table, block_no: usize) -> Result<Arc<Block>> {
        assert!(self.blocks.contains(&block_no));
        let (start, _) = table.block_location(self.blocks.start);
        let (offset, len) = table.block_location(block_no);
        let from = ((offset - start) as usize).min(self.bytes.len());
        let there = &self.bytes[from..(from + len).min(self.bytes.len())];
        let mut bytes = table.room_for_blocks(block_no..block_no + 1);
        bytes.truncate(there.len());
        bytes.as_mut().copy_from_slice(there);
        table.decode_block_to_keep(block_no, bytes)
    }
}
