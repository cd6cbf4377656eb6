//! The sources of a scan: what of a view a cursor goes through, newest level first.
//!
//! L0 and L1 are walked as they are, L2 without what is consumed of its files, L3 partition by
//! partition. [`scan`] merges them and shows what a reader at a seqno sees.

use super::view::{Files, View};
use crate::base::coverage::reached;
use crate::base::direction::Direction;
use crate::base::key::{SeqNo, Tag};
use crate::base::sync::Arc;
use crate::cursor::{Cursor, MemtableCursor, Merge, Moved, TableCursor, VisibleCursor};
use crate::table::Block;

/// All keys of a view, as a reader at a seqno sees them.
pub(crate) type ViewCursor = VisibleCursor<Merge<Source>>;

/// A cursor over `view` for a reader at `reader`, on no key yet.
pub(crate) fn scan(view: &View, reader: SeqNo, direction: Direction) -> ViewCursor {
    let mut sources = Vec::with_capacity(2 + view.frozen.len() + view.files.flushed.len());
    for memtable in std::iter::once(&view.memtable).chain(&view.frozen) {
        sources.push(Source::Memtable(MemtableCursor::new(Arc::clone(memtable), direction, reader)));
    }
    for index in 0..view.files.flushed.len() {
        sources.push(Source::Flushed(FlushedCursor::new(&view.files, index, direction)));
    }
    for depth in 0..view.files.runs_max() {
        sources.push(Source::Partitions(PartitionsCursor::new(&view.files, depth, direction)));
    }
    VisibleCursor::new(Merge::new(sources, direction), direction, reader)
}

/// One sorted source of a view.
pub(crate) enum Source {
    /// L0 or one of L1.
    Memtable(MemtableCursor),
    /// A file of L2.
    Flushed(FlushedCursor),
    /// L3.
    Partitions(PartitionsCursor),
}

impl Cursor for Source {
    fn seek(&mut self, bound: Option<&[u8]>) -> Moved {
        match self {
            Self::Memtable(cursor) => cursor.seek(bound),
            Self::Flushed(cursor) => cursor.seek(bound),
            Self::Partitions(cursor) => cursor.seek(bound),
        }
    }

    #[inline]
    fn advance(&mut self) -> Moved {
        match self {
            Self::Memtable(cursor) => cursor.advance(),
            Self::Flushed(cursor) => cursor.advance(),
            Self::Partitions(cursor) => cursor.advance(),
        }
    }

    fn supply(&mut self, block: Arc<Block>) -> Moved {
        match self {
            Self::Memtable(cursor) => cursor.supply(block),
            Self::Flushed(cursor) => cursor.supply(block),
            Self::Partitions(cursor) => cursor.supply(block),
        }
    }

    #[inline]
    fn head(&self) -> Option<(&[u8], Tag)> {
        match self {
            Self::Memtable(cursor) => cursor.head(),
            Self::Flushed(cursor) => cursor.head(),
            Self::Partitions(cursor) => cursor.head(),
        }
    }

    #[inline]
    fn value(&self) -> &[u8] {
        match self {
            Self::Memtable(cursor) => cursor.value(),
            Self::Flushed(cursor) => cursor.value(),
            Self::Partitions(cursor) => cursor.value(),
        }
    }
}

/// An L2 file without the keys that are consumed: what stands there may be out of date.
pub(crate) struct FlushedCursor {
    files: Arc<Files>,
    index: usize,
    direction: Direction,
    cursor: TableCursor,
}

impl FlushedCursor {
    fn new(files: &Arc<Files>, index: usize, direction: Direction) -> Self {
        let cursor = TableCursor::new(Arc::clone(&files.flushed[index].table), direction);
        Self { files: Arc::clone(files), index, direction, cursor }
    }

    fn skip_consumed(&mut self) -> Moved {
        let consumed = &self.files.flushed[self.index].consumed;
        if consumed.is_empty() {
            return Ok(());
        }
        while let Some(range) = self.cursor.head().and_then(|(key, _)| consumed.find(key)) {
            match (self.direction, &range.upper) {
                (Direction::Backward, _) => {
                    reached!("range: skipped what was compacted, backward");
                    self.cursor.seek(Some(&range.lower))?;
                }
                (Direction::Forward, Some(upper)) => {
                    reached!("range: skipped what was compacted, forward");
                    self.cursor.seek(Some(upper))?;
                }
                (Direction::Forward, None) => self.cursor.end(),
            }
        }
        Ok(())
    }
}

impl Cursor for FlushedCursor {
    fn seek(&mut self, bound: Option<&[u8]>) -> Moved {
        self.cursor.seek(bound)?;
        self.skip_consumed()
    }

    fn advance(&mut self) -> Moved {
        self.cursor.advance()?;
        self.skip_consumed()
    }

    fn supply(&mut self, block: Arc<Block>) -> Moved {
        self.cursor.supply(block)?;
        self.skip_consumed()
    }

    #[inline]
    fn head(&self) -> Option<(&[u8], Tag)> {
        self.cursor.head()
    }

    #[inline]
    fn value(&self) -> &[u8] {
        self.cursor.value()
    }
}

/// One run of each partition, partition by partition; only the one under the cursor is open. As many of
/// these as a partition has runs go through all of L3.
pub(crate) struct PartitionsCursor {
    files: Arc<Files>,
    /// Which run of each partition, counted from the newest.
    depth: usize,
    direction: Direction,
    index: usize,
    /// `None` behind the end, and in a partition with fewer runs.
    cursor: Option<TableCursor>,
}

impl PartitionsCursor {
    fn new(files: &Arc<Files>, depth: usize, direction: Direction) -> Self {
        Self { files: Arc::clone(files), depth, direction, index: 0, cursor: None }
    }

    fn open(&mut self, index: usize, bound: Option<&[u8]>) -> Moved {
        self.index = index;
        let run = self.files.partitions[index].runs.get(self.depth);
        self.cursor = run.map(|run| TableCursor::new(Arc::clone(&run.table), self.direction));
        self.cursor.as_mut().map_or(Ok(()), |cursor| cursor.seek(bound))
    }

    /// Goes on to the next partition that has an entry, if this one has no more.
    fn leave_passed_partitions(&mut self) -> Moved {
        while self.head().is_none() {
            let Some(next) = self.direction.next_of(self.index, self.files.partitions.len()) else {
                self.cursor = None;
                return Ok(());
            };
            reached!("range: went on to the next partition");
            self.open(next, None)?;
        }
        Ok(())
    }
}

impl Cursor for PartitionsCursor {
    fn seek(&mut self, bound: Option<&[u8]>) -> Moved {
        let index = match (self.direction, bound) {
            (Direction::Forward, Some(bound)) => self.files.partition_of(bound),
            (Direction::Forward, None) => 0,
            (Direction::Backward, Some(bound)) => self.files.partition_below(bound),
            (Direction::Backward, None) => self.files.partitions.len() - 1,
        };
        self.open(index, bound)?;
        self.leave_passed_partitions()
    }

    #[inline]
    fn advance(&mut self) -> Moved {
        if let Some(cursor) = &mut self.cursor {
            cursor.advance()?;
        }
        self.leave_passed_partitions()
    }

    fn supply(&mut self, block: Arc<Block>) -> Moved {
        if let Some(cursor) = &mut self.cursor {
            cursor.supply(block)?;
        }
        self.leave_passed_partitions()
    }

    #[inline]
    fn head(&self) -> Option<(&[u8], Tag)> {
        self.cursor.as_ref()?.head()
    }

    #[inline]
    fn value(&self) -> &[u8] {
        self.cursor.as_ref().expect("the cursor is on an entry").value()
    }
}
