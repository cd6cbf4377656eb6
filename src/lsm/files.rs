//! Names of the files in a database directory, and opening of tables.

use std::path::{Path, PathBuf};

use super::levels::TableRecord;
use crate::base::coverage::reached;
use crate::base::error::{Error, Result};
use crate::base::planted::planted;
use crate::base::sync::Arc;
use crate::base::sync::atomic::{AtomicU64, Ordering};
use crate::exec::Local;
use crate::io::OpenMode;
use crate::table::{BlockCache, FOOTER_LEN, Footer, Table, TableOptions};
use crate::wal::{SEGMENT_PREFIX, STAGE_PREFIX};

/// Name of the lock file.
pub(crate) const LOCK_NAME: &str = "LOCK";
/// Prefix of manifest names.
pub(crate) const MANIFEST_PREFIX: &str = "MANIFEST-";
/// Prefix of table names.
pub(crate) const TABLE_PREFIX: &str = "table-";

/// What a name in the directory stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
        if name == LOCK_NAME {
            return Some(Self::Lock);
        }
        let at = name.len() - name.bytes().rev().take_while(u8::is_ascii_digit).count();
        let (prefix, digits) = name.split_at(at);
        let number = digits.parse().ok().filter(|_| digits.len() >= 8)?;
        match prefix {
            MANIFEST_PREFIX => Some(Self::Manifest(number)),
            TABLE_PREFIX => Some(Self::Table(number)),
            SEGMENT_PREFIX => Some(Self::Segment(number)),
            STAGE_PREFIX => Some(Self::Stage(number)),
            _ => None,
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

/// A numbered file's name.
pub(crate) fn name(prefix: &str, number: u64) -> String {
    format!("{prefix}{number:08}")
}

/// What it takes to make and open the files of one database.
pub(crate) struct Directory {
    path: PathBuf,
    /// The next free file number; shared by everything that makes files.
    ids: Arc<AtomicU64>,
    cache: Arc<BlockCache>,
    table_options: TableOptions,
}

impl Directory {
    /// The directory at `path`, whose free file numbers begin with `next_file`.
    pub(crate) fn new(
        path: PathBuf,
        next_file: u64,
        cache: Arc<BlockCache>,
        table_options: TableOptions,
    ) -> Self {
        Self { path, ids: Arc::new(AtomicU64::new(next_file)), cache, table_options }
    }

    /// Its path.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The cache of its tables' blocks.
    pub(crate) fn cache(&self) -> &Arc<BlockCache> {
        &self.cache
    }

    /// How its tables are built.
    pub(crate) fn table_options(&self) -> TableOptions {
        self.table_options
    }

    /// The counter of file numbers.
    pub(crate) fn ids(&self) -> &Arc<AtomicU64> {
        &self.ids
    }

    /// A file number of its own for a new file.
    pub(crate) fn take_id(&self) -> u64 {
        // Relaxed: the number only has to be unique.
        self.ids.fetch_add(1, Ordering::Relaxed)
    }

    /// File numbers from here on are free.
    pub(crate) fn next_id(&self) -> u64 {
        self.ids.load(Ordering::Relaxed)
    }

    /// Path of a numbered file.
    pub(crate) fn path_of(&self, prefix: &str, number: u64) -> PathBuf {
        self.path.join(name(prefix, number))
    }

    /// Makes the names of the files in it durable.
    pub(crate) async fn sync(&self, local: &Local) -> Result<()> {
        if planted!(DirectoryNotSynced) {
            return Ok(());
        }
        let dir = local.io().open(&self.path, OpenMode::Directory)?;
        local.sync(&dir).await
    }

    /// Opens a table: reads and checks footer, index and filter.
    pub(crate) async fn open_table(&self, local: &Local, record: TableRecord) -> Result<Arc<Table>> {
        let path = self.path_of(TABLE_PREFIX, record.id);
        let file = local.io().open(&path, OpenMode::Read)?;
        let len = local.io().file_len(&file)?;
        if len != record.len {
            reached!("table: another length than the manifest says");
            return Err(Error::corruption(&path, len, "length of the file", record.len, len));
        }
        let tail_len = (len as usize).min(FOOTER_LEN);
        let tail = local.read(&file, len - tail_len as u64, tail_len).await?;
        let footer = Footer::decode(&path, record.id, len, &tail)?;
        let index = local.read(&file, footer.index_offset, footer.index_len as usize).await?;
        let filter = local.read(&file, footer.filter_offset, footer.filter_len as usize).await?;
        let table = Table::new(file, record.id, footer, &index, filter.to_vec(), &self.cache)?;
        Ok(Arc::new(table))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back_and_foreign_ones_left_alone() {
        for kind in
            [FileKind::Manifest(1), FileKind::Table(123_456_789), FileKind::Segment(7), FileKind::Stage(8)]
        {
            let prefix = match kind {
                FileKind::Manifest(_) => MANIFEST_PREFIX,
                FileKind::Table(_) => TABLE_PREFIX,
                FileKind::Segment(_) => SEGMENT_PREFIX,
                _ => STAGE_PREFIX,
            };
            assert_eq!(FileKind::of(&name(prefix, kind.number().unwrap())), Some(kind));
        }
        assert_eq!(FileKind::of("LOCK"), Some(FileKind::Lock));
        for foreign in ["table-1", "table-0000000x", "notes.txt", "MANIFEST-", "wal-+0000001"] {
            assert_eq!(FileKind::of(foreign), None, "{foreign}");
        }
    }
}
