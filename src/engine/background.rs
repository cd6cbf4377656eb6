//! The clock, and what all background work does after an error.

use std::time::Duration;

use super::Engine;
use crate::base::coverage::reached;
use crate::base::error::{Error, Result};
use crate::base::sync::Arc;
use crate::base::sync::atomic::Ordering;
use crate::exec::Local;

/// How long a job waits after a failure before it tries again.
const RETRY_DELAY: Duration = Duration::from_millis(200);

/// How often the clock looks: what was staged goes to the device after at most about this long, and
/// a database without writes for two looks is settled.
const TICK_INTERVAL: Duration = Duration::from_secs(1);

/// What is kept to be written anew as other tables is given up once so many looks have seen no table made.
const SPARE_TABLES_LOOKS: u32 = 3;

/// Readers that have missed so many blocks since the last look need the device for themselves: to settle would make them
/// wait, and push out of the system's cache what they will ask for. Lookups gain little by it, and scans pay for their own.
const READER_MISSES_MAX: u64 = 1000;

impl Engine {
    /// Blocks that readers have missed since there were `misses`, which is brought up to date.
    fn missed_since(&self, misses: &mut u64) -> u64 {
        let now = self.trees.default_tree().files.cache().stats().misses;
        now.saturating_sub(std::mem::replace(misses, now))
    }

    /// After a failure: says so, tells waiting writers, and pauses. After a success all is well.
    pub(super) async fn after_job(&self, local: &Local, what: &str, result: Result<()>) {
        match result {
            Ok(()) => {
                if self.background_failure().is_some() {
                    reached!("job: succeeded after a failure");
                }
                self.set_background_failure(None);
            }
            // Nothing failed: the database was closed under it, and the core is about to stop.
            Err(Error::Closed) => local.sleep(RETRY_DELAY).await,
            Err(error) => {
                if self.background_failure().is_none() {
                    tracing::error!(%error, "{what} failed and will be tried again");
                }
                reached!("job: failed and will be tried again");
                if error.is_shortage() {
                    self.directory.give_up_spare_tables(local).await;
                }
                self.set_background_failure(Some(error));
                local.sleep(RETRY_DELAY).await;
            }
        }
    }
}

/// Runs a task without which no write can be promised to end: writes are refused when it ends, in
/// whatever way. If its core stops, breaks or panics, nobody waits for it in vain.
pub(super) fn fail_writes_on_exit(
    engine: Arc<Engine>,
    task: impl Future<Output = ()>,
) -> impl Future<Output = ()> {
    struct Ending(Arc<Engine>);
    impl Drop for Ending {
        fn drop(&mut self) {
            // The first cause counts: after a close or a failure of the log this changes nothing.
            self.0.refuse_writes(Error::Poisoned { cause: "an engine core has ended".into() });
        }
    }
    // Made now, not at the first poll: a task may be dropped before that.
    let ending = Ending(engine);
    async move {
        task.await;
        drop(ending);
    }
}

/// The clock: drains what was staged, frees memory that is not needed any more, notices that the database has settled, and
/// that snapshots have gone. Runs until the core stops.
pub(super) async fn tick_forever(local: Local, engine: Arc<Engine>) {
    let mut seen = engine.visible_seqno();
    let mut head = engine.wal.head_lsn();
    let mut misses = 0;
    let (mut tables, mut looks_without_table) = (0, 0);
    loop {
        local.sleep(TICK_INTERVAL).await;
        let before = std::mem::replace(&mut head, engine.wal.head_lsn());
        engine.wal.demand(head);
        engine.wal.prepare_again(before);
        engine.requests.nudge();
        let newest = engine.visible_seqno();
        // Not where a snapshot is dropped: some programs take thousands a second.
        let may_have_garbage = engine.snapshots.take_gone();
        if may_have_garbage || engine.needs_space().is_some() {
            engine.work.notify();
        }
        let is_written = newest != seen;
        seen = newest;
        if !is_written {
            engine.wal.forget_unused_room();
        }
        engine.trees.iter().for_each(|tree| tree.view().memtable.free_unused_memory());
        let made = engine.directory.tables_made();
        looks_without_table = if made == tables { looks_without_table + 1 } else { 0 };
        tables = made;
        if looks_without_table >= SPARE_TABLES_LOOKS || engine.directory.others_lack_space(&**local.io()) {
            engine.directory.give_up_spare_tables(&local).await;
        }
        let missed = engine.missed_since(&mut misses);
        if missed > READER_MISSES_MAX && !is_written {
            reached!("tick: readers that miss are left alone");
        }
        let idle = !is_written && missed <= READER_MISSES_MAX;
        if engine.idle.swap(idle, Ordering::Relaxed) != idle && idle {
            reached!("tick: the database has settled");
            engine.work.notify();
        }
    }
}
