//! The write path: pace, the commit lock, durability.

use std::time::Duration;

use super::Engine;
use crate::base::coverage::reached;
use crate::base::error::{Error, Result};
use crate::base::ids::MemtableId;
use crate::base::key::Tag;
use crate::base::lsn::Lsn;
use crate::base::options::{Durability, WriteOptions};
use crate::base::planted::planted;
use crate::base::sync::atomic::Ordering;
use crate::base::sync::{Arc, MutexGuard, epoch};
use crate::memtable::Memtable;
use crate::tree::view::View;
use crate::wal::{Append, BatchBuffer, LogState};

/// A delay is paid once this much is owed: shorter sleeps cost more than they delay.
const SLEEP_MIN_NS: u64 = 1_000_000;

/// How often a device without space is asked again on behalf of a batch that is half staged.
const PAUSE: Duration = Duration::from_millis(100);

/// How long a large batch that has begun waits for a log that cannot be drained.
const STUCK_MAX: Duration = Duration::from_secs(10);

/// What becomes of an attempt to commit a batch.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Attempt {
    /// The batch is in the order, its record ends at this LSN.
    Done(Lsn),
    /// The stage is full.
    LogFull,
    /// A large batch is on its way in.
    LargeBatchActive,
    /// L0 and L1 are full.
    Halted,
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
                Durability::Power => self.wal.sync().await,
            };
        }
        batch.prepare();
        self.keep_pace(batch.record_len() as u64).await?;
        let end = if self.wal.is_large(batch) {
            self.insert_large(batch).await?
        } else {
            self.insert(batch).await?
        };
        match durability {
            Durability::Process => Ok(()),
            Durability::Power if planted!(AcknowledgedEarly) => Ok(()),
            Durability::Power => self.wal.wait_durable(end).await,
        }
    }

    /// Sleeps off what the debt of flushes and compaction demands of this writer.
    async fn keep_pace(&self, bytes: u64) -> Result<()> {
        let delay = self.delay_ns_per_byte.load(Ordering::Relaxed);
        if delay == 0 {
            return Ok(());
        }
        let owed = self.owed_ns.fetch_add(bytes * delay, Ordering::Relaxed) + bytes * delay;
        if owed < SLEEP_MIN_NS {
            return Ok(());
        }
        let owed = self.owed_ns.swap(0, Ordering::Relaxed);
        reached!("write: slowed");
        self.counters.slowdowns.add(1);
        self.counters.slowdown_us.add(owed / 1000);
        let duration = Duration::from_nanos(owed.min(100 * SLEEP_MIN_NS));
        self.cores.run(0, move |local| async move { local.sleep(duration).await }).await
    }

    async fn insert(&self, batch: &mut BatchBuffer) -> Result<Lsn> {
        loop {
            let attempt = self.try_insert(batch)?;
            // Listen first, then look again, so that no notification is missed.
            let changed = match attempt {
                Attempt::Done(end) => return Ok(end),
                Attempt::LogFull => self.wal.progress().listen(),
                Attempt::LargeBatchActive => self.wal.large_batch_done.listen(),
                Attempt::Halted => self.work.listen(),
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

    async fn wait(&self, attempt: Attempt, changed: impl Future<Output = ()>) -> Result<()> {
        if attempt == Attempt::Halted
            && let Some(error) = self.why_halted()
        {
            reached!("write: halted, and told why");
            return Err(error);
        }
        match attempt {
            Attempt::Halted => reached!("write: waits for memtables"),
            Attempt::LogFull => reached!("write: waits for the stage"),
            Attempt::LargeBatchActive => reached!("write: waits for a large batch"),
            Attempt::Done(_) => {}
        }
        let start = self.io.now();
        changed.await;
        self.counters.stalls.add(1);
        self.counters.stall_us.add((self.io.now() - start).as_micros() as u64);
        Ok(())
    }

    /// What is done under the commit lock.
    fn try_insert(&self, batch: &mut BatchBuffer) -> Result<Attempt> {
        let mut log = self.wal.lock();
        self.wal.check()?;
        if log.large_batch_active {
            return Ok(Attempt::LargeBatchActive);
        }
        if !self.make_room(&log) {
            return Ok(Attempt::Halted);
        }
        match self.wal.append(&mut log, batch)? {
            Append::Full => Ok(Attempt::LogFull),
            Append::Unmarked(error) => {
                reached!("write: in the order, but perhaps not for long");
                self.apply(&log, batch);
                Err(error)
            }
            Append::Done(end) => {
                self.apply(&log, batch);
                Ok(Attempt::Done(end))
            }
        }
    }

    /// Inserts the entries of the newest record and makes them visible. Under the commit lock.
    fn apply(&self, log: &LogState, batch: &BatchBuffer) {
        let guard = epoch::pin();
        let memtable = &self.published.load(&guard).memtable;
        let mut seqno = log.seqno.saturating_sub(batch.count());
        for (kind, key, value) in batch.entries() {
            seqno = seqno.next();
            memtable.insert(key, Tag::new(seqno, kind), value);
        }
        assert_eq!(seqno, log.seqno);
        self.visible.publish(seqno);
    }

    /// Freezes L0 if it is full; returns whether L0 has room. Under the commit lock.
    fn make_room(&self, log: &LogState) -> bool {
        let guard = epoch::pin();
        let view = self.published.load(&guard);
        if view.memtable.bytes() < self.options.memtable_size_bytes {
            return true;
        }
        if view.frozen.len() >= self.options.max_frozen_memtables {
            return false;
        }
        self.freeze(log);
        true
    }

    /// L0 goes to L1, a new one takes its place. Under the commit lock.
    fn freeze(&self, log: &LogState) {
        reached!("write: froze L0");
        let view = self.published.update(|old| {
            old.memtable.freeze();
            let memtable = Arc::new(Memtable::new(old.memtable.id().next(), log.head, log.seqno));
            let mut frozen = Vec::with_capacity(old.frozen.len() + 1);
            frozen.push(Arc::clone(&old.memtable));
            frozen.extend(old.frozen.iter().cloned());
            View { memtable, frozen, files: Arc::clone(&old.files) }
        });
        self.set_pace(&view);
        self.work.notify();
    }

    /// Inserts a batch that is too large to be staged in one piece.
    async fn insert_large(&self, batch: &mut BatchBuffer) -> Result<Lsn> {
        self.begin_large().await?;
        reached!("write: a large batch");
        if let Err(error) = self.reserve(batch).await {
            // Nothing of it is staged yet.
            self.release_large(self.wal.lock());
            return Err(error);
        }
        let staged = self.stage_pieces(batch).await;
        // Only a log that has failed for good breaks off a batch. Then the batch stays the active one:
        // nothing may follow half a record.
        self.wal.check_failed()?;
        if let Err(error) = staged {
            // Nothing of it was staged.
            self.release_large(self.wal.lock());
            return Err(error);
        }
        self.end_large(batch).await
    }

    async fn end_large(&self, batch: &BatchBuffer) -> Result<Lsn> {
        let mut stuck_since = None;
        loop {
            match self.try_end_large(batch) {
                Err(error) if error.is_shortage() => self.wait_for_stage(&mut stuck_since, error).await?,
                ended => return ended.inspect_err(|error| self.refuse_writes(error.clone())),
            }
        }
    }

    /// After a failure the device has the record all the same, so it has its place; for want of space it is
    /// to be tried again.
    fn try_end_large(&self, batch: &BatchBuffer) -> Result<Lsn> {
        let mut log = self.wal.lock();
        let end = log.head + batch.record_len() as u64;
        let ended = self.wal.end_large(&mut log, end, batch.count());
        if !ended.as_ref().is_err_and(Error::is_shortage) {
            self.apply(&log, batch);
            self.release_large(log);
        }
        ended.map(|()| end)
    }

    /// A moment until there may be room for the rest of a large batch in the stage.
    async fn wait_for_stage(&self, stuck_since: &mut Option<Duration>, error: Error) -> Result<()> {
        self.wal.check_failed()?;
        reached!("write: a large batch waits for room to be staged");
        self.give_up_after(stuck_since, &error)?;
        self.cores.run(0, move |local| async move { local.sleep(PAUSE).await }).await
    }

    /// The large batch is in the log, or nothing of it is: others may go on.
    fn release_large(&self, mut log: MutexGuard<'_, LogState>) {
        log.large_batch_active = false;
        drop(log);
        self.wal.large_batch_done.notify();
        // A `Power` writer may wait for a last sector that could not be padded meanwhile.
        self.wal.look_again();
        // Whoever wants to freeze L0 waits for this.
        self.work.notify();
    }

    /// Waits until segments have room for all of a large batch: what is begun can then be ended.
    async fn reserve(&self, batch: &BatchBuffer) -> Result<()> {
        loop {
            let progress = self.wal.progress().listen();
            self.wal.check()?;
            if self.wal.reserve(&mut self.wal.lock(), batch)? {
                return Ok(());
            }
            progress.await;
        }
    }

    /// Waits until no other large batch is on its way in and L0 has room; then others wait for us.
    async fn begin_large(&self) -> Result<()> {
        loop {
            let (freed, changed) = (self.wal.large_batch_done.listen(), self.work.listen());
            let halted = {
                let mut log = self.wal.lock();
                self.wal.check()?;
                let halted = !log.large_batch_active && !self.make_room(&log);
                if !log.large_batch_active && !halted {
                    log.large_batch_active = true;
                    return Ok(());
                }
                halted
            };
            if halted {
                self.wait(Attempt::Halted, changed).await?;
            } else {
                reached!("write: a large batch waits for another");
                freed.await;
            }
        }
    }

    /// An error means that nothing of it was staged, or that the log has failed for good.
    async fn stage_pieces(&self, batch: &mut BatchBuffer) -> Result<()> {
        let mut done = 0;
        let mut stuck_since = None;
        loop {
            let progress = self.wal.progress().listen();
            let staged = {
                let mut log = self.wal.lock();
                self.wal.append_piece(&mut log, batch, done)
            };
            done = match staged {
                Ok(done) => done,
                Err(error) if done == 0 => return Err(error),
                Err(error) if error.is_shortage() => {
                    self.wait_for_stage(&mut stuck_since, error).await?;
                    continue;
                }
                Err(error) => {
                    self.refuse_writes(error.clone());
                    return Err(error);
                }
            };
            if done == batch.record_len() {
                return Ok(());
            }
            self.give_up_if_stuck(&mut stuck_since)?;
            reached!("write: a large batch waits for the stage");
            progress.await;
        }
    }

    /// Half a record cannot be taken back: if the rest of it finds no way to the device, which takes a
    /// device without space even for what overwrites (copy on write), the log ends here.
    fn give_up_if_stuck(&self, since: &mut Option<Duration>) -> Result<()> {
        let Some(error) = self.wal.why_stuck() else {
            *since = None;
            return Ok(());
        };
        self.give_up_after(since, &error)
    }

    fn give_up_after(&self, since: &mut Option<Duration>, error: &Error) -> Result<()> {
        let now = self.io.now();
        if now.saturating_sub(*since.get_or_insert(now)) < STUCK_MAX {
            return Ok(());
        }
        reached!("write: gave up a large batch");
        let cause = format!("a large batch was broken off: {error}");
        self.refuse_writes(Error::Poisoned { cause });
        self.wal.check_failed()
    }

    /// Brings every write that was acknowledged so far to the device.
    pub(crate) async fn sync(&self) -> Result<()> {
        self.check_open()?;
        self.wal.sync().await
    }

    /// Moves what L0 holds now down to L2.
    pub(crate) async fn flush(&self) -> Result<()> {
        self.check_open()?;
        self.flush_memtables().await
    }

    pub(super) async fn flush_memtables(&self) -> Result<()> {
        let mut target = None;
        let failures = self.counters.background_failures.get();
        loop {
            let changed = self.work.listen();
            if target.is_none() {
                target = self.try_freeze_all();
            }
            let view = self.published.get();
            if target.is_some_and(|target| view.frozen.iter().all(|memtable| memtable.id() > target)) {
                return Ok(());
            }
            self.wal.check_failed()?;
            if let Some(error) = self.failure_since(failures).or_else(|| self.why_halted_by_space()) {
                reached!("flush: told why it cannot end");
                return Err(error);
            }
            changed.await;
        }
    }

    /// Freezes L0 if it holds anything; returns the number of the newest memtable to be flushed, or
    /// `None` if L1 has no room yet.
    fn try_freeze_all(&self) -> Option<MemtableId> {
        let log = self.wal.lock();
        let view = self.published.get();
        if view.memtable.is_empty() {
            return Some(view.memtable.id().before());
        }
        if log.large_batch_active || view.frozen.len() >= self.options.max_frozen_memtables {
            return None;
        }
        self.freeze(&log);
        Some(view.memtable.id())
    }
}
