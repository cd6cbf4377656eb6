//! One source of a compaction: what a table has for a range of keys.

use super::read_ahead::ReadAhead;
use crate::base::direction::Direction;
use crate::base::error::Result;
use crate::base::key::Tag;
use crate::base::key_range::KeyRange;
use crate::base::sync::Arc;
use crate::cursor::{Cursor, Moved, NeedsBlock, TableCursor};
use crate::exec::Local;
use crate::files::Directory;
use crate::table::{Block, Table};

/// A cursor over a range of a table, forward, with the blocks that it will need on their way.
pub(crate) struct Input {
    range: KeyRange,
    cursor: TableCursor,
    /// None once the range has ended.
    blocks: Option<ReadAhead>,
    /// Whether the block that it is in is cached.
    is_warm: bool,
}

impl Input {
    /// On no entry yet; the first blocks of the range are asked for. It is sought once, without a bound.
    pub(crate) fn new(local: &Local, directory: &Directory, table: &Arc<Table>, range: KeyRange) -> Self {
        let first_block = table.find_block(&range.lower).unwrap_or(0);
        // The first key behind the range tells that it has ended, and may be the first of a block.
        let last =
            range.upper.as_deref().map(|upper| table.find_block(upper).map_or(0, |block_no| block_no + 1));
        let end = last.map_or(table.block_count(), |last| table.block_count().min(last + 1));
        let blocks = ReadAhead::begin(local, directory, Arc::clone(table), first_block..end);
        let cursor = TableCursor::uncached(Arc::clone(table), Direction::Forward);
        Self { range, cursor, blocks: Some(blocks), is_warm: false }
    }

    /// Waits for the block that a move has asked for.
    pub(crate) async fn read(&mut self, local: &Local, needed: &NeedsBlock) -> Result<Arc<Block>> {
        let blocks = self.blocks.as_mut().expect("an input that has ended needs no block");
        self.is_warm = needed.table.is_cached(needed.block_no);
        blocks.next(local, needed.block_no).await
    }

    /// Whether the entry that it is on is in a block that readers have in the cache.
    pub(crate) fn is_warm(&self) -> bool {
        self.is_warm
    }

    #[inline]
    fn stop_behind_range(&mut self) {
        if self.cursor.head().is_some_and(|(key, _)| !self.range.is_below_upper(key)) {
            self.cursor.end();
            self.blocks = None;
        }
    }
}

impl Cursor for Input {
    fn seek(&mut self, bound: Option<&[u8]>) -> Moved {
        assert!(bound.is_none(), "blocks are read from the lower bound of the range on");
        self.cursor.seek(Some(&self.range.lower))?;
        self.stop_behind_range();
        Ok(())
    }

    #[inline]
    fn advance(&mut self) -> Moved {
        self.cursor.advance()?;
        self.stop_behind_range();
        Ok(())
    }

    fn supply(&mut self, block: Arc<Block>) -> Moved {
        self.cursor.supply(block)?;
        self.stop_behind_range();
        Ok(())
    }

    #[inline]
    fn head(&self) -> Option<(&[u8], Tag)> {
        self.cursor.head()
    }

    #[inline]
    fn value(&self) -> &[u8] {
        self.cursor.value()
    }
}
