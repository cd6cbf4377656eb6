//! The block that keeps a lookup or a move from going on, and what is worth reading with it.

use std::ops::{Deref, Range};

use crate::base::error::Result;
use crate::base::sync::{Arc, Mutex, lock};
use crate::table::{Block, Bytes, Stretch, Table};

/// What keeps a lookup or a move from going on: a block that must be read first. Whoever reads it reads what lies at
/// [`location`](Self::location) into [`room`](Self::room) and has the block [made](Self::make) of that. One word, since every
/// step of a cursor may return one.
#[derive(Clone)]
#[must_use = "nothing goes on before the block is there"]
pub(crate) struct NeedsBlock(Box<Needed>);

/// What is needed.
#[derive(Clone)]
pub(crate) struct Needed {
    pub(crate) table: Arc<Table>,
    /// Number of the block, or of the part of the table's index.
    pub(crate) block_no: usize,
    ahead: Option<Ahead>,
    /// Blocks that the next reads will have; empty for none.
    soon: Range<usize>,
}

impl Deref for NeedsBlock {
    type Target = Needed;

    fn deref(&self) -> &Needed {
        &self.0
    }
}

/// The block with others next to it, which its cursor is about to come to.
#[derive(Clone)]
struct Ahead {
    blocks: Range<usize>,
    read: Arc<Mutex<Option<Stretch>>>,
}

impl NeedsBlock {
    /// That block and no other.
    #[cold]
    pub(crate) fn alone(table: &Arc<Table>, block_no: usize) -> Self {
        Self(Box::new(Needed { table: Arc::clone(table), block_no, ahead: None, soon: 0..0 }))
    }

    /// The block with all of `blocks`, the first or last of which it is: what is read of them is left in `read`.
    pub(super) fn with(mut self, blocks: Range<usize>, read: &Arc<Mutex<Option<Stretch>>>) -> Self {
        assert!(blocks.start == self.block_no || blocks.end == self.block_no + 1);
        let ahead = Ahead { blocks, read: Arc::clone(read) };
        self.0.ahead = Some(ahead).filter(|ahead| ahead.blocks.len() > 1);
        self
    }

    /// And blocks that the next reads are likely to have.
    pub(super) fn and_soon(mut self, soon: Range<usize>) -> Self {
        self.0.soon = soon;
        self
    }

    /// The same without the others, if there are any. They may have a fault that the block has not, and may never be
    /// needed: after an error the block is to be read by itself.
    pub(crate) fn without_others(&self) -> Option<Self> {
        (self.blocks().len() > 1).then(|| Self::alone(&self.table, self.block_no))
    }

    /// Leaves out what lies behind the block in which a walk comes to `limit`.
    pub(crate) fn stop_at(&mut self, limit: Option<&[u8]>) {
        let mut blocks = self.blocks();
        let Some(limit) = limit.filter(|_| blocks.len() > 1 || !self.soon.is_empty()) else { return };
        if blocks.end > self.block_no + 1 || self.soon.end > self.block_no {
            let last = self.table.find_block_or_behind(limit);
            blocks.end = blocks.end.min(last.max(self.block_no) + 1);
            self.0.soon.end = self.soon.end.min(last + 1);
        } else {
            let last = self.table.find_block_or_before(limit);
            blocks.start = blocks.start.max(last.min(self.block_no));
            self.0.soon.start = self.soon.start.max(last);
        }
        if let Some(ahead) = &mut self.0.ahead {
            ahead.blocks = blocks;
        }
    }

    /// Whether it is a part of the table's index, which tells what block is needed.
    pub(crate) fn is_index_part(&self) -> bool {
        self.table.is_index_part(self.block_no)
    }

    /// Whether it is the same block.
    pub(crate) fn is_for(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.table, &other.table) && self.block_no == other.block_no
    }

    /// The blocks that are to be read.
    pub(crate) fn blocks(&self) -> Range<usize> {
        self.ahead.as_ref().map_or(self.block_no..self.block_no + 1, |ahead| ahead.blocks.clone())
    }

    /// Offset and length of what is to be read.
    pub(crate) fn location(&self) -> (u64, usize) {
        self.table.location_of_blocks(self.blocks())
    }

    /// Offset and length of what the kernel may begin to read, since the next reads are likely to need it.
    pub(crate) fn soon(&self) -> Option<(u64, usize)> {
        (!self.soon.is_empty()).then(|| self.table.location_of_blocks(self.soon.clone()))
    }

    /// Memory for what is to be read.
    pub(crate) fn room(&self) -> Bytes {
        self.table.room_for_blocks(self.blocks())
    }

    /// The block, of what was read. The others are left to the cursor.
    ///
    /// # Errors
    /// `Corruption` if the block's bytes are not what was written there, or fewer; nothing is said of the others.
    pub(crate) fn make(&self, bytes: Bytes) -> Result<Arc<Block>> {
        let blocks = self.blocks();
        match &self.ahead {
            Some(ahead) if blocks.len() > 1 => {
                let stretch = Stretch::new(blocks, bytes);
                let block = stretch.block(&self.table, self.block_no)?;
                *lock(&ahead.read) = Some(stretch);
                Ok(block)
            }
            _ => self.table.decode_block_to_keep(self.block_no, bytes),
        }
    }
}
