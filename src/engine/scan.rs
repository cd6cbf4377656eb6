//! The blocking loop around a cursor over a view.

use super::read::BlockReader;
use crate::base::direction::Direction;
use crate::base::error::Result;
use crate::base::sync::Arc;
use crate::cursor::Moved;
use crate::tree::view_cursor::ViewCursor;

/// The keys of a view in one direction. Blocks that it needs are read on the calling thread.
pub(super) struct Scan {
    cursor: ViewCursor,
    blocks: Arc<BlockReader>,
}

impl Scan {
    /// To before the first key at or after `bound`, or backward to behind the last one before it.
    pub(super) fn begin(cursor: ViewCursor, blocks: &Arc<BlockReader>, bound: Option<&[u8]>) -> Result<Self> {
        let mut scan = Self { cursor, blocks: Arc::clone(blocks) };
        let moved = scan.cursor.seek(bound);
        scan.finish(moved)?;
        Ok(scan)
    }

    /// Goes to the next key; `false` at the end. After an error it must not be used any more.
    #[inline]
    pub(super) fn next(&mut self) -> Result<bool> {
        loop {
            match self.cursor.next() {
                Ok(is_on_key) => return Ok(is_on_key),
                Err(needed) => self.finish(Err(needed))?,
            }
        }
    }

    /// The value of the key that [`next`](Self::next) went to, after it has said that there is one.
    #[inline]
    pub(super) fn value(&self) -> &[u8] {
        self.cursor.value()
    }

    /// Gives a move the blocks it asks for, until it is done.
    fn finish(&mut self, mut moved: Moved) -> Result<()> {
        while let Err(needed) = moved {
            let block = self.blocks.read(&needed)?;
            moved = self.cursor.supply(block);
        }
        Ok(())
    }

    /// The key that [`next`](Self::next) went to; `None` before the first.
    pub(super) fn key(&self) -> Option<&[u8]> {
        self.cursor.key()
    }

    /// Which way it goes.
    pub(super) fn direction(&self) -> Direction {
        self.cursor.direction()
    }
}

impl Drop for Scan {
    fn drop(&mut self) {
        self.blocks.end_scan(self.cursor.passed());
    }
}
