//! The durable state of one tree's L2 and L3, and the changes of it.
//!
//! Pure: applying the same changes to the same state gives the same state, at run time and at
//! recovery. Invariants, checked after every change: partitions are sorted, disjoint and cover the
//! whole key space (the first begins at the empty key, each ends where the next begins). That no file
//! is named twice is checked over all trees, where their states are together.
//! The bytes are in [`levels_format`](super::levels_format).

use std::collections::HashSet;

use super::ranges::RangeSet;
use crate::base::ids::FileId;
use crate::base::key::SeqNo;
use crate::base::key_range::KeyRange;
use crate::base::lsn::Lsn;
use crate::base::planted::planted;

/// A table file as the manifest names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TableRecord {
    /// Number of the file.
    pub(crate) id: FileId,
    /// Its length in bytes.
    pub(crate) len: u64,
}

/// A file of L2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FlushedRecord {
    /// The file.
    pub(crate) table: TableRecord,
    /// Its smallest key.
    pub(crate) min: Vec<u8>,
    /// Its largest key.
    pub(crate) max: Vec<u8>,
    /// The part of it that was compacted into L3 and must not be read here any more.
    pub(crate) consumed: RangeSet,
}

/// A partition of L3: the keys from `lower` up to the next partition's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PartitionRecord {
    /// Its smallest possible key.
    pub(crate) lower: Vec<u8>,
    /// Its runs, newest first, each one file; none while it is empty.
    pub(crate) runs: Vec<TableRecord>,
}

/// How far the log is in tables.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LogMark {
    /// Records before this are.
    pub(crate) lsn: Lsn,
    /// Their seqnos are at or below this.
    pub(crate) seqno: SeqNo,
}

/// The state of one tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Levels {
    /// The log before this has nothing for this tree that is not in its tables.
    pub(crate) flushed_to: LogMark,
    /// L2, newest first.
    pub(crate) flushed: Vec<FlushedRecord>,
    /// L3, by key.
    pub(crate) partitions: Vec<PartitionRecord>,
}

/// A run that a compaction adds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AddedRun {
    /// Which of the new partitions it belongs to, counted from the first. It is the newest run there.
    pub(crate) partition: usize,
    /// Its file.
    pub(crate) table: TableRecord,
}

/// A change of the state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// A memtable has become a file of L2 (none, if nothing of it was needed).
    Flush {
        /// The new file.
        file: Option<FlushedRecord>,
        /// The log before this is not needed any more.
        flushed_to: LogMark,
    },
    /// What L2 held for a range was compacted into the partitions there.
    Compact {
        /// The range: from one partition's lower bound to another's upper.
        range: KeyRange,
        /// Lower bounds of the partitions that stand there now.
        bounds: Vec<Vec<u8>>,
        /// Runs that have come. Of one partition, the newest last.
        added: Vec<AddedRun>,
        /// Runs that have gone. A run may stay only where the bounds stay.
        removed: Vec<FileId>,
        /// The files of L2 whose part in the range was compacted.
        consumed: Vec<FileId>,
    },
    /// Files of L2 hold no key in a range that was not compacted yet: it is consumed without any work.
    Consume {
        /// The files with a range each. A file may have left L2 since the range was found.
        holes: Vec<(FileId, KeyRange)>,
    },
}

impl Levels {
    /// An empty tree: one empty partition holds all keys.
    pub(crate) fn new() -> Self {
        let partitions = vec![PartitionRecord { lower: Vec::new(), runs: Vec::new() }];
        Self { flushed_to: LogMark::default(), flushed: Vec::new(), partitions }
    }

    /// All files.
    pub(crate) fn tables(&self) -> impl Iterator<Item = TableRecord> {
        self.flushed_tables().chain(self.runs())
    }

    /// Those of L2.
    pub(crate) fn flushed_tables(&self) -> impl Iterator<Item = TableRecord> {
        self.flushed.iter().map(|file| file.table)
    }

    /// Those of L3.
    pub(crate) fn runs(&self) -> impl Iterator<Item = TableRecord> {
        self.partitions.iter().flat_map(|partition| partition.runs.iter().copied())
    }

    /// Applies a change; the error says what makes it impossible.
    pub(crate) fn apply(&mut self, change: &Change) -> Result<(), String> {
        match change {
            Change::Flush { file, flushed_to } => {
                if flushed_to.lsn < self.flushed_to.lsn {
                    return Err(format!("the log's start goes back to LSN {}", flushed_to.lsn));
                }
                self.flushed.splice(0..0, file.clone());
                let seqno = self.flushed_to.seqno.max(flushed_to.seqno);
                self.flushed_to = LogMark { lsn: flushed_to.lsn, seqno };
            }
            Change::Compact { range, bounds, added, removed, consumed } => {
                self.replace_partitions(range, bounds, added, removed)?;
                self.consume(range, consumed)?;
            }
            Change::Consume { holes } => {
                for (id, hole) in holes {
                    if let Some(file) = self.flushed.iter_mut().find(|file| file.table.id == *id) {
                        file.consumed.insert(hole);
                    }
                }
                self.drop_consumed();
            }
        }
        self.check()
    }

    fn replace_partitions(
        &mut self,
        range: &KeyRange,
        bounds: &[Vec<u8>],
        added: &[AddedRun],
        removed: &[FileId],
    ) -> Result<(), String> {
        let at = |lower: &Vec<u8>| self.partitions.binary_search_by(|old| old.lower.cmp(lower));
        let from = at(&range.lower).map_err(|_| "a range begins inside a partition")?;
        let to = match &range.upper {
            None => self.partitions.len(),
            Some(upper) => at(upper).map_err(|_| "a range ends inside a partition")?,
        };
        if bounds.first().is_none_or(|first| *first != range.lower) {
            return Err("the new partitions do not begin where their range does".into());
        }
        let new = new_partitions(&self.partitions[from..to], bounds, added, removed)?;
        self.partitions.splice(from..to, new);
        Ok(())
    }

    fn consume(&mut self, range: &KeyRange, ids: &[FileId]) -> Result<(), String> {
        for id in ids {
            let file = self.flushed.iter_mut().find(|file| file.table.id == *id);
            let file = file.ok_or_else(|| format!("file {id} is not in L2"))?;
            file.consumed.insert(range);
        }
        self.drop_consumed();
        Ok(())
    }

    fn drop_consumed(&mut self) {
        self.flushed.retain(|file| !file.consumed.covers(&file.min, &file.max));
    }

    /// Checks the invariants.
    pub(crate) fn check(&self) -> Result<(), String> {
        let first = self.partitions.first().ok_or("there is no partition")?;
        if !first.lower.is_empty() {
            return Err("the first partition does not begin at the empty key".into());
        }
        if !self.partitions.is_sorted_by(|a, b| a.lower < b.lower) {
            return Err("the partitions overlap".into());
        }
        Ok(())
    }
}

/// What stands at `bounds` after runs were added to `old` and removed from it.
fn new_partitions(
    old: &[PartitionRecord],
    bounds: &[Vec<u8>],
    added: &[AddedRun],
    removed: &[FileId],
) -> Result<Vec<PartitionRecord>, String> {
    let there: HashSet<FileId> = old.iter().flat_map(|partition| &partition.runs).map(|run| run.id).collect();
    let mut gone = HashSet::with_capacity(removed.len());
    for id in removed {
        if !there.contains(id) {
            return Err(format!("file {id} is no run there"));
        }
        if !gone.insert(*id) {
            return Err(format!("file {id} is removed twice"));
        }
    }
    let stay = |partition: &PartitionRecord| -> Vec<TableRecord> {
        partition.runs.iter().filter(|run| !gone.contains(&run.id)).copied().collect()
    };
    let same_bounds = old.iter().map(|partition| &partition.lower).eq(bounds);
    let mut new: Vec<PartitionRecord> = if same_bounds {
        let stays = |partition: &PartitionRecord| PartitionRecord {
            lower: partition.lower.clone(),
            runs: stay(partition),
        };
        old.iter().map(stays).collect()
    } else if let Some(run) = old.iter().find_map(|partition| stay(partition).first().copied()) {
        return Err(format!("file {} stays although its partition goes", run.id));
    } else {
        bounds.iter().map(|lower| PartitionRecord { lower: lower.clone(), runs: Vec::new() }).collect()
    };
    // The newest stands last while runs are added, so that none is moved for another.
    let newest_first = !planted!(RunAddedAsOldest);
    let turn = |partitions: &mut [PartitionRecord]| {
        partitions.iter_mut().filter(|_| newest_first).for_each(|partition| partition.runs.reverse());
    };
    turn(&mut new);
    for run in added {
        let partition = new.get_mut(run.partition).ok_or("a run is added to no partition")?;
        partition.runs.push(run.table);
    }
    turn(&mut new);
    Ok(new)
}

#[cfg(test)]
#[path = "levels_tests.rs"]
mod tests;
