//! The files of one database: which there are, what they are called, and the directory they are in.
//!
//! The directory was opened once. Everything made, opened, removed or made durable in it goes
//! through that handle, never through a path again ([`crate::io::Dir`]).

mod kind;
mod leftovers;
mod spare_tables;

use std::path::{Path, PathBuf};

pub(crate) use kind::{FileKind, is_foreign};
use leftovers::Leftovers;
use spare_tables::{SpareTable, SpareTables, part_of};

use crate::base::ablation::ablated;
use crate::base::coverage::reached;
use crate::base::error::Result;
use crate::base::ids::FileId;
use crate::base::sync::Arc;
use crate::base::sync::atomic::{AtomicU64, Ordering};
use crate::exec::{Local, together};
use crate::io::{Dir, File, Io, OpenMode, Space};

/// The directory of one database, with the counter of its file numbers. Clones are the same.
#[derive(Clone)]
pub(crate) struct Directory {
    dir: Dir,
    /// The next free file number; shared by everything that makes files.
    ids: Arc<AtomicU64>,
    leftovers: Arc<Leftovers>,
    spare_tables: Arc<SpareTables>,
}

/// The file of a table to be written.
pub(crate) struct NewTable {
    pub(crate) file: File,
    /// Its length in bytes, if it is that of an older table: all of it is to be overwritten or cut off.
    pub(crate) old_len: u64,
}

impl Directory {
    /// The open directory `dir`, in which file numbers from `first_free` on are free.
    pub(crate) fn new(dir: Dir, first_free: FileId) -> Self {
        let ids = Arc::new(AtomicU64::new(first_free.0));
        Self { dir, ids, leftovers: Arc::default(), spare_tables: Arc::default() }
    }

    /// The path it was opened by, for messages.
    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// As a file.
    pub(crate) fn file(&self) -> &File {
        self.dir.file()
    }

    /// The path of a file in it, for messages.
    pub(crate) fn path_of(&self, kind: FileKind) -> PathBuf {
        self.dir.path_of(&kind.name())
    }

    /// A file number of its own for a new file.
    pub(crate) fn take_id(&self) -> FileId {
        // Relaxed: the number only has to be unique.
        FileId(self.ids.fetch_add(1, Ordering::Relaxed))
    }

    /// File numbers below `id` are not given to new files.
    pub(crate) fn skip_to(&self, id: FileId) {
        self.ids.fetch_max(id.0, Ordering::Relaxed);
    }

    /// File numbers from here on are free.
    pub(crate) fn next_id(&self) -> FileId {
        FileId(self.ids.load(Ordering::Relaxed))
    }

    /// Opens or makes a file.
    pub(crate) fn open(&self, local: &Local, kind: FileKind, mode: OpenMode) -> Result<File> {
        local.io().open(&self.dir, &kind.name(), mode)
    }

    /// Removes a file. A missing one is not an error.
    pub(crate) async fn remove(&self, local: &Local, kind: FileKind) -> Result<()> {
        local.remove(&self.dir, &kind.name()).await
    }

    /// Removes a file that nothing needs any more, now or later. Its name is never used again.
    pub(crate) async fn discard(&self, local: &Local, kind: FileKind) {
        if let Err(error) = self.remove(local, kind).await {
            reached!("files: one could not be removed");
            tracing::warn!(%error, "a file that is not needed stays for now");
            self.leftovers.add(kind);
        }
    }

    /// Tries again to remove what could not be removed before.
    pub(crate) async fn discard_again(&self, local: &Local) {
        for kind in self.leftovers.take() {
            match self.remove(local, kind).await {
                Ok(()) => reached!("files: one was removed later"),
                Err(_) => self.leftovers.add(kind),
            }
        }
    }

    /// Of the tables made from now on, up to so many bytes are kept when they are not needed any more, to be written anew.
    /// Not of those that were found: they may be on another layer of the file system, or belong to another user.
    pub(crate) fn keep_spare_tables(&self, bytes_max: u64) {
        let bytes_max = if ablated!(TableFilesReused) { 0 } else { bytes_max };
        self.spare_tables.permit(bytes_max, self.next_id());
    }

    /// Makes the file of a new table of about `len` bytes: of an older one that is not needed any more, if there is one.
    pub(crate) async fn make_table(&self, local: &Local, id: FileId, len: u64) -> Result<NewTable> {
        if let Some(spare) = self.spare_tables.take(len) {
            match self.write_anew(local, spare, id) {
                Ok(file) => {
                    reached!("files: a table is written where an older one was");
                    return Ok(NewTable { file, old_len: spare.len });
                }
                Err(error) => {
                    reached!("files: an older table cannot be written anew");
                    tracing::debug!(%error, "a table gets a new file");
                    // It may have either name, and others may rely on what is in it.
                    self.discard(local, FileKind::Table(spare.id)).await;
                    self.remove(local, FileKind::Table(id)).await?;
                }
            }
        }
        let file = self.open(local, FileKind::Table(id), OpenMode::Create)?;
        Ok(NewTable { file, old_len: 0 })
    }

    fn write_anew(&self, local: &Local, spare: SpareTable, id: FileId) -> Result<File> {
        let (old, new) = (FileKind::Table(spare.id), FileKind::Table(id));
        local.io().take_over(&self.dir, &old.name(), &new.name())
    }

    /// Keeps the file of a table of `len` bytes that nothing needs any more, now or later, to be written anew; removes it
    /// if enough are kept.
    pub(crate) async fn keep_or_discard(&self, local: &Local, id: FileId, len: u64) {
        let free_bytes = self.space(&**local.io()).map_or(0, |space| space.free_bytes);
        if !self.spare_tables.keep(SpareTable { id, len }, free_bytes) {
            self.discard(local, FileKind::Table(id)).await;
        }
    }

    /// Removes the tables that are kept to be written anew; returns whether there were any.
    pub(crate) async fn give_up_spare_tables(&self, local: &Local) -> bool {
        let spares = self.spare_tables.take_all();
        let is_any = !spares.is_empty();
        if is_any {
            reached!("files: tables that were kept are removed");
        }
        together(spares.into_iter().map(|spare| self.discard(local, FileKind::Table(spare.id)))).await;
        is_any
    }

    /// The same at the end, on the calling thread; none is kept any more. What cannot be removed, the next opening removes.
    pub(crate) fn remove_spare_tables(&self, io: &dyn Io) {
        self.keep_spare_tables(0);
        for spare in self.spare_tables.take_all() {
            if let Err(error) = io.remove(&self.dir, &FileKind::Table(spare.id).name()) {
                tracing::debug!(%error, "a file that is not needed stays until the next opening");
            }
        }
    }

    /// Whether more is kept to be written anew than there would be now.
    pub(crate) fn others_lack_space(&self, io: &dyn Io) -> bool {
        let bytes = self.spare_tables.bytes();
        bytes > 0 && self.space(io).is_ok_and(|space| bytes > part_of(space.free_bytes))
    }

    /// How many tables were made.
    pub(crate) fn tables_made(&self) -> u64 {
        self.spare_tables.asked()
    }

    /// Bytes of the tables that are kept to be written anew.
    pub(crate) fn spare_table_bytes(&self) -> u64 {
        self.spare_tables.bytes()
    }

    /// Makes the names of the files in it durable.
    pub(crate) async fn sync(&self, local: &Local) -> Result<()> {
        local.sync(self.dir.file()).await
    }

    /// Makes these files durable, and the names of all.
    pub(crate) async fn sync_with<'a>(
        &'a self,
        local: &Local,
        files: impl Iterator<Item = &'a File>,
    ) -> Result<()> {
        let all = files.chain([self.dir.file()]);
        together(all.map(|file| local.sync(file))).await.into_iter().collect()
    }

    /// Makes durable the names that an opening has found in it, and those that lead to it. An earlier opening may
    /// have died before it did so, and a loss of power could still take them away from this one.
    pub(crate) async fn sync_found(&self, local: &Local) -> Result<()> {
        local.sync(self.dir.file()).await?;
        local.io().sync_parents(&self.dir)
    }

    /// Free space of the file system that holds it.
    pub(crate) fn space(&self, io: &dyn Io) -> Result<Space> {
        io.space(&self.dir)
    }

    /// The same for tables, which may also be written where older ones were.
    pub(crate) fn space_for_tables(&self, io: &dyn Io) -> Result<Space> {
        Ok(self.spare_tables.freed_in(self.space(io)?))
    }
}
