//! Slots that tables share which have none of their own, since there would be far more than the budget can fill.
//!
//! There are a few times as many as values that the budget can hold, however much data there is. A value has a set of slots,
//! by hash, and is in any of them; what is in a slot says what it is. A set that is full is a small clock of its own: who
//! comes takes marks away, and the place of the first that has none.
//!
//! Values of a table that is gone are taken out one by one, and by way of the epoch: readers of other tables look at them,
//! too, to see that they are not theirs.

use std::ops::Range;

use super::Weigh;
use super::slot_array::SlotArray;
use crate::base::planted::planted;
use crate::base::sync::Arc;
use crate::base::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use crate::base::sync::epoch::{Guard, Shared};
use crate::base::sync::mutant;

/// Slots of a set: half a cache line of them.
const WAYS: usize = if cfg!(loom) { 1 } else { 4 };

/// So many slots there are for each value that the budget can hold: then, by chance, one in two hundred finds its set full.
const SLOTS_PER_VALUE: usize = 4;

/// Values are taken to be so long at least, so that slots take no more than a sixteenth of the budget.
const VALUE_LEN_MIN: usize = 512;

/// And at most: parts of indexes are shorter than blocks.
const VALUE_LEN_MAX: usize = 4096;

/// Which value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ValueId {
    /// Whose.
    pub(super) owner: u64,
    /// Which one of the owner's.
    pub(super) number: usize,
}

/// The slots.
pub(super) struct SharedSlots<T> {
    array: Arc<SlotArray<T>>,
    /// Values that found their set full.
    turn: AtomicUsize,
}

impl<T: Weigh> SharedSlots<T> {
    /// Empty slots for a budget of so many bytes and values of about this length. If those that come later are much shorter,
    /// part of the budget stays unused.
    pub(super) fn new(capacity_bytes: usize, value_len: usize) -> Self {
        let value_len = value_len.clamp(VALUE_LEN_MIN, VALUE_LEN_MAX);
        let sets = (capacity_bytes / value_len * SLOTS_PER_VALUE / WAYS).max(1);
        Self { array: Arc::new(SlotArray::new(sets * WAYS)), turn: AtomicUsize::new(0) }
    }

    /// The slots themselves.
    pub(super) fn array(&self) -> &Arc<SlotArray<T>> {
        &self.array
    }

    fn set_of(&self, id: ValueId) -> Range<usize> {
        // One multiplication keeps numbers apart that follow each other, but not those that are a Fibonacci number apart.
        let hash = (id.owner.rotate_left(32) ^ id.number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let hash = (hash ^ (hash >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
        let sets = self.array.len() / WAYS;
        let set = ((u128::from(hash) * sets as u128) >> 64) as usize;
        set * WAYS..(set + 1) * WAYS
    }

    fn locate<'g>(&self, id: ValueId, guard: &'g Guard) -> Option<(usize, Shared<'g, T>)> {
        self.set_of(id).find_map(|slot_no| {
            let is_it = |value: &T| {
                value.is(id.owner, id.number)
                    || planted!(SharedSlotUnchecked)
                    || mutant!("shared_slot_unchecked")
            };
            Some((slot_no, self.array.peek_if(slot_no, guard, is_it)?))
        })
    }

    /// The pointer to a value, valid to dereference until `guard` ends; `None` if it is not there.
    pub(super) fn peek<'g>(&self, id: ValueId, guard: &'g Guard) -> Option<Shared<'g, T>> {
        self.locate(id, guard).map(|(_, pointer)| pointer)
    }

    /// As [`peek`](Self::peek); what is found is marked visited.
    pub(super) fn find<'g>(&self, id: ValueId, guard: &'g Guard) -> Option<Shared<'g, T>> {
        let (slot_no, pointer) = self.locate(id, guard)?;
        self.array.mark(slot_no, pointer, guard);
        Some(pointer)
    }

    /// Puts a value into its set, unless it is there. Whether it was put, and the bytes of what went for it.
    pub(super) fn put(&self, id: ValueId, value: Arc<T>, guard: &Guard) -> (bool, usize) {
        if self.locate(id, guard).is_some() {
            return (false, 0);
        }
        let set = self.set_of(id);
        if let Some(free) = set.clone().find(|&slot_no| !self.array.is_filled(slot_no, guard)) {
            return (self.array.put(free, value, guard), 0);
        }
        // From another slot on each time, or of two that come in turn the last would always be the first to go.
        let first = self.turn.fetch_add(1, Relaxed) % WAYS;
        for step in first..first + 2 * WAYS {
            let slot_no = set.start + step % WAYS;
            if let Some(evicted_bytes) = self.array.sweep(slot_no, guard) {
                return (self.array.put(slot_no, value, guard), evicted_bytes);
            }
        }
        // Readers have set the marks again.
        (false, 0)
    }

    /// Takes a value out, and its double if two threads have put it there at the same moment; the bytes.
    pub(super) fn evict(&self, id: ValueId, guard: &Guard) -> usize {
        let mut bytes = 0;
        while let Some((slot_no, pointer)) = self.locate(id, guard) {
            // Failing means that a hand has taken the mark, or the value.
            bytes += self.array.unlink(slot_no, pointer, guard).unwrap_or(0);
        }
        bytes
    }
}
