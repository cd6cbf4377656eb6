//! A position among all keys that moves in both directions.

use std::fmt;

use crate::base::direction::Direction;
use crate::base::error::Result;
use crate::engine::{Moment, Position};

/// A position among the keys of a database or a snapshot, moved by seeking and stepping in either
/// direction.
///
/// Shows the database as of its creation, whatever is written meanwhile, and pins the files and
/// memtables of that moment until it is dropped.
///
/// It stands on an entry or on none. It is on none at first, after a seek or a step that found nothing
/// in its direction, and after an error; then [`key`](Self::key) and [`value`](Self::value) are `None`,
/// and [`next`](Self::next) and [`prev`](Self::prev) leave it where it is: only a seek puts it on an
/// entry again. Every move says `Ok(true)` if it ended on an entry. An error is returned by the move that
/// met it, which may be the one to the entry before what cannot be read, and by no later one; the same seek
/// may succeed when it is tried again.
///
/// A step in the direction of the last move costs what a step of a [`Range`](crate::Range) does without
/// its allocations; one in the other direction costs a seek.
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// # let db = rabi::Db::open(dir.path(), rabi::Options::new())?;
/// for (hour, temperature) in [("06", "4"), ("12", "17"), ("18", "11")] {
///     db.put(hour, temperature)?;
/// }
/// let mut cursor = db.cursor();
/// assert!(cursor.seek("10")?); // the first key at or after
/// assert_eq!(cursor.entry(), Some((&b"12"[..], &b"17"[..])));
/// assert!(cursor.prev()?);
/// assert_eq!(cursor.key(), Some(&b"06"[..]));
/// assert!(cursor.seek_for_prev("17")?); // the last key at or before
/// assert_eq!(cursor.key(), Some(&b"12"[..]));
///
/// let mut is_on_entry = cursor.seek_to_last()?;
/// while is_on_entry {
///     let (Some(key), Some(value)) = (cursor.key(), cursor.value()) else { break };
///     println!("{} {}", key.escape_ascii(), value.escape_ascii());
///     is_on_entry = cursor.prev()?;
/// }
/// # db.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "a cursor reads nothing until it is moved, and pins files and memtables until it is dropped"]
pub struct Cursor(Position);

impl Cursor {
    pub(super) fn new(moment: Moment) -> Self {
        Self(Position::new(moment))
    }

    /// Goes to the first key at or after `key`.
    ///
    /// # Errors
    /// [`Error::Closed`](crate::Error::Closed), [`Error::Corruption`](crate::Error::Corruption), I/O.
    pub fn seek(&mut self, key: impl AsRef<[u8]>) -> Result<bool> {
        self.0.seek(key.as_ref(), Direction::Forward)
    }

    /// Goes to the last key at or before `key`.
    ///
    /// # Errors
    /// As [`seek`](Self::seek).
    pub fn seek_for_prev(&mut self, key: impl AsRef<[u8]>) -> Result<bool> {
        self.0.seek(key.as_ref(), Direction::Backward)
    }

    /// Goes to the first key of all.
    ///
    /// # Errors
    /// As [`seek`](Self::seek).
    pub fn seek_to_first(&mut self) -> Result<bool> {
        self.0.seek_to_start(Direction::Forward)
    }

    /// Goes to the last key of all.
    ///
    /// # Errors
    /// As [`seek`](Self::seek).
    pub fn seek_to_last(&mut self) -> Result<bool> {
        self.0.seek_to_start(Direction::Backward)
    }

    /// Goes from the entry to the next larger key; from no entry, nowhere.
    ///
    /// # Errors
    /// As [`seek`](Self::seek).
    #[expect(clippy::should_implement_trait, reason = "an iterator's items could not borrow from it")]
    pub fn next(&mut self) -> Result<bool> {
        self.0.advance(Direction::Forward)
    }

    /// Goes from the entry to the next smaller key; from no entry, nowhere.
    ///
    /// # Errors
    /// As [`seek`](Self::seek).
    pub fn prev(&mut self) -> Result<bool> {
        self.0.advance(Direction::Backward)
    }

    /// Whether it stands on an entry.
    #[must_use]
    pub fn is_on_entry(&self) -> bool {
        self.entry().is_some()
    }

    /// The key of the entry; `None` on no entry.
    #[must_use]
    pub fn key(&self) -> Option<&[u8]> {
        self.entry().map(|(key, _)| key)
    }

    /// The value of the entry; `None` on no entry.
    #[must_use]
    pub fn value(&self) -> Option<&[u8]> {
        self.entry().map(|(_, value)| value)
    }

    /// Key and value of the entry; `None` on no entry.
    #[must_use]
    pub fn entry(&self) -> Option<(&[u8], &[u8])> {
        self.0.entry()
    }
}

impl fmt::Debug for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
