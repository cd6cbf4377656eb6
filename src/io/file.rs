//! Handles to open files and to the directory lock, the same for every backend.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use crate::base::sync::Arc;

/// An open file. Clones share one descriptor, which closes with the last of them; operations in
/// flight hold a clone.
#[derive(Clone, Debug)]
pub(crate) struct File(Arc<OpenFile>);

#[derive(Debug)]
struct OpenFile {
    path: PathBuf,
    descriptor: OwnedFd,
}

impl File {
    /// Wraps an open descriptor.
    pub(crate) fn new(path: PathBuf, descriptor: OwnedFd) -> Self {
        Self(Arc::new(OpenFile { path, descriptor }))
    }

    /// The path it was opened by, for error messages.
    pub(crate) fn path(&self) -> &Path {
        &self.0.path
    }
}

impl AsFd for File {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.descriptor.as_fd()
    }
}

/// The exclusive right to a database directory; given up when the last clone is dropped.
#[derive(Clone, Debug)]
pub(crate) struct Lock(pub(crate) File);
