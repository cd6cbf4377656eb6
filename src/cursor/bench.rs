//! A memtable by itself, for benchmarks (feature `bench`): no log, no other levels, no other versions of the crate to
//! stay compatible with.

use std::sync::OnceLock;

use super::{Cursor, MemtableCursor};
use crate::base::direction::Direction;
use crate::base::ids::MemtableId;
use crate::base::key::{Kind, SeqNo, Tag, key_hash};
use crate::base::lsn::Lsn;
use crate::base::sync::Arc;
use crate::memtable::Pool;

/// The engine's memtable.
#[derive(Clone)]
pub struct Memtable(Arc<crate::memtable::Memtable>);

impl std::fmt::Debug for Memtable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Memtable").finish_non_exhaustive()
    }
}

impl Memtable {
    /// An empty one that may grow to about the size of the first that was made. All share one pool, as those of a
    /// database do.
    #[must_use]
    pub fn new(size_bytes: u64) -> Self {
        static POOL: OnceLock<Arc<Pool>> = OnceLock::new();
        let pool = POOL.get_or_init(|| Arc::new(Pool::new(size_bytes, 1)));
        Self(Arc::new(crate::memtable::Memtable::new(pool, MemtableId::FIRST, Lsn::ZERO, SeqNo::ZERO)))
    }

    /// Writes a version of a key, under a seqno that no other write has. Nobody reads at an earlier one.
    pub fn insert(&self, key: &[u8], seqno: u64, value: &[u8]) {
        self.0.insert(key, Tag::new(SeqNo(seqno), Kind::Put), value, SeqNo(seqno).saturating_sub(1));
    }

    /// Hands over the newest value of a key.
    pub fn get<R>(&self, key: &[u8], found: impl FnOnce(&[u8]) -> R) -> Option<R> {
        self.0.get(key, key_hash(key), SeqNo::MAX, |_, value| found(value))
    }

    /// Hands over the newest value of up to `count` keys from `from` on, as a scan of the engine goes through them;
    /// returns how many there were.
    pub fn scan(&self, from: &[u8], count: usize, mut each: impl FnMut(&[u8], &[u8])) -> usize {
        let mut cursor = MemtableCursor::new(Arc::clone(&self.0), Direction::Forward, SeqNo::MAX);
        let (mut seen, mut moved) = (0, cursor.seek(Some(from)));
        while seen < count && moved.is_ok() {
            let Some(entry) = cursor.entry() else { break };
            each(entry.key, entry.value);
            seen += 1;
            moved = cursor.advance();
        }
        seen
    }
}
