//! Flushing: L1 to L2 in the background, and all of L0 at a caller's wish.

use std::time::Duration;

use super::Engine;
use super::write::end_of;
use crate::base::coverage::reached;
use crate::base::error::{Error, Result};
use crate::base::ids::MemtableId;
use crate::base::key::SeqNo;
use crate::base::planted::planted;
use crate::base::sync::Arc;
use crate::exec::Local;
use crate::memtable::Memtable;
use crate::tree::Tree;
use crate::tree::flush;
use crate::tree::levels::LogMark;

/// Between two looks whether an insertion is over.
const INSERTION_INTERVAL: Duration = Duration::from_micros(50);

impl Engine {
    /// Moves what is in memory now to L2.
    pub(crate) async fn flush(&self) -> Result<()> {
        self.check_open()?;
        self.flush_memtables().await
    }

    pub(super) async fn flush_memtables(&self) -> Result<()> {
        let failures = self.counters.background_failures.get();
        let mut targets: Vec<(&Arc<Tree>, Option<MemtableId>)> =
            self.trees.iter().map(|tree| (tree, None)).collect();
        loop {
            let changed = self.work.listen();
            let mut is_done = true;
            for (tree, target) in &mut targets {
                *target = target.or_else(|| self.try_freeze_all(tree));
                is_done &= target.is_some_and(|target| tree.is_flushed(target));
            }
            if is_done {
                return Ok(());
            }
            self.wal.check_failed()?;
            if let Some(error) = self.failure_since(failures).or_else(|| self.why_stalled_by_space()) {
                reached!("flush: told why it cannot end");
                return Err(error);
            }
            changed.await;
        }
    }

    /// Freezes L0 if it holds anything; returns the number of the newest memtable to be flushed, or
    /// `None` if L1 has no room yet.
    fn try_freeze_all(&self, tree: &Tree) -> Option<MemtableId> {
        let log = self.wal.lock();
        let view = tree.view();
        if view.memtable.is_empty() {
            return Some(view.memtable.id().before());
        }
        if log.large_batch_active || !tree.has_room_in_l1(&view) {
            return None;
        }
        tree.freeze(end_of(&log));
        drop(log);
        self.work.notify();
        Some(view.memtable.id())
    }

    /// Moves the oldest frozen memtable of the tree whose turn it is to L2, of those that have any and room in L2.
    async fn flush_oldest(&self, local: &Local) -> Option<Result<()>> {
        let (tree, (oldest, flushed_to)) =
            self.flush_turns.serve(self.trees.iter(), Tree::l1_fill_percent, oldest_of)?;
        Some(self.flush_memtable(local, &tree, &oldest, flushed_to).await)
    }

    /// Waits until the writes up to `seqno` are visible: then they are in their memtables. What is between its
    /// place in the log and that is an insertion on some thread.
    async fn wait_visible(&self, local: &Local, seqno: SeqNo) -> Result<()> {
        while !self.visible.has(seqno) {
            self.wal.check_failed()?;
            local.sleep(INSERTION_INTERVAL).await;
        }
        Ok(())
    }

    /// Moves a frozen memtable to L2, after which the tree has all of the log up to `flushed_to` in its tables.
    async fn flush_memtable(
        &self,
        local: &Local,
        tree: &Tree,
        memtable: &Memtable,
        flushed_to: LogMark,
    ) -> Result<()> {
        self.wait_visible(local, flushed_to.seqno).await?;
        let older = Arc::clone(&tree.view().files);
        let keep = tree.keep_of_flush(memtable);
        let output = flush::flush(local, &tree.files, memtable, &older, self.snapshots.list(), keep).await?;
        let change = flush::change(output.as_ref(), flushed_to);
        let bytes = output.as_ref().map_or(0, |output| output.record.len);
        let tables = output.into_iter().map(|output| output.table).collect();
        self.commit(tree.keyspace, change, tables, Some(memtable.id())).await?;
        tree.counters.flushes.add(1);
        tree.counters.flush_bytes.add(bytes);
        Ok(())
    }
}

/// The oldest frozen memtable of a tree, if it has any and its L2 has room; and where it ends in the log.
fn oldest_of(tree: &Tree) -> Option<(Arc<Memtable>, LogMark)> {
    let view = tree.view();
    let oldest = view.frozen.last()?;
    if tree.is_l2_full(&view) {
        reached!("flush: L2 is full");
        return None;
    }
    // What follows the oldest begins where it ends.
    let skipped = if planted!(LogStartWrong) { view.frozen.len() } else { 1 };
    let next = view.frozen.iter().rev().nth(skipped).unwrap_or(&view.memtable);
    Some((Arc::clone(oldest), LogMark { lsn: next.wal_start(), seqno: next.seqno_before() }))
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
