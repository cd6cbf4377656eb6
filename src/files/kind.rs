//! Names of the files in a database directory.

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
    Manifest(u64),
    Table(u64),
    Segment(u64),
    Stage(u64),
}

impl FileKind {
    /// Reads a name; `None` if it is none of ours.
    pub(crate) fn of(name: &str) -> Option<Self> {
        if name == LOCK {
            return Some(Self::Lock);
        }
        let at = name.len() - name.bytes().rev().take_while(u8::is_ascii_digit).count();
        let (prefix, digits) = name.split_at(at);
        let number = digits.parse().ok().filter(|_| digits.len() >= 8)?;
        match prefix {
            MANIFEST => Some(Self::Manifest(number)),
            TABLE => Some(Self::Table(number)),
            SEGMENT => Some(Self::Segment(number)),
            STAGE => Some(Self::Stage(number)),
            _ => None,
        }
    }

    /// The file's name.
    pub(crate) fn name(self) -> String {
        match self {
            Self::Lock => LOCK.to_owned(),
            Self::Manifest(number) => format!("{MANIFEST}{number:08}"),
            Self::Table(number) => format!("{TABLE}{number:08}"),
            Self::Segment(number) => format!("{SEGMENT}{number:08}"),
            Self::Stage(number) => format!("{STAGE}{number:08}"),
        }
    }

    /// Its number, if it has one.
    pub(crate) fn number(self) -> Option<u64> {
        match self {
            Self::Lock => None,
            Self::Manifest(number) | Self::Table(number) | Self::Segment(number) | Self::Stage(number) => {
                Some(number)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back_and_foreign_ones_left_alone() {
        for (kind, name) in [
            (FileKind::Lock, "LOCK"),
            (FileKind::Manifest(1), "MANIFEST-00000001"),
            (FileKind::Table(123_456_789), "table-123456789"),
            (FileKind::Segment(7), "wal-00000007"),
            (FileKind::Stage(8), "stage-00000008"),
        ] {
            assert_eq!(kind.name(), name);
            assert_eq!(FileKind::of(name), Some(kind));
        }
        for foreign in ["table-1", "table-0000000x", "notes.txt", "MANIFEST-", "wal-+0000001"] {
            assert_eq!(FileKind::of(foreign), None, "{foreign}");
        }
    }
}
