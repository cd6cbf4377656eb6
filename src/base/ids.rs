//! Numbers that name files and memtables.

use std::fmt;

/// Number of a file in the database directory, part of its name. One counter gives them to tables, segments
/// and stages; manifests count for themselves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct FileId(pub(crate) u64);

impl FileId {
    /// The largest number that a file may have: 2^62, so that there are always further ones.
    pub(crate) const MAX: Self = Self(1 << 62);

    /// The number that follows.
    pub(crate) fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for FileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Number of a memtable, in order of creation since the database was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct MemtableId(pub(crate) u64);

impl MemtableId {
    /// The number of the first memtable.
    pub(crate) const FIRST: Self = Self(1);

    /// The number that follows.
    pub(crate) fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// The number before; before the first it is zero, which no memtable has.
    pub(crate) fn before(self) -> Self {
        Self(self.0.saturating_sub(1))
    }
}
