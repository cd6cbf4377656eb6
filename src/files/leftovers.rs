//! Files that nothing needs any more and that could not be removed: a list, to try again.
//!
//! The work that made a file superfluous does not fail because it cannot be removed: the file only takes space.
//! What is still there at the next opening is removed then.

use super::FileKind;
use crate::base::sync::{Mutex, lock};

/// Files to be removed.
#[derive(Default)]
pub(super) struct Leftovers(Mutex<Vec<FileKind>>);

impl Leftovers {
    /// Adds a file.
    pub(super) fn add(&self, kind: FileKind) {
        lock(&self.0).push(kind);
    }

    /// All of them, to be tried again.
    pub(super) fn take(&self) -> Vec<FileKind> {
        std::mem::take(&mut *lock(&self.0))
    }
}
