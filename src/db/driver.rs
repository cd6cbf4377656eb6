//! Tasks in a loop that is not ours.

use std::fmt;
use std::future::Future;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use super::{CoreDb, Db, JoinHandle};
use crate::base::error::Result;
use crate::engine::OnCore;
use crate::exec::Driven;

/// Runs tasks on a thread of the program's own, with a ring of that thread's: those that the thread [waits
/// for](Self::block_on), or beside a loop.
///
/// A thread without a loop, one for each processor perhaps, runs a future of its own, and that awaits the database's calls
/// as it awaits anything else. Between polls the thread sleeps in its ring; no read crosses to another thread.
///
/// ```
/// use rabi::{Db, Driver, Options};
///
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path();
/// let db = Db::open(path, Options::new())?;
/// let mut driver = Driver::new(&db)?;
/// let calls = driver.db();
/// let price = driver.block_on(async {
///     calls.put("price:apple", "120").await?;
///     calls.get("price:apple").await
/// })??;
/// assert_eq!(price.as_deref(), Some(&b"120"[..]));
/// # drop(driver);
/// # db.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// In a loop of the program's own: one that waits by `poll`, `epoll` or `select`, of a program in C, a game, a
/// user interface. The loop waits until the [descriptor](AsFd) is readable, or [`timeout`](Self::timeout) has passed, and
/// then calls [`run_ready`](Self::run_ready). No thread, and no second executor.
///
/// Tasks have a [`CoreDb`], as on a core of the engine: what is in memory is answered on this thread, and what is not is
/// read on a ring of this thread's. They may await anything else as well, an [`AsyncDb`](crate::AsyncDb) for instance:
/// their wakers make the descriptor readable. What [`CoreDb`] says of panics and of calls that block holds here, too.
///
/// It stays on the thread that made it, and does not keep the database open: once that is closed, calls give
/// [`Error::Closed`](crate::Error::Closed). Dropping it drops its tasks, and waits for the reads in flight;
/// calls of a [`CoreDb`] that a task has given away end in [`Error::Closed`](crate::Error::Closed).
///
/// ```
/// use rabi::{Db, Driver, Options};
/// use rustix::event::{PollFd, PollFlags, Timespec, poll};
///
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path();
/// let db = Db::open(path, Options::new())?;
/// let mut driver = Driver::new(&db)?;
/// let task = driver.spawn(|db| async move {
///     db.put("price:apple", "120").await?;
///     db.sync().await?;
///     db.get("price:apple").await
/// });
/// while !task.is_finished() {
///     // Beside the descriptors of whatever else the program waits for.
///     let mut descriptors = [PollFd::new(&driver, PollFlags::IN)];
///     let timeout = driver.timeout().map(Timespec::try_from).transpose()?;
///     poll(&mut descriptors, timeout.as_ref())?;
///     driver.run_ready()?;
/// }
/// assert_eq!(task.join()??.as_deref(), Some(&b"120"[..]));
/// drop(driver);
/// db.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "tasks run when the driver is told to run them"]
pub struct Driver {
    driven: Driven,
    on: OnCore,
}

impl Driver {
    /// Makes a driver for the calling thread, with a ring of its own.
    ///
    /// # Errors
    /// [`Error::Closed`](crate::Error::Closed), [`Error::Forked`](crate::Error::Forked),
    /// [`Error::RingDenied`](crate::Error::RingDenied) if the system grants no further ring, and
    /// [`Error::Io`](crate::Error::Io) if it grants no further descriptor.
    pub fn new(db: &Db) -> Result<Self> {
        let (driven, on) = db.handle.drive()?;
        Ok(Self { driven, on })
    }

    /// The database's calls for the futures of this thread. In what [`block_on`](Self::block_on) and the tasks run they
    /// end as soon as they can. What is awaited or spawned elsewhere, by another executor or driver of the thread, makes the
    /// descriptor readable, and does not end before this driver is run.
    #[must_use]
    pub fn db(&self) -> CoreDb {
        CoreDb::new(self.on.clone())
    }

    /// Runs a future, and the tasks beside it, until it ends; the thread sleeps in its ring while none of them can go on.
    /// The future may borrow, and await anything; its wakers may go to other threads. As a task it must not wait by a call
    /// that blocks: those panic. Tasks that have not ended go on with the next call, or the next
    /// [`run_ready`](Self::run_ready), for which the descriptor is readable. Inside, tasks are spawned by
    /// [`CoreDb::spawn`]. Where io_uring is denied, a read has the thread wait.
    ///
    /// # Errors
    /// As [`run_ready`](Self::run_ready): the future is dropped then. That the database is closed does not end it: its
    /// calls give [`Error::Closed`](crate::Error::Closed).
    ///
    /// # Panics
    /// In a task of a core or a driver, before anything is done; and if the future does.
    pub fn block_on<F: Future>(&mut self, future: F) -> Result<F::Output> {
        self.driven.block_on(future)
    }

    /// Starts a task: `make` is called in the next [`run_ready`](Self::run_ready) or [`block_on`](Self::block_on). Neither
    /// needs to be [`Send`].
    pub fn spawn<F, T>(&self, make: F) -> JoinHandle<T::Output>
    where
        F: FnOnce(CoreDb) -> T + 'static,
        T: Future + 'static,
    {
        let db = CoreDb::new(self.on.clone());
        JoinHandle::new(self.on.spawn(async move { make(db).await }))
    }

    /// Runs the tasks that were woken, and sends and takes in their reads. Returns when all of them wait, or after about a
    /// millisecond: the descriptor then stays readable.
    ///
    /// # Errors
    /// [`Error::Forked`](crate::Error::Forked); [`Error::Io`](crate::Error::Io) if the ring fails, which is final.
    pub fn run_ready(&mut self) -> Result<()> {
        self.driven.run_ready()
    }

    /// How long the loop may wait for the descriptor: until a [`CoreDb::sleep`] is over, or a millisecond if the kernel was
    /// short of memory for a read and has to be asked again. `None`: as long as it takes.
    #[must_use]
    pub fn timeout(&self) -> Option<Duration> {
        self.driven.timeout()
    }
}

impl AsFd for Driver {
    /// Readable, for as long as it lasts, when there is something to do for [`run_ready`](Self::run_ready). Only to be
    /// waited for.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.driven.as_fd()
    }
}

impl fmt::Debug for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Driver")
    }
}
