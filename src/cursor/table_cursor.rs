//! A cursor over one table, block by block.

use super::Fetch;
use crate::base::error::Result;
use crate::base::key::Tag;
use crate::base::sync::Arc;
use crate::memtable::NEWEST;
use crate::table::{BlockCursor, Table};

/// A position in a table that moves in one direction.
pub(crate) struct TableCursor {
    table: Arc<Table>,
    fetch: Arc<dyn Fetch>,
    block_no: usize,
    /// `None` behind the end.
    cursor: Option<BlockCursor>,
    backward: bool,
}

impl TableCursor {
    /// At the first entry at or after `from`, or at the very first.
    pub(crate) fn forward(table: Arc<Table>, fetch: Arc<dyn Fetch>, from: Option<&[u8]>) -> Result<Self> {
        let mut cursor = Self { table, fetch, block_no: 0, cursor: None, backward: false };
        cursor.seek(from)?;
        Ok(cursor)
    }

    /// At the last entry before `before`, or at the very last.
    pub(crate) fn backward(table: Arc<Table>, fetch: Arc<dyn Fetch>, before: Option<&[u8]>) -> Result<Self> {
        let mut cursor = Self { table, fetch, block_no: 0, cursor: None, backward: true };
        cursor.seek(before)?;
        Ok(cursor)
    }

    /// Goes to the first entry at or after `key`, or to the last one before it.
    pub(crate) fn seek(&mut self, key: Option<&[u8]>) -> Result<()> {
        let found = match key {
            None if self.backward => self.table.block_count().checked_sub(1),
            None => Some(0),
            Some(key) if self.backward => self.table.find_block(key),
            Some(key) => Some(self.table.find_block(key).unwrap_or(0)),
        };
        let Some(block_no) = found else {
            self.cursor = None;
            return Ok(());
        };
        self.load(block_no)?;
        if let (Some(cursor), Some(key)) = (&mut self.cursor, key) {
            if self.backward {
                cursor.seek_before(key, NEWEST);
            } else {
                cursor.seek(key, NEWEST);
            }
        }
        self.settle()
    }

    /// Puts the cursor on the end of a block where walking through it begins.
    fn load(&mut self, block_no: usize) -> Result<()> {
        let block = self.fetch.block(&self.table, block_no)?;
        self.block_no = block_no;
        let cursor = match &mut self.cursor {
            Some(cursor) => {
                cursor.reset(block);
                cursor
            }
            none => none.insert(BlockCursor::new(block)),
        };
        if self.backward {
            cursor.seek_to_last();
        } else {
            cursor.seek_to_first();
        }
        Ok(())
    }

    /// Goes on to the next block if the position is outside of this one.
    fn settle(&mut self) -> Result<()> {
        if self.cursor.as_ref().is_some_and(|cursor| !cursor.is_valid()) {
            let next = if self.backward { self.block_no.checked_sub(1) } else { Some(self.block_no + 1) };
            match next.filter(|next| *next < self.table.block_count()) {
                Some(next) => self.load(next)?,
                None => self.cursor = None,
            }
        }
        Ok(())
    }

    /// Goes behind the end.
    pub(crate) fn end(&mut self) {
        self.cursor = None;
    }

    /// The entry at the position.
    pub(crate) fn entry(&self) -> Option<(&[u8], Tag, &[u8])> {
        let cursor = self.cursor.as_ref()?;
        Some((cursor.key(), cursor.tag(), cursor.value()))
    }

    /// Moves on by one entry.
    pub(crate) fn advance(&mut self) -> Result<()> {
        if let Some(cursor) = &mut self.cursor {
            if self.backward {
                cursor.prev();
            } else {
                cursor.next();
            }
        }
        self.settle()
    }
}
