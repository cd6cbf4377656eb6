//! What it takes to make and open the tables of one database.

use super::levels::TableRecord;
use crate::base::coverage::reached;
use crate::base::error::{Error, Result};
use crate::base::sync::Arc;
use crate::base::sync::atomic::AtomicBool;
use crate::base::sync::atomic::Ordering::Relaxed;
use crate::exec::Local;
use crate::files::{Directory, FileKind};
use crate::io::OpenMode;
use crate::table::{BlockCache, FOOTER_LEN, Footer, IndexIn, Table, TableOptions};

/// The directory with what is common to its tables.
pub(crate) struct TableFiles {
    directory: Directory,
    cache: Arc<BlockCache>,
    options: TableOptions,
    /// How they are opened to be read.
    mode: OpenMode,
    /// Whether one could not be opened to be read past the page cache. All are in one file system.
    is_refused: AtomicBool,
}

impl TableFiles {
    /// The tables in `directory`, their blocks kept in `cache`, new ones built with `options`.
    pub(crate) fn new(directory: Directory, cache: Arc<BlockCache>, options: TableOptions) -> Self {
        Self { directory, cache, options, mode: OpenMode::ReadAtRandom, is_refused: AtomicBool::new(false) }
    }

    /// The same, but read past the page cache if so wanted.
    pub(crate) fn read_directly(mut self, is_wanted: bool) -> Self {
        self.mode = if is_wanted { OpenMode::ReadDirect } else { OpenMode::ReadAtRandom };
        self
    }

    /// Whether they are read past the page cache, as far as it is known.
    pub(crate) fn reads_directly(&self) -> bool {
        self.mode == OpenMode::ReadDirect && !self.is_refused.load(Relaxed)
    }

    /// The directory they are in.
    pub(crate) fn directory(&self) -> &Directory {
        &self.directory
    }

    /// The cache of their blocks.
    pub(crate) fn cache(&self) -> &Arc<BlockCache> {
        &self.cache
    }

    /// How they are built.
    pub(crate) fn options(&self) -> TableOptions {
        self.options
    }

    /// Opens a table: reads and checks footer, index and filter.
    pub(crate) async fn open(&self, local: &Local, record: TableRecord, index_in: IndexIn) -> Result<Table> {
        let file = self.directory.open(local, FileKind::Table(record.id), self.mode)?;
        if self.mode == OpenMode::ReadDirect && !file.is_direct() {
            self.is_refused.store(true, Relaxed);
        }
        let path = file.path();
        let len = local.io().file_len(&file)?;
        if len != record.len {
            reached!("table: another length than the manifest says");
            return Err(Error::corruption(path, len, "length of the file", record.len, len));
        }
        let tail_len = (len as usize).min(FOOTER_LEN);
        let tail = local.read(&file, len - tail_len as u64, tail_len).await?;
        let footer = Footer::decode(path, record.id, len, &tail)?;
        // Filter and index lie one behind the other.
        let len = footer.filter_len + footer.index_len;
        let both = local.read(&file, footer.filter_offset, len as usize).await?;
        let (filter, index) = both.split_at(both.len().min(footer.filter_len as usize));
        Table::new(file, record.id, footer, index, filter, (&self.cache, index_in))
    }
}
