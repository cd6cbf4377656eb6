//! The keys of a cursor, each once, as a reader at one seqno sees them.

use super::{Cursor, Moved};
use crate::base::ablation::ablated;
use crate::base::direction::Direction;
use crate::base::key::{Kind, SeqNo, Tag};
use crate::base::short_copy::replace_from;
use crate::base::sync::Arc;
use crate::base::visibility::{Seen, seen};
use crate::table::{Block, BlockWalk};

/// The buffer for a value holds on to no more memory than this.
const KEPT_BYTES: usize = 64 << 10;

/// After so many dead entries, which are not shown, a step ends without a key.
const PATIENCE: u64 = if cfg!(any(test, feature = "sim")) { 2 } else { 8 };

/// How a step has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// On a key.
    Key,
    /// Behind the last.
    End,
    /// On no key yet, having passed some entries that are not shown: to be called again, or to seek elsewhere.
    Dead,
}

/// Entries that were passed, and how many of them were shown. Told at the end, so that passing one
/// costs no shared counter.
#[derive(Clone, Copy, Default)]
pub(crate) struct Passed {
    entries: u64,
    shown: u64,
    /// Deletes among the entries.
    pub(crate) deletes: u64,
}

impl Passed {
    /// All of them.
    pub(crate) fn entries(&self) -> u64 {
        self.entries
    }

    /// Entries that were shown.
    pub(crate) fn shown(&self) -> u64 {
        self.shown
    }

    /// Entries that were not shown: versions that the reader does not see, and deletes.
    pub(crate) fn skipped(&self) -> u64 {
        self.entries - self.shown
    }
}

/// A position among the keys that have a value for the reader.
pub(crate) struct VisibleCursor<C> {
    cursor: C,
    direction: Direction,
    reader: SeqNo,
    /// The key of the last entry that counted: forward, its other versions count for nothing.
    key: Option<Vec<u8>>,
    /// The entry at the cursor's position has been looked at: the next step begins by leaving it.
    is_looked_at: bool,
    /// Forward: the place that the cursor has lent, on the key.
    walk: Option<BlockWalk>,
    /// Backward: the newest version so far of the key is a value, and is in `noted_value`.
    has_value: bool,
    /// The value of the key is in `noted_value`; otherwise the cursor stands on it.
    is_noted: bool,
    noted_value: Vec<u8>,
    passed: Passed,
    /// How many entries have to be skipped before that is told.
    patience: u64,
}

impl<C: Cursor> VisibleCursor<C> {
    /// What a reader at `reader` sees of `cursor`, which goes in `direction`; on no key yet.
    pub(crate) fn new(cursor: C, direction: Direction, reader: SeqNo) -> Self {
        let passed = Passed::default();
        Self {
            cursor,
            direction,
            reader,
            key: None,
            is_looked_at: false,
            walk: None,
            has_value: false,
            is_noted: false,
            noted_value: Vec::new(),
            passed,
            patience: PATIENCE,
        }
    }

    /// Which way it goes.
    pub(crate) fn direction(&self) -> Direction {
        self.direction
    }

    /// The key that [`next`](Self::next) went to; `None` before the first. Amid dead entries, one that was passed: forward
    /// all keys up to it were, backward all above it.
    pub(crate) fn key(&self) -> Option<&[u8]> {
        self.key.as_deref()
    }

    /// The value of the key that [`next`](Self::next) went to, after it has said that there is one.
    #[inline]
    pub(crate) fn value(&self) -> &[u8] {
        match &self.walk {
            Some(walk) => walk.value(),
            None if self.is_noted => &self.noted_value,
            None => self.cursor.value(),
        }
    }

    /// What it has passed since it was made.
    pub(crate) fn passed(&self) -> Passed {
        self.passed
    }

    /// What it is a view of.
    pub(crate) fn inner(&self) -> &C {
        &self.cursor
    }

    /// To before the first key at or after `bound`, or backward to behind the last one before it.
    pub(crate) fn seek(&mut self, bound: Option<&[u8]>) -> Moved {
        (self.key, self.is_looked_at, self.has_value, self.is_noted) = (None, false, false, false);
        self.walk = None;
        self.cursor.seek(bound)
    }

    /// Hands over the block that a move has asked for. Then a seek is done, and a step is to be called
    /// again.
    pub(crate) fn supply(&mut self, block: Arc<Block>) -> Moved {
        self.cursor.supply(block)
    }

    /// Goes to the next visible key.
    #[inline]
    pub(crate) fn next(&mut self) -> Moved<Step> {
        match self.direction {
            Direction::Forward => match self.next_along() {
                Some(_) => Ok(Step::Key),
                None => self.next_behind_walk(),
            },
            Direction::Backward => self.next_backward(),
        }
    }

    /// Goes to the next visible key, if it only has to go along a block. What it shows; nothing if there is more to do.
    #[inline]
    pub(crate) fn next_along(&mut self) -> Option<(&[u8], &[u8])> {
        let (Some(walk), Some(key)) = (&mut self.walk, &mut self.key) else { return None };
        if !walk.step(key, self.reader) {
            return None;
        }
        self.passed.entries += 1;
        self.passed.shown += 1;
        Some((key, walk.value()))
    }

    /// As [`next_forward`](Self::next_forward), from where it went along a block, and has the place lent for more of that.
    fn next_behind_walk(&mut self) -> Moved<Step> {
        if let (Some(walk), Some(key)) = (self.walk.take(), &self.key) {
            self.cursor.give_back(&walk, key);
        }
        let step = self.next_forward()?;
        if step == Step::Key && !ablated!(BlockWalks) {
            self.walk = self.cursor.lend();
        }
        Ok(step)
    }

    /// Versions come newest first: the first visible one decides.
    #[inline]
    fn next_forward(&mut self) -> Moved<Step> {
        loop {
            self.leave_looked_at()?;
            let Some((key, tag)) = self.cursor.head() else { return Ok(Step::End) };
            self.is_looked_at = true;
            self.passed.count(tag);
            if !is_same(self.key.as_deref(), key) {
                let seen = seen(tag, self.reader);
                if seen != Seen::TooNew {
                    note(&mut self.key, key);
                }
                if seen == Seen::Value {
                    self.passed.shown += 1;
                    return Ok(Step::Key);
                }
            }
            if self.is_patience_over() {
                return Ok(Step::Dead);
            }
        }
    }

    /// Versions come oldest first: the last visible one decides. Mostly there is but one; then the cursor
    /// stays on it. Otherwise its value is noted, since only the entry behind the last one tells.
    fn next_backward(&mut self) -> Moved<Step> {
        loop {
            self.leave_looked_at()?;
            let head = self.cursor.head();
            let is_same_key = head.is_some_and(|(key, _)| is_same(self.key.as_deref(), key));
            if !is_same_key && std::mem::take(&mut self.has_value) {
                self.is_noted = true;
                self.passed.shown += 1;
                return Ok(Step::Key);
            }
            let Some((key, tag)) = head else { return Ok(Step::End) };
            self.is_looked_at = true;
            self.passed.count(tag);
            if !is_same_key {
                note(&mut self.key, key);
            }
            match seen(tag, self.reader) {
                Seen::TooNew => {}
                Seen::Deleted => self.has_value = false,
                Seen::Value if self.cursor.is_last_of_key() => {
                    (self.has_value, self.is_noted) = (false, false);
                    self.passed.shown += 1;
                    return Ok(Step::Key);
                }
                Seen::Value => {
                    self.note_value();
                    self.has_value = true;
                }
            }
            // With a value at hand, the key may still be shown.
            if !self.has_value && self.is_patience_over() {
                return Ok(Step::Dead);
            }
        }
    }

    /// Whether it is time to tell of dead entries.
    #[inline]
    fn is_patience_over(&mut self) -> bool {
        let is_over = self.passed.skipped() >= self.patience;
        if is_over {
            self.patience = self.passed.skipped() + PATIENCE;
        }
        is_over
    }

    fn note_value(&mut self) {
        if self.noted_value.capacity() > KEPT_BYTES {
            self.noted_value = Vec::new();
        }
        self.noted_value.clear();
        self.noted_value.extend_from_slice(self.cursor.value());
    }

    #[inline]
    fn leave_looked_at(&mut self) -> Moved {
        // Taken first: if the move waits for a block, `supply` ends it.
        if std::mem::take(&mut self.is_looked_at) { self.cursor.advance() } else { Ok(()) }
    }
}

impl Passed {
    #[inline]
    fn count(&mut self, tag: Tag) {
        self.entries += 1;
        self.deletes += u64::from(tag.kind() == Kind::Delete);
    }
}

/// Notes a key in memory that is used again.
#[inline]
fn note(noted: &mut Option<Vec<u8>>, key: &[u8]) {
    replace_from(noted.get_or_insert_default(), 0, key);
}

/// Whether `noted` is `key`. The last byte mostly tells, without a call.
#[inline]
fn is_same(noted: Option<&[u8]>, key: &[u8]) -> bool {
    noted.is_some_and(|noted| noted.len() == key.len() && noted.last() == key.last() && noted == key)
}
