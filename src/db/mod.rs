//! The public face: [`Db`], batches, snapshots, ranges and cursors. No logic of its own.

mod async_db;
mod async_range;
mod async_snapshot;
mod batch;
mod core_db;
mod core_range;
mod core_snapshot;
mod cursor;
mod driver;
mod join;
mod range;
mod read;
#[cfg(feature = "sim")]
mod simulated;
mod snapshot;
#[cfg(feature = "sim")]
mod stepper;
mod ticket;
#[cfg(feature = "tokio-uring")]
mod uring_db;

use std::cell::RefCell;
use std::ops::RangeBounds;
use std::path::Path;

pub use async_db::AsyncDb;
pub use async_range::AsyncRange;
pub use async_snapshot::AsyncSnapshot;
pub use batch::WriteBatch;
pub use core_db::CoreDb;
pub use core_range::CoreRange;
pub use core_snapshot::CoreSnapshot;
pub use cursor::Cursor;
pub use driver::Driver;
pub use join::{JoinError, JoinHandle};
pub use range::{Keys, Range};
pub use read::Read;
pub use snapshot::Snapshot;
#[cfg(feature = "sim")]
pub use stepper::{OpeningDb, Stepper};
pub use ticket::Ticket;
#[cfg(feature = "tokio-uring")]
pub use uring_db::{TokioUringDb, TokioUringRange};

use crate::base::error::Result;
use crate::base::key_range::KeyRange;
use crate::base::options::{Options, WriteOptions};
use crate::base::sync::Arc;
use crate::base::value::Value;
use crate::engine::{Handle, Moment, Stats, Way};
use crate::exec::block_on;

/// An open database. Cheap to clone, usable from any thread; all clones are one database.
///
/// Calls block the calling thread. A read of what is in memory takes no lock and makes no system
/// call. A write waits while memory or files are full (see [`Options::max_frozen_memtables`]). When the last clone,
/// snapshot, range and cursor is dropped, the engine stops; what was acknowledged is safe without
/// [`close`](Db::close), which saves the next opening the replay of the log.
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// use rabi::{Db, Options};
/// let db = Db::open(dir.path(), Options::new())?;
/// db.put("planet:3", "earth")?;
/// db.put("planet:4", "mars")?;
/// let planets: Vec<_> = db.prefix("planet:").rev().collect::<Result<_, _>>()?;
/// assert_eq!(&planets[0].1[..], b"mars");
/// db.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Db {
    handle: Arc<Handle>,
}

thread_local! {
    /// The batch of single writes, so that a put allocates nothing for the log.
    static SINGLE: RefCell<WriteBatch> = RefCell::new(WriteBatch::new());
}

/// A batch kept between single writes holds on to no more memory than this.
const SINGLE_KEPT_BYTES: usize = 64 << 10;

impl Db {
    /// Opens the database in a directory, making it if need be, and the directory with those above it.
    ///
    /// Replays what the log holds of earlier openings: after this, everything acknowledged with the
    /// crash's kind of durability is there. What the log holds is made files first, which takes time and free space in
    /// proportion to it, at most that of all memtables. The path is used here and never again: the directory may
    /// be renamed while it is open, and messages go on to show the path that was given.
    ///
    /// # Errors
    /// [`Error::InvalidOption`](crate::Error::InvalidOption), [`Error::Locked`](crate::Error::Locked)
    /// if another handle has it open, [`Error::Missing`](crate::Error::Missing) and
    /// [`Error::Exists`](crate::Error::Exists) as the options say, [`Error::NotADatabase`](crate::Error::NotADatabase) if the
    /// directory holds something else, [`Error::UnsupportedFormat`](crate::Error::UnsupportedFormat) if another
    /// release wrote it, [`Error::Corruption`](crate::Error::Corruption) if something needed is damaged,
    /// [`Error::RingDenied`](crate::Error::RingDenied) if a ring is demanded and denied,
    /// [`Error::DiskFull`](crate::Error::DiskFull) and [`Error::Io`](crate::Error::Io). An opening that failed has lost
    /// nothing and may be repeated.
    pub fn open(dir: impl AsRef<Path>, options: Options) -> Result<Self> {
        Ok(Self { handle: Arc::new(crate::engine::open(dir.as_ref(), options)?) })
    }

    /// Opens a database without threads: the caller takes the turns of its cores. For tests and
    /// simulations, which choose the order of events.
    ///
    /// # Errors
    /// As [`open`](Self::open); what goes wrong later comes out of the [`OpeningDb`].
    #[cfg(feature = "sim")]
    pub fn open_stepped(dir: impl AsRef<Path>, options: Options) -> Result<(Stepper, OpeningDb)> {
        stepper::open(dir.as_ref(), options)
    }

    /// The same database with calls that are awaited.
    #[must_use]
    pub fn to_async(&self) -> AsyncDb {
        AsyncDb::from(self.clone())
    }

    /// How many cores the engine has: threads of its own, each with a ring. See [`Options::cores`].
    #[must_use]
    pub fn cores(&self) -> usize {
        self.handle.0.cores.count()
    }

    /// Starts a task on a core of the engine, from 0 to [`cores`](Self::cores): a program that lives there has hundreds of
    /// reads in flight on one ring, and no thread of its own. `make` is called on the core, with the database as it is to
    /// be used there; the future it returns never leaves the core, and so need not be [`Send`].
    ///
    /// Core 0 writes the log and flushes, the others compact; tasks take turns with that. [`CoreDb`] says what a task owes
    /// its core, and what becomes of it when the database is closed.
    ///
    /// **A task that panics** ends, and nothing else: the engine, the other tasks of the core and the data go on. The panic
    /// is in what the [`JoinHandle`] gives. Where panics end the process (`panic = "abort"`), this one does as well, and
    /// everything acknowledged survives that.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let db = rabi::Db::open(dir.path(), rabi::Options::new())?;
    /// db.put("planet:3", "earth")?;
    /// let task = db.spawn_on(1, |db| async move {
    ///     let mut planets = Vec::new();
    ///     for found in db.multi_get((0..10).map(|number| format!("planet:{number}"))).await {
    ///         planets.extend(found?);
    ///     }
    ///     rabi::Result::Ok(planets.len())
    /// });
    /// assert_eq!(task.join()??, 1);
    /// # db.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Panics
    /// If there is no such core.
    pub fn spawn_on<F, T>(&self, core: usize, make: F) -> JoinHandle<T::Output>
    where
        F: FnOnce(CoreDb) -> T + Send + 'static,
        T: Future<Output: Send> + 'static,
    {
        assert!(core < self.cores(), "there are {} cores, and {core} is none of them", self.cores());
        JoinHandle::new(self.handle.spawn_on(core, |on| make(CoreDb::new(on))))
    }

    /// The value of a key, or `None`. Sees every write acknowledged before the call.
    ///
    /// # Errors
    /// [`Error::Closed`](crate::Error::Closed); [`Error::Corruption`](crate::Error::Corruption) and
    /// [`Error::Io`](crate::Error::Io) if a file that may hold the key cannot be read: other keys go on to be read.
    /// [`Error::Forked`](crate::Error::Forked), as for every call, in a child of the process that opened the database.
    pub fn get(&self, key: impl AsRef<[u8]>) -> Result<Option<Value>> {
        self.handle.0.get(key.as_ref(), None)
    }

    /// Puts the value of a key into `buffer`, in place of what is there, and returns true; or returns false
    /// and leaves the buffer as it is. One buffer for many calls spares an allocation for each value.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let db = rabi::Db::open(dir.path(), rabi::Options::new())?;
    /// db.put("planet:3", "earth")?;
    /// let mut buffer = Vec::new();
    /// assert!(db.get_into("planet:3", &mut buffer)?);
    /// assert_eq!(buffer, b"earth");
    /// assert!(!db.get_into("planet:9", &mut buffer)?);
    /// # db.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn get_into(&self, key: impl AsRef<[u8]>, buffer: &mut Vec<u8>) -> Result<bool> {
        self.handle.0.get_into(key.as_ref(), None, buffer)
    }

    /// What `take` makes of the value of a key, where the value lies in the engine's memory, without a copy;
    /// or `None`, without a call, if there is none.
    ///
    /// While `take` runs, memory that readers may still look at is not freed, anywhere in the process: it
    /// should be brief and not wait for anything, nor write to the database.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let db = rabi::Db::open(dir.path(), rabi::Options::new())?;
    /// db.put("visits", 7_u64.to_le_bytes())?;
    /// let visits = db.get_with("visits", |value| {
    ///     u64::from_le_bytes(value.try_into().expect("eight bytes were written"))
    /// })?;
    /// assert_eq!(visits, Some(7));
    /// # db.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn get_with<R>(&self, key: impl AsRef<[u8]>, take: impl FnOnce(&[u8]) -> R) -> Result<Option<R>> {
        self.handle.0.get_with(key.as_ref(), None, take)
    }

    /// The value of each key, or `None`, in the order of the keys, all as of one moment, which no write comes between.
    /// Sees every write acknowledged before the call.
    ///
    /// Cheaper than a [`get`](Self::get) for each: the lookups use the time in which one of them waits for memory, and the
    /// blocks that are not cached are read together, each once. It pays from a handful of keys on. A key may be given
    /// more than once. Beside keys and values, at most 256 blocks are held at a time, however many keys there are.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let db = rabi::Db::open(dir.path(), rabi::Options::new())?;
    /// db.put("planet:3", "earth")?;
    /// db.put("planet:4", "mars")?;
    /// let found: Vec<_> = db.multi_get(["planet:4", "planet:9"]).into_iter().collect::<Result<_, _>>()?;
    /// assert_eq!(found[0].as_deref(), Some(&b"mars"[..]));
    /// assert_eq!(found[1], None);
    /// # db.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// One for each key, as [`get`](Self::get) has them: keys whose files can be read have their answers all the same.
    pub fn multi_get<K: AsRef<[u8]>>(&self, keys: impl IntoIterator<Item = K>) -> Vec<Result<Option<Value>>> {
        let keys: Vec<K> = keys.into_iter().collect();
        self.handle.multi_get(&keys, None)
    }

    /// Whether a key has a value. Sees every write acknowledged before the call, and does not copy the
    /// value, though it may read the block that holds it.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn contains_key(&self, key: impl AsRef<[u8]>) -> Result<bool> {
        self.handle.0.contains_key(key.as_ref(), None)
    }

    /// Sets the value of a key, with the durability of [`Options::durability`]. Key and value may be empty.
    ///
    /// # Errors
    /// - [`Error::KeyTooLarge`](crate::Error::KeyTooLarge), [`Error::ValueTooLarge`](crate::Error::ValueTooLarge),
    ///   [`Error::Closed`](crate::Error::Closed).
    /// - Until there is room again: [`Error::DiskFull`](crate::Error::DiskFull), or [`Error::Io`](crate::Error::Io) for
    ///   want of descriptors, memory or permitted length of files.
    /// - While memory is full because flushes or compactions fail: what they fail with.
    /// - For good: [`Error::Poisoned`](crate::Error::Poisoned).
    ///
    /// A write that was refused is not there, but for what `DiskFull` and `Poisoned` say of themselves.
    pub fn put(&self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Result<()> {
        self.put_with(key, value, WriteOptions::new())
    }

    /// Sets the value of a key, with the durability of `options`.
    ///
    /// # Errors
    /// As [`put`](Self::put).
    pub fn put_with(
        &self,
        key: impl AsRef<[u8]>,
        value: impl AsRef<[u8]>,
        options: WriteOptions,
    ) -> Result<()> {
        self.write_single(options, |batch| batch.try_put(key.as_ref(), value.as_ref()))
    }

    /// Removes a key; no error if it has no value. Durability as for [`put`](Self::put).
    ///
    /// # Errors
    /// As [`put`](Self::put).
    pub fn delete(&self, key: impl AsRef<[u8]>) -> Result<()> {
        self.delete_with(key, WriteOptions::new())
    }

    /// Removes a key, with the durability of `options`; no error if it has no value.
    ///
    /// # Errors
    /// As [`put`](Self::put).
    pub fn delete_with(&self, key: impl AsRef<[u8]>, options: WriteOptions) -> Result<()> {
        self.write_single(options, |batch| batch.try_delete(key.as_ref()))
    }

    fn write_single(
        &self,
        options: WriteOptions,
        fill: impl FnOnce(&mut WriteBatch) -> Result<()>,
    ) -> Result<()> {
        // Taken out while in use: a write may block, and a waker's code may write as well. Out of reach
        // for what writes while the thread's locals are being destroyed.
        let mut batch = SINGLE.try_with(RefCell::take).unwrap_or_default();
        batch.clear();
        let result = fill(&mut batch).and_then(|()| self.apply(&mut batch, options));
        if batch.len_bytes() <= SINGLE_KEPT_BYTES {
            let _before = SINGLE.try_with(|single| single.replace(batch));
        }
        result
    }

    /// Applies a batch, with the durability of `options`: readers, snapshots and recovery see all of
    /// it or nothing.
    ///
    /// # Errors
    /// As [`put`](Self::put), and [`Error::BatchTooLarge`](crate::Error::BatchTooLarge). An error of
    /// an entry (too large) comes out here, and nothing of the batch is applied.
    pub fn write(&self, mut batch: WriteBatch, options: WriteOptions) -> Result<()> {
        batch.check()?;
        self.apply(&mut batch, options)
    }

    fn apply(&self, batch: &mut WriteBatch, options: WriteOptions) -> Result<()> {
        block_on(self.handle.0.write(batch.buffer(), options))
    }

    /// Makes everything that was acknowledged before the call survive loss of power; writes that come
    /// meanwhile are not waited for. A batch written with [`Durability::Power`](crate::Durability::Power) does the same, also an
    /// empty one. Concurrent calls share a device flush.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let db = rabi::Db::open(dir.path(), rabi::Options::new())?;
    /// for number in 0..100_u32 {
    ///     db.put(number.to_be_bytes(), "survives the process")?;
    /// }
    /// db.sync()?; // from here on all hundred survive loss of power as well
    /// # db.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::DiskFull`](crate::Error::DiskFull) and the like while the log cannot be brought to the
    /// device, [`Error::Poisoned`](crate::Error::Poisoned) if it never will be,
    /// [`Error::Closed`](crate::Error::Closed).
    pub fn sync(&self) -> Result<()> {
        block_on(self.handle.0.sync(Way::Blocking))
    }

    /// The keys of a range with their values, in order, from either end, as of now.
    ///
    /// The range pins the files and memtables it reads, not a lock: writes go on. One that ends before it begins is empty.
    ///
    /// Bounds are strings, vectors, arrays or slices. Of a reference to a vector or an array, such as
    /// `b"a"`, the compiler cannot tell which of the two is meant as the key: make it a slice.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let db = rabi::Db::open(dir.path(), rabi::Options::new())?;
    /// db.put([1, 2], "x")?;
    /// let (from, below) = (vec![1], vec![2]);
    /// assert_eq!(db.range(&from[..]..&below[..]).count(), 1);
    /// assert_eq!(db.range(from..below).count(), 1);
    /// assert_eq!(db.range(&b"\x01"[..]..).count(), 1);
    /// # db.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn range<K: AsRef<[u8]>>(&self, range: impl RangeBounds<K>) -> Range {
        Range::new(self.moment(), KeyRange::of_bounds(&range))
    }

    /// The keys that begin with `prefix`, with their values, in order, from either end, as of now.
    pub fn prefix(&self, prefix: impl AsRef<[u8]>) -> Range {
        Range::new(self.moment(), KeyRange::of_prefix(prefix.as_ref()))
    }

    /// All keys with their values, in order, from either end, as of now.
    pub fn iter(&self) -> Range {
        self.prefix([])
    }

    /// All keys without their values, in order, from either end, as of now. For the keys of a range,
    /// [`Range::into_keys`].
    pub fn keys(&self) -> Keys {
        self.iter().into_keys()
    }

    /// A cursor over all keys as of now, on no entry yet.
    pub fn cursor(&self) -> Cursor {
        Cursor::new(self.moment())
    }

    fn moment(&self) -> Moment {
        Moment::new(&self.handle, None)
    }

    /// A view of the database as of now that later writes do not change. Versions it sees are kept
    /// until it is dropped. It is of this opening: none outlives the process.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::new(Arc::clone(&self.handle))
    }

    /// Moves all that is in memtables to files (L2); returns when they are on the device.
    ///
    /// # Errors
    /// Whatever keeps the flush from succeeding; it is tried again in the background.
    pub fn flush(&self) -> Result<()> {
        block_on(self.handle.0.flush())
    }

    /// Flushes and brings all files down to one sorted run for each partition (L3), without anything that no
    /// snapshot needs. For measurements and before long read-only use; never needed for correctness.
    ///
    /// # Errors
    /// Whatever keeps a flush or compaction from succeeding.
    pub fn compact(&self) -> Result<()> {
        block_on(self.handle.0.compact_all())
    }

    /// About how many bytes the keys of a range take: in files, the data blocks that may hold them; in
    /// memtables, the memory that [`Stats`] calls `memtable_bytes` and `frozen_bytes`. Does no I/O.
    ///
    /// Old versions, deletes and what a newer file hides count until compaction has dropped them;
    /// indexes, filters and the log do not. Of each file, up to a block more is counted at either end, or
    /// where its index is in parts (`index_parts` in [`Stats`]) up to 64 blocks,
    /// of the range. Memtables are counted exactly for all keys and for ranges of fewer than a thousand
    /// entries; of longer ones an even spread of keys is assumed, which may be wrong by as much as the
    /// memtables hold.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let db = rabi::Db::open(dir.path(), rabi::Options::new())?;
    /// for number in 0..1000_u32 {
    ///     db.put(number.to_be_bytes(), [0; 100])?;
    /// }
    /// let half = 500_u32.to_be_bytes();
    /// assert!(db.approximate_size(half..)? >= 500 * 104);
    /// assert!(db.approximate_size(..half)? < db.approximate_size::<[u8; 4]>(..)?);
    /// # db.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Closed`](crate::Error::Closed).
    pub fn approximate_size<K: AsRef<[u8]>>(&self, range: impl RangeBounds<K>) -> Result<u64> {
        self.handle.0.approximate_size(&KeyRange::of_bounds(&range))
    }

    /// The state of all levels and the counters since opening.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.handle.0.stats()
    }

    /// Flushes memtables and stops the engine, also for clones of this handle, snapshots, ranges and cursors, whose
    /// calls then get [`Error::Closed`](crate::Error::Closed). The directory may be opened again at once.
    ///
    /// # Errors
    /// What kept the flush from succeeding; the engine has stopped all the same, and the log still has everything
    /// acknowledged.
    pub fn close(self) -> Result<()> {
        block_on(self.handle.close())
    }
}

impl std::fmt::Debug for Db {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Db({})", self.handle.0.directory.path().display())
    }
}
