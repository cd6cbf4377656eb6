//! The calls of a database for tasks of tokio-uring. Feature `tokio-uring`.

use std::fmt;
use std::future::poll_fn;
use std::ops::RangeBounds;
use std::task::{Context, Poll};

use super::{AsyncDb, WriteBatch};
use crate::base::direction::Direction;
use crate::base::error::Result;
use crate::base::key_range::KeyRange;
use crate::base::options::WriteOptions;
use crate::base::value::Value;
use crate::engine::{AwaitedScan, Moment, OnTokioUring, get_awaited, multi_get_awaited};

/// The database for the tasks of one runtime of tokio-uring. Made by [`AsyncDb::on_tokio_uring`]; cheap to clone, stays on
/// its thread.
///
/// As [`AsyncDb`], with the same promises about futures that are dropped; but what is not in memory is read on the
/// runtime's own ring, together with whatever else its tasks do, and no thread is woken for it. What needs the engine's
/// cores, which is writes that wait and what runs in the background, is theirs as before: for those calls that are not
/// here, [`as_async`](Self::as_async).
///
/// tokio-uring 0.5 frees the memory of reads that were dropped in flight when its runtime ends, though the kernel may still
/// fill it: have those that were begun end before. Of tables that are [read
/// directly](crate::Options::direct_reads), which would make that likely, the engine's cores read.
///
/// # Panics
/// A call that has to read panics outside of the runtime.
///
/// ```
/// use rabi::{Db, Options};
///
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path();
/// tokio_uring::start(async {
///     let db = Db::open(path, Options::new())?.to_async().on_tokio_uring();
///     db.put("price:apple", "120").await?;
///     let lookups: Vec<_> = (0..100)
///         .map(|number| {
///             let db = db.clone();
///             tokio_uring::spawn(async move { db.get(format!("price:{number}")).await })
///         })
///         .collect();
///     for lookup in lookups {
///         assert!(lookup.await.expect("it does not panic")?.is_none());
///     }
///     db.as_async().clone().close().await
/// })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct TokioUringDb {
    db: AsyncDb,
    on: OnTokioUring,
}

impl TokioUringDb {
    pub(super) fn new(db: AsyncDb, on: OnTokioUring) -> Self {
        Self { db, on }
    }

    /// The same database, with the engine's cores reading.
    #[must_use]
    pub fn as_async(&self) -> &AsyncDb {
        &self.db
    }

    /// The value of a key, or `None`. As [`AsyncDb::get`].
    ///
    /// # Errors
    /// As [`Db::get`](crate::Db::get).
    pub async fn get(&self, key: impl AsRef<[u8]>) -> Result<Option<Value>> {
        get_awaited(&self.on, key.as_ref(), None, Value::copy_of).await
    }

    /// Whether a key has a value.
    ///
    /// # Errors
    /// As [`Db::get`](crate::Db::get).
    pub async fn contains_key(&self, key: impl AsRef<[u8]>) -> Result<bool> {
        Ok(get_awaited(&self.on, key.as_ref(), None, |_| ()).await?.is_some())
    }

    /// The value of each key, or `None`, in the order of the keys, all as of one moment. Blocks that are not in memory are
    /// read together.
    ///
    /// # Errors
    /// One for each key, as [`Db::get`](crate::Db::get) has them.
    pub async fn multi_get<K: AsRef<[u8]>>(
        &self,
        keys: impl IntoIterator<Item = K>,
    ) -> Vec<Result<Option<Value>>> {
        let keys: Vec<K> = keys.into_iter().collect();
        multi_get_awaited(&self.on, &keys, None).await
    }

    /// Sets the value of a key, with the durability of the options of the opening.
    ///
    /// # Errors
    /// As [`Db::put`](crate::Db::put).
    pub async fn put(&self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Result<()> {
        self.db.put(key, value).await
    }

    /// Removes a key; no error if it has no value.
    ///
    /// # Errors
    /// As [`Db::put`](crate::Db::put).
    pub async fn delete(&self, key: impl AsRef<[u8]>) -> Result<()> {
        self.db.delete(key).await
    }

    /// Applies a batch, with the durability of `options`. As [`AsyncDb::write`].
    ///
    /// # Errors
    /// As [`Db::write`](crate::Db::write).
    pub async fn write(&self, batch: WriteBatch, options: WriteOptions) -> Result<()> {
        self.db.write(batch, options).await
    }

    /// The keys of a range with their values, in order, as of this call, not of the first poll.
    pub fn range<K: AsRef<[u8]>>(&self, range: impl RangeBounds<K>) -> TokioUringRange {
        TokioUringRange::new(&self.on, KeyRange::of_bounds(&range))
    }

    /// The keys that begin with `prefix`, with their values, in order, as of this call.
    pub fn prefix(&self, prefix: impl AsRef<[u8]>) -> TokioUringRange {
        TokioUringRange::new(&self.on, KeyRange::of_prefix(prefix.as_ref()))
    }
}

impl fmt::Debug for TokioUringDb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokioUringDb({:?})", self.db)
    }
}

/// What a step of a range comes to: key and value, or the end.
type Step = Option<Result<(Vec<u8>, Value)>>;

/// The keys of a range with their values, as an [`AsyncRange`](crate::AsyncRange), read on the ring of the runtime.
#[must_use = "a range reads nothing until it is iterated, and pins files and memtables until it is dropped"]
pub struct TokioUringRange(AwaitedScan<OnTokioUring>);

impl TokioUringRange {
    fn new(on: &OnTokioUring, range: KeyRange) -> Self {
        Self(AwaitedScan::new(Moment::new(on, None), range, Direction::Forward))
    }

    /// The same range in the other direction, from its other end.
    ///
    /// # Panics
    /// If something was read from it.
    pub fn rev(self) -> Self {
        Self(self.0.turned())
    }

    /// The next entry; `None` once the range has ended. If it is dropped, the next one goes on where it was.
    #[expect(clippy::should_implement_trait, reason = "this one is awaited")]
    pub fn next(&mut self) -> impl Future<Output = Step> + '_ {
        poll_fn(|context| self.poll_next(context))
    }

    /// What a stream of entries does in a poll.
    pub fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Step> {
        self.0.poll_next(context, |key, value| (key.to_vec(), Value::copy_of(value)))
    }
}

impl fmt::Debug for TokioUringRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
