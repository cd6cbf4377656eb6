//! All sources of a view in one order, each key once, as a reader at one seqno sees it.

use super::Fetch;
use super::heap::MergeHeap;
use super::source::{FlushedCursor, PartitionsCursor, Source};
use crate::base::error::Result;
use crate::base::key::{Kind, SeqNo, compare};
use crate::base::sync::Arc;
use crate::memtable::MemtableCursor;
use crate::tree::view::View;

/// Which way a merge goes, and what of an entry it shows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Course {
    /// Downwards.
    pub(crate) backward: bool,
    /// Values are shown. Without, they may be empty: nobody looks at them, so nobody copies them.
    pub(crate) values: bool,
}

/// A merged, visible order with its position.
pub(crate) struct Merge {
    sources: Vec<Source>,
    heap: MergeHeap,
    seqno: SeqNo,
    backward: bool,
    /// The key that was decided last: its other versions count for nothing.
    passed: Option<Vec<u8>>,
    fetch: Arc<dyn Fetch>,
    /// Entries passed, deletes among them, and keys shown: told at the end, so that passing one costs
    /// no shared counter.
    entries: u64,
    tombstones: u64,
    shown: u64,
}

impl Drop for Merge {
    fn drop(&mut self) {
        let skipped = self.entries - self.shown;
        if skipped > 0 {
            self.fetch.skipped(skipped, self.tombstones);
        }
    }
}

impl Merge {
    /// From the first key at or after `bound` upwards, or from the last before it downwards.
    pub(crate) fn new(
        view: &View,
        fetch: &Arc<dyn Fetch>,
        seqno: SeqNo,
        bound: Option<&[u8]>,
        course: Course,
    ) -> Result<Self> {
        let Course { backward, values } = course;
        let mut sources = Vec::with_capacity(2 + view.frozen.len() + view.files.flushed.len());
        for memtable in std::iter::once(&view.memtable).chain(&view.frozen) {
            let memtable = Arc::clone(memtable);
            sources.push(Source::Memtable(if backward {
                MemtableCursor::backward(memtable, bound, values)
            } else {
                MemtableCursor::forward(memtable, bound, values)
            }));
        }
        for index in 0..view.files.flushed.len() {
            let cursor = FlushedCursor::new(&view.files, index, fetch, bound, backward)?;
            sources.push(Source::Flushed(cursor));
        }
        sources.push(Source::Partitions(PartitionsCursor::new(&view.files, fetch, bound, backward)?));
        sources.retain(|source| source.entry().is_some());
        let heap = MergeHeap::new(0..sources.len(), |a, b| less(&sources, backward, a, b));
        let (passed, fetch) = (None, Arc::clone(fetch));
        Ok(Self { sources, heap, seqno, backward, passed, fetch, entries: 0, tombstones: 0, shown: 0 })
    }

    /// Goes to the next visible key and returns what `take` made of it and its value; `None` at the
    /// end. Of a key with several versions, `take` may be asked more than once: the last time counts.
    pub(crate) fn next<R>(&mut self, take: impl FnMut(&[u8], &[u8]) -> R) -> Result<Option<R>> {
        let found = if self.backward { self.next_backward(take) } else { self.next_forward(take) }?;
        self.shown += u64::from(found.is_some());
        Ok(found)
    }

    /// The key that [`next`](Self::next) went to; `None` before the first.
    pub(crate) fn key(&self) -> Option<&[u8]> {
        self.passed.as_deref()
    }

    /// Which way it goes.
    pub(crate) fn is_backward(&self) -> bool {
        self.backward
    }

    fn advance_top(&mut self, top: usize, kind: Kind) -> Result<()> {
        self.entries += 1;
        self.tombstones += u64::from(kind == Kind::Delete);
        self.sources[top].advance()?;
        let (sources, backward) = (&self.sources, self.backward);
        let less = |a, b| less(sources, backward, a, b);
        if sources[top].entry().is_some() {
            self.heap.top_moved(less);
        } else {
            self.heap.top_ended(less);
        }
        Ok(())
    }

    /// Versions come newest first: the first visible one decides.
    fn next_forward<R>(&mut self, mut take: impl FnMut(&[u8], &[u8]) -> R) -> Result<Option<R>> {
        while let Some(top) = self.heap.top() {
            let Some((key, tag, value)) = self.sources[top].entry() else { break };
            let decided = self.passed.as_deref() == Some(key);
            let mut found = None;
            if !decided && tag.seqno() <= self.seqno {
                pass(&mut self.passed, key);
                found = (tag.kind() == Kind::Put).then(|| take(key, value));
            }
            self.advance_top(top, tag.kind())?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// Versions come oldest first: the last visible one decides.
    fn next_backward<R>(&mut self, mut take: impl FnMut(&[u8], &[u8]) -> R) -> Result<Option<R>> {
        let mut newest = None;
        while let Some(top) = self.heap.top() {
            let Some((key, tag, value)) = self.sources[top].entry() else { break };
            if self.passed.as_deref() != Some(key) {
                if newest.is_some() {
                    break;
                }
                pass(&mut self.passed, key);
            }
            if tag.seqno() <= self.seqno {
                newest = (tag.kind() == Kind::Put).then(|| take(key, value));
            }
            self.advance_top(top, tag.kind())?;
        }
        Ok(newest)
    }
}

/// Notes a key in memory that is used again.
fn pass(passed: &mut Option<Vec<u8>>, key: &[u8]) {
    let passed = passed.get_or_insert_default();
    passed.clear();
    passed.extend_from_slice(key);
}

fn less(sources: &[Source], backward: bool, a: usize, b: usize) -> bool {
    let (Some((a_key, a_tag, _)), Some((b_key, b_tag, _))) = (sources[a].entry(), sources[b].entry()) else {
        return false;
    };
    let order = compare(a_key, a_tag.seqno(), b_key, b_tag.seqno());
    if backward { order.is_gt() } else { order.is_lt() }
}
