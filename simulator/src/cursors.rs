//! Cursors, held while others work, each move against the model.

use rabi::Cursor;

use crate::model::Expected;
use crate::random::Random;
use crate::run::Run;
use crate::workload::{show_key, show_value};

/// A cursor with all that it may show, and where in that it must stand.
pub(crate) struct HeldCursor {
    pub(crate) cursor: Cursor,
    pub(crate) expected: Expected,
    /// Index of the entry it stands on.
    pub(crate) place: Option<usize>,
    /// The seqno it was made at, for the record.
    pub(crate) at: u64,
}

#[derive(Clone, Debug)]
enum Move {
    ToFirst,
    ToLast,
    Seek(Vec<u8>),
    SeekForPrev(Vec<u8>),
    Next,
    Prev,
}

impl HeldCursor {
    /// Makes up to `count` moves, mostly steps, some of which turn round.
    pub(crate) fn go(&mut self, run: &Run, random: &mut Random, count: usize) {
        let (mut forward, turns) = (random.chance(50), random.pick(&[0, 5, 40]));
        for _ in 0..count {
            forward ^= random.chance(turns);
            let step = if forward { Move::Next } else { Move::Prev };
            let seeks = self.place.is_none() || random.chance(5);
            let wanted = if seeks { draw_seek(run, random) } else { step };
            self.make(run, wanted);
        }
    }

    fn make(&mut self, run: &Run, wanted: Move) {
        let moved = match &wanted {
            Move::ToFirst => self.cursor.seek_to_first(),
            Move::ToLast => self.cursor.seek_to_last(),
            Move::Seek(key) => self.cursor.seek(key),
            Move::SeekForPrev(key) => self.cursor.seek_for_prev(key),
            Move::Next => self.cursor.next(),
            Move::Prev => self.cursor.prev(),
        };
        let from = self.place;
        self.place = moved.as_ref().ok().and_then(|_| self.leads_to(&wanted));
        if let Err(error) = &moved {
            run.permit_read("cursor", error);
        }
        run.figures.borrow_mut().reads += 1;
        let expected = self.place.map(|place| &self.expected[place]);
        let expected = expected.map(|(key, value)| (key.as_slice(), &value[..]));
        let found = self.cursor.entry();
        if found != expected || moved.is_ok_and(|is_on_entry| is_on_entry != found.is_some()) {
            let show = |entry: Option<(&[u8], &[u8])>| match entry {
                Some((key, value)) => format!("{} with {}", show_key(key), show_value(Some(value))),
                None => "nothing".into(),
            };
            let from = from.map(|place| show_key(&self.expected[place].0));
            let (found, expected, at) = (show(found), show(expected), self.at);
            panic!("cursor at seqno {at}, {wanted:?} from {from:?}: found {found}, expected {expected}");
        }
    }

    /// Where a move leads from the place there is now.
    fn leads_to(&self, wanted: &Move) -> Option<usize> {
        let to = match wanted {
            Move::ToFirst => Some(0),
            Move::ToLast => self.expected.len().checked_sub(1),
            Move::Seek(key) => Some(self.expected.partition_point(|(other, _)| other < key)),
            Move::SeekForPrev(key) => self.expected.partition_point(|(other, _)| other <= key).checked_sub(1),
            Move::Next => self.place.map(|place| place + 1),
            Move::Prev => self.place.and_then(|place| place.checked_sub(1)),
        };
        to.filter(|to| *to < self.expected.len())
    }
}

fn draw_seek(run: &Run, random: &mut Random) -> Move {
    match random.below(6) {
        0 => Move::ToFirst,
        1 => Move::ToLast,
        2 | 3 => Move::Seek(run.workload.key(random)),
        _ => Move::SeekForPrev(run.workload.key(random)),
    }
}
