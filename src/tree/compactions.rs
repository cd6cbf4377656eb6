//! Which compactions of a tree are at work, and what callers want of those to come.

use std::collections::BTreeMap;

use crate::base::coverage::reached;
use crate::base::ids::FileId;
use crate::base::key_range::KeyRange;

/// What a compaction at work has taken.
struct Busy {
    range: KeyRange,
    /// Files of L2 it takes its range out of.
    flushed: Vec<FileId>,
}

/// Compactions that are at work, and what callers want of those to come.
#[derive(Default)]
pub(crate) struct Compactions {
    busy: Vec<Busy>,
    /// Callers that want what L2 holds compacted into L3.
    compact_all: usize,
    /// Files of L3 without whose garbage callers want to be, by number: how many callers.
    unclean: BTreeMap<FileId, usize>,
    /// Compactions begun so far.
    begun: u64,
    /// Bytes of the inputs of the next one, while it waits for free space.
    short_of: Option<u64>,
}

impl Compactions {
    /// How many are at work.
    pub(crate) fn count(&self) -> usize {
        self.busy.len()
    }

    /// Whether one is at work on one of these files of L2.
    pub(crate) fn take_from(&self, files: &[FileId]) -> bool {
        self.busy.iter().any(|busy| busy.flushed.iter().any(|id| files.contains(id)))
    }

    /// Whether one is at work on a partition of the range.
    pub(crate) fn are_busy_in(&self, range: &KeyRange) -> bool {
        self.busy.iter().any(|busy| busy.range.overlaps(range))
    }

    /// The one at work on this range has ended.
    pub(crate) fn end(&mut self, range: &KeyRange) {
        self.busy.retain(|busy| busy.range != *range);
    }

    /// A caller wants all of L2 compacted into L3, until [`end_compact_all`](Self::end_compact_all).
    pub(crate) fn begin_compact_all(&mut self) {
        self.compact_all += 1;
    }

    /// It wants these files of L3 rewritten as well.
    pub(crate) fn want_clean(&mut self, files: &[FileId]) {
        files.iter().for_each(|id| *self.unclean.entry(*id).or_default() += 1);
    }

    /// A caller that wanted these files rewritten waits no more.
    pub(crate) fn end_compact_all(&mut self, unclean: &[FileId]) {
        self.compact_all -= 1;
        for id in unclean {
            if let Some(callers) = self.unclean.get_mut(id) {
                *callers -= 1;
            }
        }
        self.unclean.retain(|_, callers| *callers > 0);
    }

    /// Whether a caller wants this file of L3 rewritten.
    pub(crate) fn is_unclean(&self, file: FileId) -> bool {
        self.unclean.contains_key(&file)
    }

    /// Bytes of the inputs of the next compaction, while it waits for free space.
    pub(crate) fn short_of(&self) -> Option<u64> {
        self.short_of
    }

    /// It waits no more.
    pub(crate) fn has_space(&mut self) {
        self.short_of = None;
    }

    /// A compaction needs room for its output beside its inputs: it waits while there is too little.
    pub(crate) fn has_space_for(&mut self, input_bytes: u64, has_space: impl Fn(u64) -> bool) -> bool {
        let enough = has_space(input_bytes);
        if !enough && self.short_of.is_none() {
            reached!("compaction: waits for space");
            tracing::warn!(needed_bytes = input_bytes / 10 * 11, "compaction waits for free space");
        }
        self.short_of = (!enough).then_some(input_bytes);
        enough
    }

    /// One begins: on this range, which it takes out of these files of L2.
    pub(crate) fn begin(&mut self, range: KeyRange, flushed: Vec<FileId>) {
        self.busy.push(Busy { range, flushed });
        self.begun += 1;
    }

    /// Whether a caller wants all of L2 compacted into L3.
    pub(crate) fn wants_all(&self) -> bool {
        self.compact_all > 0
    }

    /// Whether it is the turn of partitions that callers want clean: every second time.
    pub(crate) fn is_turn_of_unclean(&self) -> bool {
        self.begun % 2 == 1
    }
}
