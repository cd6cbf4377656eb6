//! A position among the keys of a moment that moves in both directions.
//!
//! A scan goes in one direction. To turn round is to begin another from the key at hand: behind it to go
//! forward, before it to go backward.

use std::fmt;

use super::moment::Moment;
use super::scan::Scan;
use crate::base::direction::Direction;
use crate::base::error::Result;
use crate::base::key::successor;
use crate::base::planted::planted;

/// On an entry, or on none: at first, and after a move that found nothing or met an error.
pub(crate) struct Position {
    moment: Moment,
    /// Stands on the entry, whose bytes lie where it found them; none while on no entry.
    scan: Option<Scan>,
}

impl Position {
    /// On no entry.
    pub(crate) fn new(moment: Moment) -> Self {
        Self { moment, scan: None }
    }

    /// To the first key at or after `key`, or backward to the last one at or before it; whether there is
    /// one.
    pub(crate) fn seek(&mut self, key: &[u8], direction: Direction) -> Result<bool> {
        match direction {
            Direction::Forward => self.scan_from(Some(key), direction),
            Direction::Backward => self.scan_from(Some(&successor(key)), direction),
        }
    }

    /// To the key at which `direction` begins: the first of all, or the last.
    pub(crate) fn seek_to_start(&mut self, direction: Direction) -> Result<bool> {
        self.scan_from(None, direction)
    }

    /// From the entry to the next in `direction`; from no entry, nowhere.
    pub(crate) fn advance(&mut self, direction: Direction) -> Result<bool> {
        let key = match &self.scan {
            Some(scan) if scan.direction() != direction => scan.key().unwrap_or_default().to_vec(),
            _ => return self.next(),
        };
        match direction {
            Direction::Forward if planted!(CursorTurnsInPlace) => self.scan_from(Some(&key), direction),
            Direction::Forward => self.scan_from(Some(&successor(&key)), direction),
            Direction::Backward => self.scan_from(Some(&key), direction),
        }
    }

    /// The entry; `None` on none.
    #[inline]
    pub(crate) fn entry(&self) -> Option<(&[u8], &[u8])> {
        let scan = self.scan.as_ref()?;
        Some((scan.key()?, scan.value()))
    }

    /// To the first entry at or after `bound`, or backward to the last one before it.
    fn scan_from(&mut self, bound: Option<&[u8]>, direction: Direction) -> Result<bool> {
        self.scan = None;
        self.moment.check_open()?;
        self.scan = Some(self.moment.scan(bound, None, (direction, true))?);
        self.next()
    }

    /// To the next entry in the direction of the scan.
    fn next(&mut self) -> Result<bool> {
        let found = self.try_next();
        if !matches!(found, Ok(true)) {
            self.scan = None;
        }
        found
    }

    fn try_next(&mut self) -> Result<bool> {
        self.moment.check_open()?;
        match &mut self.scan {
            Some(scan) => scan.next(None),
            None => Ok(false),
        }
    }
}

impl fmt::Debug for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = self.entry().map(|(key, _)| key.escape_ascii().to_string());
        f.debug_struct("Cursor").field("key", &key).field("seqno", &self.moment.seqno().0).finish()
    }
}
