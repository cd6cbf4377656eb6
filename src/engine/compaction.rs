//! Compaction jobs: the planner's choice, made into a step, run and committed.

use std::collections::BTreeMap;

use super::Engine;
use super::shape::{partition_range, shape_of, slice};
use crate::base::coverage::reached;
use crate::base::error::{Error, Result};
use crate::base::ids::FileId;
use crate::base::key::SeqNo;
use crate::base::key_range::KeyRange;
use crate::base::planted::planted;
use crate::base::sync::atomic::Ordering;
use crate::base::sync::{Arc, lock};
use crate::exec::Local;
use crate::tree::compact::{Step, compact};
use crate::tree::holes::hole_around;
use crate::tree::levels::{Edit, PartitionRecord};
use crate::tree::plan::{Goals, Plan, plan};
use crate::tree::view::Files;

/// What a step at work has taken.
struct Busy {
    range: KeyRange,
    /// Files of L2 it takes its range out of.
    flushed: Vec<FileId>,
}

/// Steps that are at work, and what callers want of those to come.
#[derive(Default)]
pub(crate) struct Jobs {
    busy: Vec<Busy>,
    /// Callers that want what L2 holds brought down.
    drains: usize,
    /// Files of L3 without whose garbage callers want to be, by number: how many callers.
    unclean: BTreeMap<FileId, usize>,
    /// Steps begun so far.
    begun: u64,
    /// Bytes of the inputs of the next step, while it waits for free space.
    short_of: Option<u64>,
}

impl Jobs {
    /// How many steps are at work.
    pub(super) fn count(&self) -> usize {
        self.busy.len()
    }

    /// Whether a step is at work on one of these files of L2.
    pub(super) fn take_from(&self, files: &[FileId]) -> bool {
        self.busy.iter().any(|busy| busy.flushed.iter().any(|id| files.contains(id)))
    }

    /// Whether a step is at work on a partition of the range.
    pub(super) fn are_busy_in(&self, range: &KeyRange) -> bool {
        self.busy.iter().any(|busy| busy.range.overlaps(range))
    }

    /// A caller wants all of L2 brought down, until [`end_drain`](Self::end_drain).
    pub(super) fn begin_drain(&mut self) {
        self.drains += 1;
    }

    /// It wants these files of L3 rewritten as well.
    pub(super) fn want_clean(&mut self, files: &[FileId]) {
        files.iter().for_each(|id| *self.unclean.entry(*id).or_default() += 1);
    }

    /// A caller that wanted these files rewritten waits no more.
    pub(super) fn end_drain(&mut self, unclean: &[FileId]) {
        self.drains -= 1;
        for id in unclean {
            if let Some(callers) = self.unclean.get_mut(id) {
                *callers -= 1;
            }
        }
        self.unclean.retain(|_, callers| *callers > 0);
    }

    /// Whether a caller wants this file of L3 rewritten.
    pub(super) fn is_unclean(&self, file: FileId) -> bool {
        self.unclean.contains_key(&file)
    }

    /// Bytes of the inputs of the next step, while it waits for free space.
    pub(super) fn short_of(&self) -> Option<u64> {
        self.short_of
    }
}

/// A step with what its edit needs.
struct Job {
    step: Step,
    input_bytes: u64,
    /// Whether it is only for what L2 holds.
    is_for_flushed: bool,
}

impl Engine {
    /// Takes the next compaction step, if one is due and possible.
    fn take_job(&self) -> Option<Job> {
        let mut jobs = lock(&self.jobs);
        let view = self.published.get();
        let goals = Goals {
            trigger: self.options.compaction_trigger(),
            drain: jobs.drains > 0 || self.idle.load(Ordering::Relaxed),
            clean_first: jobs.begun % 2 == 1,
            garbage_percent: u64::from(self.options.compact_garbage_percent),
            partition_bytes: self.options.partition_size_bytes,
        };
        let plan = plan(&shape_of(&view.files, &jobs, &self.snapshots.list()), &goals)?;
        if !self.has_space_for(plan.input_bytes, &mut jobs) {
            return None;
        }
        let range = partition_range(&view.files, plan.first, plan.last);
        let partitions = view.files.partitions[plan.first..=plan.last].iter();
        let count = if planted!(NewerPastOlder) { 1 } else { usize::MAX };
        let flushed = view.files.flushed.iter().filter(|file| slice(file, &range).bytes > 0).take(count);
        let step = Step {
            partitions: partitions.filter_map(|partition| partition.table.clone()).collect(),
            flushed: flushed.map(|file| (Arc::clone(&file.table), file.consumed.clone())).collect(),
            piece_len: plan.piece_len,
            range: range.clone(),
        };
        mark_step(&view.files, &plan, &jobs);
        let flushed = step.flushed.iter().map(|(table, _)| table.id()).collect();
        jobs.busy.push(Busy { range, flushed });
        jobs.begun += 1;
        reached!("compaction: begun");
        Some(Job { step, input_bytes: plan.input_bytes, is_for_flushed: plan.is_for_flushed })
    }

    /// A step needs room for its output beside its inputs: it waits while there is too little.
    fn has_space_for(&self, input_bytes: u64, jobs: &mut Jobs) -> bool {
        let enough = self.is_space_for(input_bytes);
        if !enough && jobs.short_of.is_none() {
            reached!("compaction: waits for space");
            tracing::warn!(needed_bytes = input_bytes / 10 * 11, "compaction waits for free space");
        }
        jobs.short_of = (!enough).then_some(input_bytes);
        enough
    }

    fn is_space_for(&self, input_bytes: u64) -> bool {
        match self.directory.space(&*self.io) {
            Ok(space) => space.free_bytes / 11 * 10 > input_bytes && space.free_files > 16,
            // Not knowing is no reason to wait: the step itself will say what is wrong.
            Err(_) => true,
        }
    }

    /// Whether compaction waits for space that only others can make. If they have, it goes on.
    pub(super) fn is_short_of_space(&self) -> bool {
        let mut jobs = lock(&self.jobs);
        let Some(needed_bytes) = jobs.short_of else { return false };
        if !self.is_space_for(needed_bytes) {
            return true;
        }
        // Told once: a caller that asks again and again must not wake itself each time.
        jobs.short_of = None;
        drop(jobs);
        reached!("compaction: there is space again");
        self.work.notify();
        false
    }

    fn snapshots_to_keep(&self) -> Vec<SeqNo> {
        if planted!(SnapshotIgnored) { Vec::new() } else { self.snapshots.list() }
    }

    /// Consumes the step's range in the files of L2 that have nothing for it, and leaves them out of the
    /// step. No other step waits for them: they need not be the oldest, having no key that could pass one.
    async fn consume_holes(&self, local: &Local, step: &mut Step) -> Result<()> {
        let mut holes = Vec::new();
        for (table, consumed) in &step.flushed {
            if let Some(hole) = hole_around(local, table, consumed, &step.range).await? {
                holes.push((table.id(), hole));
            }
        }
        if holes.is_empty() || planted!(HolesRewritten) {
            return Ok(());
        }
        step.flushed.retain(|(table, _)| !holes.iter().any(|(id, _)| *id == table.id()));
        self.counters.compaction_holes.add(holes.len() as u64);
        self.commit(Edit::Consume { holes }, Vec::new(), None).await
    }

    async fn run_job(&self, local: &Local, job: &mut Job) -> Result<()> {
        self.consume_holes(local, &mut job.step).await?;
        if job.is_for_flushed && job.step.flushed.is_empty() {
            reached!("compaction: nothing to do for a partition");
            return Ok(());
        }
        let pieces = compact(local, &self.table_files, &job.step, self.snapshots_to_keep()).await?;
        let written =
            pieces.iter().filter_map(|piece| piece.output.as_ref()).map(|output| output.record.len).sum();
        if pieces.len() > 1 {
            reached!("compaction: split");
        }
        if pieces.iter().any(|piece| piece.output.is_none()) {
            reached!("compaction: nothing is left of a partition");
        }
        let tables = pieces.iter().filter_map(|piece| piece.output.as_ref());
        let tables = tables.map(|output| Arc::clone(&output.table)).collect();
        let partition = |piece: &crate::tree::compact::Piece| PartitionRecord {
            lower: piece.lower.clone(),
            table: piece.output.as_ref().map(|output| output.record),
        };
        let edit = Edit::Compact {
            range: job.step.range.clone(),
            partitions: pieces.iter().map(partition).collect(),
            consumed: job.step.flushed.iter().map(|(table, _)| table.id()).collect(),
            next_file: self.directory.next_id(),
        };
        self.commit(edit, tables, None).await?;
        self.counters.compactions.add(1);
        self.counters.compaction_read_bytes.add(job.input_bytes);
        self.counters.compaction_write_bytes.add(written);
        Ok(())
    }
}

fn mark_step(files: &Files, plan: &Plan, jobs: &Jobs) {
    if plan.first != plan.last {
        reached!("compaction: merges neighbours");
    }
    if files.partitions[plan.first].table.is_none() {
        reached!("compaction: an empty partition");
    }
    if jobs.count() > 0 {
        reached!("compaction: beside another");
    }
}

/// A compacting task; each core has one. Runs until the core stops.
pub(super) async fn compact_forever(local: Local, engine: Arc<Engine>) {
    loop {
        let changed = engine.work.listen();
        let Some(mut job) = engine.take_job() else {
            changed.await;
            continue;
        };
        let result = engine.run_job(&local, &mut job).await;
        lock(&engine.jobs).busy.retain(|busy| busy.range != job.step.range);
        engine.work.notify();
        if let Err(Error::Poisoned { .. }) = &result {
            // No edit will be committed any more: each further attempt would leave its files behind.
            engine.set_background_failure(result.err());
            return;
        }
        engine.after_job(&local, "compaction", result).await;
    }
}
