//! Three marks of the stream: up to where it is staged, wanted on the device, and durable there; and
//! waiting for the last.

use crate::base::error::Result;
use crate::base::lsn::Lsn;
use crate::base::planted::planted;
use crate::base::sync::atomic::{AtomicU64, Ordering};
use crate::base::sync::{mutant, weakened};
use crate::exec::Event;

/// Three LSNs, each raised by one side and read by the other.
pub(super) struct Marks {
    // Written under the commit lock (Release), read by the writer task (Acquire): the stage holds
    // the stream up to here.
    head: AtomicU64,
    // Raised by any thread: drain up to here, padding the last sector.
    demand: AtomicU64,
    // Written by the writer task (Release) when segments hold the stream durably up to here, read
    // by writers (Acquire): below it the stage may be overwritten and `Power` writes are done.
    durable: AtomicU64,
    /// Tells the writer task that there is something to do.
    pub(super) work: Event,
    /// Tells waiting threads that the stream was drained further, or that the log failed.
    pub(super) progress: Event,
}

impl Marks {
    /// A stream that begins at `start`.
    pub(super) fn new(start: Lsn) -> Self {
        let mark = || AtomicU64::new(start.0);
        let (work, progress) = (Event::default(), Event::default());
        Self { head: mark(), demand: mark(), durable: mark(), work, progress }
    }

    /// How far the stream goes.
    pub(super) fn head(&self) -> Lsn {
        Lsn(self.head.load(weakened!("marks_head", Acquire)))
    }

    /// The stage holds the stream up to `lsn`. Under the commit lock.
    pub(super) fn staged(&self, lsn: Lsn) {
        self.head.store(lsn.0, weakened!("marks_staged", Release));
    }

    /// How far the stream is wanted on the device.
    pub(super) fn demanded(&self) -> Lsn {
        Lsn(self.demand.load(Ordering::Acquire))
    }

    /// Asks for the stream to be drained up to `lsn`.
    pub(super) fn demand(&self, lsn: Lsn) {
        if self.demand.fetch_max(lsn.0, Ordering::AcqRel) < lsn.0 {
            self.work.notify();
        }
    }

    /// How far the stream is on the device.
    pub(super) fn durable(&self) -> Lsn {
        Lsn(self.durable.load(weakened!("marks_durable", Acquire)))
    }

    /// The segments hold the stream durably up to `lsn`, and nobody reads the stage below. By the
    /// writer task.
    pub(super) fn drained(&self, lsn: Lsn) {
        if mutant!("marks_told_before_drained") {
            self.progress.notify();
        }
        self.durable.store(lsn.0, weakened!("marks_drained", Release));
        if planted!(WakeupLost) {
            return;
        }
        if !mutant!("marks_told_before_drained") {
            self.progress.notify();
        }
    }

    /// Waits until the stream is on the device up to `lsn`. At each progress `check` is asked, and its error
    /// ends the wait.
    pub(super) async fn wait_durable(&self, lsn: Lsn, check: impl Fn() -> Result<()>) -> Result<()> {
        self.demand(lsn);
        loop {
            // Listen first, then look, so that no progress between the two is missed.
            let progress = self.progress.listen();
            if self.durable() >= lsn {
                return Ok(());
            }
            check()?;
            progress.await;
        }
    }
}
