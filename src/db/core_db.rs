//! The calls of a database for tasks that live on one of its cores.

use std::fmt;
use std::future::Future;
use std::ops::RangeBounds;
use std::time::Duration;

use super::{CoreRange, CoreSnapshot, JoinHandle, Ticket, WriteBatch};
use crate::base::error::Result;
use crate::base::key_range::KeyRange;
use crate::base::options::WriteOptions;
use crate::base::value::Value;
use crate::engine::{Caller, Moment, OnCore, Way, get_awaited, multi_get_awaited, submit, write_awaited};

/// The database for a task on one of its cores, which [`Db::spawn_on`](crate::Db::spawn_on) gives to it. Cheap to clone;
/// never leaves its core.
///
/// Calls are awaited, as those of [`AsyncDb`](crate::AsyncDb), with the same promises about futures that are dropped. The
/// difference is where they run: what is in memory is answered on the core, and what is not is read on the core's own
/// ring, together with the reads of all its other tasks. No other thread is woken, or waited for, but for two things: the
/// commit lock of a write, and what the device or memory makes a write wait for.
///
/// **What a task owes its core.** The engine's tasks on it, which write the log, flush and compact, run in turn with yours:
/// each gives way after about 200 us. A call of this handle gives way to others when its task has used up so much. What
/// a task computes between two calls is not interrupted: split it by [`yield_now`](Self::yield_now), or leave it to
/// another thread. It must not wait by a call that blocks: the writes, flushes and
/// [`close`](crate::Db::close) of [`Db`](crate::Db), and [`JoinHandle::join`], panic there before they do anything; its
/// reads work, and have the whole core wait for the device. A child that a task forks must run another program, or exit.
///
/// **When the database ends.** This handle does not keep it open. When the database is closed, or the last [`Db`](crate::Db)
/// dropped, calls give [`Error::Closed`](crate::Error::Closed); then the core ends, and the task is dropped where it waits,
/// also if it waits for something else. A handle, snapshot or range that was put away elsewhere on the thread, and outlives
/// its core (or its [`Driver`](crate::Driver)), gives [`Error::Closed`](crate::Error::Closed) as well, also for what has
/// waited for the core until then.
///
/// ```
/// use rabi::{Db, Options};
///
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path();
/// let db = Db::open(path, Options::new())?;
/// let counts: Vec<_> = (0..db.cores())
///     .map(|core| {
///         db.spawn_on(core, move |db| async move {
///             for number in 0..100 {
///                 db.put(format!("{core}/{number}"), "value").await?;
///             }
///             let (mut range, mut count) = (db.prefix(format!("{core}/")), 0);
///             while let Some(entry) = range.next().await {
///                 entry?;
///                 count += 1;
///             }
///             rabi::Result::Ok(count)
///         })
///     })
///     .collect();
/// for count in counts {
///     assert_eq!(count.join()??, 100);
/// }
/// db.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct CoreDb(OnCore);

impl CoreDb {
    pub(super) fn new(on: OnCore) -> Self {
        Self(on)
    }

    /// The number of the core on which this task lives; of a [`Driver`](crate::Driver), which is none of the engine's cores,
    /// [`Db::cores`](crate::Db::cores).
    #[must_use]
    pub fn core(&self) -> usize {
        self.0.core()
    }

    /// Starts another task on this core, which need not be [`Send`]. As [`Db::spawn_on`](crate::Db::spawn_on).
    pub fn spawn<T: Future + 'static>(&self, future: T) -> JoinHandle<T::Output> {
        JoinHandle::new(self.0.spawn(future))
    }

    /// Lets the other tasks of this core have their turn.
    pub async fn yield_now(&self) {
        self.0.yield_now().await;
    }

    /// Waits for a time, by a timer of this core. If the core ends meanwhile, no longer.
    pub async fn sleep(&self, duration: Duration) {
        self.0.sleep(duration).await;
    }

    /// The value of a key, or `None`. As [`AsyncDb::get`](crate::AsyncDb::get).
    ///
    /// # Errors
    /// As [`Db::get`](crate::Db::get).
    pub async fn get(&self, key: impl AsRef<[u8]>) -> Result<Option<Value>> {
        get_awaited(&self.0, key.as_ref(), None, Value::copy_of).await
    }

    /// Whether a key has a value.
    ///
    /// # Errors
    /// As [`Db::get`](crate::Db::get).
    pub async fn contains_key(&self, key: impl AsRef<[u8]>) -> Result<bool> {
        Ok(get_awaited(&self.0, key.as_ref(), None, |_| ()).await?.is_some())
    }

    /// The value of each key, or `None`, in the order of the keys, all as of one moment. Blocks that are not in memory are
    /// read in one submission of this core.
    ///
    /// # Errors
    /// One for each key, as [`Db::get`](crate::Db::get) has them.
    pub async fn multi_get<K: AsRef<[u8]>>(
        &self,
        keys: impl IntoIterator<Item = K>,
    ) -> Vec<Result<Option<Value>>> {
        let keys: Vec<K> = keys.into_iter().collect();
        multi_get_awaited(&self.0, &keys, None).await
    }

    /// Sets the value of a key, with the durability of the options of the opening.
    ///
    /// # Errors
    /// As [`Db::put`](crate::Db::put).
    pub async fn put(&self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Result<()> {
        self.put_with(key, value, WriteOptions::new()).await
    }

    /// Sets the value of a key, with the durability of `options`.
    ///
    /// # Errors
    /// As [`Db::put`](crate::Db::put).
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
    /// As [`Db::put`](crate::Db::put).
    pub async fn delete(&self, key: impl AsRef<[u8]>) -> Result<()> {
        let mut batch = WriteBatch::new();
        batch.delete(key);
        self.write(batch, WriteOptions::new()).await
    }

    /// Applies a batch, with the durability of `options`: readers, snapshots and recovery see all of it or nothing. As
    /// [`AsyncDb::write`](crate::AsyncDb::write).
    ///
    /// # Errors
    /// As [`Db::write`](crate::Db::write).
    pub async fn write(&self, mut batch: WriteBatch, options: WriteOptions) -> Result<()> {
        batch.check()?;
        write_awaited(&self.0, batch.buffer(), options).await
    }

    /// Applies a batch, and says later when it survives loss of power. As [`AsyncDb::submit`](crate::AsyncDb::submit): the
    /// ticket keeps the database open.
    ///
    /// # Errors
    /// As [`Db::write`](crate::Db::write).
    pub async fn submit(&self, mut batch: WriteBatch) -> Result<Ticket> {
        batch.check()?;
        let handle = self.0.keep_open()?;
        let placed = submit(&self.0, batch.buffer()).await?;
        Ok(Ticket::new(handle, placed))
    }

    /// Makes everything that was acknowledged before the first poll survive loss of power.
    ///
    /// # Errors
    /// As [`Db::sync`](crate::Db::sync).
    pub async fn sync(&self) -> Result<()> {
        self.0.check_open()?;
        self.0.engine().sync(Way::Awaited).await
    }

    /// The keys of a range with their values, in order, as of this call, not of the first poll.
    pub fn range<K: AsRef<[u8]>>(&self, range: impl RangeBounds<K>) -> CoreRange {
        CoreRange::new(Moment::new(&self.0, None), KeyRange::of_bounds(&range))
    }

    /// The keys that begin with `prefix`, with their values, in order, as of this call.
    pub fn prefix(&self, prefix: impl AsRef<[u8]>) -> CoreRange {
        CoreRange::new(Moment::new(&self.0, None), KeyRange::of_prefix(prefix.as_ref()))
    }

    /// All keys with their values, in order, as of this call.
    pub fn iter(&self) -> CoreRange {
        self.prefix([])
    }

    /// A view of the database as of now that later writes do not change. Does not wait.
    pub fn snapshot(&self) -> CoreSnapshot {
        CoreSnapshot::new(&self.0)
    }

    /// Moves all that is in memtables to files (L2). As [`AsyncDb::flush`](crate::AsyncDb::flush).
    ///
    /// # Errors
    /// As [`Db::flush`](crate::Db::flush).
    pub async fn flush(&self) -> Result<()> {
        self.0.check_open()?;
        self.0.engine().flush().await
    }
}

impl fmt::Debug for CoreDb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CoreDb({} on core {})", self.0.engine().directory.path().display(), self.core())
    }
}
