//! The blocking loop around a cursor over a view.

use super::at_hand::AtHand;
use super::read::BlockReader;
use crate::base::direction::Direction;
use crate::base::error::Result;
use crate::base::key_range::KeyRange;
use crate::base::sync::Arc;
use crate::cursor::{Moved, NeedsBlock};
use crate::table::Block;
use crate::tree::view_cursor::ViewCursor;

/// The keys of a view in one direction. Blocks that it needs are read on the calling thread.
pub(super) struct Scan {
    cursor: ViewCursor,
    at_hand: AtHand,
    blocks: Arc<BlockReader>,
}

impl Scan {
    /// To before the first key at or after `bound`, or backward to behind the last one before it. `range` as for
    /// [`next`](Self::next).
    pub(super) fn begin(
        cursor: ViewCursor,
        blocks: &Arc<BlockReader>,
        bound: Option<&[u8]>,
        range: Option<&KeyRange>,
    ) -> Result<Self> {
        let mut scan = Self { cursor, at_hand: AtHand::default(), blocks: Arc::clone(blocks) };
        let moved = scan.cursor.seek(bound);
        scan.finish(moved, range)?;
        Ok(scan)
    }

    /// Goes to the next key, if that is known to take next to nothing. Key and value; nothing if there is more to do.
    #[inline]
    pub(super) fn next_along(&mut self) -> Option<(&[u8], &[u8])> {
        self.cursor.next_along()
    }

    /// Goes to the next key, also beyond `range`, but then nothing is read ahead that lies only there; `false` at the
    /// end. After an error it must not be used any more.
    #[inline]
    pub(super) fn next(&mut self, range: Option<&KeyRange>) -> Result<bool> {
        loop {
            match self.cursor.next() {
                Ok(is_on_key) => return Ok(is_on_key),
                Err(needed) => self.finish(Err(needed), range)?,
            }
        }
    }

    /// The value of the key that [`next`](Self::next) went to, after it has said that there is one.
    #[inline]
    pub(super) fn value(&self) -> &[u8] {
        self.cursor.value()
    }

    /// Gives a move the blocks it asks for, until it is done.
    fn finish(&mut self, mut moved: Moved, range: Option<&KeyRange>) -> Result<()> {
        while let Err(needed) = moved {
            let block = match self.at_hand.take(&needed) {
                Some(block) => block,
                None => self.read(&needed, range)?,
            };
            moved = self.cursor.supply(block);
        }
        Ok(())
    }

    fn read(&mut self, needed: &NeedsBlock, range: Option<&KeyRange>) -> Result<Arc<Block>> {
        let limit = range.and_then(|range| match self.direction() {
            Direction::Forward => range.upper.as_deref(),
            Direction::Backward => Some(range.lower.as_slice()),
        });
        let missing = self.at_hand.missing(&self.cursor, needed, limit);
        if let [needed] = &missing[..] {
            return self.blocks.read(needed);
        }
        let read = self.blocks.read_many(&missing);
        self.at_hand.add(missing, read).or_else(|_| self.blocks.read(needed))
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
        self.blocks.end_scan(self.cursor.passed(), &self.at_hand);
    }
}
