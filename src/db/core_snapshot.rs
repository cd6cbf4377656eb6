//! A view of the database that later writes do not change, for a task on a core.

use std::fmt;
use std::ops::RangeBounds;

use super::CoreRange;
use crate::base::error::Result;
use crate::base::key::SeqNo;
use crate::base::key_range::KeyRange;
use crate::base::value::Value;
use crate::engine::{Caller, Moment, OnCore, get_awaited, multi_get_awaited};

/// A [`Snapshot`](crate::Snapshot) for a task on a core, whose reads are awaited and stay there. It does not keep the
/// database open.
#[must_use = "a snapshot that is dropped at once keeps nothing"]
pub struct CoreSnapshot {
    on: OnCore,
    seqno: SeqNo,
}

impl CoreSnapshot {
    pub(super) fn new(on: &OnCore) -> Self {
        Self { on: on.clone(), seqno: on.engine().take_snapshot() }
    }

    /// The value the key had, or `None`.
    ///
    /// # Errors
    /// As [`Db::get`](crate::Db::get).
    pub async fn get(&self, key: impl AsRef<[u8]>) -> Result<Option<Value>> {
        get_awaited(&self.on, key.as_ref(), Some(self.seqno), Value::copy_of).await
    }

    /// The value that each key had, or `None`, in the order of the keys.
    ///
    /// # Errors
    /// One for each key, as [`Db::get`](crate::Db::get) has them.
    pub async fn multi_get<K: AsRef<[u8]>>(
        &self,
        keys: impl IntoIterator<Item = K>,
    ) -> Vec<Result<Option<Value>>> {
        let keys: Vec<K> = keys.into_iter().collect();
        multi_get_awaited(&self.on, &keys, Some(self.seqno)).await
    }

    /// The keys of a range with the values they had.
    pub fn range<K: AsRef<[u8]>>(&self, range: impl RangeBounds<K>) -> CoreRange {
        CoreRange::new(Moment::new(&self.on, Some(self.seqno)), KeyRange::of_bounds(&range))
    }

    /// The keys that began with `prefix`, with the values they had.
    pub fn prefix(&self, prefix: impl AsRef<[u8]>) -> CoreRange {
        CoreRange::new(Moment::new(&self.on, Some(self.seqno)), KeyRange::of_prefix(prefix.as_ref()))
    }
}

impl Drop for CoreSnapshot {
    fn drop(&mut self) {
        self.on.engine().release_snapshot(self.seqno);
    }
}

impl fmt::Debug for CoreSnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CoreSnapshot(at seqno {} on core {})", self.seqno, self.on.core())
    }
}
