//! A cursor over a shared memtable, for iterators that outlive any borrow of it.
//!
//! It copies entries in batches that double up to a bound: a short scan copies little, a long one
//! searches the list once for many entries.

use std::collections::VecDeque;

use super::{Memtable, NEWEST};
use crate::base::key::{SeqNo, Tag};
use crate::base::sync::Arc;

const BATCH_MAX: usize = 64;

struct Entry {
    bytes: Box<[u8]>,
    key_len: usize,
    tag: Tag,
}

impl Entry {
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

/// A position in a memtable that moves in one direction, chosen by the seek.
pub(crate) struct MemtableCursor {
    memtable: Arc<Memtable>,
    batch: VecDeque<Entry>,
    batch_len: usize,
    backward: bool,
    /// Whether values are copied; otherwise they are empty.
    values: bool,
}

impl MemtableCursor {
    /// A cursor at the first entry at or after `key` (every version of it), or at the very first.
    pub(crate) fn forward(memtable: Arc<Memtable>, from: Option<&[u8]>, values: bool) -> Self {
        let mut cursor = Self { memtable, batch: VecDeque::new(), batch_len: 2, backward: false, values };
        // No entry has the probe's own seqno, so "after it" is "at or after the key".
        cursor.fill(from.map(|key| (key, NEWEST)));
        cursor
    }

    /// A cursor at the last entry before `key` (no version of it), or at the very last.
    pub(crate) fn backward(memtable: Arc<Memtable>, before: Option<&[u8]>, values: bool) -> Self {
        let mut cursor = Self { memtable, batch: VecDeque::new(), batch_len: 2, backward: true, values };
        cursor.fill(before.map(|key| (key, NEWEST)));
        cursor
    }

    fn fill(&mut self, from: Option<(&[u8], SeqNo)>) {
        let (batch, memtable, values) = (&mut self.batch, &self.memtable, self.values);
        let each = |key: &[u8], tag: Tag, value: &[u8]| {
            batch.push_back(Entry::new(key, tag, if values { value } else { &[] }));
        };
        if self.backward {
            memtable.walk_back(from, self.batch_len, each);
        } else {
            memtable.walk(from, self.batch_len, each);
        }
        self.batch_len = (self.batch_len * 2).min(BATCH_MAX);
    }

    /// The entry at the cursor.
    pub(crate) fn entry(&self) -> Option<(&[u8], Tag, &[u8])> {
        let entry = self.batch.front()?;
        Some((entry.key(), entry.tag, &entry.bytes[entry.key_len..]))
    }

    /// Moves on by one entry.
    pub(crate) fn advance(&mut self) {
        let Some(passed) = self.batch.pop_front() else { return };
        if self.batch.is_empty() {
            self.fill(Some((passed.key(), passed.tag.seqno())));
        }
    }
}
