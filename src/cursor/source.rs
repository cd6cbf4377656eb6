//! One sorted source of a merge: a memtable, an L2 file, or all partitions of L3 in a row.

use super::Fetch;
use super::table_cursor::TableCursor;
use crate::base::coverage::reached;
use crate::base::error::Result;
use crate::base::key::Tag;
use crate::base::sync::Arc;
use crate::memtable::MemtableCursor;
use crate::tree::view::Files;

/// A source with its position.
pub(crate) enum Source {
    /// L0 or one of L1.
    Memtable(MemtableCursor),
    /// A file of L2.
    Flushed(FlushedCursor),
    /// L3.
    Partitions(PartitionsCursor),
}

impl Source {
    /// The entry at the position; `None` behind the end.
    pub(crate) fn entry(&self) -> Option<(&[u8], Tag, &[u8])> {
        match self {
            Self::Memtable(cursor) => cursor.entry(),
            Self::Flushed(cursor) => cursor.cursor.entry(),
            Self::Partitions(cursor) => cursor.cursor.as_ref()?.entry(),
        }
    }

    /// Moves on by one entry.
    pub(crate) fn advance(&mut self) -> Result<()> {
        match self {
            Self::Memtable(cursor) => cursor.advance(),
            Self::Flushed(cursor) => cursor.advance()?,
            Self::Partitions(cursor) => cursor.advance()?,
        }
        Ok(())
    }
}

/// An L2 file without the keys that have gone down: what stands there may be out of date.
pub(crate) struct FlushedCursor {
    files: Arc<Files>,
    index: usize,
    cursor: TableCursor,
    backward: bool,
}

impl FlushedCursor {
    /// At the first entry at or after `bound`, or the last one before it.
    pub(crate) fn new(
        files: &Arc<Files>,
        index: usize,
        fetch: &Arc<dyn Fetch>,
        bound: Option<&[u8]>,
        backward: bool,
    ) -> Result<Self> {
        let cursor = table_cursor(files, index, fetch, bound, backward)?;
        let mut flushed = Self { files: Arc::clone(files), index, cursor, backward };
        flushed.skip_consumed()?;
        Ok(flushed)
    }

    fn advance(&mut self) -> Result<()> {
        self.cursor.advance()?;
        self.skip_consumed()
    }

    fn skip_consumed(&mut self) -> Result<()> {
        let consumed = &self.files.flushed[self.index].consumed;
        if consumed.is_empty() {
            return Ok(());
        }
        while let Some(range) = self.cursor.entry().and_then(|(key, _, _)| consumed.find(key)) {
            if self.backward {
                reached!("range: skipped what has gone down, backward");
                self.cursor.seek(Some(&range.lower))?;
            } else if let Some(upper) = &range.upper {
                reached!("range: skipped what has gone down, forward");
                self.cursor.seek(Some(upper))?;
            } else {
                self.cursor.end();
            }
        }
        Ok(())
    }
}

fn table_cursor(
    files: &Arc<Files>,
    index: usize,
    fetch: &Arc<dyn Fetch>,
    bound: Option<&[u8]>,
    backward: bool,
) -> Result<TableCursor> {
    let (table, fetch) = (Arc::clone(&files.flushed[index].table), Arc::clone(fetch));
    if backward {
        TableCursor::backward(table, fetch, bound)
    } else {
        TableCursor::forward(table, fetch, bound)
    }
}

/// The partitions, one after another; only the one under the cursor is open.
pub(crate) struct PartitionsCursor {
    files: Arc<Files>,
    fetch: Arc<dyn Fetch>,
    index: usize,
    /// `None` behind the end.
    cursor: Option<TableCursor>,
    backward: bool,
}

impl PartitionsCursor {
    /// At the first entry at or after `bound`, or the last one before it.
    pub(crate) fn new(
        files: &Arc<Files>,
        fetch: &Arc<dyn Fetch>,
        bound: Option<&[u8]>,
        backward: bool,
    ) -> Result<Self> {
        let index = match bound {
            Some(bound) if backward => files.partition_below(bound),
            Some(bound) => files.partition_of(bound),
            None if backward => files.partitions.len() - 1,
            None => 0,
        };
        let (files, fetch) = (Arc::clone(files), Arc::clone(fetch));
        let mut cursor = Self { files, fetch, index, cursor: None, backward };
        cursor.open(bound)?;
        cursor.settle()?;
        Ok(cursor)
    }

    fn open(&mut self, bound: Option<&[u8]>) -> Result<()> {
        self.cursor = match &self.files.partitions[self.index].table {
            None => None,
            Some(table) => {
                let (table, fetch) = (Arc::clone(table), Arc::clone(&self.fetch));
                Some(if self.backward {
                    TableCursor::backward(table, fetch, bound)?
                } else {
                    TableCursor::forward(table, fetch, bound)?
                })
            }
        };
        Ok(())
    }

    /// Goes on to the next partition that has an entry, if this one has no more.
    fn settle(&mut self) -> Result<()> {
        while self.cursor.as_ref().and_then(TableCursor::entry).is_none() {
            let next = if self.backward { self.index.checked_sub(1) } else { Some(self.index + 1) };
            let Some(next) = next.filter(|next| *next < self.files.partitions.len()) else {
                self.cursor = None;
                return Ok(());
            };
            reached!("range: went on to the next partition");
            self.index = next;
            self.open(None)?;
        }
        Ok(())
    }

    fn advance(&mut self) -> Result<()> {
        if let Some(cursor) = &mut self.cursor {
            cursor.advance()?;
        }
        self.settle()
    }
}
