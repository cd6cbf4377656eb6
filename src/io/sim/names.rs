//! The names in one directory, as processes see them and as the device has them durably.
//!
//! A name made, removed or replaced is seen at once. It is durable once a sync of the directory that
//! was submitted after the change has completed; until then a loss of power may undo each change by
//! itself. A sync of the file alone makes no name durable. (ext4 commits names in order and a sync of
//! any file commits them all; the rules of POSIX, which other file systems use up, are weaker.)

use std::collections::BTreeMap;

use super::crash::Survivors;

/// A file or directory.
pub(super) type Inode = u64;

#[derive(Debug)]
struct Change {
    order: u64,
    name: String,
    to: Option<Inode>,
}

/// One directory.
#[derive(Debug, Default)]
pub(super) struct Names {
    entries: BTreeMap<String, Inode>,
    durable: BTreeMap<String, Inode>,
    pending: Vec<Change>,
}

fn apply(target: &mut BTreeMap<String, Inode>, change: &Change) {
    match change.to {
        Some(inode) => target.insert(change.name.clone(), inode),
        None => target.remove(&change.name),
    };
}

impl Names {
    /// What a name stands for.
    pub(super) fn get(&self, name: &str) -> Option<Inode> {
        self.entries.get(name).copied()
    }

    /// Whether a name stands for `inode` now.
    pub(super) fn holds(&self, inode: Inode) -> bool {
        self.entries.values().any(|entry| *entry == inode)
    }

    /// How many names stand for `inode` now.
    pub(super) fn count_of(&self, inode: Inode) -> usize {
        self.entries.values().filter(|entry| **entry == inode).count()
    }

    /// How many names begin so.
    pub(super) fn count(&self, beginning: &str) -> usize {
        self.entries.keys().filter(|name| name.starts_with(beginning)).count()
    }

    /// All names, sorted.
    pub(super) fn list(&self) -> Vec<String> {
        self.entries.keys().cloned().collect()
    }

    /// Lets a name stand for something, or for nothing.
    pub(super) fn set(&mut self, order: u64, name: &str, to: Option<Inode>) {
        let change = Change { order, name: name.to_owned(), to };
        apply(&mut self.entries, &change);
        self.pending.push(change);
    }

    /// Makes all changes up to `order` durable.
    pub(super) fn sync(&mut self, order: u64) {
        let later = self.pending.partition_point(|change| change.order <= order);
        for change in self.pending.drain(..later) {
            apply(&mut self.durable, &change);
        }
    }

    /// The power goes: what is durable stays, of the rest what `survivors` leaves.
    pub(super) fn lose_power(&mut self, survivors: &mut Survivors<'_>) {
        for change in std::mem::take(&mut self.pending) {
            if survivors.whole(change.order) {
                apply(&mut self.durable, &change);
            }
        }
        self.entries = self.durable.clone();
    }

    /// Everything that has a name now, or may have one after a loss of power.
    pub(super) fn reachable(&self) -> impl Iterator<Item = Inode> + '_ {
        let pending = self.pending.iter().filter_map(|change| change.to);
        self.entries.values().chain(self.durable.values()).copied().chain(pending)
    }
}
