//! Files that nothing needs any more and that could not be removed: kept in mind and tried again.
//!
//! That a file cannot be removed is no failure of the work that made it superfluous: it takes space, no
//! more. What is still there at the next opening is removed then.

use super::FileKind;
use crate::base::sync::{Mutex, lock};

/// Files to be removed.
#[derive(Default)]
pub(super) struct Leftovers(Mutex<Vec<FileKind>>);

impl Leftovers {
    /// Keeps one in mind.
    pub(super) fn add(&self, kind: FileKind) {
        lock(&self.0).push(kind);
    }

    /// All of them, to be tried again.
    pub(super) fn take(&self) -> Vec<FileKind> {
        std::mem::take(&mut *lock(&self.0))
    }
}
