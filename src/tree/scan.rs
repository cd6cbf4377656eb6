//! The sources of a scan: what of a view a cursor goes through, newest level first.
//!
//! L0 and L1 are walked as they are, L2 without what is consumed of its files, L3 partition by
//! partition. [`sources`] merges them and shows what a reader at a seqno sees. A file that begins behind the
//! bound, and what lies behind consumed keys, is opened when its turn comes.

use super::flushed_cursor::FlushedCursor;
use super::view::{Files, View};
use crate::base::coverage::reached;
use crate::base::direction::Direction;
use crate::base::key::{SeqNo, Tag};
use crate::base::sync::Arc;
use crate::cursor::{Cursor, Expected, Foresight, MemtableCursor, Merge, Moved, TableCursor, VisibleCursor};
use crate::table::{Block, BlockWalk};

/// All keys of a view, one by one and with what is dead among them.
pub(super) type SourcesCursor = VisibleCursor<Merge<Source>>;

/// A cursor over `view` for a reader at `reader`, on no key yet. It is likely to pass so many entries in files, and may
/// look at their values.
pub(super) fn sources(
    view: &View,
    reader: SeqNo,
    direction: Direction,
    (entries, values): (u64, bool),
) -> SourcesCursor {
    let everywhere = Expected { entries, among: view.files.entries(), values };
    // Partitions are about as large as each other.
    let partitions = view.files.partitions.len() as u64;
    let in_partition = Expected { among: everywhere.among / partitions.max(1), ..everywhere };
    let mut sources = Vec::with_capacity(2 + view.frozen.len() + view.files.flushed.len());
    for memtable in std::iter::once(&view.memtable).chain(&view.frozen) {
        sources.push(Source::Memtable(MemtableCursor::new(Arc::clone(memtable), direction, reader)));
    }
    for index in 0..view.files.flushed.len() {
        sources.push(Source::Flushed(FlushedCursor::new(&view.files, index, direction, everywhere)));
    }
    for depth in 0..view.files.runs_max() {
        sources.push(Source::Partitions(PartitionsCursor::new(&view.files, depth, direction, in_partition)));
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

    fn foresee(&mut self, bound: Option<&[u8]>, step: Foresight) {
        match self {
            Self::Memtable(cursor) => cursor.foresee(bound, step),
            Self::Flushed(cursor) => cursor.foresee(bound, step),
            Self::Partitions(cursor) => cursor.foresee(bound, step),
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

    #[inline]
    fn put_off(&self) -> Option<(&[u8], SeqNo)> {
        match self {
            Self::Memtable(cursor) => cursor.put_off(),
            Self::Flushed(cursor) => cursor.put_off(),
            Self::Partitions(cursor) => cursor.put_off(),
        }
    }

    fn catch_up(&mut self) -> Moved {
        match self {
            Self::Memtable(cursor) => cursor.catch_up(),
            Self::Flushed(cursor) => cursor.catch_up(),
            Self::Partitions(cursor) => cursor.catch_up(),
        }
    }

    #[inline]
    fn lend(&self) -> Option<BlockWalk> {
        match self {
            Self::Memtable(cursor) => cursor.lend(),
            Self::Flushed(cursor) => cursor.lend(),
            Self::Partitions(cursor) => cursor.lend(),
        }
    }

    fn give_back(&mut self, walk: &BlockWalk, key: &[u8]) {
        match self {
            Self::Memtable(cursor) => cursor.give_back(walk, key),
            Self::Flushed(cursor) => cursor.give_back(walk, key),
            Self::Partitions(cursor) => cursor.give_back(walk, key),
        }
    }

    #[inline]
    fn is_last_of_key(&self) -> bool {
        match self {
            Self::Memtable(cursor) => cursor.is_last_of_key(),
            Self::Flushed(cursor) => cursor.is_last_of_key(),
            Self::Partitions(cursor) => cursor.is_last_of_key(),
        }
    }
}

/// One run of each partition, partition by partition; only the one under the cursor is open. As many of
/// these as a partition has runs go through all of L3.
pub(crate) struct PartitionsCursor {
    files: Arc<Files>,
    /// Which run of each partition, counted from the newest.
    depth: usize,
    direction: Direction,
    /// In a partition.
    expected: Expected,
    index: usize,
    /// Whether partition and cursor are those of a seek that follows.
    is_foreseen: bool,
    /// `None` behind the end, and in a partition with fewer runs.
    cursor: Option<TableCursor>,
}

impl PartitionsCursor {
    fn new(files: &Arc<Files>, depth: usize, direction: Direction, expected: Expected) -> Self {
        let files = Arc::clone(files);
        Self { files, depth, direction, expected, index: 0, is_foreseen: false, cursor: None }
    }

    /// A cursor over the run of a partition, on no entry yet.
    fn enter(&mut self, index: usize) {
        self.index = index;
        let run = self.files.partitions[index].runs.get(self.depth);
        let (direction, expected) = (self.direction, self.expected);
        self.cursor = run.map(|run| TableCursor::expecting(Arc::clone(&run.table), direction, expected));
    }

    /// Enters the partition that a seek leads to.
    fn enter_at(&mut self, bound: Option<&[u8]>) {
        let index = match (self.direction, bound) {
            (Direction::Forward, Some(bound)) => self.files.partition_of(bound),
            (Direction::Forward, None) => 0,
            (Direction::Backward, Some(bound)) => self.files.partition_below(bound),
            (Direction::Backward, None) => self.files.partitions.len() - 1,
        };
        self.enter(index);
    }

    fn seek_in_partition(&mut self, bound: Option<&[u8]>) -> Moved {
        self.cursor.as_mut().map_or(Ok(()), |cursor| cursor.seek_lazily(bound))
    }

    /// Goes on to the next partition that has an entry, if this one has no more. What it has there is looked for
    /// when its turn comes.
    fn leave_passed_partitions(&mut self) -> Moved {
        while self.head().is_none() && self.put_off().is_none() {
            let Some(next) = self.direction.next_of(self.index, self.files.partitions.len()) else {
                self.cursor = None;
                return Ok(());
            };
            reached!("range: went on to the next partition");
            self.enter(next);
            self.seek_in_partition(None)?;
        }
        Ok(())
    }
}

impl Cursor for PartitionsCursor {
    fn seek(&mut self, bound: Option<&[u8]>) -> Moved {
        if !std::mem::take(&mut self.is_foreseen) {
            self.enter_at(bound);
        }
        self.seek_in_partition(bound)?;
        self.leave_passed_partitions()
    }

    fn foresee(&mut self, bound: Option<&[u8]>, step: Foresight) {
        if step == Foresight::Place {
            self.enter_at(bound);
            self.is_foreseen = true;
        }
        if let Some(cursor) = &mut self.cursor {
            cursor.foresee_lazily(bound, step);
        }
    }

    #[inline]
    fn advance(&mut self) -> Moved {
        let Some(cursor) = &mut self.cursor else { return Ok(()) };
        cursor.advance()?;
        if cursor.is_on_entry() { Ok(()) } else { self.leave_passed_partitions() }
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

    #[inline]
    fn put_off(&self) -> Option<(&[u8], SeqNo)> {
        self.cursor.as_ref()?.put_off()
    }

    fn catch_up(&mut self) -> Moved {
        if let Some(cursor) = &mut self.cursor {
            cursor.catch_up()?;
        }
        self.leave_passed_partitions()
    }

    #[inline]
    fn lend(&self) -> Option<BlockWalk> {
        self.cursor.as_ref()?.lend()
    }

    fn give_back(&mut self, walk: &BlockWalk, key: &[u8]) {
        self.cursor.as_mut().expect("whoever has lent its place is in a partition").give_back(walk, key);
    }

    #[inline]
    fn is_last_of_key(&self) -> bool {
        // No key is in two partitions.
        self.cursor.as_ref().is_some_and(TableCursor::is_last_of_key)
    }
}
