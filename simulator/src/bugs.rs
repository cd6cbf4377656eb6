//! The bugs that a run can be given on purpose: those of the engine's logic, planted in its text, and those in
//! what it asks of the disk, for which the disk lies.

use std::fmt;

use rabi::sim::{BUGS, Bug, Lie, Syncs, World};

/// A bug of either kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Planted {
    Engine(Bug),
    Disk(&'static DiskBug),
}

/// A bug that looks from below as if the disk had told a lie.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct DiskBug {
    name: &'static str,
    text: &'static str,
    lie: Lie,
}

const fn bug(name: &'static str, lie: Lie, text: &'static str) -> DiskBug {
    DiskBug { name, text, lie }
}

const fn unsynced(name: &'static str, syncs: Syncs, text: &'static str) -> DiskBug {
    bug(name, Lie::SyncSkipped(syncs), text)
}

static DISK_BUGS: [DiskBug; 15] = [
    unsynced("DirectoryNotSynced", Syncs::Directories, "new names are not made durable"),
    unsynced(
        "FoundNamesNotSynced",
        Syncs::FoundDirectories,
        "the names that an opening finds are not made durable",
    ),
    unsynced("ParentsNotSynced", Syncs::Parents, "the names that lead to the directory are not made durable"),
    unsynced(
        "TableNameNotSynced",
        Syncs::DirectoriesAfter("table-"),
        "the name of a new table is not made durable",
    ),
    unsynced(
        "ManifestNameNotSynced",
        Syncs::DirectoriesAfter("MANIFEST-"),
        "the name of a new manifest is not made durable",
    ),
    unsynced(
        "SegmentNameNotSynced",
        Syncs::DirectoriesAfter("wal-"),
        "the name of a new segment is not made durable",
    ),
    unsynced(
        "ManifestNotSynced",
        Syncs::Files("MANIFEST-"),
        "an edit counts as committed before it is synced",
    ),
    unsynced(
        "FoundManifestNotSynced",
        Syncs::FoundFiles("MANIFEST-"),
        "the manifest that an opening finds is not made durable",
    ),
    bug(
        "SyncErrorSwallowed",
        Lie::SyncErrorHidden("MANIFEST-"),
        "a failed sync of the manifest is taken for done",
    ),
    bug(
        "WriteErrorSwallowed",
        Lie::WriteErrorHidden("table-"),
        "a failed write of a table is taken for done",
    ),
    bug("FileLeaked", Lie::RemovalSkipped("table-"), "tables that nothing names any more stay"),
    bug("MadeByPath", Lie::MadeByPath, "files are made where the path of the opening leads now"),
    bug("RemovedByPath", Lie::RemovedByPath, "files are removed where the path of the opening leads now"),
    bug("StageNotPrepared", Lie::PagesNotPromised, "the stage is stored into without asking for its pages"),
    bug("BootIdIgnored", Lie::BootIdChanges, "an opening takes the death of the process for a loss of power"),
];

impl Planted {
    /// All there are.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        DISK_BUGS.iter().map(Self::Disk).chain(BUGS.iter().copied().map(Self::Engine))
    }

    /// The name for the command line.
    pub(crate) fn name(self) -> String {
        match self {
            Self::Engine(bug) => format!("{bug:?}"),
            Self::Disk(bug) => bug.name.to_owned(),
        }
    }

    /// The bug of a name.
    ///
    /// # Errors
    /// The names there are.
    pub(crate) fn parse(name: &str) -> Result<Self, String> {
        Self::all().find(|bug| bug.name().eq_ignore_ascii_case(name)).ok_or_else(|| {
            let names: Vec<String> = Self::all().map(Self::name).collect();
            format!("is none of {}", names.join(", "))
        })
    }

    /// Gives this bug, or none, to all that happens on this thread in this world.
    pub(crate) fn plant(planted: Option<Self>, world: &World) {
        rabi::sim::plant(match planted {
            Some(Self::Engine(bug)) => Some(bug),
            _ => None,
        });
        world.set_lie(match planted {
            Some(Self::Disk(bug)) => Some(bug.lie),
            _ => None,
        });
    }
}

impl fmt::Display for Planted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Engine(bug) => bug.fmt(f),
            Self::Disk(bug) => f.write_str(bug.text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_bug_is_found_by_its_name_alone() {
        for bug in Planted::all() {
            assert_eq!(Planted::parse(&bug.name().to_lowercase()), Ok(bug));
        }
        assert!(Planted::parse("").unwrap_err().starts_with("is none of DirectoryNotSynced, "));
    }
}
