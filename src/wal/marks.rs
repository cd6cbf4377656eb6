//! Three marks of the stream: up to where it is staged, wanted on the device, and durable there; and
//! waiting for the last.

use super::turn::Turn;
use crate::base::lsn::Lsn;
use crate::base::planted::planted;
use crate::base::sync::atomic::{AtomicU64, Ordering};
use crate::base::sync::{mutant, weakened};
use crate::exec::Event;
use crate::io::Process;

/// Three LSNs, each raised by one side and read by the other.
pub(super) struct Marks {
    // Written under the commit lock (Release), read by the writer task (Acquire): the stage holds
    // the stream up to here.
    head: AtomicU64,
    // Raised by any thread: drain up to here, padding the last sector.
    demand: AtomicU64,
    // Written by whoever drains (Release) when segments hold the stream durably up to here, read
    // by writers (Acquire): below it the stage may be overwritten and `Power` writes are done.
    durable: AtomicU64,
    /// Tells the writer task that there is something to do.
    pub(super) work: Event,
    /// Tells waiting threads that the stream was drained further, or that the log failed.
    pub(super) progress: Event,
    /// Who drains, and who waits for that.
    pub(super) turn: Turn,
    /// A child must not take the lock of the turn, which another thread may have held at the fork.
    pub(super) process: Process,
}

impl Marks {
    /// A stream that begins at `start`.
    pub(super) fn new(start: Lsn) -> Self {
        let mark = || AtomicU64::new(start.0);
        let (work, progress) = (Event::default(), Event::default());
        let (turn, process) = (Turn::default(), Process::current());
        Self { head: mark(), demand: mark(), durable: mark(), work, progress, turn, process }
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

    /// Asks for the stream to be drained up to `lsn`, by the writer task if nobody else comes.
    pub(super) fn demand(&self, lsn: Lsn) {
        // One who asked before may have gone without a word to the writer task.
        if self.raise_demand(lsn) || self.durable() < lsn {
            self.work.notify();
        }
    }

    /// States that the stream is to be drained up to `lsn`; returns whether that is new.
    pub(super) fn raise_demand(&self, lsn: Lsn) -> bool {
        self.demand.fetch_max(lsn.0, Ordering::AcqRel) < lsn.0
    }

    /// How far the stream is on the device.
    pub(super) fn durable(&self) -> Lsn {
        Lsn(self.durable.load(weakened!("marks_durable", Acquire)))
    }

    /// The segments hold the stream durably up to `lsn`, and nobody reads the stage below. By whoever has the turn; those
    /// who wait for it are told by [`leave`](Self::leave), or before that by [`call_covered`](Self::call_covered).
    pub(super) fn drained(&self, lsn: Lsn) {
        if mutant!("marks_told_before_drained") {
            self.progress.notify();
        }
        self.durable.store(lsn.0, weakened!("marks_drained", Release));
        if !planted!(WakeupLost) && !mutant!("marks_told_before_drained") {
            self.progress.notify();
        }
    }
}
