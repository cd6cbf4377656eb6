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
use crate::table::{Block, Bytes, Table};

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
    ///
    /// # Errors
    /// As of a read: where the range begins and ends may have to be read first.
    pub(crate) async fn new(
        local: &Local,
        directory: &Directory,
        table: &Arc<Table>,
        range: KeyRange,
    ) -> Result<Self> {
        let (first_block, part) = find_block(local, table, &range.lower).await?;
        let first_block = first_block.unwrap_or(0);
        let end = match &range.upper {
            Some(upper) if &**upper <= table.max_key() => {
                // The first key behind the range tells that it has ended, and may be the first of a block.
                let (last, _) = find_block(local, table, upper).await?;
                table.block_count().min(last.map_or(0, |block_no| block_no + 1) + 1)
            }
            _ => table.block_count(),
        };
        let blocks = ReadAhead::begin(local, directory, Arc::clone(table), first_block..end);
        let mut cursor = TableCursor::uncached(Arc::clone(table), Direction::Forward);
        if let Some((number, part)) = part {
            cursor = cursor.with_part(number, part);
        }
        Ok(Self { range, cursor, blocks: Some(blocks), is_warm: false })
    }

    /// Waits for the block that a move has asked for.
    pub(crate) async fn read(&mut self, local: &Local, needed: &NeedsBlock) -> Result<Arc<Block>> {
        if needed.is_index_part() {
            return read_block(local, &needed.table, needed.block_no).await;
        }
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

/// The only block that may hold a key, for who waits for the part of the index that tells it; and that part with its number,
/// if it was read.
async fn find_block(
    local: &Local,
    table: &Arc<Table>,
    key: &[u8],
) -> Result<(Option<usize>, Option<(usize, Arc<Block>)>)> {
    let mut read = None;
    loop {
        let at_hand = |number| match &read {
            Some((_, part)) => Some(Arc::clone(part)),
            None => table.cached_block_once(number),
        };
        match table.find_block(key, at_hand) {
            Ok(found) => return Ok((found, read)),
            Err(number) => read = Some((number, read_block(local, table, number).await?)),
        }
    }
}

/// Reads a block, or a part of an index, past the cache.
pub(super) async fn read_block(local: &Local, table: &Table, block_no: usize) -> Result<Arc<Block>> {
    let (offset, len) = table.block_location(block_no);
    let buffer = Arc::new(local.read(table.file(), offset, len).await?);
    table.decode_block(block_no, Bytes::of_buffer(&buffer, 0..len))
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
