//! Cursors: positions among sorted entries, and their merge into one order.
//!
//! Whatever holds entries has a [`Cursor`]: a memtable, a table, and in the layers above an L2 file
//! without what is consumed of it, the partitions in a row, a range of a compaction's input. A [`Merge`] of
//! cursors is a cursor again, and costs as one while only one of them is near; a [`VisibleCursor`] shows of
//! one the keys that a reader at a seqno has.
//!
//! | file | content |
//! | --- | --- |
//! | `memtable_cursor`, `table_cursor` | what holds entries |
//! | `merge`, `heap` | several cursors as one |
//! | `needs`, `window` | the block that a move needs, and what is read with it |
//! | `visible` | each key once, as a reader sees it |
//!
//! **Cursors do no I/O and never wait.** A move that comes to a block which is not in memory ends with
//! [`NeedsBlock`], as a lookup does. Whoever drives the cursor reads the block as it likes, blocking or
//! awaiting, hands it over with [`Cursor::supply`], and so on until the move is done:
//!
//! ```text
//! let mut moved = cursor.advance();
//! while let Err(needed) = moved {
//!     moved = cursor.supply(read(&needed)?);
//! }
//! ```

#[cfg(feature = "bench")]
pub mod bench;
mod heap;
mod memtable_cursor;
mod merge;
mod needs;
mod table_cursor;
#[cfg(test)]
mod tests;
mod visible;
mod window;

pub(crate) use memtable_cursor::MemtableCursor;
pub(crate) use merge::Merge;
pub(crate) use needs::NeedsBlock;
pub(crate) use table_cursor::TableCursor;
pub(crate) use visible::{Passed, Step, VisibleCursor};
pub(crate) use window::Expected;

use crate::base::key::{SeqNo, Tag};
use crate::base::sync::Arc;
use crate::table::{Block, BlockWalk};

/// An entry at the position of a cursor.
#[derive(Clone, Copy)]
pub(crate) struct Entry<'a> {
    pub(crate) key: &'a [u8],
    pub(crate) tag: Tag,
    /// Empty for a delete, and where nobody wants values.
    pub(crate) value: &'a [u8],
}

/// A move of a cursor: done, or not yet. Not an error: the `?` hands the need on to the driver.
pub(crate) type Moved<T = ()> = Result<T, NeedsBlock>;

/// Steps on the way to an entry: for each, what the step before has asked for must be near.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Foresight {
    /// Finds the block, and asks where it is in memory.
    Place,
    /// Asks for the block's head.
    Head,
    /// Asks for its entries.
    Entries,
}

/// A position among sorted entries that moves in one direction, given to it when it is made.
///
/// It is on no entry before the first seek, behind the last entry, while a move waits for a block, and
/// while one is put off. While it waits, only `supply` may follow, or a seek, which gives the move up.
///
/// A move may be put off when it would lead to entries that nobody may ask for, such as the first of a
/// table far behind the bound: then the cursor says behind which position they all lie, and goes
/// there when it is told to catch up. A cursor that never does this leaves those methods as they are.
pub(crate) trait Cursor {
    /// Goes to the first entry at or after `bound`, or backward to the last one before it. Without a
    /// bound, to where the direction begins.
    fn seek(&mut self, bound: Option<&[u8]>) -> Moved;

    /// Asks for the memory that a seek to `bound` needs, which follows; called with one step after the other. So the
    /// waits of several cursors for memory go on side by side.
    fn foresee(&mut self, _bound: Option<&[u8]>, _step: Foresight) {}

    /// Moves on by one entry; from behind the last, nowhere.
    fn advance(&mut self) -> Moved;

    /// Goes on with the move that ended in [`NeedsBlock`]. The block is the one asked for.
    fn supply(&mut self, block: Arc<Block>) -> Moved;

    /// Key and tag of the entry at the position: all that its place in the order depends on.
    fn head(&self) -> Option<(&[u8], Tag)>;

    /// The value of the entry at the position; there must be one.
    fn value(&self) -> &[u8];

    /// Where a move was put off: no entry that the cursor still has comes before this position in its
    /// direction.
    #[inline]
    fn put_off(&self) -> Option<(&[u8], SeqNo)> {
        None
    }

    /// Ends the move that was put off.
    fn catch_up(&mut self) -> Moved {
        Ok(())
    }

    /// Lends its place on an entry, if it goes forward in a block: then it is not asked or moved until
    /// [`give_back`](Self::give_back), but by a seek.
    #[inline]
    fn lend(&self) -> Option<BlockWalk> {
        None
    }

    /// Goes to where a walk with the place that it has lent has come, on the entry of `key`.
    fn give_back(&mut self, _walk: &BlockWalk, _key: &[u8]) {
        unreachable!("this cursor lends nothing")
    }

    /// Whether the next entry is surely of another key, or there is none. False says nothing.
    #[inline]
    fn is_last_of_key(&self) -> bool {
        false
    }

    /// The entry at the position.
    #[inline]
    fn entry(&self) -> Option<Entry<'_>> {
        let (key, tag) = self.head()?;
        Some(Entry { key, tag, value: self.value() })
    }
}
