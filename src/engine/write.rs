//! The write path: the commit lock, durability. Debt is paid first: see [`slowdown`](super::slowdown).

use std::time::Duration;

use super::Engine;
use crate::base::ablation::ablated;
use crate::base::coverage::reached;
use crate::base::error::Result;
use crate::base::key::{Kind, Tag};
use crate::base::lsn::Lsn;
use crate::base::options::{Durability, WriteOptions};
use crate::base::planted::planted;
use crate::base::sync::{MutexGuard, epoch};
use crate::tree::levels::LogMark;
use crate::wal::{Append, BatchBuffer, LogState};

/// Between two looks at a write ahead whose thread has lost its core, at first; each is twice as long as the one before,
/// up to the last: dozens of threads that look every few microseconds take the cores that it waits for.
const PREDECESSOR_INTERVAL: Duration = Duration::from_micros(20);
const PREDECESSOR_DOUBLINGS_MAX: u32 = 5;

/// How a call waits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// Its thread may sleep, and the call runs to its end.
    Blocking,
    /// The thread is needed for others, and the call may be dropped.
    Awaited,
}

/// What becomes of an attempt to commit a batch.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Attempt {
    /// The batch is in the order, its record ends at this LSN.
    Done(Lsn),
    /// The stage is full.
    LogFull,
    /// A large batch is on its way in.
    LargeBatchActive,
    /// L0 and L1 are full.
    Stalled,
}

impl Engine {
    /// Applies a batch atomically. The future must be run to its end: a batch larger than half the
    /// stage enters the log in pieces.
    pub(crate) async fn write(&self, batch: &mut BatchBuffer, options: WriteOptions) -> Result<()> {
        self.check_open()?;
        let durability = match options.durability {
            None if planted!(DurabilityIgnored) => Durability::Process,
            named => named.unwrap_or(self.options.durability),
        };
        if batch.count() == 0 {
            return match durability {
                Durability::Process => Ok(()),
                Durability::Power => self.wal.sync(true).await,
            };
        }
        batch.prepare();
        if self.is_throttled() {
            self.pay_throttle(batch.record_len() as u64, Way::Blocking).await?;
        }
        let end = if self.wal.is_large(batch) {
            self.insert_large(batch).await?
        } else if let Attempt::Done(end) = self.try_insert(batch)? {
            end
        } else {
            self.insert(batch).await?
        };
        match durability {
            Durability::Process => Ok(()),
            Durability::Power if planted!(AcknowledgedEarly) => Ok(()),
            Durability::Power => self.wal.wait_durable(end, true).await,
        }
    }

    /// Gives a batch that is not large its place in the order, in one piece in one poll.
    pub(super) async fn insert(&self, batch: &mut BatchBuffer) -> Result<Lsn> {
        loop {
            let attempt = self.try_insert(batch)?;
            // Listen first, then look again, so that no notification is missed.
            let changed = match attempt {
                Attempt::Done(end) => return Ok(end),
                Attempt::LogFull => self.wal.progress().listen(),
                Attempt::LargeBatchActive => self.wal.large_batch_done.listen(),
                Attempt::Stalled => self.work.listen(),
            };
            let again = self.try_insert(batch)?;
            if let Attempt::Done(end) = again {
                return Ok(end);
            }
            if again == attempt {
                self.wait(attempt, changed).await?;
            }
        }
    }

    pub(super) async fn wait(&self, attempt: Attempt, changed: impl Future<Output = ()>) -> Result<()> {
        if attempt == Attempt::Stalled
            && let Some(error) = self.why_stalled()
        {
            reached!("write: stalled, and told why");
            return Err(error);
        }
        match attempt {
            Attempt::Stalled => reached!("write: waits for memtables"),
            Attempt::LogFull => reached!("write: waits for the stage"),
            Attempt::LargeBatchActive => reached!("write: waits for a large batch"),
            Attempt::Done(_) => {}
        }
        self.wait_for(attempt, changed).await;
        Ok(())
    }

    pub(super) fn try_insert(&self, batch: &mut BatchBuffer) -> Result<Attempt> {
        let mut froze = false;
        let attempt = self.insert_in_order(batch, &mut froze);
        if froze {
            self.work.notify();
        }
        let attempt = attempt?;
        if let Attempt::Done(end) = attempt {
            self.wal.tell_appended(end, batch.record_len() as u64);
        }
        Ok(attempt)
    }

    /// Gives the batch its place in the order and in the log, under the commit lock; then inserts it, beside other
    /// writers, and makes it visible behind those before it. If L0 was frozen for it, whoever flushes has to be told.
    fn insert_in_order(&self, batch: &mut BatchBuffer, froze: &mut bool) -> Result<Attempt> {
        let mut log = self.wal.lock();
        self.wal.check()?;
        if log.large_batch_active {
            return Ok(Attempt::LargeBatchActive);
        }
        if !self.make_room(&log, froze) {
            return Ok(Attempt::Stalled);
        }
        match self.wal.append(&mut log, batch)? {
            Append::Full => Ok(Attempt::LogFull),
            Append::Unmarked(error) => {
                reached!("write: in the order, but perhaps not for long");
                self.apply(log, batch);
                Err(error)
            }
            Append::Done(end) => {
                self.apply(log, batch);
                Ok(Attempt::Done(end))
            }
        }
    }

    /// Inserts the entries of the newest record and makes them visible. The memtables are those of now, under the
    /// commit lock: one that is frozen meanwhile is not flushed before its last write is visible.
    pub(super) fn apply(&self, log: MutexGuard<'_, LogState>, batch: &BatchBuffer) {
        let guard = epoch::pin();
        let memtables = self.trees.memtables(&guard);
        let (number, last) = (self.visible.number(), log.seqno);
        self.trees.give(last);
        // The lock is given back here.
        let held = Some(log).filter(|_| ablated!(InsertsSideBySide));
        let before = last.saturating_sub(batch.count());
        let mut seqno = before;
        let oldest_reader = self.readers.oldest();
        for entry in batch.entries() {
            seqno = seqno.next();
            let (memtable, gaps) =
                memtables.get(entry.keyspace).expect("a batch names keyspaces that are open");
            if entry.kind == Kind::Put {
                gaps.put(entry.key);
            }
            memtable.insert(entry.key, Tag::new(seqno, entry.kind), entry.value, oldest_reader);
        }
        assert_eq!(seqno, last);
        drop(held);
        self.visible.publish(number, last, |slept| {
            // A simulated world has one thread: all before this write is visible.
            self.io.sleep(PREDECESSOR_INTERVAL * (1 << slept.min(PREDECESSOR_DOUBLINGS_MAX)));
        });
        drop(guard);
        self.readers.look_if_due(seqno);
    }

    /// Whether every L0 has room for a batch; a full one is frozen if that is possible, which is noted in `froze`. Under
    /// the commit lock.
    pub(super) fn make_room(&self, log: &LogState, froze: &mut bool) -> bool {
        let end = end_of(log);
        self.trees.iter().all(|tree| tree.make_room(end, froze))
    }

    /// Brings every write that was acknowledged so far to the device.
    pub(crate) async fn sync(&self, way: Way) -> Result<()> {
        self.check_open()?;
        self.wal.sync(way == Way::Blocking).await
    }
}

/// The end of the log, where a new memtable begins.
pub(super) fn end_of(log: &LogState) -> LogMark {
    LogMark { lsn: log.head, seqno: log.seqno }
}
