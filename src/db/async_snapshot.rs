//! The calls of a snapshot as futures.

use std::fmt;
use std::ops::RangeBounds;

use super::{AsyncRange, Snapshot};
use crate::base::error::Result;
use crate::base::key_range::KeyRange;
use crate::base::value::Value;
use crate::engine::{get_awaited, multi_get_awaited};

/// A [`Snapshot`] whose reads are awaited instead of blocking, as those of an [`AsyncDb`](crate::AsyncDb).
#[derive(Clone)]
#[must_use = "a snapshot that is dropped at once keeps nothing"]
pub struct AsyncSnapshot(Snapshot);

impl From<Snapshot> for AsyncSnapshot {
    fn from(snapshot: Snapshot) -> Self {
        Self(snapshot)
    }
}

impl AsyncSnapshot {
    /// The same snapshot with calls that block.
    pub fn as_blocking(&self) -> &Snapshot {
        &self.0
    }

    /// The value the key had, or `None`.
    ///
    /// # Errors
    /// As [`Db::get`](crate::Db::get).
    pub async fn get(&self, key: impl AsRef<[u8]>) -> Result<Option<Value>> {
        get_awaited(&self.0.handle, key.as_ref(), Some(self.0.seqno), Value::copy_of).await
    }

    /// Whether the key had a value.
    ///
    /// # Errors
    /// As [`Db::get`](crate::Db::get).
    pub async fn contains_key(&self, key: impl AsRef<[u8]>) -> Result<bool> {
        Ok(get_awaited(&self.0.handle, key.as_ref(), Some(self.0.seqno), |_| ()).await?.is_some())
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
        multi_get_awaited(&self.0.handle, &keys, Some(self.0.seqno)).await
    }

    /// The keys of a range with the values they had.
    pub fn range<K: AsRef<[u8]>>(&self, range: impl RangeBounds<K>) -> AsyncRange {
        AsyncRange::new(self.0.moment(), KeyRange::of_bounds(&range))
    }

    /// The keys that began with `prefix`, with the values they had.
    pub fn prefix(&self, prefix: impl AsRef<[u8]>) -> AsyncRange {
        AsyncRange::new(self.0.moment(), KeyRange::of_prefix(prefix.as_ref()))
    }

    /// All keys with the values they had, in order.
    pub fn iter(&self) -> AsyncRange {
        self.prefix([])
    }
}

impl fmt::Debug for AsyncSnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Async{:?}", self.0)
    }
}
