//! A range of keys, gone through from both ends until they meet.

use std::fmt;

use super::moment::Moment;
use super::scan::Scan;
use crate::base::direction::Direction;
use crate::base::error::Result;
use crate::base::key_range::KeyRange;
use crate::base::planted::planted;

/// A range of keys at one moment with a position at either end. A scan begins when its end is first
/// asked.
pub(crate) struct RangeScan {
    moment: Moment,
    range: KeyRange,
    /// Whether somebody looks at the values.
    values: bool,
    forward: Option<Scan>,
    backward: Option<Scan>,
    /// The ends have met, or something could not be read.
    ended: bool,
}

impl RangeScan {
    pub(crate) fn new(moment: Moment, range: KeyRange) -> Self {
        let ended = range.is_empty();
        Self { moment, range, values: true, forward: None, backward: None, ended }
    }

    /// Nobody looks at the values.
    pub(crate) fn without_values(self) -> Self {
        Self { values: false, ..self }
    }

    /// What `take` makes of key and value of the next entry from the end at which `direction` begins; `None`
    /// once the range has ended, which it also has after an error.
    #[inline]
    pub(crate) fn next<R>(
        &mut self,
        direction: Direction,
        take: impl FnOnce(&[u8], &[u8]) -> R,
    ) -> Option<Result<R>> {
        if self.ended {
            return None;
        }
        if direction == Direction::Forward
            && let Some((key, value)) = self.forward.as_mut().and_then(Scan::next_along)
        {
            let met = self.backward.as_ref().and_then(Scan::key);
            let open = self.moment.check_open();
            if open.is_ok() && is_below(key, met.or(self.range.upper.as_deref())) {
                return Some(Ok(take(key, value)));
            }
            self.ended = true;
            return open.err().map(Err);
        }
        let scan = match self.advance(direction) {
            Ok(Some(scan)) => scan,
            ended => {
                let error = ended.err();
                self.ended = true;
                return error.map(Err);
            }
        };
        let key = scan.key().expect("the scan is on a key");
        Some(Ok(take(key, scan.value())))
    }

    #[inline]
    fn advance(&mut self, direction: Direction) -> Result<Option<&Scan>> {
        self.moment.check_open()?;
        let (scan, other, bound) = match direction {
            Direction::Forward => (&mut self.forward, &self.backward, Some(self.range.lower.as_slice())),
            Direction::Backward => (&mut self.backward, &self.forward, self.range.upper.as_deref()),
        };
        let scan = match scan {
            Some(scan) => scan,
            none => none.insert(self.moment.scan(bound, Some(&self.range), (direction, self.values))?),
        };
        if !scan.next(Some(&self.range))? {
            return Ok(None);
        }
        let met = other.as_ref().and_then(Scan::key);
        let is_within = scan.key().is_some_and(|key| match direction {
            Direction::Forward => is_below(key, met.or(self.range.upper.as_deref())),
            Direction::Backward => is_above(key, met, &self.range.lower),
        });
        Ok(is_within.then_some(scan))
    }
}

/// Whether `key` is below where the other end has come to, or the range's upper bound.
fn is_below(key: &[u8], upper: Option<&[u8]>) -> bool {
    upper.is_none_or(|upper| key < upper || (planted!(ForwardBoundWrong) && key == upper))
}

/// Whether `key` is above where the other end has come to, or else within the range's lower bound.
fn is_above(key: &[u8], met: Option<&[u8]>, lower: &[u8]) -> bool {
    match met {
        Some(met) => key > met,
        None if planted!(ReverseBoundWrong) => key > lower,
        // An empty bound is not compared: it may point nowhere, and the C library's masked loads from there, though of
        // no byte, take 50 ns.
        None => lower.is_empty() || key >= lower,
    }
}

impl fmt::Debug for RangeScan {
    /// Where it stands, from which bounds it came, and as of when.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let show = |key: &[u8]| key.escape_ascii().to_string();
        let reached = |scan: &Option<Scan>| scan.as_ref().and_then(Scan::key).map(show);
        f.debug_struct(if self.values { "Range" } else { "Keys" })
            .field("from", &show(&self.range.lower))
            .field("below", &self.range.upper.as_deref().map(show))
            .field("seqno", &self.moment.seqno().0)
            .field("front", &reached(&self.forward))
            .field("back", &reached(&self.backward))
            .field("ended", &self.ended)
            .finish()
    }
}
