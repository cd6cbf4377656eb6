//! The clock hand: walks over the slots of all live tables, one slot at a time, round and round.
//!
//! Only used under the cache's clock lock. An array whose table is gone is empty and is forgotten
//! when another one is added.

use super::Weigh;
use super::slots::SlotArray;
use crate::base::sync::Arc;

/// All slot arrays and the hand's position among them.
pub(super) struct Clock<T: Weigh> {
    arrays: Vec<Arc<SlotArray<T>>>,
    slot_count: usize,
    array_no: usize,
    slot_no: usize,
}

impl<T: Weigh> Default for Clock<T> {
    fn default() -> Self {
        Self { arrays: Vec::new(), slot_count: 0, array_no: 0, slot_no: 0 }
    }
}

impl<T: Weigh> Clock<T> {
    /// Number of slots in all arrays.
    pub(super) fn slot_count(&self) -> usize {
        self.slot_count
    }

    /// Adds an array and forgets those whose table is gone. The hand stays on its array, or starts
    /// over if that one is gone.
    pub(super) fn insert(&mut self, array: Arc<SlotArray<T>>) {
        let under_hand = self.arrays.get(self.array_no).map(Arc::as_ptr);
        self.arrays.retain(|array| !array.is_abandoned());
        self.arrays.push(array);
        let position = self.arrays.iter().position(|array| Some(Arc::as_ptr(array)) == under_hand);
        if position.is_none() {
            self.slot_no = 0;
        }
        self.array_no = position.unwrap_or(0);
        self.slot_count = self.arrays.iter().map(|array| array.len()).sum();
    }

    /// The slot under the hand, which then moves on; `None` if there are no slots.
    pub(super) fn advance(&mut self) -> Option<(&SlotArray<T>, usize)> {
        if self.slot_count == 0 {
            return None;
        }
        loop {
            if self.array_no >= self.arrays.len() {
                self.array_no = 0;
            }
            let slot_no = self.slot_no;
            if slot_no < self.arrays[self.array_no].len() {
                self.slot_no += 1;
                return Some((&*self.arrays[self.array_no], slot_no));
            }
            self.array_no += 1;
            self.slot_no = 0;
        }
    }
}
