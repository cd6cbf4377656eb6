//! Turning what the log holds into L2 files.
//!
//! From the oldest record on that some tree needs; each tree takes what it does not have in its tables. Other cores, if there
//! are any, sort it and write the files while this one reads on. Nothing of the result counts before the manifest names it,
//! and if the opening fails before that, it is removed again: else each attempt would leave as much behind.

use std::collections::{BTreeMap, VecDeque};

use super::state::{Edit, State};
use crate::base::coverage::reached;
use crate::base::error::{Error, Result};
use crate::base::ids::FileId;
use crate::base::key::{SeqNo, Tag};
use crate::base::keyspace::KeyspaceId;
use crate::base::lsn::Generation;
use crate::base::options::Options;
use crate::base::planted::planted;
use crate::base::sync::Arc;
use crate::exec::{Cores, Local, Reply};
use crate::files::FileKind;
use crate::memtable::memtable_bytes;
use crate::table::Table;
use crate::tree::flush::{self, flush_replayed};
use crate::tree::levels::LogMark;
use crate::tree::output::{Output, PendingOutputs};
use crate::tree::replayed::Replayed;
use crate::tree::table_files::TableFiles;
use crate::wal::{Batch, Entries, LogReader, Segment, StageImage};

/// So many files are written at a time, each of what a memtable takes, while as much is collected for the next; not more
/// than memtables may wait to be flushed, so that all together take no more memory than memtables do.
const WRITTEN_TOGETHER_MAX: usize = 2;

/// Bytes of the log between two looks at the clock.
const YIELD_INTERVAL: u64 = 16 << 10;

/// What has become of the log.
pub(super) struct ReplayedLog {
    /// Where it ends.
    pub(super) end: LogMark,
    /// Bytes that were replayed.
    pub(super) bytes: u64,
    /// Tables that were made of it.
    pub(super) tables: PendingOutputs,
}

/// A file that a core writes.
struct Writing {
    keyspace: KeyspaceId,
    /// Seqno of the last write that is in it, or in those before.
    seqno: SeqNo,
    output: Reply<Result<Option<Output>>>,
}

/// The log of an earlier opening on its way into tables.
pub(super) struct Replay<'a> {
    local: &'a Local,
    cores: &'a Cores,
    files: &'a Arc<TableFiles>,
    state: &'a mut State,
    tables: &'a mut BTreeMap<FileId, Arc<Table>>,
    options: &'a Options,
    /// Seqno of the last write that was read.
    seqno: SeqNo,
    /// What each tree is still to write.
    replayed: BTreeMap<KeyspaceId, Replayed>,
    /// What is being written, oldest first.
    writing: VecDeque<Writing>,
    /// Tables that were written.
    written: PendingOutputs,
}

impl<'a> Replay<'a> {
    /// Into files that `state` and `tables` then have.
    pub(super) fn new(
        (local, cores): (&'a Local, &'a Cores),
        files: &'a Arc<TableFiles>,
        state: &'a mut State,
        tables: &'a mut BTreeMap<FileId, Arc<Table>>,
        options: &'a Options,
    ) -> Self {
        let seqno = state.log_start().seqno;
        let (replayed, writing) = (BTreeMap::new(), VecDeque::new());
        let written = PendingOutputs::default();
        Self { local, cores, files, state, tables, options, seqno, replayed, writing, written }
    }

    /// Replays all of it, or leaves nothing behind.
    pub(super) async fn run(mut self, segments: &[Segment], kinds: &[FileKind]) -> Result<ReplayedLog> {
        let replayed = self.replay(segments, kinds).await;
        for writing in std::mem::take(&mut self.writing) {
            // Only if an error came before: whoever writes has to end, or leaves half a file.
            if let Ok(Ok(Some(output))) = writing.output.await {
                self.written.add(output.record.id);
            }
        }
        match replayed {
            Ok((end, bytes)) => Ok(ReplayedLog { end, bytes, tables: self.written }),
            Err(error) => {
                if self.written.count() > 0 {
                    reached!("open: what was written from the log is removed again");
                }
                self.written.remove(self.local, self.files.directory()).await;
                Err(error)
            }
        }
    }

    /// Returns where the stream ends, and how many bytes were replayed.
    async fn replay(&mut self, segments: &[Segment], kinds: &[FileKind]) -> Result<(LogMark, u64)> {
        let start = self.state.log_start();
        if self.state.generation == Generation::NONE {
            reached!("open: a log was never begun");
            return Ok((start, 0));
        }
        let stage = self.find_stage(segments, kinds).await?;
        let dir = self.files.directory().path();
        let mut reader = LogReader::new(dir, self.state.generation, start.lsn, segments.to_vec(), stage)?;
        if self.options.open_without_stage {
            reader.forgive_stage();
        }
        let mut looked = start.lsn;
        while let Some(batch) = reader.next(self.local).await? {
            self.collect(&batch)?;
            // As much as a memtable takes, so that the files are of the usual size.
            if self.collected_bytes() >= self.options.tree.memtable_size_bytes {
                reached!("open: the log fills more than one memtable");
                self.flush().await?;
            }
            if reader.position().saturating_since(looked) >= YIELD_INTERVAL {
                looked = reader.position();
                self.local.yield_if_due().await;
            }
        }
        self.flush().await?;
        self.adopt_until(0).await?;
        let replayed = reader.position() - start.lsn;
        if replayed > 0 {
            reached!("open: the log was replayed");
            tracing::info!(bytes = replayed, seqno = self.seqno.0, "replayed the log");
        }
        Ok((LogMark { lsn: reader.position(), seqno: self.seqno }, replayed))
    }

    /// The stage that belongs to the log, as its segments say. One that is missing or damaged is an error,
    /// unless the options permit to open without.
    async fn find_stage(&self, segments: &[Segment], kinds: &[FileKind]) -> Result<Option<StageImage>> {
        let of_log = segments.iter().filter(|segment| self.state.is_of_log(segment.header.generation));
        let Some(newest) = of_log.max_by_key(|segment| segment.header.start) else {
            // The reader says what is missing.
            return Ok(None);
        };
        let found = self.open_stage(newest.header.stage, kinds).await;
        match found {
            Err(error @ Error::Corruption { .. }) if self.options.open_without_stage => {
                reached!("open: without the stage, as permitted");
                tracing::warn!(%error, "opening without the stage: the newest `Process` writes may be lost");
                Ok(None)
            }
            Err(Error::Corruption { path, offset, what, expected, found }) => {
                let expected = format!("{expected} (see `Options::open_without_stage`)");
                Err(Error::Corruption { path, offset, what, expected, found })
            }
            Ok(_) if planted!(StageNotReplayed) => Ok(None),
            found => found,
        }
    }

    async fn open_stage(&self, id: FileId, kinds: &[FileKind]) -> Result<Option<StageImage>> {
        let directory = self.files.directory();
        if !kinds.contains(&FileKind::Stage(id)) && !planted!(StageMissed) {
            reached!("open: the stage is gone");
            let (path, what) = (directory.path_of(FileKind::Stage(id)), "stage of the log");
            return Err(Error::corruption(&path, 0, what, "a file", "none"));
        }
        if !kinds.contains(&FileKind::Stage(id)) {
            return Ok(None);
        }
        StageImage::open(self.local, directory, id, self.state.generation).await
    }

    fn collect(&mut self, batch: &Batch<'_>) -> Result<()> {
        let damage = |expected: String, found: String| {
            Error::corruption(self.files.directory().path(), batch.lsn.0, "log record", expected, found)
        };
        if batch.seqno != self.seqno.next() {
            reached!("open: a batch with a wrong seqno");
            let expected = format!("a batch with seqno {}", self.seqno.next());
            return Err(damage(expected, format!("one with seqno {}", batch.seqno)));
        }
        let mut entries = Entries::new(batch.payload);
        for entry in entries.by_ref() {
            self.seqno = self.seqno.next();
            let Some(levels) = self.state.trees.get(&entry.keyspace) else {
                let found = format!("an entry of keyspace {}, which is unknown", entry.keyspace);
                return Err(damage("an entry of a keyspace of this database".into(), found));
            };
            if planted!(BatchReplayedInPart) && self.seqno.0.is_multiple_of(11) {
                continue;
            }
            // What another tree needs of the log this one may have in its tables.
            if self.seqno > levels.flushed_to.seqno {
                let replayed = self.replayed.entry(entry.keyspace).or_default();
                replayed.add(entry.key, Tag::new(self.seqno, entry.kind), entry.value);
            }
        }
        if entries.is_damaged() {
            return Err(damage("whole entries".into(), "an entry that makes no sense".into()));
        }
        Ok(())
    }

    fn collected_bytes(&self) -> u64 {
        let bytes = |replayed: &Replayed| memtable_bytes(replayed.len(), replayed.payload_bytes());
        self.replayed.values().map(bytes).sum()
    }

    /// Has what was collected written on another core, if there is one.
    async fn flush(&mut self) -> Result<()> {
        for (keyspace, replayed) in std::mem::take(&mut self.replayed) {
            let together = WRITTEN_TOGETHER_MAX.min(self.options.tree.max_frozen_memtables);
            self.adopt_until(together - 1).await?;
            if !self.writing.is_empty() {
                reached!("open: what the log holds is written to two files side by side");
            }
            let others = self.cores.count() - 1;
            let core = if others == 0 { 0 } else { 1 + (self.written.count() + self.writing.len()) % others };
            let files = Arc::clone(self.files);
            let write = move |local| async move { flush_replayed(&local, &files, replayed).await };
            let output = self.cores.run(core, write);
            self.writing.push_back(Writing { keyspace, seqno: self.seqno, output });
        }
        Ok(())
    }

    /// Waits for the oldest files until no more than so many are being written, and puts them where they belong.
    async fn adopt_until(&mut self, count: usize) -> Result<()> {
        while self.writing.len() > count {
            let oldest =
                if planted!(LogFilesSwapped) { self.writing.pop_back() } else { self.writing.pop_front() };
            let Some(Writing { keyspace, seqno, output }) = oldest else { break };
            let output = output.await??;
            // The log is not given up before its end was reached.
            let lsn = self.state.trees.get(&keyspace).map(|levels| levels.flushed_to.lsn).unwrap_or_default();
            let change = flush::change(output.as_ref(), LogMark { lsn, seqno });
            let edit = Edit { keyspace, next_file: self.files.directory().next_id(), change };
            self.state.apply(&edit).expect("a flush of new files is always possible");
            if let Some(output) = output {
                self.written.add(output.record.id);
                self.tables.insert(output.record.id, output.table);
            }
        }
        Ok(())
    }
}
