//! Several cursors as one: all their entries in one order.
//!
//! The cursor at the front stands apart from the heap of the others. As long as it stays before the
//! nearest of them, a step costs one comparison, and if there are no others none. Those that are far are
//! not touched, and those that have put a move off catch up when they come to the front.

use std::cmp::Ordering;

use super::heap::{MergeHeap, Place, prefix};
use super::{Cursor, Foresight, Moved, NeedsBlock};
use crate::base::coverage::reached;
use crate::base::direction::Direction;
use crate::base::key::{SeqNo, Tag, compare};
use crate::base::planted::planted;
use crate::base::sync::{Arc, epoch};
use crate::table::{Block, BlockWalk};

/// From so many cursors on, the memory that they need is asked for together: a memtable, and two that may be of
/// tables.
const FORESEEN_MIN: usize = 3;

/// A position among the entries of several cursors, which all go in its direction. No two of them hold
/// the same version of a key.
pub(crate) struct Merge<C> {
    cursors: Vec<C>,
    direction: Direction,
    /// The cursor on whose entry the merge is, or that a step waits for. Its prefix is up to date if there
    /// are others.
    front: Option<Place>,
    /// The others that have entries.
    others: MergeHeap,
    /// Whether the last step did not change the front: then the next likely does not either.
    is_steady: bool,
    /// While it seeks: the cursors that wait for a block.
    seeking: Vec<(usize, NeedsBlock)>,
}

impl<C: Cursor> Merge<C> {
    /// A merge on no entry yet.
    pub(crate) fn new(cursors: Vec<C>, direction: Direction) -> Self {
        let (others, seeking) = (MergeHeap::default(), Vec::new());
        Self { cursors, direction, front: None, others, is_steady: false, seeking }
    }

    /// The cursor that waits for the block asked for last.
    pub(crate) fn waiting(&mut self) -> &mut C {
        let number = match self.seeking.last() {
            Some((number, _)) => *number,
            None => self.waiting_front().source,
        };
        &mut self.cursors[number]
    }

    /// The blocks that a seek waits for, in the order in which it asks for them; none while it does not seek.
    pub(crate) fn waiting_for(&self) -> impl Iterator<Item = &NeedsBlock> {
        self.seeking.iter().rev().map(|(_, needed)| needed)
    }

    /// The cursor whose entry it is on.
    pub(crate) fn front(&self) -> Option<&C> {
        Some(&self.cursors[self.front?.source])
    }

    fn waiting_front(&self) -> Place {
        self.front.expect("a merge that waits without seeking moves its front")
    }

    /// Orders the cursors once none of them waits any more.
    fn order(&mut self) -> Moved {
        if let Some((_, needed)) = self.seeking.last() {
            return Err(needed.clone());
        }
        let (cursors, direction) = (&self.cursors, self.direction);
        let less = |a: &Place, b: &Place| is_before(cursors, direction, a, b);
        self.others.fill((0..cursors.len()).filter_map(|number| place(cursors, number)), less);
        self.front = self.others.pop(less);
        self.catch_up_in_front()
    }

    /// Puts the front where it belongs after it has moved, and the one that comes first in its stead.
    fn place_front(&mut self, front: Place) {
        let (cursors, direction) = (&self.cursors, self.direction);
        let less = |a: &Place, b: &Place| is_before(cursors, direction, a, b);
        self.front = match place(cursors, front.source) {
            None => self.others.pop(less),
            Some(front) => match self.others.top() {
                Some(next) if less(next, &front) => Some(self.others.replace_top(front, less)),
                _ => Some(front),
            },
        };
    }

    fn place_front_and_catch_up(&mut self, front: Place) -> Moved {
        self.place_front(front);
        self.catch_up_in_front()
    }

    /// Has the front make up for what it has put off.
    fn catch_up_in_front(&mut self) -> Moved {
        while let Some(front) = self.front.filter(|front| front.is_put_off) {
            self.cursors[front.source].catch_up()?;
            self.place_front(front);
        }
        Ok(())
    }
}

impl<C: Cursor> Cursor for Merge<C> {
    fn seek(&mut self, bound: Option<&[u8]>) -> Moved {
        (self.front, self.is_steady) = (None, false);
        self.others.clear();
        self.seeking.clear();
        if self.cursors.len() >= FORESEEN_MIN {
            // The guards within this one cost next to nothing.
            let _guard = epoch::pin();
            for step in [Foresight::Place, Foresight::Head, Foresight::Entries] {
                self.cursors.iter_mut().for_each(|cursor| cursor.foresee(bound, step));
            }
        }
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
        let Some(front) = &mut self.front else { return Ok(()) };
        let cursor = &mut self.cursors[front.source];
        self.is_steady = false;
        cursor.advance()?;
        let Some((key, _)) = cursor.head() else {
            let front = *front;
            return self.place_front_and_catch_up(front);
        };
        self.is_steady = true;
        let Some(next) = self.others.top() else { return Ok(()) };
        front.prefix = prefix(key);
        if planted!(RunnerUpKeyIgnored) && front.prefix == next.prefix {
            return Ok(());
        }
        let (cursors, direction) = (&self.cursors, self.direction);
        let less = |a: &Place, b: &Place| is_before(cursors, direction, a, b);
        if !less(next, front) {
            return Ok(());
        }
        self.is_steady = false;
        *front = self.others.replace_top(*front, less);
        self.catch_up_in_front()
    }

    fn supply(&mut self, block: Arc<Block>) -> Moved {
        let Some((number, _)) = self.seeking.pop() else {
            let front = self.waiting_front();
            self.cursors[front.source].supply(block)?;
            return self.place_front_and_catch_up(front);
        };
        if let Err(needed) = self.cursors[number].supply(block) {
            // Behind the others, so that what all of them need next is known before it is read.
            self.seeking.insert(0, (number, needed));
        }
        self.order()
    }

    #[inline]
    fn head(&self) -> Option<(&[u8], Tag)> {
        self.cursors[self.front?.source].head()
    }

    #[inline]
    fn value(&self) -> &[u8] {
        let front = self.front.expect("the merge is on an entry");
        self.cursors[front.source].value()
    }

    /// Along the front up to where the nearest of the others is.
    #[inline]
    fn lend(&self) -> Option<BlockWalk> {
        if !self.is_steady {
            return None;
        }
        let mut walk = self.cursors[self.front?.source].lend()?;
        match self.others.top() {
            Some(next) => {
                let may_go = walk.stop_before(key_of(&self.cursors, next.source)?);
                if may_go {
                    reached!("range: walked along a block beside other sources");
                }
                may_go.then_some(walk)
            }
            None => Some(walk),
        }
    }

    fn give_back(&mut self, walk: &BlockWalk, key: &[u8]) {
        let front = self.front.as_mut().expect("whoever has lent its place stands in front");
        front.prefix = prefix(key);
        self.cursors[front.source].give_back(walk, key);
    }

    #[inline]
    fn is_last_of_key(&self) -> bool {
        let Some(front) = &self.front else { return false };
        let is_alone = self.others.top().is_none_or(|next| {
            next.prefix != front.prefix
                || key_of(&self.cursors, next.source) != key_of(&self.cursors, front.source)
        });
        is_alone && self.cursors[front.source].is_last_of_key()
    }
}

/// The position of a cursor: its entry, or where it has put a move off.
#[inline]
fn position<C: Cursor>(cursors: &[C], number: usize) -> Option<(&[u8], SeqNo)> {
    let cursor = &cursors[number];
    cursor.head().map(|(key, tag)| (key, tag.seqno())).or_else(|| cursor.put_off())
}

fn key_of<C: Cursor>(cursors: &[C], number: usize) -> Option<&[u8]> {
    Some(position(cursors, number)?.0)
}

#[inline]
fn place<C: Cursor>(cursors: &[C], number: usize) -> Option<Place> {
    let (key, is_put_off) = match cursors[number].head() {
        Some((key, _)) => (key, false),
        None => (cursors[number].put_off()?.0, true),
    };
    Some(Place { prefix: prefix(key), source: number, is_put_off })
}

/// Whether the cursor at `a` comes before that at `b`.
#[inline(always)]
fn is_before<C: Cursor>(cursors: &[C], direction: Direction, a: &Place, b: &Place) -> bool {
    if a.prefix != b.prefix {
        return (a.prefix < b.prefix) == (direction == Direction::Forward);
    }
    let order = order(cursors, a.source, b.source);
    match direction {
        Direction::Forward => order.is_lt(),
        Direction::Backward => order.is_gt(),
    }
}

/// The order of two cursors by whole keys and seqnos.
fn order<C: Cursor>(cursors: &[C], a: usize, b: usize) -> Ordering {
    match (position(cursors, a), position(cursors, b)) {
        (Some((a_key, a_seqno)), Some((b_key, b_seqno))) => compare(a_key, a_seqno, b_key, b_seqno),
        _ => Ordering::Equal,
    }
}
