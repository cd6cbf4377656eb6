//! What a reader pins: L0, L1, L2 and L3 at one moment. Immutable, [published](super::published)
//! atomically.
//!
//! A lookup loads the view under an epoch guard: no lock, no count. Iterators take a counted
//! reference instead, since they may live long. Replaced views are reclaimed by the epoch.

use std::collections::BTreeMap;

use super::levels::{FlushedRecord, Levels, PartitionRecord};
use super::ranges::RangeSet;
use super::records::TreeRecords;
use crate::base::ids::FileId;
use crate::base::key::SeqNo;
use crate::base::key_range::KeyRange;
use crate::base::sync::Arc;
use crate::memtable::Memtable;
use crate::table::Table;

/// A file of L2.
pub(crate) struct Flushed {
    /// The file.
    pub(crate) table: Arc<Table>,
    /// Keys that must not be read here: they were compacted into L3.
    pub(crate) consumed: RangeSet,
}

impl Flushed {
    /// The share of its bytes that is not consumed, in thousandths.
    fn live_per_mille(&self) -> u64 {
        let gaps = self.consumed.gaps(&KeyRange::default()).into_iter();
        let live: u64 = gaps.map(|gap| self.table.bytes_in_range(&gap.lower, gap.upper.as_deref())).sum();
        let all = self.table.data_bytes().max(1);
        live.min(all).saturating_mul(1000) / all
    }
}

/// A run: one sorted sequence of entries, one file, which never changes.
pub(crate) struct Run {
    /// The file.
    pub(crate) table: Arc<Table>,
}

/// A partition of L3.
pub(crate) struct Partition {
    /// Its smallest possible key.
    pub(crate) lower: Vec<u8>,
    /// Its runs, newest first; none while it is empty.
    pub(crate) runs: Vec<Run>,
}

/// The files: L2 newest first, L3 by key.
pub(crate) struct Files {
    pub(crate) flushed: Vec<Flushed>,
    pub(crate) partitions: Vec<Partition>,
    runs_max: usize,
    live_per_mille: u64,
    oldest_live_per_mille: u64,
    entries: u64,
    seqno_max: SeqNo,
}

impl Files {
    /// L2 newest first, and L3 by key.
    pub(crate) fn new(flushed: Vec<Flushed>, partitions: Vec<Partition>) -> Self {
        let runs_max = partitions.iter().map(|partition| partition.runs.len()).max().unwrap_or(0);
        let live: Vec<u64> = flushed.iter().map(Flushed::live_per_mille).collect();
        let (live_per_mille, oldest_live_per_mille) =
            (live.iter().sum(), live.last().map_or(1000, |live| *live));
        let runs = partitions.iter().flat_map(|partition| &partition.runs).map(|run| &run.table);
        let tables = runs.chain(flushed.iter().map(|file| &file.table));
        let (mut entries, mut seqno_max) = (0_u64, SeqNo::default());
        for table in tables {
            entries = entries.saturating_add(table.entries());
            seqno_max = seqno_max.max(table.seqno_range().1);
        }
        Self { flushed, partitions, runs_max, live_per_mille, oldest_live_per_mille, entries, seqno_max }
    }

    /// The files that `levels` names, all of them among `tables`.
    pub(crate) fn of(levels: &Levels, tables: &BTreeMap<FileId, Arc<Table>>) -> Self {
        let open = |id: FileId| Arc::clone(tables.get(&id).expect("every table of the state is open"));
        let flushed =
            |file: &FlushedRecord| Flushed { table: open(file.table.id), consumed: file.consumed.clone() };
        let partition = |partition: &PartitionRecord| Partition {
            lower: partition.lower.clone(),
            runs: partition.runs.iter().map(|run| Run { table: open(run.id) }).collect(),
        };
        let (flushed, partitions) =
            (levels.flushed.iter().map(flushed), levels.partitions.iter().map(partition));
        Self::new(flushed.collect(), partitions.collect())
    }

    /// The most runs that a partition has.
    pub(crate) fn runs_max(&self) -> usize {
        self.runs_max
    }

    /// What is left of the files of L2 to be compacted, in thousandths of a file.
    pub(crate) fn live_per_mille(&self) -> u64 {
        self.live_per_mille
    }

    /// What is left of the oldest of them, in thousandths; all of it if there is none.
    pub(crate) fn oldest_live_per_mille(&self) -> u64 {
        self.oldest_live_per_mille
    }

    /// Entries of all files, those that are consumed among them.
    pub(crate) fn entries(&self) -> u64 {
        self.entries
    }

    /// Seqno of the newest version in them.
    pub(crate) fn seqno_max(&self) -> SeqNo {
        self.seqno_max
    }

    /// All runs of all partitions.
    pub(crate) fn runs(&self) -> impl Iterator<Item = &Run> {
        self.partitions.iter().flat_map(|partition| &partition.runs)
    }

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
    /// Newest versions of L2 and L3 in the cache.
    pub(crate) records: TreeRecords,
}
