//! A scan of a view that jumps over gaps which others have crossed, and notes those that it crosses itself.
//!
//! All that is said of a gap is said for the scan's reader: it has seen no key from where it came in up to where
//! it came out. What a reader may make of that, and what puts make of it, is in [`gaps`](super::gaps).

use super::gap_notes::WORTH_MIN;
use super::gaps::Gaps;
use super::scan::{SourcesCursor, sources};
use super::scan_length::ScanLength;
use super::view::View;
use crate::base::coverage::reached;
use crate::base::direction::Direction;
use crate::base::key::{SeqNo, successor};
use crate::base::key_range::KeyRange;
use crate::base::sync::Arc;
use crate::cursor::{Moved, NeedsBlock, Passed, Step};
use crate::table::Block;

/// All keys of a view, as a reader at a seqno sees them.
pub(crate) struct ViewCursor {
    cursor: SourcesCursor,
    gaps: Arc<Gaps>,
    reader: SeqNo,
    /// Where the scan began, or went on behind a gap.
    start: Start,
    /// How many keys had been shown then.
    shown_before: u64,
    /// The dead entries that it is amid.
    crossing: Option<Crossing>,
}

/// Keys up to this length are remembered without an allocation.
const SHORT_MAX: usize = 39;

/// From where on a walk goes.
enum Start {
    /// From the end of all keys at which its direction begins.
    End,
    /// From a key.
    Short(u8, [u8; SHORT_MAX]),
    /// From a key.
    Long(Vec<u8>),
}

impl Start {
    #[inline]
    fn of(key: Option<&[u8]>) -> Self {
        let Some(key) = key else { return Self::End };
        let mut bytes = [0; SHORT_MAX];
        match bytes.get_mut(..key.len()) {
            Some(start) => {
                start.copy_from_slice(key);
                Self::Short(key.len() as u8, bytes)
            }
            None => Self::Long(key.to_vec()),
        }
    }

    fn key(&self) -> Option<&[u8]> {
        match self {
            Self::End => None,
            Self::Short(len, bytes) => Some(&bytes[..usize::from(*len)]),
            Self::Long(key) => Some(key),
        }
    }
}

/// Dead entries, one after the other.
struct Crossing {
    /// No key was seen from here on, or backward from below here; `None` is the end that lies behind.
    from: Option<Vec<u8>>,
    /// [`Passed::skipped`] when it began.
    skipped_before: u64,
}

/// A cursor over `view` for a reader at `reader`, on no key yet, that is likely to pass as much as `length` says. Whether
/// `values` are looked at makes it faster, and nothing else.
pub(crate) fn scan(
    view: &View,
    (gaps, length): (&Arc<Gaps>, &ScanLength),
    reader: SeqNo,
    direction: Direction,
    values: bool,
) -> ViewCursor {
    ViewCursor {
        cursor: sources(view, reader, direction, (length.expected(), values)),
        gaps: Arc::clone(gaps),
        reader,
        start: Start::End,
        shown_before: 0,
        crossing: None,
    }
}

impl ViewCursor {
    /// Which way it goes.
    pub(crate) fn direction(&self) -> Direction {
        self.cursor.direction()
    }

    /// The key that [`next`](Self::next) went to; `None` before the first.
    pub(crate) fn key(&self) -> Option<&[u8]> {
        self.cursor.key()
    }

    /// The value of the key that [`next`](Self::next) went to, after it has said that there is one.
    #[inline]
    pub(crate) fn value(&self) -> &[u8] {
        self.cursor.value()
    }

    /// What it has passed since it was made.
    pub(crate) fn passed(&self) -> Passed {
        self.cursor.passed()
    }

    /// To before the first key at or after `bound`, or backward to behind the last one before it.
    pub(crate) fn seek(&mut self, bound: Option<&[u8]>) -> Moved {
        self.crossing = None;
        let gap = self.gaps.around(bound, self.direction(), self.reader);
        // If nothing lies behind the gap, the walk finds the end.
        match gap.and_then(|gap| self.behind(gap)) {
            Some(behind) => self.begin(Some(&behind)),
            None => self.begin(bound),
        }
    }

    /// Hands over the block that a move has asked for. Then a seek is done, and a step is to be called again.
    pub(crate) fn supply(&mut self, block: Arc<Block>) -> Moved {
        self.cursor.supply(block)
    }

    /// The blocks that a seek waits for, in the order in which it asks for them; none while it does not seek.
    pub(crate) fn waiting_for(&self) -> impl Iterator<Item = &NeedsBlock> {
        self.cursor.inner().waiting_for()
    }

    /// Goes to the next visible key, if that is known to take next to nothing. What it shows; nothing if there is more to do.
    #[inline]
    pub(crate) fn next_along(&mut self) -> Option<(&[u8], &[u8])> {
        self.cursor.next_along()
    }

    /// Goes to the next visible key; `false` at the end.
    #[inline]
    pub(crate) fn next(&mut self) -> Moved<bool> {
        loop {
            match self.cursor.next()? {
                Step::Key if self.crossing.is_none() => return Ok(true),
                Step::Dead => {
                    if self.cross()? {
                        return Ok(false);
                    }
                }
                step => {
                    self.end_crossing(step);
                    return Ok(step == Step::Key);
                }
            }
        }
    }

    #[inline]
    fn begin(&mut self, start: Option<&[u8]>) -> Moved {
        self.start = Start::of(start);
        self.shown_before = self.passed().shown();
        self.cursor.seek(start)
    }

    /// Where a walk goes on behind a gap, and behind those that follow it closely; `None` if no key lies behind.
    fn behind(&self, mut gap: KeyRange) -> Option<Vec<u8>> {
        loop {
            let behind = match self.direction() {
                Direction::Forward => gap.upper?,
                Direction::Backward => Some(gap.lower).filter(|lower| !lower.is_empty())?,
            };
            match self.gaps.around(Some(&behind), self.direction(), self.reader) {
                Some(next) => gap = next,
                None => return Some(behind),
            }
        }
    }

    /// Amid dead entries: begins to count them, or jumps over the rest of them. Returns whether no key lies behind.
    #[cold]
    fn cross(&mut self) -> Moved<bool> {
        let Some(key) = self.cursor.key() else { return Ok(false) };
        // All keys up to this one are passed, or all above it: then this one's newer versions may be ahead.
        let point = successor(key);
        if let Some(gap) = self.gaps.around(Some(&point), self.direction(), self.reader) {
            self.leave_up_to_gap(&gap);
            let Some(behind) = self.behind(gap) else { return Ok(true) };
            self.begin(Some(&behind))?;
            return Ok(false);
        }
        if self.crossing.is_none() {
            let is_from_start = self.passed().shown() == self.shown_before;
            let from = if is_from_start { self.start.key().map(<[u8]>::to_vec) } else { Some(point) };
            self.crossing = Some(Crossing { from, skipped_before: self.passed().skipped() });
        }
        Ok(false)
    }

    /// What was crossed ends where a known gap begins.
    fn leave_up_to_gap(&mut self, gap: &KeyRange) {
        let Some(crossing) = self.crossing.take() else { return };
        match self.direction() {
            Direction::Forward => {
                reached!("range: jumped over a gap, forward");
                self.leave(&crossing, crossing.from.as_deref(), Some(&gap.lower));
            }
            Direction::Backward => {
                reached!("range: jumped over a gap, backward");
                if let Some(upper) = &gap.upper {
                    self.leave(&crossing, Some(upper), crossing.from.as_deref());
                }
            }
        }
    }

    /// On a key again, or at the end.
    #[cold]
    fn end_crossing(&mut self, step: Step) {
        let Some(crossing) = self.crossing.take() else { return };
        let key = self.key().filter(|_| step == Step::Key);
        match self.direction() {
            Direction::Forward => self.leave(&crossing, crossing.from.as_deref(), key),
            Direction::Backward => {
                self.leave(&crossing, key.map(successor).as_deref(), crossing.from.as_deref());
            }
        }
    }

    /// Leaves a note of a crossing: the reader has seen no key from `lower` on up to but without `upper`.
    fn leave(&self, crossing: &Crossing, lower: Option<&[u8]>, upper: Option<&[u8]>) {
        let dead = self.passed().skipped() - crossing.skipped_before;
        let lower = lower.unwrap_or_default();
        if dead >= WORTH_MIN && upper.is_none_or(|upper| lower < upper) {
            let range = KeyRange { lower: lower.to_vec(), upper: upper.map(<[u8]>::to_vec) };
            self.gaps.leave(range, dead, self.reader);
        }
    }
}
