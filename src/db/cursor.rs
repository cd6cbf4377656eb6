//! A position among all keys that moves in both directions.

use std::fmt;

use super::moment::Moment;
use crate::base::error::Result;
use crate::base::key::successor;
use crate::base::planted::planted;
use crate::cursor::merge::{Course, Merge};

/// A buffer kept between two entries holds on to no more memory than this.
const KEPT_BYTES: usize = 64 << 10;

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
pub struct Cursor {
    moment: Moment,
    /// Stands just behind the entry, as seen in its direction; none while on no entry.
    merge: Option<Merge>,
    /// The entry, while there is a merge.
    key: Vec<u8>,
    value: Vec<u8>,
}

impl Cursor {
    pub(super) fn new(moment: Moment) -> Self {
        Self { moment, merge: None, key: Vec::new(), value: Vec::new() }
    }

    /// Goes to the first key at or after `key`.
    ///
    /// # Errors
    /// [`Error::Closed`](crate::Error::Closed), [`Error::Corruption`](crate::Error::Corruption), I/O.
    pub fn seek(&mut self, key: impl AsRef<[u8]>) -> Result<bool> {
        self.go(Some(key.as_ref()), false)
    }

    /// Goes to the last key at or before `key`.
    ///
    /// # Errors
    /// As [`seek`](Self::seek).
    pub fn seek_for_prev(&mut self, key: impl AsRef<[u8]>) -> Result<bool> {
        self.go(Some(&successor(key.as_ref())), true)
    }

    /// Goes to the first key of all.
    ///
    /// # Errors
    /// As [`seek`](Self::seek).
    pub fn seek_to_first(&mut self) -> Result<bool> {
        self.go(None, false)
    }

    /// Goes to the last key of all.
    ///
    /// # Errors
    /// As [`seek`](Self::seek).
    pub fn seek_to_last(&mut self) -> Result<bool> {
        self.go(None, true)
    }

    /// Goes from the entry to the next larger key; from no entry, nowhere.
    ///
    /// # Errors
    /// As [`seek`](Self::seek).
    #[expect(clippy::should_implement_trait, reason = "an iterator's items could not borrow from it")]
    pub fn next(&mut self) -> Result<bool> {
        match &self.merge {
            None => self.moment.check_open().map(|()| false),
            Some(merge) if !merge.is_backward() => self.step(),
            Some(_) => {
                let key = std::mem::take(&mut self.key);
                let behind = if planted!(CursorTurnsInPlace) { key } else { successor(&key) };
                self.go(Some(&behind), false)
            }
        }
    }

    /// Goes from the entry to the next smaller key; from no entry, nowhere.
    ///
    /// # Errors
    /// As [`seek`](Self::seek).
    pub fn prev(&mut self) -> Result<bool> {
        match &self.merge {
            None => self.moment.check_open().map(|()| false),
            Some(merge) if merge.is_backward() => self.step(),
            Some(_) => {
                let key = std::mem::take(&mut self.key);
                self.go(Some(&key), true)
            }
        }
    }

    /// Whether it stands on an entry.
    #[must_use]
    pub fn is_on_entry(&self) -> bool {
        self.merge.is_some()
    }

    /// The key of the entry; `None` on no entry.
    #[must_use]
    pub fn key(&self) -> Option<&[u8]> {
        self.is_on_entry().then_some(&self.key)
    }

    /// The value of the entry; `None` on no entry.
    #[must_use]
    pub fn value(&self) -> Option<&[u8]> {
        self.is_on_entry().then_some(&self.value)
    }

    /// Key and value of the entry; `None` on no entry.
    #[must_use]
    pub fn entry(&self) -> Option<(&[u8], &[u8])> {
        self.key().zip(self.value())
    }

    /// To the first entry at or after `bound`, or the last one before it.
    fn go(&mut self, bound: Option<&[u8]>, backward: bool) -> Result<bool> {
        self.merge = None;
        self.moment.check_open()?;
        self.merge = Some(self.moment.merge(bound, Course { backward, values: true })?);
        self.step()
    }

    /// To the next entry in the direction of the merge.
    fn step(&mut self) -> Result<bool> {
        let Some(mut merge) = self.merge.take() else { return Ok(false) };
        self.moment.check_open()?;
        if self.value.capacity() > KEPT_BYTES {
            self.value = Vec::new();
        }
        let (key, value) = (&mut self.key, &mut self.value);
        let found = merge.next(|found_key, found_value| {
            refill(key, found_key);
            refill(value, found_value);
        })?;
        self.merge = found.map(|()| merge);
        Ok(self.is_on_entry())
    }
}

fn refill(buffer: &mut Vec<u8>, bytes: &[u8]) {
    buffer.clear();
    buffer.extend_from_slice(bytes);
}

impl fmt::Debug for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = self.key().map(|key| key.escape_ascii().to_string());
        f.debug_struct("Cursor").field("key", &key).field("seqno", &self.moment.seqno).finish()
    }
}
