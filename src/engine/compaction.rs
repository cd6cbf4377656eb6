//! Compactions in the background: taken from a tree, run and committed; and the space that they need.

use super::Engine;
use crate::base::coverage::reached;
use crate::base::error::{Error, Result};
use crate::base::key::SeqNo;
use crate::base::planted::planted;
use crate::base::sync::atomic::Ordering;
use crate::base::sync::{Arc, lock};
use crate::exec::Local;
use crate::tree::Tree;
use crate::tree::compact::{self, Compaction, compact};
use crate::tree::holes::hole_around;
use crate::tree::levels::Change;

impl Engine {
    /// Takes the next compaction of the tree whose turn it is, of those where one is due and possible.
    fn take_compaction(&self) -> Option<(Arc<Tree>, Compaction)> {
        let idle = self.idle.load(Ordering::Relaxed);
        self.compaction_turns.serve(self.trees.iter(), Tree::l2_fill_percent, |tree| {
            tree.take_compaction(idle, || self.snapshots.list(), |bytes| self.is_space_for(bytes))
        })
    }

    fn is_space_for(&self, input_bytes: u64) -> bool {
        match self.directory.space_for_tables(&*self.io) {
            Ok(space) => space.free_bytes / 11 * 10 > input_bytes && space.free_files > 16,
            // Not knowing is no reason to wait: the compaction itself will say what is wrong.
            Err(_) => true,
        }
    }

    /// A tree whose next compaction waits for free space, with the bytes of its inputs.
    pub(super) fn needs_space(&self) -> Option<(&Arc<Tree>, u64)> {
        self.trees.iter().find_map(|tree| Some((tree, lock(&tree.compactions).short_of()?)))
    }

    /// Whether compaction waits for space that only others can make. If they have, it goes on.
    pub(super) fn is_short_of_space(&self) -> bool {
        let Some((tree, needed_bytes)) = self.needs_space() else { return false };
        if !self.is_space_for(needed_bytes) {
            return true;
        }
        // Told once: a caller that asks again and again must not wake itself each time.
        lock(&tree.compactions).has_space();
        reached!("compaction: there is space again");
        self.work.notify();
        false
    }

    fn snapshots_to_keep(&self) -> Vec<SeqNo> {
        if planted!(SnapshotIgnored) { Vec::new() } else { self.snapshots.list() }
    }

    /// Consumes the range in the files of L2 that have nothing for it, and leaves them out of the
    /// compaction. No other waits for them: they need not be the oldest, having no key that could pass one.
    async fn consume_holes(&self, local: &Local, tree: &Tree, compaction: &mut Compaction) -> Result<()> {
        let mut holes = Vec::new();
        for (table, consumed) in &compaction.flushed {
            if let Some(hole) = hole_around(local, table, consumed, &compaction.range).await? {
                holes.push((table.id(), hole));
            }
        }
        if holes.is_empty() || planted!(HolesRewritten) {
            return Ok(());
        }
        compaction.flushed.retain(|(table, _)| !holes.iter().any(|(id, _)| *id == table.id()));
        tree.counters.compaction_holes.add(holes.len() as u64);
        self.commit(tree.keyspace, Change::Consume { holes }, Vec::new(), None).await
    }

    async fn run_compaction(&self, local: &Local, tree: &Tree, compaction: &mut Compaction) -> Result<()> {
        self.consume_holes(local, tree, compaction).await?;
        if compaction.is_for_flushed && compaction.flushed.is_empty() {
            reached!("compaction: nothing to do for a partition");
            return Ok(());
        }
        let pieces =
            compact(local, &tree.files, compaction, self.snapshots_to_keep(), &tree.throttle).await?;
        if pieces.len() > 1 {
            reached!("compaction: split");
        }
        if pieces.iter().any(|piece| piece.output.is_none()) {
            reached!("compaction: nothing is left of a partition");
        }
        let outputs = || pieces.iter().filter_map(|piece| piece.output.as_ref());
        let written = outputs().map(|output| output.record.len).sum();
        let tables = outputs().map(|output| Arc::clone(&output.table)).collect();
        self.commit(tree.keyspace, compact::change(compaction, &pieces), tables, None).await?;
        tree.counters.compactions.add(1);
        tree.counters.compaction_read_bytes.add(compaction.input_bytes);
        tree.counters.compaction_write_bytes.add(written);
        Ok(())
    }
}

/// A compacting task; each core has one. Runs until the core stops.
pub(super) async fn compact_forever(local: Local, engine: Arc<Engine>) {
    loop {
        let changed = engine.work.listen();
        let Some((tree, mut compaction)) = engine.take_compaction() else {
            changed.await;
            continue;
        };
        let result = engine.run_compaction(&local, &tree, &mut compaction).await;
        lock(&tree.compactions).end(&compaction.range);
        engine.work.notify();
        if let Err(Error::Poisoned { .. }) = &result {
            // No edit will be committed any more: each further attempt would leave its files behind.
            engine.set_background_failure(result.err());
            return;
        }
        engine.after_job(&local, "compaction", result).await;
    }
}
