//! The calls of a database as futures.

use std::fmt;
use std::ops::RangeBounds;

use super::{AsyncRange, AsyncSnapshot, Db, Ticket, WriteBatch};
use crate::base::error::Result;
use crate::base::key_range::KeyRange;
use crate::base::options::WriteOptions;
use crate::base::sync::Arc;
use crate::base::value::Value;
use crate::engine::{Moment, Way, get_awaited, multi_get_awaited, submit, write_awaited};

/// An open database, whose calls are awaited instead of blocking. Cheap to clone, usable from any thread and any executor:
/// tokio, smol, a loop of your own. Made by [`Db::to_async`]; both are the same database.
///
/// **What a call costs its thread.** What is in memory is answered in the first poll, on the polling thread. What is not
/// is read by one of the engine's cores, on its ring, while the future is pending. Nothing sleeps: a write that is slowed
/// or stopped (see [`Slowdown`](crate::Slowdown)) is pending, too. Only [`close`](Self::close), and dropping the last
/// handle, wait for the engine's threads to end. Where io_uring is denied, cores read one block at a time. What never
/// waits (statistics, snapshots, sizes), and cursors, are calls of [`as_blocking`](Self::as_blocking).
///
/// **What a dropped future leaves behind.** Nothing, at whatever poll: no memory that the kernel writes to is the caller's,
/// and what a read holds on to is let go. A write has happened wholly, or not at all: it takes its place in the order of
/// writes within one poll, of which there is at least one. If it is dropped while it waits for room before that, it has not
/// happened; afterwards, while it waits for the device, it has, only the promise of [`Durability::Power`] is not given
/// yet. A batch larger than half the log's stage as it is then (`stage_size_bytes` in [`Stats`](crate::Stats); 64 KiB at
/// first) is handed to a core instead and enters the log there, even if its future is dropped: whether it has happened
/// shows when it is visible, and until then the database stays open, also after the last handle was dropped. A future
/// that is never polled does nothing.
///
/// **What the caller owes.** A waker may be called from one of the engine's cores: one that panics there, or that waits for
/// the database by a blocking call, stops that core, and one that forks must not return in the child. In a forked child
/// calls give [`Error::Forked`](crate::Error::Forked); a future that was already pending in the parent gives that there, too,
/// or stays pending: drop it.
///
/// ```
/// use rabi::{Db, Durability, Options, WriteBatch, WriteOptions};
///
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path();
/// # smol::block_on(async {
/// let db = Db::open(path, Options::new())?.to_async();
/// db.put("price:apple", "120").await?;
/// let mut order = WriteBatch::new();
/// order.put("order:1", "2 apples");
/// db.write(order, WriteOptions::new().durability(Durability::Power)).await?;
/// assert_eq!(db.get("price:apple").await?.as_deref(), Some(&b"120"[..]));
///
/// let mut prices = db.prefix("price:");
/// while let Some(entry) = prices.next().await {
///     let (key, value) = entry?;
///     println!("{} costs {}", key.escape_ascii(), value.escape_ascii());
/// }
/// # drop(prices);
/// db.close().await
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// [`Durability::Power`]: crate::Durability::Power
#[derive(Clone)]
pub struct AsyncDb(Db);

impl From<Db> for AsyncDb {
    fn from(db: Db) -> Self {
        Self(db)
    }
}

impl AsyncDb {
    /// The same database with calls that block.
    #[must_use]
    pub fn as_blocking(&self) -> &Db {
        &self.0
    }

    /// The same database for the tasks of one runtime of tokio-uring, on whose ring they read.
    #[cfg(feature = "tokio-uring")]
    #[must_use]
    pub fn on_tokio_uring(&self) -> super::TokioUringDb {
        super::TokioUringDb::new(self.clone(), crate::engine::OnTokioUring::new(&self.0.handle))
    }

    /// The value of a key, or `None`. Sees every write acknowledged before the first poll.
    ///
    /// # Errors
    /// As [`Db::get`].
    pub async fn get(&self, key: impl AsRef<[u8]>) -> Result<Option<Value>> {
        get_awaited(&self.0.handle, key.as_ref(), None, Value::copy_of).await
    }

    /// Whether a key has a value. As [`Db::contains_key`].
    ///
    /// # Errors
    /// As [`Db::get`].
    pub async fn contains_key(&self, key: impl AsRef<[u8]>) -> Result<bool> {
        Ok(get_awaited(&self.0.handle, key.as_ref(), None, |_| ()).await?.is_some())
    }

    /// The value of each key, or `None`, in the order of the keys, all as of one moment. As [`Db::multi_get`]: the blocks
    /// that are not in memory are read by a core in one submission.
    ///
    /// # Errors
    /// One for each key, as [`Db::get`] has them.
    pub async fn multi_get<K: AsRef<[u8]>>(
        &self,
        keys: impl IntoIterator<Item = K>,
    ) -> Vec<Result<Option<Value>>> {
        let keys: Vec<K> = keys.into_iter().collect();
        multi_get_awaited(&self.0.handle, &keys, None).await
    }

    /// Sets the value of a key, with the durability of the options of the opening.
    ///
    /// # Errors
    /// As [`Db::put`].
    pub async fn put(&self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Result<()> {
        self.put_with(key, value, WriteOptions::new()).await
    }

    /// Sets the value of a key, with the durability of `options`.
    ///
    /// # Errors
    /// As [`Db::put`].
    pub async fn put_with(
        &self,
        key: impl AsRef<[u8]>,
        value: impl AsRef<[u8]>,
        options: WriteOptions,
    ) -> Result<()> {
        let mut batch = WriteBatch::new();
        batch.put(key, value);
        self.write(batch, options).await
    }

    /// Removes a key; no error if it has no value.
    ///
    /// # Errors
    /// As [`Db::put`].
    pub async fn delete(&self, key: impl AsRef<[u8]>) -> Result<()> {
        self.delete_with(key, WriteOptions::new()).await
    }

    /// Removes a key, with the durability of `options`; no error if it has no value.
    ///
    /// # Errors
    /// As [`Db::put`].
    pub async fn delete_with(&self, key: impl AsRef<[u8]>, options: WriteOptions) -> Result<()> {
        let mut batch = WriteBatch::new();
        batch.delete(key);
        self.write(batch, options).await
    }

    /// Applies a batch, with the durability of `options`: readers, snapshots and recovery see all of it or nothing.
    ///
    /// # Errors
    /// As [`Db::write`].
    pub async fn write(&self, mut batch: WriteBatch, options: WriteOptions) -> Result<()> {
        batch.check()?;
        write_awaited(&self.0.handle, batch.buffer(), options).await
    }

    /// Applies a batch and returns when it is visible and survives the death of the process; the
    /// ticket tells its place in the order of writes, and when it survives loss of power. So one task keeps many writes on
    /// their way to the device, in a known order. Of an empty batch, the ticket is that of the newest write.
    ///
    /// ```
    /// # use rabi::{Db, Options, WriteBatch};
    /// # let dir = tempfile::tempdir()?;
    /// # let db = Db::open(dir.path(), Options::new())?.to_async();
    /// # smol::block_on(async {
    /// let mut tickets = Vec::new();
    /// for index in 0..10_u64 {
    ///     let mut batch = WriteBatch::new();
    ///     batch.put(index.to_be_bytes(), "an entry of a log");
    ///     tickets.push(db.submit(batch).await?);
    /// }
    /// assert!(tickets.is_sorted()); // in the order of writes
    /// let last = tickets.pop().expect("there are ten");
    /// last.durable().await?; // and with it all before
    /// # drop((last, tickets));
    /// # db.close().await
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`Db::write`].
    pub async fn submit(&self, mut batch: WriteBatch) -> Result<Ticket> {
        batch.check()?;
        let placed = submit(&self.0.handle, batch.buffer()).await?;
        Ok(Ticket::new(Arc::clone(&self.0.handle), placed))
    }

    /// Makes everything that was acknowledged before the first poll survive loss of power.
    ///
    /// # Errors
    /// As [`Db::sync`].
    pub async fn sync(&self) -> Result<()> {
        self.0.handle.0.sync(Way::Awaited).await
    }

    /// The keys of a range with their values, in order, as of this call, not of the first poll.
    pub fn range<K: AsRef<[u8]>>(&self, range: impl RangeBounds<K>) -> AsyncRange {
        AsyncRange::new(self.moment(), KeyRange::of_bounds(&range))
    }

    /// The keys that begin with `prefix`, with their values, in order, as of this call.
    pub fn prefix(&self, prefix: impl AsRef<[u8]>) -> AsyncRange {
        AsyncRange::new(self.moment(), KeyRange::of_prefix(prefix.as_ref()))
    }

    /// All keys with their values, in order, as of this call.
    pub fn iter(&self) -> AsyncRange {
        self.prefix([])
    }

    fn moment(&self) -> Moment {
        Moment::new(&self.0.handle, None)
    }

    /// A view of the database as of now that later writes do not change. Does not wait.
    pub fn snapshot(&self) -> AsyncSnapshot {
        AsyncSnapshot::from(self.0.snapshot())
    }

    /// Moves all that is in memtables to files (L2). As [`Db::flush`]; goes on in the background if it is dropped.
    ///
    /// # Errors
    /// As [`Db::flush`].
    pub async fn flush(&self) -> Result<()> {
        self.0.handle.0.flush().await
    }

    /// Flushes and brings all files down to one sorted run for each partition (L3). As [`Db::compact`]; if it is dropped,
    /// what has begun is ended, and the rest is left to be done when it is due.
    ///
    /// # Errors
    /// As [`Db::flush`].
    pub async fn compact(&self) -> Result<()> {
        self.0.handle.0.compact_all().await
    }

    /// Flushes memtables and stops the engine, as [`Db::close`]. The flush is awaited; then the polling thread waits until
    /// the engine's threads have ended what they are at. If it is dropped, the database is closed for all calls, and what
    /// was acknowledged is in the log; the engine stops with the last handle.
    ///
    /// # Errors
    /// As [`Db::close`].
    pub async fn close(self) -> Result<()> {
        self.0.handle.close().await
    }
}

impl fmt::Debug for AsyncDb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AsyncDb({})", self.0.handle.0.directory.path().display())
    }
}
