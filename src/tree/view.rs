//! What a reader pins: L0, L1, L2 and L3 at one moment. Immutable, [published](super::published)
//! atomically.
//!
//! A lookup loads the view under an epoch guard: no lock, no count. Iterators take a counted
//! reference instead, since they may live long. Replaced views are reclaimed by the epoch.

use super::ranges::RangeSet;
use crate::base::sync::Arc;
use crate::memtable::Memtable;
use crate::table::Table;

/// A file of L2.
pub(crate) struct Flushed {
    /// The file.
    pub(crate) table: Arc<Table>,
    /// Keys that must not be read here: they have gone down.
    pub(crate) consumed: RangeSet,
}

/// A partition of L3.
pub(crate) struct Partition {
    /// Its smallest possible key.
    pub(crate) lower: Vec<u8>,
    /// Its file; none while it is empty.
    pub(crate) table: Option<Arc<Table>>,
}

/// The files: L2 newest first, L3 by key.
pub(crate) struct Files {
    pub(crate) flushed: Vec<Flushed>,
    pub(crate) partitions: Vec<Partition>,
}

impl Files {
    /// Index of the partition that is the home of `key`.
    pub(crate) fn partition_of(&self, key: &[u8]) -> usize {
        let after = self.partitions.partition_point(|partition| partition.lower.as_slice() <= key);
        after.checked_sub(1).expect("the first partition begins at the empty key")
    }

    /// Index of the last partition that may hold keys below `key`.
    pub(crate) fn partition_below(&self, key: &[u8]) -> usize {
        let after = self.partitions.partition_point(|partition| partition.lower.as_slice() < key);
        after.saturating_sub(1)
    }
}

/// One moment of the tree.
#[derive(Clone)]
pub(crate) struct View {
    /// L0.
    pub(crate) memtable: Arc<Memtable>,
    /// L1, newest first.
    pub(crate) frozen: Vec<Arc<Memtable>>,
    /// L2 and L3.
    pub(crate) files: Arc<Files>,
}
