//! Batches that are too large to be staged in one piece: they enter the log in pieces, one such batch at a
//! time, while all other writers wait. Room in the segments is reserved first, so that what is begun can be ended.

use std::time::Duration;

use super::Engine;
use super::write::Attempt;
use crate::base::coverage::reached;
use crate::base::error::{Error, Result};
use crate::base::lsn::Lsn;
use crate::base::sync::MutexGuard;
use crate::wal::{BatchBuffer, LogState};

/// How often a device without space is asked again on behalf of a batch that is half staged.
const SPACE_INTERVAL: Duration = Duration::from_millis(100);

/// How long a large batch that has begun waits for a log that cannot be drained.
const STUCK_MAX: Duration = Duration::from_secs(10);

impl Engine {
    /// Inserts a batch that is too large to be staged in one piece.
    pub(super) async fn insert_large(&self, batch: &mut BatchBuffer) -> Result<Lsn> {
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
            self.apply(log, batch);
            self.release_large(self.wal.lock());
        }
        ended.map(|()| end)
    }

    /// A moment until there may be room for the rest of a large batch in the stage.
    async fn wait_for_stage(&self, stuck_since: &mut Option<Duration>, error: Error) -> Result<()> {
        self.wal.check_failed()?;
        reached!("write: a large batch waits for room to be staged");
        self.give_up_after(stuck_since, &error)?;
        self.cores.run(0, move |local| async move { local.sleep(SPACE_INTERVAL).await }).await
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
            let mut froze = false;
            let (begun, stalled) = {
                let mut log = self.wal.lock();
                self.wal.check()?;
                let stalled = !log.large_batch_active && !self.make_room(&log, &mut froze);
                let begun = !log.large_batch_active && !stalled;
                log.large_batch_active |= begun;
                (begun, stalled)
            };
            if froze {
                self.work.notify();
            }
            if begun {
                return Ok(());
            }
            if stalled {
                self.wait(Attempt::Stalled, changed).await?;
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
}
