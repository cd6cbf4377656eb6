//! Writing a table: entries in order go in, a durable, opened file comes out.
//!
//! Pieces are written, and given to the device, while the next ones are built, a few in flight at a time; one sync at
//! the end. The file's name becomes durable with the caller's sync of the directory, before the
//! manifest names it. A job that fails removes what it made: see [`PendingOutputs`].

use std::collections::{BTreeMap, VecDeque};

use super::levels::TableRecord;
use super::retention::Need;
use super::table_files::TableFiles;
use crate::base::ablation::ablated;
use crate::base::coverage::reached;
use crate::base::error::{Error, Result};
use crate::base::ids::FileId;
use crate::base::key::{SeqNo, Tag};
use crate::base::limits::TABLE_PIECES_IN_FLIGHT_MAX;
use crate::base::sync::Arc;
use crate::exec::{Local, Writing};
use crate::files::{Directory, FileKind, NewTable};
use crate::io::{Buffer, Data, File, Reach};
use crate::table::{Builder, IndexIn, Keep, KeptBlocks, Table};

/// So much is forgotten at a time: 64 MiB take 12 ms.
const FORGOTTEN_BYTES: usize = 1 << 20;

/// What is known of a table before it is written.
#[derive(Clone, Copy)]
pub(crate) struct OutputHint {
    /// Which of its blocks are cached once it is done.
    pub(crate) keep: Keep,
    /// About how long it will be, in bytes.
    pub(crate) len: u64,
    /// Where its index is once it is done.
    pub(crate) index_in: IndexIn,
}

/// A finished table.
pub(crate) struct Output {
    pub(crate) table: Arc<Table>,
    pub(crate) record: TableRecord,
}

/// Files that a job has made and no manifest names yet.
#[derive(Default)]
pub(crate) struct PendingOutputs(Vec<FileId>);

impl PendingOutputs {
    /// Another one.
    pub(crate) fn add(&mut self, id: FileId) {
        self.0.push(id);
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// After a failure: gives their space back. A full device must not be filled further by
    /// attempts.
    pub(crate) async fn remove(self, local: &Local, directory: &Directory) {
        for id in self.0 {
            reached!("job: what it made is removed");
            directory.discard(local, FileKind::Table(id)).await;
        }
    }
}

/// A table being written.
pub(crate) struct TableWriter {
    pieces: Pieces,
    builder: Builder,
    index_in: IndexIn,
    /// Seqnos of the first and last snapshots that need entries which nobody else sees, with the bytes
    /// of those.
    pins: BTreeMap<(SeqNo, SeqNo), u64>,
}

impl TableWriter {
    /// Begins a file and notes it in `pending`.
    pub(crate) async fn create(
        local: &Local,
        files: &TableFiles,
        hint: OutputHint,
        pending: &mut PendingOutputs,
    ) -> Result<Self> {
        let directory = files.directory();
        let id = directory.take_id();
        pending.add(id);
        let NewTable { file, old_len } = directory.make_table(local, id, hint.len).await?;
        let builder = Builder::new(id, files.options(), KeptBlocks::new(files.cache(), id, hint.keep));
        let pieces = Pieces { file, id, old_len, offset: 0, in_flight: VecDeque::new() };
        Ok(Self { pieces, builder, index_in: hint.index_in, pins: BTreeMap::new() })
    }

    /// Length of the file so far, in bytes.
    pub(crate) fn len_estimate(&self) -> u64 {
        self.builder.len_estimate()
    }

    /// Adds the next entry, which somebody needs. Full pieces pile up until
    /// [`write_full`](Self::write_full).
    pub(crate) fn add(&mut self, key: &[u8], tag: Tag, value: &[u8], need: Need) {
        let len = self.builder.add(key, tag, value);
        if let Need::Snapshots(first, last) = need {
            *self.pins.entry((first, last)).or_default() += len;
        }
    }

    /// The entry added last was in a block that is cached.
    pub(crate) fn count_warm(&mut self) {
        self.builder.count_warm();
    }

    /// So many more of its keys also stand in older runs that stay.
    pub(crate) fn add_overwrites(&mut self, keys: u64) {
        self.builder.add_overwrites(keys);
    }

    /// Hands full pieces to the device; waits if too many are in flight.
    pub(crate) async fn write_full(&mut self, local: &Local) -> Result<()> {
        while let Some(piece) = self.builder.take_full() {
            self.pieces.submit(local, piece).await?;
        }
        Ok(())
    }

    /// Completes, syncs and opens the file.
    pub(crate) async fn finish(self, local: &Local, files: &TableFiles) -> Result<Output> {
        let Self { mut pieces, builder, index_in, pins } = self;
        let finished = builder.finish();
        for piece in finished.rest {
            pieces.submit(local, piece).await?;
        }
        pieces.wait_all().await?;
        assert_eq!(pieces.offset, finished.file_len);
        if pieces.old_len > pieces.offset {
            reached!("table: what an older one had behind its end is cut off");
            local.shorten(&pieces.file, pieces.offset).await?;
        }
        local.sync(&pieces.file).await?;
        let record = TableRecord { id: pieces.id, len: pieces.offset };
        let table = files.open(local, record, index_in).await?.with_pins(pins.into_iter().collect());
        if table.file().is_direct() {
            forget(local, &pieces.file, record.len).await;
        }
        table.admit_kept(finished.kept);
        Ok(Output { table: Arc::new(table), record })
    }
}

/// Has the page cache, through which a file was written, forget it: nobody looks for it there.
async fn forget(local: &Local, file: &File, len: u64) {
    for offset in (0..len).step_by(FORGOTTEN_BYTES) {
        local.io().forget(file, offset, FORGOTTEN_BYTES);
        local.yield_if_due().await;
    }
}

/// The file, written piece by piece.
struct Pieces {
    file: File,
    id: FileId,
    /// Its length before it was begun, in bytes.
    old_len: u64,
    offset: u64,
    in_flight: VecDeque<Writing>,
}

impl Pieces {
    async fn submit(&mut self, local: &Local, piece: Buffer) -> Result<()> {
        if self.in_flight.len() >= TABLE_PIECES_IN_FLIGHT_MAX {
            self.wait_oldest().await?;
        }
        let offset = self.offset;
        self.offset += piece.len() as u64;
        let reach = if ablated!(WriteBack) { Reach::PageCache } else { Reach::Device };
        self.in_flight.push_back(local.begin_write(&self.file, offset, Data::Owned(piece), reach));
        Ok(())
    }

    async fn wait_oldest(&mut self) -> Result<()> {
        let Some(oldest) = self.in_flight.pop_front() else { return Ok(()) };
        oldest.await.map_err(|e| Error::io("write", self.file.path(), None, e))
    }

    async fn wait_all(&mut self) -> Result<()> {
        while !self.in_flight.is_empty() {
            self.wait_oldest().await?;
        }
        Ok(())
    }
}
