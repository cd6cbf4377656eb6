//! A cursor over one table, block by block.

use super::{Cursor, Moved, NeedsBlock};
use crate::base::direction::Direction;
use crate::base::key::{SeqNo, Tag};
use crate::base::planted::planted;
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
    /// Whether a seek to the table's first entry is put off.
    is_put_off: bool,
    /// Whether `cursor` is on an entry.
    is_on_entry: bool,
    /// Made with the first block, and used again for all others.
    cursor: Option<BlockCursor>,
}

impl TableCursor {
    /// A cursor on no entry yet, that takes blocks from the cache and asks for those that are not there.
    pub(crate) fn new(table: Arc<Table>, direction: Direction) -> Self {
        Self {
            table,
            direction,
            is_cached: true,
            block_no: 0,
            sought: None,
            is_put_off: false,
            is_on_entry: false,
            cursor: None,
        }
    }

    /// As [`new`](Self::new), but asks for every block and leaves the cache alone.
    pub(crate) fn uncached(table: Arc<Table>, direction: Direction) -> Self {
        Self { is_cached: false, ..Self::new(table, direction) }
    }

    /// Goes behind the end.
    pub(crate) fn end(&mut self) {
        (self.is_on_entry, self.is_put_off) = (false, false);
    }

    /// As a seek, but if all of the table is ahead of the bound, it is put off.
    pub(crate) fn seek_lazily(&mut self, bound: Option<&[u8]>) -> Moved {
        let is_ahead = bound.is_none_or(|bound| match self.direction {
            Direction::Forward => bound < self.table.min_key(),
            Direction::Backward => self.table.max_key() < bound,
        });
        if !is_ahead {
            return self.seek(bound);
        }
        self.end();
        self.is_put_off = true;
        Ok(())
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
                self.is_on_entry = false;
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
            none => none.insert(BlockCursor::new(block, self.direction)),
        };
        match sought {
            Some(key) => cursor.seek(key, SeqNo::MAX),
            None => cursor.seek_to_start(),
        }
        self.is_on_entry = cursor.is_valid();
    }

    /// Goes on to the next block, if this one has no more entries.
    fn leave_passed_block(&mut self) -> Moved {
        if !self.is_on_entry
            && let Some(next) = self.direction.next_of(self.block_no, self.table.block_count())
        {
            self.load(next, None)?;
        }
        Ok(())
    }
}

impl Cursor for TableCursor {
    fn seek(&mut self, bound: Option<&[u8]>) -> Moved {
        self.end();
        let last = self.table.block_count() - 1;
        let block_no = match (self.direction, bound) {
            (Direction::Forward, None) => Some(0),
            // No block: all keys are below.
            (Direction::Forward, Some(key)) if self.table.max_key() < key => None,
            (Direction::Forward, Some(key)) => Some(self.table.find_block(key).unwrap_or(0)),
            (Direction::Backward, None) => Some(last),
            // No block: all keys are above.
            (Direction::Backward, Some(key)) => self.table.find_block(key),
        };
        let Some(block_no) = block_no else { return Ok(()) };
        self.load(block_no, bound)?;
        self.leave_passed_block()
    }

    #[inline]
    fn advance(&mut self) -> Moved {
        if !self.is_on_entry {
            return Ok(());
        }
        let cursor = self.cursor.as_mut().expect("a cursor on an entry is in a block");
        cursor.advance();
        self.is_on_entry = cursor.is_valid();
        if self.is_on_entry { Ok(()) } else { self.leave_passed_block() }
    }

    fn supply(&mut self, block: Arc<Block>) -> Moved {
        let sought = self.sought.take();
        self.enter(block, sought.as_deref());
        self.leave_passed_block()
    }

    #[inline]
    fn head(&self) -> Option<(&[u8], Tag)> {
        if self.is_on_entry { self.cursor.as_ref().map(BlockCursor::head) } else { None }
    }

    #[inline]
    fn value(&self) -> &[u8] {
        self.cursor.as_ref().expect("the cursor is on an entry").value()
    }

    #[inline]
    fn put_off(&self) -> Option<(&[u8], SeqNo)> {
        // No entry has either seqno: the first is before all versions of the key, the second behind them.
        let before_all = match self.direction {
            Direction::Forward => (self.table.min_key(), SeqNo::MAX),
            Direction::Backward if planted!(SourceOpenedLate) => (self.table.max_key(), SeqNo::MAX),
            Direction::Backward => (self.table.max_key(), SeqNo::ZERO),
        };
        self.is_put_off.then_some(before_all)
    }

    fn catch_up(&mut self) -> Moved {
        if self.is_put_off { self.seek(None) } else { Ok(()) }
    }

    #[inline]
    fn is_last_of_key(&self) -> bool {
        self.cursor.as_ref().is_some_and(BlockCursor::is_last_of_key)
    }
}
