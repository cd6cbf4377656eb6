//! A view of the database that later writes do not change.

use std::fmt;
use std::ops::RangeBounds;

use super::{Cursor, Keys, Range};
use crate::base::error::Result;
use crate::base::key::SeqNo;
use crate::base::key_range::KeyRange;
use crate::base::sync::Arc;
use crate::base::value::Value;
use crate::engine::{Handle, Moment};

/// The database as of one moment. Keeps the versions it sees until it is dropped, which costs
/// space for keys written since, not memory. Taking one costs a lock and no I/O. It keeps the database open, and is gone
/// when that is closed: snapshots are of one opening, and survive nothing.
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// # let db = rabi::Db::open(dir.path(), rabi::Options::new())?;
/// db.put("k", "old")?;
/// let before = db.snapshot();
/// db.put("k", "new")?;
/// assert_eq!(&before.get("k")?.expect("it was there")[..], b"old");
/// # drop(before);
/// # db.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "a snapshot that is dropped at once keeps nothing"]
pub struct Snapshot {
    pub(super) handle: Arc<Handle>,
    pub(super) seqno: SeqNo,
}

impl Snapshot {
    pub(super) fn new(handle: Arc<Handle>) -> Self {
        let seqno = handle.0.take_snapshot();
        Self { handle, seqno }
    }

    /// The value the key had, or `None`.
    ///
    /// # Errors
    /// As [`Db::get`](crate::Db::get).
    pub fn get(&self, key: impl AsRef<[u8]>) -> Result<Option<Value>> {
        self.handle.0.get(key.as_ref(), Some(self.seqno))
    }

    /// Puts the value the key had into `buffer`, in place of what is there, and returns true; or returns
    /// false and leaves the buffer as it is. As [`Db::get_into`](crate::Db::get_into).
    ///
    /// # Errors
    /// As [`Db::get`](crate::Db::get).
    pub fn get_into(&self, key: impl AsRef<[u8]>, buffer: &mut Vec<u8>) -> Result<bool> {
        self.handle.0.get_into(key.as_ref(), Some(self.seqno), buffer)
    }

    /// What `take`, which should be brief, makes of the value the key had, or `None`. As
    /// [`Db::get_with`](crate::Db::get_with).
    ///
    /// # Errors
    /// As [`Db::get`](crate::Db::get).
    pub fn get_with<R>(&self, key: impl AsRef<[u8]>, take: impl FnOnce(&[u8]) -> R) -> Result<Option<R>> {
        self.handle.0.get_with(key.as_ref(), Some(self.seqno), take)
    }

    /// The value that each key had, or `None`, in the order of the keys. As [`Db::multi_get`](crate::Db::multi_get).
    ///
    /// # Errors
    /// One for each key, as [`Db::get`](crate::Db::get) has them.
    pub fn multi_get<K: AsRef<[u8]>>(&self, keys: impl IntoIterator<Item = K>) -> Vec<Result<Option<Value>>> {
        let keys: Vec<K> = keys.into_iter().collect();
        self.handle.multi_get(&keys, Some(self.seqno))
    }

    /// Whether the key had a value. The value is not copied.
    ///
    /// # Errors
    /// As [`Db::get`](crate::Db::get).
    pub fn contains_key(&self, key: impl AsRef<[u8]>) -> Result<bool> {
        self.handle.0.contains_key(key.as_ref(), Some(self.seqno))
    }

    /// The keys of a range with the values they had.
    pub fn range<K: AsRef<[u8]>>(&self, range: impl RangeBounds<K>) -> Range {
        Range::new(self.moment(), KeyRange::of_bounds(&range))
    }

    /// The keys that began with `prefix`, with the values they had.
    pub fn prefix(&self, prefix: impl AsRef<[u8]>) -> Range {
        Range::new(self.moment(), KeyRange::of_prefix(prefix.as_ref()))
    }

    /// All keys with the values they had, in order, from either end.
    pub fn iter(&self) -> Range {
        self.prefix([])
    }

    /// All keys there were, without values, in order, from either end.
    pub fn keys(&self) -> Keys {
        self.iter().into_keys()
    }

    /// A cursor over the keys there were, on no entry yet. It may outlive the snapshot.
    pub fn cursor(&self) -> Cursor {
        Cursor::new(self.moment())
    }

    pub(super) fn moment(&self) -> Moment {
        Moment::new(&self.handle, Some(self.seqno))
    }
}

impl Drop for Snapshot {
    fn drop(&mut self) {
        self.handle.0.release_snapshot(self.seqno);
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Snapshot({} at seqno {})", self.handle.0.directory.path().display(), self.seqno)
    }
}

impl Clone for Snapshot {
    fn clone(&self) -> Self {
        self.handle.0.share_snapshot(self.seqno);
        Self { handle: Arc::clone(&self.handle), seqno: self.seqno }
    }
}
