//! The flushing task, the clock, and what all jobs do after an error.

use std::time::Duration;

use super::Engine;
use crate::base::coverage::reached;
use crate::base::error::{Error, Result};
use crate::base::planted::planted;
use crate::base::sync::atomic::Ordering;
use crate::base::sync::{Arc, lock};
use crate::exec::Local;
use crate::tree::flush;
use crate::tree::throttle::{Load, delay_ns_per_byte};
use crate::tree::view::View;

/// How long a job waits after a failure before it tries again.
const RETRY_DELAY: Duration = Duration::from_millis(200);

/// How often the clock looks: what was staged goes to the device after at most about this long, and
/// a database without writes for two looks is settled.
const TICK: Duration = Duration::from_secs(1);

impl Engine {
    /// Sets how much writers are slowed, from the debt that a view shows.
    pub(super) fn set_pace(&self, view: &View) {
        let delay = delay_ns_per_byte(Load {
            frozen: view.frozen.len(),
            frozen_max: self.options.max_frozen_memtables,
            flushed: view.files.flushed.len(),
            flushed_max: self.options.max_flushed_files,
        });
        self.delay_ns_per_byte.store(delay, Ordering::Relaxed);
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
            Err(error) => {
                if self.background_failure().is_none() {
                    tracing::error!(%error, "{what} failed and will be tried again");
                }
                reached!("job: failed and will be tried again");
                self.set_background_failure(Some(error));
                local.sleep(RETRY_DELAY).await;
            }
        }
    }

    /// Moves the oldest frozen memtable to L2, if there is one and L2 has room.
    async fn flush_oldest(&self, local: &Local) -> Option<Result<()>> {
        let view = self.published.get();
        let oldest = view.frozen.last()?;
        if view.files.flushed.len() >= self.options.max_flushed_files {
            reached!("flush: L2 is full");
            return None;
        }
        // What follows the oldest begins where it ends.
        let skipped = if planted!(LogStartWrong) { view.frozen.len() } else { 1 };
        let next = view.frozen.iter().rev().nth(skipped).unwrap_or(&view.memtable);
        let (log_lsn, seqno) = (next.wal_start(), next.seqno_before());
        Some(
            async {
                let output = flush::flush(local, &self.table_files, oldest, self.snapshots.list()).await?;
                let edit = flush::edit(output.as_ref(), log_lsn, seqno, &self.table_files);
                let bytes = output.as_ref().map_or(0, |output| output.record.len);
                let tables = output.into_iter().map(|output| output.table).collect();
                self.commit(edit, tables, Some(oldest.id())).await?;
                reached!("flush: done");
                self.counters.flushes.add(1);
                self.counters.flush_bytes.add(bytes);
                Ok(())
            }
            .await,
        )
    }
}

/// Runs a task without which no write can be promised to end: writes are refused when it ends, in
/// whatever way. If its core stops, breaks or panics, nobody waits for it in vain.
pub(super) fn vital(engine: Arc<Engine>, task: impl Future<Output = ()>) -> impl Future<Output = ()> {
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

/// The flushing task. Runs until the core stops.
pub(super) async fn flush_forever(local: Local, engine: Arc<Engine>) {
    loop {
        let changed = engine.work.listen();
        match engine.flush_oldest(&local).await {
            None => changed.await,
            Some(result) => {
                if let Err(Error::Poisoned { .. }) = &result {
                    reached!("flush: ended by a failed log or manifest");
                    engine.set_background_failure(result.err());
                    return;
                }
                engine.after_job(&local, "flush", result).await;
            }
        }
    }
}

/// The clock: drains what was staged, notices that the database has settled, and that snapshots have
/// gone. Runs until the core stops.
pub(super) async fn tick_forever(local: Local, engine: Arc<Engine>) {
    let mut seen = engine.visible_seqno();
    loop {
        local.sleep(TICK).await;
        engine.wal.demand(engine.wal.head_lsn());
        engine.wal.forget_prepared();
        engine.requests.nudge();
        let newest = engine.visible_seqno();
        // Not where a snapshot is dropped: some programs take thousands a second.
        let may_have_garbage = engine.snapshots.take_gone();
        if may_have_garbage || lock(&engine.jobs).short_of().is_some() {
            engine.work.notify();
        }
        let idle = newest == seen;
        seen = newest;
        if engine.idle.swap(idle, Ordering::Relaxed) != idle && idle {
            reached!("tick: the database has settled");
            engine.work.notify();
        }
    }
}
