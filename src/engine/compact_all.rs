//! Compacting into L3, at a caller's wish, what the database holds at that moment, and giving back what
//! nobody needs.

use super::Engine;
use crate::base::error::Result;
use crate::base::ids::FileId;
use crate::base::sync::{Arc, lock};
use crate::io::Process;
use crate::tree::Tree;

/// What is left to do for one tree.
struct Task {
    tree: Arc<Tree>,
    /// A child must not take the lock of the tree's compactions.
    process: Process,
    /// Files that are in L2 when the call is made.
    flushed: Vec<FileId>,
    /// Runs with garbage that nobody needs.
    unclean: Vec<FileId>,
}

impl Task {
    /// Asks for it.
    fn begin(tree: &Arc<Tree>) -> Self {
        lock(&tree.compactions).begin_compact_all();
        Self { tree: Arc::clone(tree), process: Process::current(), flushed: Vec::new(), unclean: Vec::new() }
    }

    fn is_done(&self) -> bool {
        // The compactions first: one that is over has published what it did.
        let is_busy = lock(&self.tree.compactions).take_from(&self.flushed);
        let is_left = self.tree.flushed_files().iter().any(|id| self.flushed.contains(id));
        !is_busy && !is_left && !self.tree.has_run_of(&self.unclean)
    }
}

impl Drop for Task {
    /// Nobody asks for it any more.
    fn drop(&mut self) {
        if self.process.is_current() {
            lock(&self.tree.compactions).end_compact_all(&self.unclean);
        }
    }
}

impl Engine {
    /// Compacts everything into L3: no memtable and no L2 file is left of what is there now, and no
    /// garbage but what snapshots need. What is written meanwhile is not waited for.
    pub(crate) async fn compact_all(&self) -> Result<()> {
        self.check_open()?;
        let mut tasks: Vec<Task> = self.trees.iter().map(Task::begin).collect();
        self.flush_memtables().await?;
        for task in &mut tasks {
            task.flushed = task.tree.flushed_files();
            task.unclean = task.tree.runs_with_garbage(|| self.snapshots.list());
            lock(&task.tree.compactions).want_clean(&task.unclean);
        }
        self.work.notify();
        let failures = self.counters.background_failures.get();
        loop {
            let changed = self.work.listen();
            if tasks.iter().all(Task::is_done) {
                return Ok(());
            }
            self.wal.check_failed()?;
            if let Some(error) = self.failure_since(failures).or_else(|| self.why_not_compacting()) {
                return Err(error);
            }
            changed.await;
        }
    }
}
