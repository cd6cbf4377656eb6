//! The clock hand: walks over the slots of all live tables, one slot at a time, round and round.
//!
//! And the second hand, which walks over the records beside it.
//!
//! Only used under the cache's lock of the hands. An array whose table is gone is empty and is forgotten
//! when another one is added.

use super::Weigh;
use super::records::Records;
use super::slot_array::SlotArray;
use crate::base::sync::Arc;
use crate::base::sync::epoch::Guard;

/// All slot arrays and the hand's position among them.
struct Clock<T: Weigh> {
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
    fn slot_count(&self) -> usize {
        self.slot_count
    }

    /// Adds an array and forgets those whose table is gone. The hand stays on its array, or starts
    /// over if that one is gone.
    fn insert(&mut self, array: Arc<SlotArray<T>>) {
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
    fn advance(&mut self) -> Option<(&SlotArray<T>, usize)> {
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

/// So many empty slots one hand passes at most, before it is the other's turn.
const EMPTY_MAX: usize = 64;

/// So many records the hand looks at for each block: they are copies, and give way first.
const RECORDS_PER_BLOCK: usize = 4;

/// Both hands.
pub(super) struct Hands<T: Weigh> {
    blocks: Clock<T>,
    record_slot: usize,
    /// Slots to be passed before a visited value goes, too, and before there is nothing left to look at; since
    /// [`begin`](Self::begin).
    blocks_left: usize,
    records_left: usize,
}

impl<T: Weigh> Default for Hands<T> {
    fn default() -> Self {
        Self { blocks: Clock::default(), record_slot: 0, blocks_left: 0, records_left: 0 }
    }
}

/// What one step of both hands has taken out.
#[derive(Default)]
pub(super) struct Swept {
    pub(super) block_bytes: usize,
    pub(super) record_bytes: usize,
    /// Number of records.
    pub(super) records: u64,
}

impl<T: Weigh> Hands<T> {
    /// Adds an array of blocks.
    pub(super) fn insert(&mut self, array: Arc<SlotArray<T>>) {
        self.blocks.insert(array);
    }

    /// Before some steps: each hand goes round twice at most.
    pub(super) fn begin(&mut self, records: &Records) {
        self.blocks_left = 2 * self.blocks.slot_count();
        self.records_left = 2 * records.slot_count();
    }

    /// Moves the hand over some records, and if none of them goes the other to the next block, unless there are many empty
    /// slots before it. The first turn may only clear marks. The second takes what it meets: without that, readers could set
    /// marks as fast as the hands clear them. None if both have been round twice.
    pub(super) fn sweep(&mut self, records: &Records, guard: &Guard) -> Option<Swept> {
        if self.blocks_left == 0 && self.records_left == 0 {
            return None;
        }
        let mut swept =
            if self.records_left > 0 { self.sweep_records(records, guard) } else { Swept::default() };
        if swept.record_bytes == 0 {
            swept.block_bytes = self.sweep_block(guard);
        }
        Some(swept)
    }

    fn sweep_block(&mut self, guard: &Guard) -> usize {
        let turn = self.blocks.slot_count();
        for _ in 0..EMPTY_MAX.min(self.blocks_left) {
            self.blocks_left -= 1;
            let is_first_turn = self.blocks_left >= turn;
            let Some((array, slot_no)) = self.blocks.advance() else { return 0 };
            if !array.is_filled(slot_no, guard) {
                continue;
            }
            let swept = if is_first_turn { array.sweep(slot_no, guard) } else { array.evict(slot_no, guard) };
            return swept.unwrap_or(0);
        }
        0
    }

    /// Moves the hand over the next records, unless there are many empty slots before them.
    pub(super) fn sweep_records(&mut self, records: &Records, guard: &Guard) -> Swept {
        let (turn, mut swept, mut looked_at) = (records.slot_count(), Swept::default(), 0);
        let is_first_turn = self.records_left >= turn;
        for _ in 0..EMPTY_MAX.min(turn) {
            self.records_left = self.records_left.saturating_sub(1);
            self.record_slot = (self.record_slot + 1) % turn;
            let (is_filled, bytes) = records.sweep(self.record_slot, !is_first_turn, guard);
            swept.record_bytes += bytes;
            swept.records += u64::from(bytes > 0);
            looked_at += usize::from(is_filled);
            if looked_at == RECORDS_PER_BLOCK {
                break;
            }
        }
        swept
    }
}
