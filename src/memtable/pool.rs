//! What memtables take when they begin and give back when they end.

use super::arena::{Arena, Chunks};
use super::index::Index;
use crate::base::ablation::ablated;
use crate::base::sync::atomic::{AtomicU64, Ordering};
use crate::base::sync::{Arc, Mutex, lock};

/// Bytes of a memtable for one slot of its index.
const BYTES_PER_SLOT: u64 = 128;

/// Memory that is used by one memtable after the other.
pub(crate) struct Pool {
    memtable_size: u64,
    chunks: Arc<Chunks>,
    index: Mutex<Option<Index>>,
    /// Memory of all indexes: in use, and kept.
    index_bytes: AtomicU64,
}

impl Pool {
    /// For so many memtables of this size in bytes.
    pub(crate) fn new(memtable_size: u64, memtables: usize) -> Self {
        let chunks = Arc::new(Chunks::new(memtable_size, memtables));
        Self { memtable_size, chunks, index: Mutex::default(), index_bytes: AtomicU64::new(0) }
    }

    /// For tests.
    #[cfg(test)]
    pub(crate) fn of_size(memtable_size: u64) -> Arc<Self> {
        Arc::new(Self::new(memtable_size, 1))
    }

    /// How many bytes a memtable takes before it is full.
    pub(super) fn memtable_size(&self) -> u64 {
        self.memtable_size
    }

    /// Memory of all memtables that are somewhere in use, and what is kept for the next, in bytes.
    pub(super) fn memory_bytes(&self) -> u64 {
        self.chunks.bytes() + self.index_bytes.load(Ordering::Relaxed)
    }

    /// See [`Memtable::free_unused_memory`](super::Memtable::free_unused_memory).
    pub(super) fn free_unused(&self) {
        self.chunks.free_unused();
    }

    pub(super) fn arena(&self) -> Arena {
        Arena::new(Arc::clone(&self.chunks))
    }

    pub(super) fn take_index(&self) -> Index {
        let free = lock(&self.index).take();
        free.unwrap_or_else(|| {
            let index = Index::new((self.memtable_size / BYTES_PER_SLOT) as usize);
            self.index_bytes.fetch_add(index.memory_bytes(), Ordering::Relaxed);
            index
        })
    }

    /// Takes an index back.
    pub(super) fn give_back(&self, mut index: Index) {
        let superfluous = if ablated!(MemoryReused) {
            Some(index)
        } else {
            index.clear();
            lock(&self.index).replace(index)
        };
        let bytes = superfluous.as_ref().map_or(0, Index::memory_bytes);
        self.index_bytes.fetch_sub(bytes, Ordering::Relaxed);
        drop(superfluous);
    }
}
