//! A handle to an open directory.
//!
//! Every name in it is looked up through the handle. The path by which it was opened serves messages only: the
//! directory may have been renamed since, and another may have its old path.

use std::path::{Path, PathBuf};

use super::File;

/// An open directory. Clones share one descriptor, which closes with the last of them; removals in
/// flight hold a clone.
#[derive(Clone, Debug)]
pub(crate) struct Dir(File);

/// A name in a directory.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Entry {
    /// The name; odd bytes of one that is not UTF-8 are replaced.
    pub(crate) name: String,
    /// Whether it leads to a file, and not to a directory or anything else.
    pub(crate) is_file: bool,
}

impl Dir {
    /// Wraps an open directory.
    pub(super) fn new(file: File) -> Self {
        Self(file)
    }

    /// As a file, to sync its names.
    pub(crate) fn file(&self) -> &File {
        &self.0
    }

    /// The path it was opened by, for messages.
    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// The path of a name in it, for messages.
    pub(crate) fn path_of(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }
}
