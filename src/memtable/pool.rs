//! What memtables take when they begin and give back when they end.

use super::arena::{AdviseHuge, Arena, Chunks};
use super::index::Index;
use crate::base::ablation::ablated;
use crate::base::sync::{Arc, Mutex, lock};

/// Bytes of a memtable for one slot of its index.
const BYTES_PER_SLOT: u64 = 128;

/// Memory that is used by one memtable after the other.
pub(crate) struct Pool {
    memtable_size: u64,
    chunks: Arc<Chunks>,
    index: Mutex<Option<Index>>,
}

impl Pool {
    /// For memtables of this size in bytes.
    pub(crate) fn new(memtable_size: u64, advise_huge: AdviseHuge) -> Self {
        let chunks = Arc::new(Chunks::new(memtable_size, advise_huge));
        Self { memtable_size, chunks, index: Mutex::default() }
    }

    /// For tests.
    #[cfg(test)]
    pub(crate) fn of_size(memtable_size: u64) -> Arc<Self> {
        Arc::new(Self::new(memtable_size, |_, _| {}))
    }

    /// How many bytes a memtable takes before it is full.
    pub(super) fn memtable_size(&self) -> u64 {
        self.memtable_size
    }

    pub(super) fn arena(&self) -> Arena {
        Arena::new(Arc::clone(&self.chunks))
    }

    pub(super) fn take_index(&self) -> Index {
        let free = lock(&self.index).take();
        free.unwrap_or_else(|| Index::new((self.memtable_size / BYTES_PER_SLOT) as usize))
    }

    /// Takes an index back.
    pub(super) fn give_back(&self, mut index: Index) {
        if ablated!(MemoryReused) {
            return;
        }
        index.clear();
        let superfluous = lock(&self.index).replace(index);
        drop(superfluous);
    }
}
