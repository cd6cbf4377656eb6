//! Iteration over a range of keys from both ends, with values or without.

use std::fmt;

use super::moment::Moment;
use crate::base::error::Result;
use crate::base::key_range::KeyRange;
use crate::base::planted::planted;
use crate::base::value::Value;
use crate::cursor::merge::{Course, Merge};

/// The keys of a range with their values, ascending; [`rev`](Iterator::rev) for descending.
///
/// Shows the database as of its creation. It pins the files and memtables it reads and holds a
/// block or two of each in memory.
///
/// An item is an error if something cannot be read ([`Error::Corruption`](crate::Error::Corruption),
/// I/O) or the database was closed ([`Error::Closed`](crate::Error::Closed)); after it the range ends.
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// # let db = rabi::Db::open(dir.path(), rabi::Options::new())?;
/// for number in 0..10_u8 {
///     db.put([number], "x")?;
/// }
/// let last = db.range([3]..=[7]).next_back().expect("there are five")?;
/// assert_eq!(last.0, [7]);
/// assert_eq!(db.iter().count(), 10);
/// # db.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "a range reads nothing until it is iterated, and pins files and memtables until it is dropped"]
pub struct Range(Walk);

/// The keys of a range without their values, ascending; [`rev`](Iterator::rev) for descending.
///
/// As a [`Range`], but values are not copied: cheaper where they are large. Blocks of files are read
/// all the same.
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// # let db = rabi::Db::open(dir.path(), rabi::Options::new())?;
/// db.put("fruit:apple", vec![0; 100_000])?;
/// db.put("fruit:pear", vec![0; 100_000])?;
/// let fruits = db.prefix("fruit:").into_keys().collect::<Result<Vec<_>, _>>()?;
/// assert_eq!(fruits, [b"fruit:apple".to_vec(), b"fruit:pear".to_vec()]);
/// assert_eq!(db.keys().count(), 2);
/// # db.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "keys are not read until they are iterated, and pin files and memtables until they are dropped"]
pub struct Keys(Walk);

/// A range of keys at one moment, walked from both ends until they meet.
struct Walk {
    moment: Moment,
    range: KeyRange,
    front: Option<Merge>,
    back: Option<Merge>,
    /// Whether values are wanted of merges that have not begun.
    values: bool,
    ended: bool,
}

impl Walk {
    fn merge(&self, backward: bool) -> Result<Merge> {
        let bound = if backward { self.range.upper.as_deref() } else { Some(self.range.lower.as_slice()) };
        self.moment.merge(bound, Course { backward, values: self.values })
    }

    fn step_forward<R>(&mut self, take: impl FnMut(&[u8], &[u8]) -> R) -> Result<Option<R>> {
        self.moment.check_open()?;
        if self.front.is_none() {
            self.front = Some(self.merge(false)?);
        }
        let Some(merge) = &mut self.front else { return Ok(None) };
        let Some(taken) = merge.next(take)? else { return Ok(None) };
        let from_back = self.back.as_ref().and_then(Merge::key);
        let upper = from_back.or(self.range.upper.as_deref());
        let is_within = |key: &[u8]| match upper {
            Some(upper) => key < upper || (planted!(ForwardBoundWrong) && key == upper),
            None => true,
        };
        Ok(merge.key().is_some_and(is_within).then_some(taken))
    }

    fn step_backward<R>(&mut self, take: impl FnMut(&[u8], &[u8]) -> R) -> Result<Option<R>> {
        self.moment.check_open()?;
        if self.back.is_none() {
            self.back = Some(self.merge(true)?);
        }
        let Some(merge) = &mut self.back else { return Ok(None) };
        let Some(taken) = merge.next(take)? else { return Ok(None) };
        let from_front = self.front.as_ref().and_then(Merge::key);
        let is_within = |key: &[u8]| match from_front {
            Some(reached) => key > reached,
            None if planted!(ReverseBoundWrong) => key > self.range.lower.as_slice(),
            None => key >= self.range.lower.as_slice(),
        };
        Ok(merge.key().is_some_and(is_within).then_some(taken))
    }

    /// One step from an end, unless the walk has ended; `take` makes the item.
    fn step<R>(&mut self, backward: bool, take: impl FnMut(&[u8], &[u8]) -> R) -> Option<Result<R>> {
        if self.ended {
            return None;
        }
        let step = if backward { self.step_backward(take) } else { self.step_forward(take) };
        self.ended = !matches!(step, Ok(Some(_)));
        step.transpose()
    }
}

impl Range {
    pub(super) fn new(moment: Moment, range: KeyRange) -> Self {
        let ended = range.is_empty();
        Self(Walk { moment, range, front: None, back: None, values: true, ended })
    }

    /// What is left of the range, without values.
    pub fn into_keys(self) -> Keys {
        Keys(Walk { values: false, ..self.0 })
    }
}

fn entry(key: &[u8], value: &[u8]) -> (Vec<u8>, Value) {
    (key.to_vec(), Value::copy_of(value))
}

impl Iterator for Range {
    type Item = Result<(Vec<u8>, Value)>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.step(false, entry)
    }
}

impl DoubleEndedIterator for Range {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.0.step(true, entry)
    }
}

impl std::iter::FusedIterator for Range {}

impl Iterator for Keys {
    type Item = Result<Vec<u8>>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.step(false, |key, _| key.to_vec())
    }
}

impl DoubleEndedIterator for Keys {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.0.step(true, |key, _| key.to_vec())
    }
}

impl std::iter::FusedIterator for Keys {}

impl Walk {
    /// Where it stands, from which bounds it came, and as of when.
    fn debug(&self, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let show = |key: &[u8]| key.escape_ascii().to_string();
        let reached = |merge: &Option<Merge>| merge.as_ref().and_then(Merge::key).map(show);
        f.debug_struct(name)
            .field("from", &show(&self.range.lower))
            .field("below", &self.range.upper.as_deref().map(show))
            .field("seqno", &self.moment.seqno)
            .field("front", &reached(&self.front))
            .field("back", &reached(&self.back))
            .field("ended", &self.ended)
            .finish()
    }
}

impl fmt::Debug for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.debug("Range", f)
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.debug("Keys", f)
    }
}
