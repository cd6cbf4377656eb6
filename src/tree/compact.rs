//! One compaction: runs of the partitions of a range, merged with what L2 holds for it, become new runs.
//!
//! The same serves every purpose: the first partitions (one empty partition holds all keys), adding what L2 holds to
//! a partition as a run, merging its newest runs, splitting (the output is cut by bytes), merging neighbours (the
//! range spans both), taking out garbage. It takes *all* L2 files older than its plan that have a key in the range, and of
//! a partition's runs the newest or all: what it writes is newer than all that stays. If it takes all, a tombstone with
//! nothing older behind it in the merge can go; else tombstones stay, for they may hide what is in the runs below.

use super::input::Input;
use super::levels::{AddedRun, Change};
use super::output::{Output, OutputHint, PendingOutputs, TableWriter};
use super::ranges::RangeSet;
use super::retention::{Need, Retention};
use super::table_files::TableFiles;
use super::throttle::Throttle;
use crate::base::coverage::reached;
use crate::base::direction::Direction;
use crate::base::error::Result;
use crate::base::key::key_hash;
use crate::base::key::{Kind, SeqNo, Tag};
use crate::base::key_range::KeyRange;
use crate::base::planted::planted;
use crate::base::sync::Arc;
use crate::cursor::{Cursor, Entry, Merge};
use crate::exec::Local;
use crate::table::{IndexIn, Keep, Table};

/// Work between two looks at the clock: entries, large values counting for many.
const YIELD_INTERVAL: usize = 64;

/// One key in so many is looked for in the filters of older runs: estimates need no more, and each look is a cache miss.
const OVERWRITE_SAMPLE: u64 = 8;

/// What to merge, and how.
pub(crate) struct Compaction {
    /// From the lower bound of the first partition to the upper bound of the last.
    pub(crate) range: KeyRange,
    /// Runs of the partitions, which it takes: all, or the newest of one partition.
    pub(crate) runs: Vec<Arc<Table>>,
    /// Older runs, which stay.
    pub(crate) older: Vec<Arc<Table>>,
    /// Files of L2 with their consumed parts.
    pub(crate) flushed: Vec<(Arc<Table>, RangeSet)>,
    /// Length in bytes at which an output is cut.
    pub(crate) piece_len: u64,
    /// Bytes of all inputs.
    pub(crate) input_bytes: u64,
    /// Whether it is only for what L2 holds: if that turns out to be nothing, there is nothing to do.
    pub(crate) is_for_flushed: bool,
    /// Whether there is time to let callers have the CPU first.
    pub(crate) gives_way: bool,
    /// Which blocks of the outputs are cached at once.
    pub(crate) keep: Keep,
    /// Whether nothing older lies below: all runs of the partitions are among the inputs. Only then may a tombstone
    /// go with what it hides.
    pub(crate) bottommost: bool,
}

/// A partition made by a compaction.
pub(crate) struct Piece {
    pub(crate) lower: Vec<u8>,
    pub(crate) output: Option<Output>,
}

/// Runs a compaction. The files are synced and their names durable; the manifest does not name them yet.
pub(crate) async fn compact(
    local: &Local,
    files: &TableFiles,
    compaction: &Compaction,
    snapshots: Vec<SeqNo>,
    throttle: &Throttle,
) -> Result<Vec<Piece>> {
    let mut pieces = Pieces::new(local, files, compaction, throttle);
    let written = write(local, compaction, &mut pieces, snapshots).await;
    match written {
        Ok(()) => Ok(pieces.done),
        Err(error) => {
            pieces.pending.remove(local, files.directory()).await;
            Err(error)
        }
    }
}

/// The change that a compaction makes.
pub(crate) fn change(compaction: &Compaction, pieces: &[Piece]) -> Change {
    assert!(compaction.older.is_empty() || pieces.len() == 1, "bounds stay where runs stay");
    for output in pieces.iter().filter_map(|piece| piece.output.as_ref()) {
        let is_older = |table: &Arc<Table>| table.seqno_range().1 < output.table.seqno_range().0;
        assert!(
            compaction.older.iter().all(is_older),
            "what a compaction adds is newer than the runs that stay"
        );
    }
    let outputs = pieces.iter().map(|piece| piece.output.as_ref());
    let added = outputs.enumerate().filter_map(|(partition, output)| {
        let table = output?.record;
        Some(AddedRun { partition, table })
    });
    Change::Compact {
        range: compaction.range.clone(),
        bounds: pieces.iter().map(|piece| piece.lower.clone()).collect(),
        added: added.collect(),
        removed: compaction.runs.iter().map(|table| table.id()).collect(),
        consumed: compaction.flushed.iter().map(|(table, _)| table.id()).collect(),
    }
}

async fn write(
    local: &Local,
    compaction: &Compaction,
    pieces: &mut Pieces<'_>,
    snapshots: Vec<SeqNo>,
) -> Result<()> {
    let mut inputs = Vec::new();
    let directory = pieces.files.directory();
    let left_out = usize::from(planted!(RunLeftOut) && compaction.runs.len() > 1);
    for table in &compaction.runs[left_out..] {
        inputs.push(Input::new(local, directory, table, compaction.range.clone()).await?);
    }
    for (table, consumed) in &compaction.flushed {
        if !consumed.is_empty() {
            reached!("compaction: part of an L2 file was compacted before");
        }
        for gap in consumed.gaps(&compaction.range) {
            inputs.push(Input::new(local, directory, table, gap).await?);
        }
    }
    merge(
        local,
        inputs,
        pieces,
        Retention::new(snapshots, compaction.bottommost || planted!(TombstoneDroppedAbove)),
    )
    .await?;
    pieces.end_piece().await?;
    pieces.files.directory().sync(local).await
}

async fn merge(
    local: &Local,
    inputs: Vec<Input>,
    pieces: &mut Pieces<'_>,
    mut retention: Retention,
) -> Result<()> {
    let mut merge = Merge::new(inputs, Direction::Forward);
    let mut moved = merge.seek(None);
    let mut key_before: Option<Vec<u8>> = None;
    let mut work = 0;
    loop {
        while let Err(needed) = moved {
            let block = merge.waiting().read(local, &needed).await?;
            moved = merge.supply(block);
        }
        let Some(entry) = merge.entry() else { return Ok(()) };
        let Entry { key, tag, value } = entry;
        if key_before.as_deref() != Some(key) {
            retention.next_key();
            pieces.next_key(key).await?;
            let buffer = key_before.get_or_insert_default();
            buffer.clear();
            buffer.extend_from_slice(key);
        }
        work += 1 + value.len() / 1024;
        let need = retention.need(tag.seqno());
        if need != Need::Nobody && tag.kind() == Kind::Delete && retention.bottommost() {
            pieces.hold_back(tag);
        } else if need != Need::Nobody {
            if pieces.writer.is_none() {
                pieces.begin_piece().await?;
            }
            pieces.add(entry, need, merge.front().is_some_and(Input::is_warm));
        }
        moved = merge.advance();
        if work >= YIELD_INTERVAL {
            work = 0;
            pieces.write_full().await?;
            if pieces.gives_way && !pieces.throttle.is_high() {
                local.give_way_if_due().await;
            } else {
                local.yield_if_due().await;
            }
        }
    }
}

/// The output of a compaction.
struct Pieces<'a> {
    local: &'a Local,
    files: &'a TableFiles,
    /// Tells whether there is time to let callers have the CPU first.
    throttle: &'a Throttle,
    gives_way: bool,
    keep: Keep,
    piece_len: u64,
    index_in: IndexIn,
    /// Bytes of the inputs that pieces are not written of yet, about.
    left: u64,
    /// Older runs, which stay.
    older: &'a [Arc<Table>],
    done: Vec<Piece>,
    pending: PendingOutputs,
    /// Lower bound of the piece being written.
    lower: Vec<u8>,
    writer: Option<TableWriter>,
    /// Tombstones of the key at hand, newest first: needed only if an older version is kept.
    tombstones: Vec<Tag>,
    /// Keys since the last entry was written that also stand in older runs.
    overwrites: u64,
}

impl<'a> Pieces<'a> {
    fn new(
        local: &'a Local,
        files: &'a TableFiles,
        compaction: &'a Compaction,
        throttle: &'a Throttle,
    ) -> Self {
        let freed_bytes = compaction.runs.iter().map(|table| table.memory_bytes()).sum();
        Self {
            local,
            files,
            throttle,
            gives_way: compaction.gives_way,
            keep: compaction.keep,
            piece_len: compaction.piece_len,
            index_in: IndexIn::MemoryOrCache { freed_bytes },
            left: compaction.input_bytes,
            older: &compaction.older,
            done: Vec::new(),
            pending: PendingOutputs::default(),
            lower: compaction.range.lower.clone(),
            writer: None,
            tombstones: Vec::new(),
            overwrites: 0,
        }
    }

    /// Entries of another key follow: the place to cut.
    async fn next_key(&mut self, key: &[u8]) -> Result<()> {
        if !self.tombstones.is_empty() {
            reached!("compaction: a tombstone was dropped");
        }
        self.tombstones.clear();
        if !self.older.is_empty() {
            self.count_overwrite(key_hash(key));
        }
        if self.writer.as_ref().is_some_and(|writer| writer.len_estimate() >= self.piece_len) {
            self.end_piece().await?;
            self.lower = key.to_vec();
            if planted!(SplitBoundWrong) {
                self.lower.push(0);
            }
        }
        Ok(())
    }

    /// Counts a key in a sample that may also stand in an older run, for all that it stands for.
    fn count_overwrite(&mut self, hash: u64) {
        let is_older = || self.older.iter().any(|table| table.may_contain(hash));
        if hash.is_multiple_of(OVERWRITE_SAMPLE) && is_older() {
            self.overwrites += OVERWRITE_SAMPLE;
        }
    }

    /// A tombstone that goes, unless a version that it hides is kept.
    fn hold_back(&mut self, tombstone: Tag) {
        self.tombstones.push(tombstone);
    }

    /// Makes the file that entries now go into.
    async fn begin_piece(&mut self) -> Result<()> {
        let len = self.piece_len.min(self.left);
        let hint = OutputHint { keep: self.keep, len, index_in: self.index_in };
        self.writer = Some(TableWriter::create(self.local, self.files, hint, &mut self.pending).await?);
        Ok(())
    }

    fn add(&mut self, entry: Entry<'_>, need: Need, is_warm: bool) {
        let Entry { key, tag, value } = entry;
        let writer = self.writer.as_mut().expect("a piece is begun before its first entry");
        writer.add_overwrites(std::mem::take(&mut self.overwrites));
        for tombstone in self.tombstones.drain(..) {
            // It hides what a snapshot needs from all others, and goes with it.
            reached!("compaction: a tombstone was kept for a snapshot");
            if planted!(NeededTombstoneDropped) {
                continue;
            }
            writer.add(key, tombstone, &[], need);
        }
        writer.add(key, tag, value, need);
        if is_warm {
            writer.count_warm();
        }
    }

    async fn write_full(&mut self) -> Result<()> {
        match &mut self.writer {
            Some(writer) => writer.write_full(self.local).await,
            None => Ok(()),
        }
    }

    async fn end_piece(&mut self) -> Result<()> {
        let output = match self.writer.take() {
            Some(writer) => {
                self.left = self.left.saturating_sub(writer.len_estimate());
                Some(writer.finish(self.local, self.files).await?)
            }
            None => None,
        };
        self.done.push(Piece { lower: std::mem::take(&mut self.lower), output });
        Ok(())
    }
}

#[cfg(test)]
#[path = "compact_tests.rs"]
mod tests;
