//! The files of one database: which there are, what they are called, and the directory they are in.
//!
//! The directory was opened once. Everything made, opened, removed or made durable in it goes
//! through that handle, never through a path again ([`crate::io::Dir`]).

mod kind;
mod leftovers;

use std::path::{Path, PathBuf};

pub(crate) use kind::{FileKind, is_foreign};
use leftovers::Leftovers;

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
}

impl Directory {
    /// The open directory `dir`, in which file numbers from `first_free` on are free.
    pub(crate) fn new(dir: Dir, first_free: FileId) -> Self {
        Self { dir, ids: Arc::new(AtomicU64::new(first_free.0)), leftovers: Arc::default() }
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
}
