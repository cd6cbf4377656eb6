//! A cursor over a shared memtable, for iterators that outlive any borrow of it.
//!
//! It copies entries in batches that double up to a bound: a short scan copies little, a long one
//! searches the list once for many entries.

use std::collections::VecDeque;

use super::{Cursor, Moved};
use crate::base::direction::Direction;
use crate::base::key::{SeqNo, Tag};
use crate::base::sync::Arc;
use crate::memtable::Memtable;
use crate::table::Block;

/// Entries copied at first.
const BATCH_MIN: usize = 2;
const BATCH_MAX: usize = 64;

/// A copy of an entry.
struct Copied {
    /// Key and value.
    bytes: Box<[u8]>,
    key_len: usize,
    tag: Tag,
}

impl Copied {
    fn new(key: &[u8], tag: Tag, value: &[u8]) -> Self {
        let mut bytes = Vec::with_capacity(key.len() + value.len());
        bytes.extend_from_slice(key);
        bytes.extend_from_slice(value);
        Self { bytes: bytes.into_boxed_slice(), key_len: key.len(), tag }
    }

    fn key(&self) -> &[u8] {
        &self.bytes[..self.key_len]
    }
}

/// A position in a memtable. It never needs a block.
pub(crate) struct MemtableCursor {
    memtable: Arc<Memtable>,
    direction: Direction,
    /// Whether values are copied; otherwise they are empty.
    values: bool,
    batch: VecDeque<Copied>,
    batch_len: usize,
}

impl MemtableCursor {
    /// A cursor on no entry yet. Without `values`, they may be empty: nobody looks at them, so nobody
    /// copies them.
    pub(crate) fn new(memtable: Arc<Memtable>, direction: Direction, values: bool) -> Self {
        Self { memtable, direction, values, batch: VecDeque::new(), batch_len: BATCH_MIN }
    }

    fn fill(&mut self, behind: Option<(&[u8], SeqNo)>) {
        let (batch, values) = (&mut self.batch, self.values);
        self.memtable.walk(self.direction, behind, self.batch_len, |key, tag, value| {
            batch.push_back(Copied::new(key, tag, if values { value } else { &[] }));
        });
        self.batch_len = (self.batch_len * 2).min(BATCH_MAX);
    }
}

impl Cursor for MemtableCursor {
    fn seek(&mut self, bound: Option<&[u8]>) -> Moved {
        self.batch.clear();
        self.batch_len = BATCH_MIN;
        // No entry has the seqno `SeqNo::MAX`, which comes before all versions of the key. So "behind it" is
        // "at or after the key" forward, and "before the key" backward.
        self.fill(bound.map(|key| (key, SeqNo::MAX)));
        Ok(())
    }

    fn advance(&mut self) -> Moved {
        let Some(passed) = self.batch.pop_front() else { return Ok(()) };
        if self.batch.is_empty() {
            self.fill(Some((passed.key(), passed.tag.seqno())));
        }
        Ok(())
    }

    fn supply(&mut self, _block: Arc<Block>) -> Moved {
        unreachable!("a memtable has no blocks")
    }

    #[inline]
    fn head(&self) -> Option<(&[u8], Tag)> {
        let copied = self.batch.front()?;
        Some((copied.key(), copied.tag))
    }

    #[inline]
    fn value(&self) -> &[u8] {
        let copied = self.batch.front().expect("the cursor is on an entry");
        &copied.bytes[copied.key_len..]
    }
}
