//! A cursor over a file of L2 without the keys that are consumed.

use super::view::{Files, Flushed};
use crate::base::coverage::reached;
use crate::base::direction::Direction;
use crate::base::key::{SeqNo, Tag};
use crate::base::key_range::KeyRange;
use crate::base::planted::planted;
use crate::base::sync::Arc;
use crate::cursor::{Cursor, Expected, Foresight, Moved, TableCursor};
use crate::table::{Block, BlockWalk};

/// An L2 file without the keys that are consumed: what stands there may be out of date. No block is read
/// for their sake: what lies behind consumed keys is put off.
pub(crate) struct FlushedCursor {
    files: Arc<Files>,
    index: usize,
    direction: Direction,
    cursor: TableCursor,
    /// Number of the consumed range that comes next in the direction, or that the entry is in; none behind
    /// the last.
    ahead: Option<usize>,
    /// Whether what lies behind that range is put off.
    is_put_off: bool,
}

impl FlushedCursor {
    /// The file of that number, on no entry yet.
    pub(crate) fn new(files: &Arc<Files>, index: usize, direction: Direction, expected: Expected) -> Self {
        let cursor = TableCursor::expecting(Arc::clone(&files.flushed[index].table), direction, expected);
        Self { files: Arc::clone(files), index, direction, cursor, ahead: None, is_put_off: false }
    }

    fn file(&self) -> &Flushed {
        &self.files.flushed[self.index]
    }

    fn range_ahead(&self) -> Option<&KeyRange> {
        Some(&self.file().consumed.ranges()[self.ahead?])
    }

    /// Number of the consumed range that a seek comes to first.
    fn first_ahead(&self, bound: Option<&[u8]>) -> Option<usize> {
        let consumed = &self.file().consumed;
        match self.direction {
            Direction::Forward => consumed.first_above(bound.unwrap_or_default()),
            Direction::Backward => consumed.last_below(bound),
        }
    }

    /// Whether a seek leads into that range.
    fn begins_in_range_ahead(&self, bound: Option<&[u8]>) -> bool {
        self.range_ahead().is_some_and(|range| match (self.direction, bound) {
            (Direction::Forward, _) => range.lower.as_slice() <= bound.unwrap_or_default(),
            (Direction::Backward, Some(bound)) => range.upper.as_deref().is_none_or(|upper| bound <= upper),
            (Direction::Backward, None) => range.upper.is_none(),
        })
    }

    /// Puts off what lies behind the consumed range that the cursor has come to.
    fn put_off_behind_range(&mut self) {
        self.cursor.end();
        self.is_put_off = self.bound_behind_range().is_some();
    }

    /// Where the cursor goes on behind the range; nowhere, if the range has no end.
    fn bound_behind_range(&self) -> Option<&[u8]> {
        let range = self.range_ahead()?;
        match self.direction {
            Direction::Forward => range.upper.as_deref(),
            Direction::Backward => Some(&range.lower),
        }
    }

    /// Leaves a consumed range if the cursor has come into one.
    #[inline]
    fn skip_consumed(&mut self) {
        if self.ahead.is_some() {
            self.skip_range();
        }
    }

    fn skip_range(&mut self) {
        while let (Some(number), Some((key, _))) = (self.ahead, self.cursor.head()) {
            let ranges = self.file().consumed.ranges();
            let range = &ranges[number];
            let (is_before, is_behind) = match self.direction {
                Direction::Forward => (key < range.lower.as_slice(), !range.is_below_upper(key)),
                Direction::Backward => (!range.is_below_upper(key), key < range.lower.as_slice()),
            };
            if is_before {
                return;
            }
            if is_behind {
                self.ahead = self.direction.next_of(number, ranges.len());
                continue;
            }
            match self.direction {
                Direction::Backward => reached!("range: skipped what was compacted, backward"),
                Direction::Forward => reached!("range: skipped what was compacted, forward"),
            }
            self.put_off_behind_range();
        }
    }
}

impl Cursor for FlushedCursor {
    fn foresee(&mut self, bound: Option<&[u8]>, step: Foresight) {
        if step == Foresight::Place {
            self.ahead = self.first_ahead(bound);
        }
        if !self.begins_in_range_ahead(bound) {
            self.cursor.foresee_lazily(bound, step);
        }
    }

    fn seek(&mut self, bound: Option<&[u8]>) -> Moved {
        self.is_put_off = false;
        self.ahead = self.first_ahead(bound);
        if self.begins_in_range_ahead(bound) {
            reached!("range: began in what was compacted");
            self.put_off_behind_range();
            return Ok(());
        }
        self.cursor.seek_lazily(bound)?;
        self.skip_consumed();
        Ok(())
    }

    #[inline]
    fn advance(&mut self) -> Moved {
        self.cursor.advance()?;
        self.skip_consumed();
        Ok(())
    }

    fn supply(&mut self, block: Arc<Block>) -> Moved {
        self.cursor.supply(block)?;
        self.skip_consumed();
        Ok(())
    }

    #[inline]
    fn head(&self) -> Option<(&[u8], Tag)> {
        self.cursor.head()
    }

    #[inline]
    fn value(&self) -> &[u8] {
        self.cursor.value()
    }

    #[inline]
    fn put_off(&self) -> Option<(&[u8], SeqNo)> {
        if !self.is_put_off {
            return self.cursor.put_off();
        }
        // Forward before all versions of the bound; backward behind all of them, since the bound is not of those
        // that are left.
        let seqno = if planted!(RangeLeftLate) { SeqNo::ZERO } else { SeqNo::MAX };
        Some((self.bound_behind_range()?, seqno))
    }

    fn catch_up(&mut self) -> Moved {
        if !self.is_put_off {
            self.cursor.catch_up()?;
            self.skip_consumed();
            return Ok(());
        }
        self.is_put_off = false;
        let Some(number) = self.ahead else { return Ok(()) };
        let consumed = &self.files.flushed[self.index].consumed;
        self.ahead = self.direction.next_of(number, consumed.ranges().len());
        let range = &consumed.ranges()[number];
        let bound = match self.direction {
            Direction::Forward => range.upper.as_deref(),
            Direction::Backward => Some(range.lower.as_slice()),
        };
        self.cursor.seek_lazily(bound)?;
        self.skip_consumed();
        Ok(())
    }

    #[inline]
    fn lend(&self) -> Option<BlockWalk> {
        let mut walk = self.cursor.lend()?;
        match self.range_ahead() {
            Some(range) => {
                reached!("range: walked along a block up to what was compacted");
                walk.stop_before(&range.lower).then_some(walk)
            }
            None => Some(walk),
        }
    }

    fn give_back(&mut self, walk: &BlockWalk, key: &[u8]) {
        self.cursor.give_back(walk, key);
    }

    #[inline]
    fn is_last_of_key(&self) -> bool {
        self.cursor.is_last_of_key()
    }
}
