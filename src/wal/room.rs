//! The room of the log: up to which LSN there are segments.
//!
//! A record is staged only if segments have room for it. So draining never waits for space: a write that has
//! got its place in the order becomes durable, however full the device is. A writer that lacks room asks for
//! it; the writer task makes it, or states from which LSN on it cannot.

use std::ops::Range;

use super::format::RECORD_HEADER_LEN;
use crate::base::limits::SECTOR;
use crate::base::lsn::Lsn;
use crate::base::planted::planted;

/// A padding record ends at most this far behind the record before it.
const PADDING_MAX: u64 = (RECORD_HEADER_LEN + SECTOR) as u64;

/// How far the segments reach. Under the commit lock.
#[derive(Debug)]
pub(super) struct Room {
    /// The stream fits up to here.
    end: Lsn,
    /// Somebody waits for room up to here; zero if nobody does.
    wanted: Lsn,
    /// Promised to a batch that is staged in pieces.
    promised: Lsn,
    /// Room up to here or beyond cannot be made for now.
    refused_from: Lsn,
}

/// What becomes of a request for room.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// It is there.
    Granted,
    /// It is being made.
    Wait,
    /// It cannot be made.
    Refused,
}

impl Room {
    /// Room for nothing behind `start`.
    pub(super) fn new(start: Lsn) -> Self {
        Self { end: start, wanted: Lsn::ZERO, promised: start, refused_from: Lsn::MAX }
    }

    /// Whether a record that ends at `lsn` fits, with padding behind it.
    pub(super) fn has(&self, lsn: Lsn) -> bool {
        lsn + PADDING_MAX <= self.end && !(planted!(FullForever) && self.is_refused())
    }

    /// Bytes of room behind `head`.
    pub(super) fn ahead_of(&self, head: Lsn) -> u64 {
        self.end.saturating_since(head)
    }

    fn is_refused(&self) -> bool {
        self.refused_from != Lsn::MAX
    }

    /// Asks for room for a record that ends at `lsn`.
    pub(super) fn ask(&mut self, lsn: Lsn) -> Asked {
        if self.has(lsn) {
            return Asked::Granted;
        }
        let end = lsn + PADDING_MAX;
        if end >= self.refused_from || (planted!(FullForever) && self.is_refused()) {
            return Asked::Refused;
        }
        self.wanted = self.wanted.max(end);
        Asked::Wait
    }

    /// Keeps the room for a record that ends at `lsn`. It must be there.
    pub(super) fn promise(&mut self, lsn: Lsn) {
        assert!(self.has(lsn));
        self.promised = lsn;
    }

    /// Bytes that are wanted and not there.
    pub(super) fn missing(&self) -> u64 {
        self.wanted.saturating_since(self.end)
    }

    /// Whether what is `left` of the bytes of a spare, from the first on, can be filled before writers lack room, if it
    /// goes on as it has while the stream got its part `written`: half of what there is now may be used meanwhile.
    pub(super) fn has_time_to_fill(&self, left: &Range<u64>, written: Range<Lsn>) -> bool {
        let used = written.end.saturating_since(written.start);
        let ahead = self.ahead_of(written.end);
        // As used / filled <= ahead / 2 / to fill.
        let (filled, to_fill) = (left.start, left.end - left.start);
        let is_faster = filled == 0 || used.saturating_mul(to_fill) <= ahead.saturating_mul(filled) / 2;
        self.missing() == 0 && is_faster
    }

    /// `bytes` more are there.
    pub(super) fn grow(&mut self, bytes: u64) {
        self.end += bytes;
    }

    /// Gives up `bytes`, unless somebody wants them or the stream, which ends at `head`, needs them.
    pub(super) fn shrink(&mut self, bytes: u64, head: Lsn) -> bool {
        let needed = (head.max(self.promised) + PADDING_MAX).max(self.wanted);
        let spared = self.end - needed.min(self.end) >= bytes;
        if spared {
            self.end = self.end.saturating_sub(bytes);
        }
        spared
    }

    /// Forgets what was wanted and is there: whoever asked for it has not come for a while, and may have given up.
    /// Returns whether anything was forgotten.
    pub(super) fn forget_granted(&mut self) -> bool {
        let is_unused = Lsn::ZERO < self.wanted && self.wanted <= self.end;
        if is_unused {
            self.wanted = Lsn::ZERO;
        }
        is_unused
    }

    /// No more than `bytes` more can be had for now. Requests for more are refused, and what was wanted is
    /// forgotten.
    pub(super) fn refuse_beyond(&mut self, bytes: u64) {
        self.refused_from = self.end.saturating_add(bytes).saturating_add(1);
        self.wanted = Lsn::ZERO;
    }

    /// Requests that were refused may be made again.
    pub(super) fn permit(&mut self) {
        if !planted!(FullForever) {
            self.refused_from = Lsn::MAX;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_is_there_is_made_or_is_refused() {
        let mut room = Room::new(Lsn(4096));
        room.grow(100_000);
        assert_eq!(room.ask(Lsn(90_000)), Asked::Granted);
        assert_eq!(room.ask(Lsn(150_000)), Asked::Wait);
        assert_eq!(room.missing(), 150_000 + PADDING_MAX - 104_096);
        room.grow(10_000);
        room.refuse_beyond(20_000);
        assert_eq!((room.missing(), room.ask(Lsn(150_000))), (0, Asked::Refused));
        assert_eq!(room.ask(Lsn(120_000)), Asked::Wait, "that much may be had");
        room.permit();
        assert_eq!(room.ask(Lsn(150_000)), Asked::Wait);
    }

    #[test]
    fn a_spare_is_filled_while_writers_do_not_need_it_sooner() {
        let mut room = Room::new(Lsn(0));
        room.grow(100_000);
        let has_time = |room: &Room, filled, used: u64| {
            room.has_time_to_fill(&(filled..160_000), Lsn(20_000)..Lsn(20_000 + used))
        };
        assert!(has_time(&room, 0, 0) && has_time(&room, 0, 80_000), "nothing tells yet how long it takes");
        assert!(has_time(&room, 80_000, 0) && has_time(&room, 160_000, 80_000));
        // While half of it was filled 26 KB were written, and as many will be: half of the 54 KB that are left.
        assert!(has_time(&room, 80_000, 26_000) && !has_time(&room, 80_000, 27_000));
        assert!(has_time(&room, 120_000, 27_000), "the rest takes less");
        assert_eq!(room.ask(Lsn(100_000)), Asked::Wait);
        assert!(!has_time(&room, 0, 0) && !has_time(&room, 159_000, 0), "somebody waits");
        room.grow(10_000);
        assert!(has_time(&room, 0, 0));
    }

    #[test]
    fn room_that_is_needed_or_wanted_is_not_given_up() {
        let mut room = Room::new(Lsn(0));
        room.grow(100_000);
        assert!(room.shrink(10_000, Lsn(0)));
        assert!(!room.shrink(10_000, Lsn(80_000)), "the stream needs it");
        room.promise(Lsn(80_000));
        assert!(!room.shrink(10_000, Lsn(0)), "it was promised");
        assert!(!room.shrink(100_000, Lsn(0)), "there is not that much");
        room.promise(Lsn(0));
        assert_eq!(room.ask(Lsn(95_000)), Asked::Wait);
        assert!(!room.shrink(10_000, Lsn(0)), "it is wanted");
        assert!(!room.forget_granted(), "it is not there yet");
        room.grow(10_000);
        assert!(!room.shrink(10_000, Lsn(0)), "it is there, and nobody has come for it");
        assert!(room.forget_granted() && !room.forget_granted());
        assert!(room.shrink(10_000, Lsn(0)));
        assert_eq!(room.ask(Lsn(105_000)), Asked::Wait);
        room.refuse_beyond(0);
        assert!(room.shrink(10_000, Lsn(0)));
    }
}
