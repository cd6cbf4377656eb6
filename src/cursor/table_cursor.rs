//! A cursor over one table, block by block.

use super::{Cursor, Moved, NeedsBlock};
use crate::base::direction::Direction;
use crate::base::key::{SeqNo, Tag};
use crate::base::sync::Arc;
use crate::table::{Block, BlockCursor, Table};

/// A position in a table.
pub(crate) struct TableCursor {
    table: Arc<Table>,
    direction: Direction,
    /// Whether blocks that the cache has are taken from there.
    is_cached: bool,
    /// Of the block that the cursor is in, or that it waits for.
    block_no: usize,
    /// What is sought in the block that it waits for; if nothing is, the block's first entry.
    sought: Option<Vec<u8>>,
    /// `None` on no entry.
    cursor: Option<BlockCursor>,
}

impl TableCursor {
    /// A cursor on no entry yet, that takes blocks from the cache and asks for those that are not there.
    pub(crate) fn new(table: Arc<Table>, direction: Direction) -> Self {
        Self { table, direction, is_cached: true, block_no: 0, sought: None, cursor: None }
    }

    /// As [`new`](Self::new), but asks for every block and leaves the cache alone.
    pub(crate) fn uncached(table: Arc<Table>, direction: Direction) -> Self {
        Self { is_cached: false, ..Self::new(table, direction) }
    }

    /// Goes behind the end.
    pub(crate) fn end(&mut self) {
        self.cursor = None;
    }

    /// Goes into a block: to where `sought` leads, or to where the direction begins.
    fn load(&mut self, block_no: usize, sought: Option<&[u8]>) -> Moved {
        self.block_no = block_no;
        let cached = if self.is_cached { self.table.cached_block_shared(block_no) } else { None };
        match cached {
            Some(block) => {
                self.enter(block, sought);
                Ok(())
            }
            None => {
                self.cursor = None;
                self.sought = sought.map(<[u8]>::to_vec);
                Err(NeedsBlock { table: Arc::clone(&self.table), block_no })
            }
        }
    }

    fn enter(&mut self, block: Arc<Block>, sought: Option<&[u8]>) {
        let cursor = match &mut self.cursor {
            Some(cursor) => {
                cursor.reset(block);
                cursor
            }
            none => none.insert(BlockCursor::new(block)),
        };
        match sought {
            Some(key) => cursor.seek(self.direction, key, SeqNo::MAX),
            None => cursor.seek_to_start(self.direction),
        }
    }

    /// Goes on to the next block if the position is outside of this one.
    fn leave_passed_block(&mut self) -> Moved {
        if self.cursor.as_ref().is_some_and(|cursor| !cursor.is_valid()) {
            match self.direction.next_of(self.block_no, self.table.block_count()) {
                Some(next) => self.load(next, None)?,
                None => self.cursor = None,
            }
        }
        Ok(())
    }
}

impl Cursor for TableCursor {
    fn seek(&mut self, bound: Option<&[u8]>) -> Moved {
        let last = self.table.block_count() - 1;
        let block_no = match (self.direction, bound) {
            (Direction::Forward, None) => Some(0),
            (Direction::Forward, Some(key)) => Some(self.table.find_block(key).unwrap_or(0)),
            (Direction::Backward, None) => Some(last),
            // No block: all keys are above.
            (Direction::Backward, Some(key)) => self.table.find_block(key),
        };
        match block_no {
            Some(block_no) => self.load(block_no, bound)?,
            None => self.cursor = None,
        }
        self.leave_passed_block()
    }

    #[inline]
    fn advance(&mut self) -> Moved {
        if let Some(cursor) = &mut self.cursor {
            cursor.advance(self.direction);
        }
        self.leave_passed_block()
    }

    fn supply(&mut self, block: Arc<Block>) -> Moved {
        let sought = self.sought.take();
        self.enter(block, sought.as_deref());
        self.leave_passed_block()
    }

    #[inline]
    fn head(&self) -> Option<(&[u8], Tag)> {
        Some(self.cursor.as_ref()?.head())
    }

    #[inline]
    fn value(&self) -> &[u8] {
        self.cursor.as_ref().expect("the cursor is on an entry").value()
    }
}
