//! Iteration over a range of keys from both ends, with values or without.

use std::fmt;

use crate::base::direction::Direction;
use crate::base::error::Result;
use crate::base::key_range::KeyRange;
use crate::base::value::Value;
use crate::engine::{Moment, RangeScan};

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
pub struct Range(RangeScan);

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
pub struct Keys(RangeScan);

impl Range {
    pub(super) fn new(moment: Moment, range: KeyRange) -> Self {
        Self(RangeScan::new(moment, range))
    }

    /// What `take` makes of the next entry; `None` once the range has ended. Key and value are not copied.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let db = rabi::Db::open(dir.path(), rabi::Options::new())?;
    /// db.put("a", "12")?;
    /// db.put("b", "345")?;
    /// let (mut range, mut value_bytes) = (db.iter(), 0);
    /// while let Some(len) = range.next_with(|_, value| value.len()) {
    ///     value_bytes += len?;
    /// }
    /// assert_eq!(value_bytes, 5);
    /// # db.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn next_with<R>(&mut self, take: impl FnOnce(&[u8], &[u8]) -> R) -> Option<Result<R>> {
        self.0.next(Direction::Forward, take)
    }

    /// As [`next_with`](Self::next_with), from the other end.
    #[inline]
    pub fn next_back_with<R>(&mut self, take: impl FnOnce(&[u8], &[u8]) -> R) -> Option<Result<R>> {
        self.0.next(Direction::Backward, take)
    }

    /// What is left of the range, without values.
    pub fn into_keys(self) -> Keys {
        Keys(self.0.without_values())
    }
}

fn entry(key: &[u8], value: &[u8]) -> (Vec<u8>, Value) {
    (key.to_vec(), Value::copy_of(value))
}

impl Iterator for Range {
    type Item = Result<(Vec<u8>, Value)>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next(Direction::Forward, entry)
    }
}

impl DoubleEndedIterator for Range {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.0.next(Direction::Backward, entry)
    }
}

impl std::iter::FusedIterator for Range {}

impl Iterator for Keys {
    type Item = Result<Vec<u8>>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next(Direction::Forward, |key, _| key.to_vec())
    }
}

impl DoubleEndedIterator for Keys {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.0.next(Direction::Backward, |key, _| key.to_vec())
    }
}

impl std::iter::FusedIterator for Keys {}

impl fmt::Debug for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
