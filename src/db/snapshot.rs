//! A view of the database that later writes do not change.

use std::ops::RangeBounds;

use super::bounds::Bounds;
use super::range::Range;
use crate::base::error::Result;
use crate::base::key::SeqNo;
use crate::base::sync::Arc;
use crate::base::value::Value;
use crate::engine::Handle;

/// The database as of one moment. Keeps the versions it sees until it is dropped, which costs
/// space for keys written since, not memory.
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
pub struct Snapshot {
    handle: Arc<Handle>,
    seqno: SeqNo,
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

    /// The keys of a range with the values they had.
    pub fn range<K: AsRef<[u8]>>(&self, range: impl RangeBounds<K>) -> Range {
        Range::new(Arc::clone(&self.handle), Bounds::of_range(&range), Some(self.seqno))
    }

    /// The keys that began with `prefix`, with the values they had.
    pub fn prefix(&self, prefix: impl AsRef<[u8]>) -> Range {
        Range::new(Arc::clone(&self.handle), Bounds::of_prefix(prefix.as_ref()), Some(self.seqno))
    }
}

impl Drop for Snapshot {
    fn drop(&mut self) {
        self.handle.0.release_snapshot(self.seqno);
    }
}

impl Clone for Snapshot {
    fn clone(&self) -> Self {
        self.handle.0.share_snapshot(self.seqno);
        Self { handle: Arc::clone(&self.handle), seqno: self.seqno }
    }
}
