//! A cursor over one table, block by block.

use super::window::{Expected, Window};
use super::{Cursor, Foresight, Moved, NeedsBlock};
use crate::base::direction::Direction;
use crate::base::key::{SeqNo, Tag};
use crate::base::planted::planted;
use crate::base::sync::{Arc, epoch};
use crate::table::{Block, BlockCursor, BlockWalk, Table};

/// A position in a table.
pub(crate) struct TableCursor {
    table: Arc<Table>,
    direction: Direction,
    /// Whether blocks that the cache has are taken from there.
    is_cached: bool,
    /// Of the block that the cursor is in, or that it waits for.
    block_no: usize,
    /// The part of the index that a seek needed last, with its number; while the seek waits for it, without the part.
    part: Option<(usize, Option<Arc<Block>>)>,
    /// The block that a seek leads to, which was foreseen and follows.
    foreseen: Option<usize>,
    /// Whether the block behind this one was looked for.
    has_looked_ahead: bool,
    /// That block and its number, if it was found.
    next_block: Option<(usize, Arc<Block>)>,
    /// How far is read ahead of it, and what was.
    window: Window,
    /// How far it is likely to go.
    expected: Expected,
    /// What is sought in the block that it waits for; if nothing is, the block's first entry.
    sought: Option<Vec<u8>>,
    /// Whether a seek to the table's first entry is put off.
    is_put_off: bool,
    /// Whether `cursor` is on an entry.
    is_on_entry: bool,
    /// Made with the first block, and used again for all others.
    cursor: Option<BlockCursor>,
}

impl TableCursor {
    /// A cursor on no entry yet, that takes blocks from the cache and asks for those that are not there.
    pub(crate) fn new(table: Arc<Table>, direction: Direction) -> Self {
        Self {
            table,
            direction,
            is_cached: true,
            block_no: 0,
            part: None,
            foreseen: None,
            has_looked_ahead: false,
            next_block: None,
            window: Window::default(),
            expected: Expected::default(),
            sought: None,
            is_put_off: false,
            is_on_entry: false,
            cursor: None,
        }
    }

    /// The same for a walk that is likely to go so far.
    pub(crate) fn expecting(table: Arc<Table>, direction: Direction, expected: Expected) -> Self {
        Self { expected, ..Self::new(table, direction) }
    }

    /// As [`new`](Self::new), but asks for every block and leaves the cache alone.
    pub(crate) fn uncached(table: Arc<Table>, direction: Direction) -> Self {
        Self { is_cached: false, ..Self::new(table, direction) }
    }

    /// With a part of the index at hand, and its number.
    pub(crate) fn with_part(self, number: usize, part: Arc<Block>) -> Self {
        Self { part: Some((number, Some(part))), ..self }
    }

    /// Whether it is on an entry.
    #[inline]
    pub(crate) fn is_on_entry(&self) -> bool {
        self.is_on_entry
    }

    /// Goes behind the end.
    pub(crate) fn end(&mut self) {
        (self.is_on_entry, self.is_put_off, self.foreseen) = (false, false, None);
    }

    /// Whether all of the table is ahead of the bound.
    fn is_ahead(&self, bound: Option<&[u8]>) -> bool {
        bound.is_none_or(|bound| match self.direction {
            Direction::Forward => bound < self.table.min_key(),
            Direction::Backward => self.table.max_key() < bound,
        })
    }

    /// Foresees a seek that may be put off.
    pub(crate) fn foresee_lazily(&mut self, bound: Option<&[u8]>, step: Foresight) {
        if !self.is_ahead(bound) {
            self.foresee(bound, step);
        }
    }

    /// The block that a seek leads to; none if all keys are before the bound, or backward behind it. An error is the part
    /// of the index that tells; if it `is_ahead` of a seek, whose turn it is to miss that.
    fn block_for(&self, bound: Option<&[u8]>, is_ahead: bool) -> Result<Option<usize>, usize> {
        match (self.direction, bound) {
            (Direction::Forward, None) => Ok(Some(0)),
            (Direction::Forward, Some(key)) if self.table.max_key() < key => Ok(None),
            (Direction::Forward, Some(key)) => Ok(Some(self.find_block(key, is_ahead)?.unwrap_or(0))),
            (Direction::Backward, None) => Ok(Some(self.table.block_count() - 1)),
            (Direction::Backward, Some(key)) => self.find_block(key, is_ahead),
        }
    }

    fn find_block(&self, key: &[u8], is_ahead: bool) -> Result<Option<usize>, usize> {
        self.table.find_block(key, |number| match &self.part {
            Some((at_hand, Some(part))) if *at_hand == number => Some(Arc::clone(part)),
            _ if !self.is_cached => self.table.cached_block_once(number),
            _ if is_ahead => self.table.cached_part_ahead(number),
            _ => self.table.cached_block_shared(number, None),
        })
    }

    /// Begins to wait for a part of the index.
    fn ask_for_part(&mut self, number: usize, bound: Option<&[u8]>) -> NeedsBlock {
        self.part = Some((number, None));
        self.sought = bound.map(<[u8]>::to_vec);
        NeedsBlock::alone(&self.table, number)
    }

    /// As a seek, but if all of the table is ahead of the bound, it is put off.
    pub(crate) fn seek_lazily(&mut self, bound: Option<&[u8]>) -> Moved {
        if !self.is_ahead(bound) {
            return self.seek(bound);
        }
        self.end();
        self.is_put_off = true;
        Ok(())
    }

    /// Goes into a block: to where `sought` leads, or to where the direction begins.
    fn load(&mut self, block_no: usize, sought: Option<&[u8]>) -> Moved {
        self.block_no = block_no;
        let beyond = self.direction.next_of(block_no, self.table.block_count());
        let cached = match self.next_block.take() {
            Some((number, block)) if number == block_no => {
                if let Some(beyond) = beyond {
                    self.table.prefetch_block(beyond, &epoch::pin());
                }
                Some(block)
            }
            _ if self.is_cached => {
                let cached = self.table.cached_block_shared(block_no, beyond);
                cached.or_else(|| self.window.take(&self.table, block_no, self.direction))
            }
            _ => None,
        };
        match cached {
            Some(block) => {
                self.enter(block, sought);
                Ok(())
            }
            None => {
                self.is_on_entry = false;
                self.sought = sought.map(<[u8]>::to_vec);
                Err(match self.is_cached {
                    true => self.window.ask(&self.table, block_no, (self.direction, self.expected)),
                    false => NeedsBlock::alone(&self.table, block_no),
                })
            }
        }
    }

    fn enter(&mut self, block: Arc<Block>, sought: Option<&[u8]>) {
        let cursor = match &mut self.cursor {
            Some(cursor) => {
                cursor.reset(block);
                cursor
            }
            none => none.insert(BlockCursor::new(block, self.direction, self.expected.values)),
        };
        match sought {
            Some(key) => cursor.seek(key, SeqNo::MAX),
            None => cursor.seek_to_start(),
        }
        self.is_on_entry = cursor.is_valid();
        self.has_looked_ahead = !self.is_cached;
    }

    /// Looks for the block behind this one, which has few entries left.
    #[inline(never)]
    fn look_ahead(&mut self) {
        self.has_looked_ahead = true;
        if let Some(next) = self.direction.next_of(self.block_no, self.table.block_count()) {
            let block = self.table.cached_block_ahead(next, self.direction);
            self.next_block = block.map(|block| (next, block));
        }
    }

    /// Goes on to the next block, if this one has no more entries.
    fn leave_passed_block(&mut self) -> Moved {
        if !self.is_on_entry
            && let Some(next) = self.direction.next_of(self.block_no, self.table.block_count())
        {
            self.load(next, None)?;
            // A walk that has come to a second block likely goes on: it need not stop where this one nears its end.
            if !self.has_looked_ahead && self.is_on_entry {
                self.look_ahead();
            }
        }
        Ok(())
    }
}

impl Cursor for TableCursor {
    fn seek(&mut self, bound: Option<&[u8]>) -> Moved {
        let foreseen = self.foreseen;
        self.end();
        self.window.restart();
        self.part.take_if(|(_, part)| part.is_none());
        let block_no =
            match foreseen.map_or_else(|| self.block_for(bound, false), |foreseen| Ok(Some(foreseen))) {
                Ok(Some(block_no)) => block_no,
                Ok(None) => return Ok(()),
                Err(number) => return Err(self.ask_for_part(number, bound)),
            };
        self.load(block_no, bound)?;
        self.leave_passed_block()
    }

    fn foresee(&mut self, bound: Option<&[u8]>, step: Foresight) {
        match (step, self.foreseen) {
            (Foresight::Place, _) if self.is_cached => {
                self.foreseen = self.block_for(bound, true).ok().flatten()
            }
            (Foresight::Head, Some(block_no)) => self.table.prefetch_block(block_no, &epoch::pin()),
            (Foresight::Entries, Some(block_no)) => {
                self.table.prefetch_search(block_no, bound.unwrap_or_default(), &epoch::pin());
            }
            _ => {}
        }
    }

    #[inline]
    fn advance(&mut self) -> Moved {
        if !self.is_on_entry {
            return Ok(());
        }
        let cursor = self.cursor.as_mut().expect("a cursor on an entry is in a block");
        cursor.advance();
        self.is_on_entry = cursor.is_valid();
        if !self.is_on_entry {
            return self.leave_passed_block();
        }
        if cursor.is_near_end() && !self.has_looked_ahead {
            self.look_ahead();
        }
        Ok(())
    }

    fn supply(&mut self, block: Arc<Block>) -> Moved {
        let sought = self.sought.take();
        if let Some((_, part @ None)) = &mut self.part {
            *part = Some(block);
            return self.seek(sought.as_deref());
        }
        self.enter(block, sought.as_deref());
        self.leave_passed_block()
    }

    #[inline]
    fn head(&self) -> Option<(&[u8], Tag)> {
        if self.is_on_entry { self.cursor.as_ref().map(BlockCursor::head) } else { None }
    }

    #[inline]
    fn value(&self) -> &[u8] {
        self.cursor.as_ref().expect("the cursor is on an entry").value()
    }

    #[inline]
    fn put_off(&self) -> Option<(&[u8], SeqNo)> {
        // No entry has either seqno: the first is before all versions of the key, the second behind them.
        let before_all = match self.direction {
            Direction::Forward => (self.table.min_key(), SeqNo::MAX),
            Direction::Backward if planted!(SourceOpenedLate) => (self.table.max_key(), SeqNo::MAX),
            Direction::Backward => (self.table.max_key(), SeqNo::ZERO),
        };
        self.is_put_off.then_some(before_all)
    }

    fn catch_up(&mut self) -> Moved {
        if self.is_put_off { self.seek(None) } else { Ok(()) }
    }

    #[inline]
    fn lend(&self) -> Option<BlockWalk> {
        let cursor = self.cursor.as_ref().filter(|_| self.is_on_entry)?;
        cursor.lend(self.has_looked_ahead)
    }

    fn give_back(&mut self, walk: &BlockWalk, key: &[u8]) {
        self.cursor.as_mut().expect("a cursor that has lent its place is in a block").give_back(walk, key);
    }

    #[inline]
    fn is_last_of_key(&self) -> bool {
        self.cursor.as_ref().is_some_and(BlockCursor::is_last_of_key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::key::Kind;
    use crate::cache::Cache;
    use crate::cursor::{Merge, Step, VisibleCursor};
    use crate::table::TableOptions;
    use crate::table::tests::{Entries, build, open, read_block};

    #[test]
    fn a_scan_has_looked_for_the_next_block_when_it_comes_there() {
        for value_len in [100, 900, 1000, 1024, 1100, 2000] {
            let entry =
                |n: u64| (n.to_be_bytes().to_vec(), Tag::new(SeqNo(n), Kind::Put), vec![7; value_len]);
            let entries: Entries = (1..100).map(entry).collect();
            let bytes = build(&entries, TableOptions { block_size_bytes: 4096, filter_bits_per_key: 10 });
            let table = Arc::new(open(&bytes, &Arc::new(Cache::new(1 << 20))).expect("intact"));
            for block_no in 0..table.block_count() {
                table.admit(block_no, read_block(&table, &bytes, block_no).expect("intact"));
            }
            let cursor = TableCursor::new(table, Direction::Forward);
            let merge = Merge::new(vec![cursor], Direction::Forward);
            let mut cursor = VisibleCursor::new(merge, Direction::Forward, SeqNo::MAX);
            assert!(cursor.seek(None).is_ok());
            let mut last = (0, true);
            while let Ok(Step::Key) = cursor.next() {
                let front = cursor.inner().front().expect("it is on a key");
                assert!(front.block_no == last.0 || last.1, "values of {value_len} bytes");
                last = (front.block_no, front.next_block.is_some());
            }
        }
    }
}
