//! Iteration over a range of keys from both ends.

use super::bounds::Bounds;
use crate::base::error::Result;
use crate::base::key::SeqNo;
use crate::base::planted::planted;
use crate::base::sync::{Arc, epoch};
use crate::base::value::Value;
use crate::engine::Handle;
use crate::iter::Fetch;
use crate::iter::merge::Merge;
use crate::lsm::view::View;

/// The keys of a range with their values, ascending; [`rev`](Iterator::rev) for descending.
///
/// Shows the database as of its creation. It pins the files and memtables it reads and holds a
/// block or two of each in memory. After an error it ends.
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// # let db = rabi::Db::open(dir.path(), rabi::Options::new())?;
/// for number in 0..10_u8 {
///     db.put([number], "x")?;
/// }
/// let last = db.range([3]..=[7]).next_back().expect("there are five")?;
/// assert_eq!(last.0, [7]);
/// assert_eq!(db.range::<[u8; 1]>(..).count(), 10);
/// # db.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Range {
    handle: Arc<Handle>,
    view: Arc<View>,
    seqno: SeqNo,
    bounds: Bounds,
    front: Option<Merge>,
    back: Option<Merge>,
    /// The last key that came from the front.
    from_front: Option<Vec<u8>>,
    /// The last key that came from the back.
    from_back: Option<Vec<u8>>,
    ended: bool,
}

impl Range {
    pub(super) fn new(handle: Arc<Handle>, bounds: Bounds, at: Option<SeqNo>) -> Self {
        let engine = &handle.0;
        let guard = epoch::pin();
        let (view, newest) = engine.visible.moment(&engine.published, &guard);
        let (view, seqno) = (Arc::clone(view), at.unwrap_or(newest));
        drop(guard);
        let ended = bounds.is_empty();
        let (front, back, from_front, from_back) = (None, None, None, None);
        Self { handle, view, seqno, bounds, front, back, from_front, from_back, ended }
    }

    fn merge(&self, backward: bool) -> Result<Merge> {
        let fetch: Arc<dyn Fetch> = Arc::clone(&self.handle.0.blocks) as Arc<dyn Fetch>;
        let bound = if backward { self.bounds.upper.as_deref() } else { Some(self.bounds.lower.as_slice()) };
        Merge::new(&self.view, &fetch, self.seqno, bound, backward)
    }

    fn step_forward(&mut self) -> Result<Option<(Vec<u8>, Value)>> {
        self.handle.0.check_open()?;
        if self.front.is_none() {
            self.front = Some(self.merge(false)?);
        }
        let Some(merge) = &mut self.front else { return Ok(None) };
        let Some((key, value)) = merge.next()? else { return Ok(None) };
        let upper = self.from_back.as_ref().or(self.bounds.upper.as_ref());
        let within = |upper: &Vec<u8>| key < *upper || (planted!(ForwardBoundWrong) && key == *upper);
        if !upper.is_none_or(within) {
            return Ok(None);
        }
        self.from_front.get_or_insert_default().clone_from(&key);
        Ok(Some((key, value)))
    }

    fn step_backward(&mut self) -> Result<Option<(Vec<u8>, Value)>> {
        self.handle.0.check_open()?;
        if self.back.is_none() {
            self.back = Some(self.merge(true)?);
        }
        let Some(merge) = &mut self.back else { return Ok(None) };
        let Some((key, value)) = merge.next()? else { return Ok(None) };
        let outside = match &self.from_front {
            Some(reached) => key <= *reached,
            None if planted!(ReverseBoundWrong) => key <= self.bounds.lower,
            None => key < self.bounds.lower,
        };
        if outside {
            return Ok(None);
        }
        self.from_back.get_or_insert_default().clone_from(&key);
        Ok(Some((key, value)))
    }

    fn deliver(&mut self, step: Result<Option<(Vec<u8>, Value)>>) -> Option<Result<(Vec<u8>, Value)>> {
        self.ended = !matches!(step, Ok(Some(_)));
        step.transpose()
    }
}

impl Drop for Range {
    fn drop(&mut self) {
        if !self.handle.0.process.is_current() {
            // What it pins is the parent's, who may be the only one to take it apart.
            std::mem::forget((self.front.take(), self.back.take(), Arc::clone(&self.view)));
        }
    }
}

impl Iterator for Range {
    type Item = Result<(Vec<u8>, Value)>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let step = self.step_forward();
        self.deliver(step)
    }
}

impl DoubleEndedIterator for Range {
    fn next_back(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let step = self.step_backward();
        self.deliver(step)
    }
}

impl std::iter::FusedIterator for Range {}
