//! Blocks of a table in the making that are in the cache as soon as readers have the table.
//!
//! Without them every flush and compaction would take from readers what they have in memory, and they would read it
//! back, block by block.

use super::block::{Block, BlockCache};
use super::bytes::Bytes;
use crate::base::ablation::ablated;
use crate::base::ids::FileId;
use crate::base::planted::planted;
use crate::base::sync::Arc;
use crate::cache::Waiting;

/// Which blocks of a table are kept for the cache when it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keep {
    /// None: nobody is known to read them.
    Nothing,
    /// Those with mostly entries from cached blocks, which they will replace; others may be pushed out for them.
    Replacements,
    /// All that the cache has room for: what they hold was in memory before.
    WhileRoom,
    /// Both: the whole tree fits into the cache, so that sooner or later it would be there.
    All,
}

/// The blocks, and what is known of the next one.
pub(crate) struct KeptBlocks {
    keep: Keep,
    /// Of this table.
    table: FileId,
    blocks: Waiting<Block>,
    warm_entries: usize,
}

impl KeptBlocks {
    /// None yet of that table.
    pub(crate) fn new(cache: &Arc<BlockCache>, table: FileId, keep: Keep) -> Self {
        let keep = if ablated!(WarmOutputs) { Keep::Nothing } else { keep };
        Self { keep, table, blocks: Waiting::new(cache), warm_entries: 0 }
    }

    /// An entry of the next block comes from a block that is cached.
    pub(super) fn count_warm(&mut self) {
        self.warm_entries += 1;
    }

    /// The next block has so many entries and is sealed.
    pub(super) fn end_block(&mut self, block_no: usize, entries: usize, sealed: &[u8]) {
        let is_kept = match self.keep {
            Keep::Nothing => false,
            Keep::Replacements => self.replaces(entries, sealed.len()),
            Keep::WhileRoom => self.blocks.has_room(sealed.len()),
            Keep::All => self.blocks.has_room(sealed.len()) || self.replaces(entries, sealed.len()),
        };
        self.warm_entries = 0;
        if is_kept {
            let block_no = if planted!(KeptBlockMisplaced) { block_no / 2 } else { block_no };
            let mut bytes = Bytes::of_piece(self.blocks.piece(sealed.len()), sealed.len());
            bytes.as_mut().copy_from_slice(sealed);
            let block = Block::of_builder(bytes).with_directory();
            self.blocks.add(block_no, block.numbered(self.table, block_no));
        }
    }

    fn replaces(&self, entries: usize, len: usize) -> bool {
        2 * self.warm_entries > entries && self.blocks.takes(len)
    }

    pub(super) fn into_waiting(self) -> Waiting<Block> {
        self.blocks
    }
}
