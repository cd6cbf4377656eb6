//! The notes of gaps: ranges of keys in which readers from some seqno on see nothing.
//!
//! Plain values: what a scan has crossed and what a put does to it is decided here, [`gaps`](super::gaps) shares it.
//!
//! A note is *watched* from a seqno on: every put above it whose key falls into the range cuts the note. It is
//! *known* at a seqno once a reader there has seen nothing in the range, and only if that seqno is not below the
//! one from which it is watched: then every reader at or above sees nothing there either.
//!
//! ```text
//! a scan at 7 crosses [a, k), the note is watched from 9 on      not known: puts 8 and 9 may be there
//! a scan at 12 crosses [a, m)                                    [a, k) is known at 12
//! put 15 of c                                                    [a, c) and (c, k), both known at 12
//! ```

use crate::base::direction::Direction;
use crate::base::key::{SeqNo, successor};
use crate::base::key_range::KeyRange;
use crate::base::planted::planted;
use crate::base::sync::{Arc, mutant};

/// So many notes are kept.
const NOTES_MAX: usize = 64;

/// Notes of fewer dead entries are not worth the second search that they cost.
pub(super) const WORTH_MIN: u64 = if cfg!(any(test, feature = "sim")) { 4 } else { 32 };

/// Bounds that are longer together are not kept, so that notes take no memory to speak of.
const BOUNDS_LEN_MAX: usize = 4096;

/// A gap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Note {
    pub(super) range: KeyRange,
    /// About how many dead entries it spares.
    pub(super) worth: u64,
    /// Every put above this seqno into the range has cut the note, or will before it is visible.
    pub(super) watched_from: SeqNo,
    /// Readers at or above see nothing in the range.
    pub(super) known_at: Option<SeqNo>,
}

/// Notes whose ranges do not overlap, by key.
#[derive(Clone, Default)]
pub(super) struct Notes(Vec<Arc<Note>>);

/// What becomes of a gap that a scan has crossed.
pub(super) enum Left {
    /// There is nothing to change.
    Nothing,
    /// A note that was watched is known now.
    Known(Notes),
    /// There is a note that is to be watched from now on.
    Watched(Notes),
}

impl Notes {
    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The known gap in which a reader at `reader` stands that has all keys from `point` on before it, or backward all
    /// below `point`; without one, all keys.
    pub(super) fn find(
        &self,
        point: Option<&[u8]>,
        direction: Direction,
        reader: SeqNo,
    ) -> Option<&KeyRange> {
        let note = match direction {
            Direction::Forward => self.of(point.unwrap_or_default())?,
            Direction::Backward => self.below(point)?,
        };
        let is_known = note.known_at.is_some_and(|known_at| known_at <= reader);
        let is_trusted = planted!(GapTakenUnknown) || mutant!("gap_taken_unknown");
        (is_known || is_trusted).then_some(&note.range)
    }

    /// The note whose range has `key`.
    pub(super) fn of(&self, key: &[u8]) -> Option<&Note> {
        let behind = self.0.partition_point(|note| note.range.lower.as_slice() <= key);
        self.0.get(behind.checked_sub(1)?).map(|note| &**note).filter(|note| note.range.is_below_upper(key))
    }

    /// The note whose range reaches up to `point` at least, from below it.
    fn below(&self, point: Option<&[u8]>) -> Option<&Note> {
        let is_below = |note: &Arc<Note>| point.is_none_or(|point| note.range.lower.as_slice() < point);
        let note = self.0.get(self.0.partition_point(is_below).checked_sub(1)?)?;
        let reaches = match (&note.range.upper, point) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(upper), Some(point)) => upper.as_slice() >= point,
        };
        reaches.then_some(note)
    }

    /// Without `key`; `None` if it is in no range.
    pub(super) fn cut(&self, key: &[u8]) -> Option<Self> {
        let cut = self.of(key)?;
        let (before, behind) = (
            KeyRange { lower: cut.range.lower.clone(), upper: Some(key.to_vec()) },
            KeyRange { lower: successor(key), upper: cut.range.upper.clone() },
        );
        // Nobody knows on which side the dead entries are. Half of them for what lies behind: if puts go through a gap
        // in order, it is soon given up, and they cost nothing more.
        let pieces =
            [(before, cut.worth), (behind, cut.worth / 2)].into_iter().filter_map(|(range, worth)| {
                let is_kept = !range.is_empty() && worth >= WORTH_MIN;
                is_kept.then(|| Arc::new(Note { range, worth, ..cut.clone() }))
            });
        let mut notes = Vec::with_capacity(self.0.len() + 1);
        notes.extend(self.0.iter().filter(|note| note.range.lower < cut.range.lower).cloned());
        notes.extend(pieces);
        notes.extend(self.0.iter().filter(|note| note.range.lower > cut.range.lower).cloned());
        Some(Self(notes).without_surplus())
    }

    /// What becomes of the notes when a reader at `reader` has crossed `worth` dead entries and seen nothing in `range`.
    pub(super) fn crossed(&self, range: KeyRange, worth: u64, reader: SeqNo) -> Left {
        let mut overlapping = self.0.iter().filter(|note| note.range.overlaps(&range)).peekable();
        if overlapping.peek().is_none() {
            let len = range.lower.len() + range.upper.as_ref().map_or(0, Vec::len);
            if range.is_empty() || worth < WORTH_MIN || len > BOUNDS_LEN_MAX {
                return Left::Nothing;
            }
            let note = Note { range, worth, watched_from: SeqNo::MAX, known_at: None };
            return Left::Watched(self.with(note).without_surplus());
        }
        let mut notes = self.clone();
        let mut is_changed = false;
        for note in overlapping.filter(|note| note.known_at.is_none() && note.watched_from <= reader) {
            is_changed = true;
            notes.0.retain(|other| !Arc::ptr_eq(other, note));
            let range = intersection(&note.range, &range);
            notes = notes.with_known(Note { range, known_at: Some(reader), ..(**note).clone() });
        }
        if is_changed { Left::Known(notes) } else { Left::Nothing }
    }

    /// With all notes that are not watched yet watched from `seqno` on, and known if `reader` is not below.
    pub(super) fn watched_from(&self, seqno: SeqNo, reader: SeqNo) -> Self {
        let (begun, mut notes): (Vec<_>, Vec<_>) =
            self.0.iter().cloned().partition(|note| note.watched_from == SeqNo::MAX);
        let is_known = reader >= seqno;
        let begun = begun.into_iter().map(|note| {
            let known_at = is_known.then_some(reader);
            Note { watched_from: seqno, known_at, ..(*note).clone() }
        });
        for note in begun {
            notes = if is_known { Self(notes).with_known(note).0 } else { Self(notes).with(note).0 };
        }
        Self(notes)
    }

    fn with(&self, note: Note) -> Self {
        let mut notes = self.0.clone();
        let place = notes.partition_point(|other| other.range.lower < note.range.lower);
        notes.insert(place, Arc::new(note));
        Self(notes)
    }

    /// With a note that is known, and those known beside it as one with it.
    fn with_known(&self, mut note: Note) -> Self {
        let mut notes = self.0.clone();
        notes.retain(|other| {
            let is_before = other.range.upper.as_ref() == Some(&note.range.lower);
            let is_behind = note.range.upper.as_ref() == Some(&other.range.lower);
            let Some(other_known_at) = other.known_at.filter(|_| is_before || is_behind) else { return true };
            if is_before {
                note.range.lower.clone_from(&other.range.lower);
            } else {
                note.range.upper.clone_from(&other.range.upper);
            }
            note.worth += other.worth;
            note.watched_from = note.watched_from.max(other.watched_from);
            note.known_at = note.known_at.max(Some(other_known_at));
            false
        });
        Self(notes).with(note)
    }

    /// Without the one that is worth least, if they are too many. The others lose some of their worth, so that one that
    /// spared much long ago does not stay for ever.
    fn without_surplus(mut self) -> Self {
        if self.0.len() > NOTES_MAX {
            let least = (0..self.0.len()).min_by_key(|number| self.0[*number].worth);
            self.0.remove(least.expect("there are some"));
            for note in &mut self.0 {
                let worth = note.worth - note.worth / 64;
                *note = Arc::new(Note { worth, ..(**note).clone() });
            }
        }
        self
    }
}

fn intersection(a: &KeyRange, b: &KeyRange) -> KeyRange {
    let upper = match (&a.upper, &b.upper) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.as_ref().or(b.as_ref()),
    };
    KeyRange { lower: (&a.lower).max(&b.lower).clone(), upper: upper.cloned() }
}
