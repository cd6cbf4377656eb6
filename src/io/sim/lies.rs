//! A disk that lies: it reports as done what it has left out, done elsewhere, or failed to do.
//!
//! What the engine would do wrong by forgetting a sync, ignoring an error or trusting a path looks from below
//! as if the disk had not done what it was asked for. So such mistakes are planted here, and the
//! engine's text has none of them: whoever tests with this disk must find each.

use std::collections::BTreeSet;
use std::path::Path;

use rustix::io::Errno;

use super::disk::{Disk, Node};
use super::flight::{Effect, Flight, Landed};
use super::names::Inode;

/// What a disk lies about. Files are told by the beginnings of their names, such as `table-`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Lie {
    /// These syncs do nothing.
    SyncSkipped(Syncs),
    /// A sync of such a file is reported as done although it has failed.
    SyncErrorHidden(&'static str),
    /// A write to such a file is reported as done although it has failed.
    WriteErrorHidden(&'static str),
    /// Such files are not removed.
    RemovalSkipped(&'static str),
    /// Files are made where the path of the opened directory leads now.
    MadeByPath,
    /// Files are removed where the path of the opened directory leads now.
    RemovedByPath,
    /// Pages of mappings that are asked for are not promised.
    PagesNotPromised,
    /// Each process is told another boot id, as if the power had gone in between.
    BootIdChanges,
}

/// Which syncs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Syncs {
    /// All of such files.
    Files(&'static str),
    /// Those of such files that were opened for writing and not made.
    FoundFiles(&'static str),
    /// All of directories.
    Directories,
    /// The first of a directory after it was opened.
    FoundDirectories,
    /// The first of a directory after such a file was made in it.
    DirectoriesAfter(&'static str),
    /// Those of the directories that lead to one.
    Parents,
}

/// The lie of a world, and what it takes to know when to tell it.
#[derive(Debug, Default)]
pub(super) struct Liar {
    lie: Option<Lie>,
    found_files: BTreeSet<Inode>,
    found_directories: BTreeSet<Inode>,
    /// Directories in which a file was made since their last sync.
    changed_directories: BTreeSet<Inode>,
}

/// Whether the name at the end of a path begins so.
fn begins(path: &Path, beginning: &str) -> bool {
    path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with(beginning))
}

impl Liar {
    /// Begins to tell this lie, or none.
    pub(super) fn set(&mut self, lie: Option<Lie>) {
        *self = Self { lie, ..Self::default() };
    }

    fn tells(&self, lie: Lie) -> bool {
        self.lie == Some(lie)
    }

    /// The process has ended, and all that it had opened is closed.
    pub(super) fn lose_process(&mut self) {
        self.set(self.lie);
    }

    /// A directory was opened, not made.
    pub(super) fn found_directory(&mut self, inode: Inode) {
        self.found_directories.insert(inode);
    }

    /// A file was opened for writing, not made.
    pub(super) fn found_file(&mut self, inode: Inode) {
        self.found_files.insert(inode);
    }

    /// A file was made in a directory.
    pub(super) fn made(&mut self, directory: Inode, inode: Inode, path: &Path) {
        self.found_files.remove(&inode);
        if let Some(Lie::SyncSkipped(Syncs::DirectoriesAfter(beginning))) = self.lie
            && begins(path, beginning)
        {
            self.changed_directories.insert(directory);
        }
    }

    /// Whether a sync that is asked for now will do nothing.
    pub(super) fn skips_sync(&mut self, disk: &mut Disk, inode: Inode, path: &Path) -> bool {
        let is_directory = matches!(disk.node(inode), Some(Node::Directory(_)));
        let is_first = is_directory && self.found_directories.remove(&inode);
        let is_changed = is_directory && self.changed_directories.remove(&inode);
        let Some(Lie::SyncSkipped(syncs)) = self.lie else { return false };
        match syncs {
            Syncs::Files(beginning) => begins(path, beginning),
            Syncs::FoundFiles(beginning) => begins(path, beginning) && self.found_files.contains(&inode),
            Syncs::Directories => is_directory,
            Syncs::FoundDirectories => is_first,
            Syncs::DirectoriesAfter(_) => is_changed,
            Syncs::Parents => false,
        }
    }

    /// Whether a sync of the directories above another does nothing.
    pub(super) fn skips_parents(&self) -> bool {
        self.tells(Lie::SyncSkipped(Syncs::Parents))
    }

    /// Whether pages that are asked for are not promised.
    pub(super) fn skips_pages(&self) -> bool {
        self.tells(Lie::PagesNotPromised)
    }

    /// Whether each process is told another boot id.
    pub(super) fn changes_boot_id(&self) -> bool {
        self.tells(Lie::BootIdChanges)
    }

    /// The directory in which the file of this path is made, asked to make it in `directory`.
    pub(super) fn makes_in(&self, disk: &Disk, current: Inode, directory: Inode, path: &Path) -> Inode {
        if self.tells(Lie::MadeByPath) { by_path(disk, current, directory, path) } else { directory }
    }

    /// The directory from which the file of this path is removed, asked to remove it from `directory`.
    pub(super) fn removes_from(&self, disk: &Disk, current: Inode, directory: Inode, path: &Path) -> Inode {
        if self.tells(Lie::RemovedByPath) { by_path(disk, current, directory, path) } else { directory }
    }

    /// Whether an operation is reported as done without being done.
    pub(super) fn skips(&self, flight: &Flight) -> bool {
        match (self.lie, &flight.effect) {
            (Some(Lie::RemovalSkipped(beginning)), Effect::Remove { .. }) => begins(&flight.path, beginning),
            _ => false,
        }
    }

    /// What is reported of an operation that came to this.
    pub(super) fn report(&self, flight: &Flight, landed: Landed) -> Landed {
        let hides = |beginning| landed.result.is_err() && begins(&flight.path, beginning);
        let result: Result<usize, Errno> = match (self.lie, &flight.effect) {
            (Some(Lie::SyncErrorHidden(beginning)), Effect::Sync { .. }) if hides(beginning) => Ok(0),
            (Some(Lie::WriteErrorHidden(beginning)), Effect::Write { bytes, .. }) if hides(beginning) => {
                Ok(bytes.len())
            }
            _ => return landed,
        };
        Landed { result, ..landed }
    }
}

/// The directory that the path of a file leads to now; `directory` if there is none.
fn by_path(disk: &Disk, current: Inode, directory: Inode, path: &Path) -> Inode {
    let found = path.parent().map(|above| disk.find_from(current, above));
    found.and_then(Result::ok).unwrap_or(directory)
}
