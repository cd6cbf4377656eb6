//! Taking the next compaction: the planner's choice with the files that it takes.

use super::Tree;
use super::compact::Compaction;
use super::compactions::Compactions;
use super::plan::{self, Goals, Plan};
use super::scan_credit::{COMPACTION_COST_BYTES, Found};
use super::shape::{partition_range, removable_bytes, shape_of, slice};
use super::view::{Files, Run};
use crate::base::coverage::reached;
use crate::base::ids::FileId;
use crate::base::key::SeqNo;
use crate::base::planted::planted;
use crate::base::sync::{Arc, lock};
use crate::table::Keep;

impl Tree {
    /// Takes the next compaction, if one is due and possible. The database is `idle` if nobody has written for a
    /// while; `has_space` says whether the device has room for the output of so many bytes.
    ///
    /// `snapshots` lists those that are alive, ascending, and is asked once the view is loaded: a table of a newer view
    /// may hold what only a newer snapshot needs, and would seem to be full of garbage.
    pub(crate) fn take_compaction(
        &self,
        idle: bool,
        snapshots: impl FnOnce() -> Vec<SeqNo>,
        has_space: impl Fn(u64) -> bool,
    ) -> Option<Compaction> {
        let mut compactions = lock(&self.compactions);
        let view = self.view();
        let shape = shape_of(&view.files, &compactions, &snapshots());
        self.scan_credit.set_found(Found { sources: shape.sources(), entry_len: shape.entry_len() });
        let mut goals = Goals {
            trigger: self.options.compaction_trigger(),
            compact_all: compactions.wants_all() || idle,
            settle: idle,
            scan_credit_bytes: 0,
            compaction_cost_bytes: COMPACTION_COST_BYTES,
            clean_first: compactions.is_turn_of_unclean(),
            garbage_percent: u64::from(self.options.compact_garbage_percent),
            partition_bytes: self.options.partition_size_bytes,
            max_runs: self.options.max_runs,
        };
        goals.scan_credit_bytes = self.scan_credit.available_bytes(shape.useful_to_scans(&goals));
        let mut plan = plan::plan(&shape, &goals)?;
        if plan.scan_bytes.is_some() && !has_space(plan.input_bytes) {
            // Nobody needs it so much that others should wait, or be told that the device is full.
            plan = plan::plan(&shape, &Goals { scan_credit_bytes: 0, ..goals })?;
        }
        if !compactions.has_space_for(plan.input_bytes, has_space) {
            return None;
        }
        if let Some(bytes) = plan.scan_bytes {
            reached!("compaction: paid by scans");
            self.scan_credit.spend(bytes);
        }
        mark_plan(&view.files, &plan, &compactions);
        let is_behind = view.files.flushed.len() > goals.trigger;
        let fits = shape.bytes() <= self.files.cache().room_bytes() as u64;
        let keep = if fits { Keep::All } else { Keep::Replacements };
        let compaction = compaction(&view.files, &plan, (is_behind, keep));
        let flushed = compaction.flushed.iter().map(|(table, _)| table.id()).collect();
        compactions.begin(compaction.range.clone(), flushed);
        Some(compaction)
    }

    /// The runs with garbage that nobody needs, by number: those of partitions that have several, of which any may hide
    /// what is in another, and those with garbage of their own. A snapshot that is gone does not come back, so each of
    /// them is work until it is rewritten. `snapshots` is asked once the view is loaded, as for a compaction.
    pub(crate) fn runs_with_garbage(&self, snapshots: impl FnOnce() -> Vec<SeqNo>) -> Vec<FileId> {
        let view = self.view();
        let snapshots = snapshots();
        let unclean = view.files.partitions.iter().flat_map(|partition| {
            let is_unclean =
                |run: &&Run| partition.runs.len() > 1 || removable_bytes(&run.table, &snapshots) > 0;
            partition.runs.iter().filter(is_unclean)
        });
        unclean.map(|run| run.table.id()).collect()
    }
}

/// What a plan takes: runs of its partitions, and all that L2 holds for their range.
fn compaction(files: &Files, plan: &Plan, (is_behind, keep): (bool, Keep)) -> Compaction {
    let range = partition_range(files, plan.first, plan.last);
    let partitions = files.partitions[plan.first..=plan.last].iter();
    let mut runs: Vec<_> =
        partitions.flat_map(|partition| &partition.runs).map(|run| Arc::clone(&run.table)).collect();
    let older = runs.split_off(plan.runs);
    assert_eq!(older.is_empty(), plan.is_rewrite);
    let count = if planted!(NewerPastOlder) { 1 } else { usize::MAX };
    let flushed = files.flushed.iter().filter(|file| slice(file, &range).bytes > 0).take(count);
    Compaction {
        runs,
        older,
        flushed: flushed.map(|file| (Arc::clone(&file.table), file.consumed.clone())).collect(),
        piece_len: plan.piece_len,
        input_bytes: plan.input_bytes,
        is_for_flushed: plan.is_for_flushed,
        gives_way: plan.scan_bytes.is_none() && !is_behind,
        keep,
        bottommost: plan.is_rewrite,
        range,
    }
}

fn mark_plan(files: &Files, plan: &Plan, compactions: &Compactions) {
    if plan.first != plan.last {
        reached!("compaction: merges neighbours");
    }
    if !plan.is_rewrite {
        match plan.runs {
            0 => reached!("compaction: adds a run"),
            _ => reached!("compaction: merges the newest runs"),
        }
    } else if plan.first == plan.last && plan.runs > 1 {
        reached!("compaction: rewrites several runs as one");
    }
    if files.partitions[plan.first].runs.is_empty() {
        reached!("compaction: an empty partition");
    }
    if compactions.count() > 0 {
        reached!("compaction: beside another");
    }
}
