//! Several cursors as one: all their entries in one order.

use super::heap::MergeHeap;
use super::{Cursor, Moved, NeedsBlock};
use crate::base::direction::Direction;
use crate::base::key::{Tag, compare};
use crate::base::sync::Arc;
use crate::table::Block;

/// A position among the entries of several cursors, which all go in its direction. No two of them hold
/// the same version of a key.
pub(crate) struct Merge<C> {
    cursors: Vec<C>,
    direction: Direction,
    /// The cursors that are on an entry. While it advances and waits for a block, the top waits.
    heap: MergeHeap,
    /// While it seeks: the cursors that wait for a block.
    seeking: Vec<(usize, NeedsBlock)>,
}

impl<C: Cursor> Merge<C> {
    /// A merge on no entry yet.
    pub(crate) fn new(cursors: Vec<C>, direction: Direction) -> Self {
        Self { cursors, direction, heap: MergeHeap::default(), seeking: Vec::new() }
    }

    /// The cursor that waits for the block asked for last.
    pub(crate) fn waiting(&mut self) -> &mut C {
        let number = match self.seeking.last() {
            Some((number, _)) => *number,
            None => self.heap.top().expect("a merge that waits without seeking advances its top"),
        };
        &mut self.cursors[number]
    }

    /// Orders the cursors once none of them waits any more.
    fn order(&mut self) -> Moved {
        if let Some((_, needed)) = self.seeking.last() {
            return Err(needed.clone());
        }
        let (cursors, direction) = (&self.cursors, self.direction);
        let live = (0..cursors.len()).filter(|number| cursors[*number].head().is_some());
        self.heap = MergeHeap::new(live, |a, b| is_before(cursors, direction, a, b));
        Ok(())
    }

    /// Puts the top where it belongs after it has moved.
    #[inline]
    fn place_top(&mut self, top: usize) {
        let (cursors, direction) = (&self.cursors, self.direction);
        let is_before = |a, b| is_before(cursors, direction, a, b);
        if cursors[top].head().is_some() {
            self.heap.top_moved(is_before);
        } else {
            self.heap.top_ended(is_before);
        }
    }
}

impl<C: Cursor> Cursor for Merge<C> {
    fn seek(&mut self, bound: Option<&[u8]>) -> Moved {
        self.heap = MergeHeap::default();
        self.seeking.clear();
        // All of them, although the first may have to wait: so all blocks that are needed are known. From
        // the end, since the last that waits is served first.
        for (number, cursor) in self.cursors.iter_mut().enumerate().rev() {
            if let Err(needed) = cursor.seek(bound) {
                self.seeking.push((number, needed));
            }
        }
        self.order()
    }

    #[inline]
    fn advance(&mut self) -> Moved {
        if let Some(top) = self.heap.top() {
            self.cursors[top].advance()?;
            self.place_top(top);
        }
        Ok(())
    }

    fn supply(&mut self, block: Arc<Block>) -> Moved {
        let Some((number, _)) = self.seeking.pop() else {
            let top = self.heap.top().expect("a merge that waits without seeking advances its top");
            self.cursors[top].supply(block)?;
            self.place_top(top);
            return Ok(());
        };
        if let Err(needed) = self.cursors[number].supply(block) {
            self.seeking.push((number, needed));
        }
        self.order()
    }

    #[inline]
    fn head(&self) -> Option<(&[u8], Tag)> {
        self.cursors[self.heap.top()?].head()
    }

    #[inline]
    fn value(&self) -> &[u8] {
        let top = self.heap.top().expect("the merge is on an entry");
        self.cursors[top].value()
    }
}

/// Whether the entry of cursor `a` comes before that of `b`.
#[inline]
fn is_before<C: Cursor>(cursors: &[C], direction: Direction, a: usize, b: usize) -> bool {
    let (Some((a_key, a_tag)), Some((b_key, b_tag))) = (cursors[a].head(), cursors[b].head()) else {
        return false;
    };
    let order = compare(a_key, a_tag.seqno(), b_key, b_tag.seqno());
    match direction {
        Direction::Forward => order.is_lt(),
        Direction::Backward => order.is_gt(),
    }
}
