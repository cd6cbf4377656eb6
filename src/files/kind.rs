//! Names of the files in a database directory.

use crate::base::ids::FileId;
use crate::base::planted::planted;
use crate::io::Entry;

/// Name of the lock file.
const LOCK: &str = "LOCK";
/// Prefix of manifest names.
const MANIFEST: &str = "MANIFEST-";
/// Prefix of table names.
const TABLE: &str = "table-";
/// Prefix of segment names.
const SEGMENT: &str = "wal-";
/// Prefix of stage names.
const STAGE: &str = "stage-";

/// What a name in the directory stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum FileKind {
    Lock,
    Manifest(FileId),
    Table(FileId),
    Segment(FileId),
    Stage(FileId),
}

impl FileKind {
    /// What an entry of the directory is; `None` if it is none of ours: another name, or no file.
    pub(crate) fn of(entry: &Entry) -> Option<Self> {
        Self::named(&entry.name).filter(|_| entry.is_file)
    }

    /// Reads a name, which may stand for anything; `None` if no file of ours has such a name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        if name == LOCK {
            return Some(Self::Lock);
        }
        let at = name.len() - name.bytes().rev().take_while(u8::is_ascii_digit).count();
        let (prefix, digits) = name.split_at(at);
        let id = FileId(digits.parse().ok()?);
        let kind = match prefix {
            MANIFEST => Self::Manifest(id),
            TABLE => Self::Table(id),
            SEGMENT => Self::Segment(id),
            STAGE => Self::Stage(id),
            _ => return None,
        };
        // There is one way to write a number. A name with another zero in front is not ours.
        (planted!(LooseNames) || kind.name() == name).then_some(kind)
    }

    /// The file's name.
    pub(crate) fn name(self) -> String {
        match self {
            Self::Lock => LOCK.to_owned(),
            Self::Manifest(id) => format!("{MANIFEST}{:08}", id.0),
            Self::Table(id) => format!("{TABLE}{:08}", id.0),
            Self::Segment(id) => format!("{SEGMENT}{:08}", id.0),
            Self::Stage(id) => format!("{STAGE}{:08}", id.0),
        }
    }

    /// Whether it is a manifest, of whatever number.
    pub(crate) fn is_manifest(self) -> bool {
        matches!(self, Self::Manifest(_))
    }

    /// Its number, if it has one.
    pub(crate) fn id(self) -> Option<FileId> {
        match self {
            Self::Lock => None,
            Self::Manifest(id) | Self::Table(id) | Self::Segment(id) | Self::Stage(id) => Some(id),
        }
    }
}

/// Whether an entry shows that a directory without a manifest is used for something else. `lost+found` does
/// not: some file systems have it from the start.
pub(crate) fn is_foreign(entry: &Entry) -> bool {
    let is_lost_and_found = entry.name == "lost+found" && !entry.is_file;
    FileKind::of(entry) != Some(FileKind::Lock) && !is_lost_and_found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back_and_foreign_ones_left_alone() {
        for (kind, name) in [
            (FileKind::Lock, "LOCK"),
            (FileKind::Manifest(FileId(1)), "MANIFEST-00000001"),
            (FileKind::Table(FileId(123_456_789)), "table-123456789"),
            (FileKind::Segment(FileId(7)), "wal-00000007"),
            (FileKind::Stage(FileId(8)), "stage-00000008"),
        ] {
            assert_eq!(kind.name(), name);
            assert_eq!(FileKind::named(name), Some(kind));
            let entry = |is_file| Entry { name: name.to_owned(), is_file };
            assert_eq!(FileKind::of(&entry(true)), Some(kind));
            assert_eq!(FileKind::of(&entry(false)), None);
        }
        for foreign in ["table-1", "table-0000000x", "notes.txt", "MANIFEST-", "wal-+0000001"] {
            assert_eq!(FileKind::named(foreign), None, "{foreign}");
        }
        for foreign in ["wal-000000001", "wal-0123456789", "table-99999999999999999999", ""] {
            assert_eq!(FileKind::named(foreign), None, "{foreign}");
        }
    }
}
