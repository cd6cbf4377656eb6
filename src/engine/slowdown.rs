//! Writers that are slowed for the debt of flushes and compaction, or stopped at a limit: why, since when, and how
//! much in all.

use std::fmt;
use std::time::Duration;

use super::Engine;
use super::write::{Attempt, Way};
use crate::base::ablation::ablated;
use crate::base::coverage::reached;
use crate::base::error::Result;
use crate::base::metrics::Counter;
use crate::base::sync::{Mutex, lock};
use crate::io::Process;

/// Why writers are slowed or stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SlowdownReason {
    /// Slowed: flushes lag behind, and memtables fill up.
    Flush,
    /// Slowed: compaction lags behind, and L2 fills up.
    Compaction,
    /// Stopped: no memtable can take more until a flush ends.
    MemtablesFull,
    /// Stopped: the log's stage is full until the device has taken some of it.
    LogFull,
    /// Stopped: a large batch is on its way into the log.
    LargeBatch,
}

impl fmt::Display for SlowdownReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Flush => "slowed: flushes lag behind",
            Self::Compaction => "slowed: compaction lags behind",
            Self::MemtablesFull => "stopped: memtables are full until a flush ends",
            Self::LogFull => "stopped: the log's stage is full",
            Self::LargeBatch => "stopped: a large batch enters the log",
        })
    }
}

/// Writers are slowed or stopped now.
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// # let db = rabi::Db::open(dir.path(), rabi::Options::new())?;
/// if let Some(slowdown) = db.stats().slowdown {
///     println!("writers are {}", slowdown); // e.g. `slowed: compaction lags behind, for 1.2 s`
/// }
/// # db.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Slowdown {
    /// Why.
    pub reason: SlowdownReason,
    /// For how long without a break.
    pub lasts: Duration,
}

impl fmt::Display for Slowdown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, for {:.1} s", self.reason, self.lasts.as_secs_f64())
    }
}

/// What writers waited for so far, and wait for now.
#[derive(Default)]
pub(crate) struct Waits {
    pub(super) slowdowns: Counter,
    pub(super) slowdown_us: Counter,
    pub(super) memtables: Wait,
    pub(super) log: Wait,
    pub(super) large_batch: Wait,
}

/// Waiting for one thing.
#[derive(Default)]
pub(super) struct Wait {
    /// How many wait now, and since when one of them at least.
    now: Mutex<(usize, Duration)>,
    pub(super) count: Counter,
    pub(super) us: Counter,
}

/// Somebody waits; ends with this value.
struct Waiting<'a> {
    wait: &'a Wait,
    /// A child must not take the lock, which another thread may have held at the fork.
    process: Process,
}

impl Wait {
    fn begin(&self, now: Duration, process: Process) -> Waiting<'_> {
        let mut waiting = lock(&self.now);
        if waiting.0 == 0 {
            waiting.1 = now;
        }
        waiting.0 += 1;
        Waiting { wait: self, process }
    }

    fn since(&self) -> Option<Duration> {
        let (waiting, since) = *lock(&self.now);
        (waiting > 0).then_some(since)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if self.process.is_current() {
            lock(&self.wait.now).0 -= 1;
        }
    }
}

impl Engine {
    /// Whether writers have to [pay](Self::pay_throttle).
    #[inline]
    pub(super) fn is_throttled(&self) -> bool {
        self.trees.iter().any(|tree| tree.throttle.is_on()) && !ablated!(Throttle)
    }

    /// Sleeps off what the debt of flushes and compaction demands of this writer: on its own thread, or awaiting a timer
    /// of a core.
    #[cold]
    pub(super) async fn pay_throttle(&self, bytes: u64, way: Way) -> Result<()> {
        let start = self.io.now();
        let Some(delay) = self.trees.iter().filter_map(|tree| tree.charge(bytes, start)).max() else {
            return Ok(());
        };
        reached!("write: slowed");
        let has_slept = way == Way::Blocking && self.io.sleep(delay);
        if !has_slept {
            self.cores.run(0, move |local| async move { local.sleep(delay).await }).await?;
        }
        self.waits.slowdowns.add(1);
        self.waits.slowdown_us.add(self.io.now().saturating_sub(start).as_micros() as u64);
        Ok(())
    }

    /// Waits until what stood in an attempt's way has changed.
    pub(super) async fn wait_for(&self, attempt: Attempt, changed: impl Future<Output = ()>) {
        let wait = match attempt {
            Attempt::Stalled => &self.waits.memtables,
            Attempt::LogFull => &self.waits.log,
            Attempt::LargeBatchActive => &self.waits.large_batch,
            Attempt::Done(_) => return,
        };
        let start = self.io.now();
        let waiting = wait.begin(start, self.process);
        changed.await;
        drop(waiting);
        wait.count.add(1);
        wait.us.add(self.io.now().saturating_sub(start).as_micros() as u64);
    }

    /// What slows or stops writers now. The caller is no child of the process that opened the database.
    pub(super) fn slowdown(&self) -> Option<Slowdown> {
        let now = self.io.now();
        let waits = &self.waits;
        let stopped = [
            (SlowdownReason::MemtablesFull, &waits.memtables),
            (SlowdownReason::LogFull, &waits.log),
            (SlowdownReason::LargeBatch, &waits.large_batch),
        ];
        let stopped = stopped.into_iter().find_map(|(reason, wait)| Some((reason, wait.since()?)));
        let slowed = || {
            self.trees.iter().find_map(|tree| {
                let since = tree.throttle.since()?;
                let is_of_memory = tree.debt(&tree.view()).is_of_memory();
                Some((if is_of_memory { SlowdownReason::Flush } else { SlowdownReason::Compaction }, since))
            })
        };
        let (reason, since) = stopped.or_else(slowed)?;
        Some(Slowdown { reason, lasts: now.saturating_sub(since) })
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::io::ends_in_child;

    #[test]
    fn in_a_child_the_end_of_a_wait_takes_no_lock() {
        let wait = Wait::default();
        let mut waiting = Some(wait.begin(Duration::ZERO, Process::current()));
        // As another thread may at the moment of a fork.
        let held = lock(&wait.now);
        let has_ended = ends_in_child(|| drop(waiting.take()));
        drop(held);
        assert!(has_ended);
        drop(waiting);
        assert!(wait.since().is_none());
    }
}
