//! All sources of a view in one order, each key once, as a reader at one seqno sees it.

use super::Fetch;
use super::heap::MergeHeap;
use super::source::{FlushedCursor, PartitionsCursor, Source};
use crate::base::error::Result;
use crate::base::key::{Kind, SeqNo, compare};
use crate::base::sync::Arc;
use crate::base::value::Value;
use crate::lsm::view::View;
use crate::memtable::MemtableCursor;

/// A merged, visible order with its position.
pub(crate) struct Merge {
    sources: Vec<Source>,
    heap: MergeHeap,
    seqno: SeqNo,
    backward: bool,
    /// Forward: the key whose versions are to be skipped.
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
        backward: bool,
    ) -> Result<Self> {
        let mut sources = Vec::with_capacity(2 + view.frozen.len() + view.files.flushed.len());
        for memtable in std::iter::once(&view.memtable).chain(&view.frozen) {
            let memtable = Arc::clone(memtable);
            sources.push(Source::Memtable(if backward {
                MemtableCursor::backward(memtable, bound)
            } else {
                MemtableCursor::forward(memtable, bound)
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

    /// The next visible key with its value, written to `key`; `None` at the end.
    pub(crate) fn next(&mut self) -> Result<Option<(Vec<u8>, Value)>> {
        let found = if self.backward { self.next_backward() } else { self.next_forward() }?;
        self.shown += u64::from(found.is_some());
        Ok(found)
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
    fn next_forward(&mut self) -> Result<Option<(Vec<u8>, Value)>> {
        while let Some(top) = self.heap.top() {
            let Some((key, tag, value)) = self.sources[top].entry() else { break };
            let decided = self.passed.as_deref() == Some(key);
            let mut found = None;
            if !decided && tag.seqno() <= self.seqno {
                let passed = self.passed.get_or_insert_default();
                passed.clear();
                passed.extend_from_slice(key);
                if tag.kind() == Kind::Put {
                    found = Some((key.to_vec(), Value::copy_of(value)));
                }
            }
            self.advance_top(top, tag.kind())?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// Versions come oldest first: the last visible one decides.
    fn next_backward(&mut self) -> Result<Option<(Vec<u8>, Value)>> {
        let mut current: Option<Vec<u8>> = None;
        let mut newest: Option<Value> = None;
        while let Some(top) = self.heap.top() {
            let Some((key, tag, value)) = self.sources[top].entry() else { break };
            if current.as_deref() != Some(key) {
                if let (Some(key), Some(value)) = (&current, newest.take()) {
                    return Ok(Some((key.clone(), value)));
                }
                current = Some(key.to_vec());
            }
            if tag.seqno() <= self.seqno {
                newest = (tag.kind() == Kind::Put).then(|| Value::copy_of(value));
            }
            self.advance_top(top, tag.kind())?;
        }
        Ok(current.zip(newest))
    }
}

fn less(sources: &[Source], backward: bool, a: usize, b: usize) -> bool {
    let (Some((a_key, a_tag, _)), Some((b_key, b_tag, _))) = (sources[a].entry(), sources[b].entry()) else {
        return false;
    };
    let order = compare(a_key, a_tag.seqno(), b_key, b_tag.seqno());
    if backward { order.is_gt() } else { order.is_lt() }
}
