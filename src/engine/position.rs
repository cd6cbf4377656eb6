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

/// A buffer kept between two entries holds on to no more memory than this.
const KEPT_BYTES: usize = 64 << 10;

/// On an entry, or on none: at first, and after a move that found nothing or met an error.
pub(crate) struct Position {
    moment: Moment,
    /// Stands on the entry; none while on no entry.
    scan: Option<Scan>,
    /// The entry, while there is a scan.
    key: Vec<u8>,
    value: Vec<u8>,
}

impl Position {
    /// On no entry.
    pub(crate) fn new(moment: Moment) -> Self {
        Self { moment, scan: None, key: Vec::new(), value: Vec::new() }
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
        if self.scan.as_ref().is_none_or(|scan| scan.direction() == direction) {
            return self.next();
        }
        let key = std::mem::take(&mut self.key);
        match direction {
            Direction::Forward if planted!(CursorTurnsInPlace) => self.scan_from(Some(&key), direction),
            Direction::Forward => self.scan_from(Some(&successor(&key)), direction),
            Direction::Backward => self.scan_from(Some(&key), direction),
        }
    }

    /// The entry; `None` on none.
    pub(crate) fn entry(&self) -> Option<(&[u8], &[u8])> {
        self.scan.is_some().then_some((&self.key, &self.value))
    }

    /// To the first entry at or after `bound`, or backward to the last one before it.
    fn scan_from(&mut self, bound: Option<&[u8]>, direction: Direction) -> Result<bool> {
        self.scan = None;
        self.moment.check_open()?;
        self.scan = Some(self.moment.scan(bound, direction)?);
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
        let Some(scan) = &mut self.scan else { return Ok(false) };
        if self.value.capacity() > KEPT_BYTES {
            self.value = Vec::new();
        }
        let (key, value) = (&mut self.key, &mut self.value);
        let found = scan.next(|found_key, found_value| {
            refill(key, found_key);
            refill(value, found_value);
        })?;
        Ok(found.is_some())
    }
}

fn refill(buffer: &mut Vec<u8>, bytes: &[u8]) {
    buffer.clear();
    buffer.extend_from_slice(bytes);
}

impl fmt::Debug for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = self.entry().map(|(key, _)| key.escape_ascii().to_string());
        f.debug_struct("Cursor").field("key", &key).field("seqno", &self.moment.seqno().0).finish()
    }
}
