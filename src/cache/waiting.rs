//! Values for slots that are not there yet: those of a table that is being written.
//!
//! They count against the budget from the moment they are made, so that what many tables in the making hold does not
//! come on top of it.

use super::slots::Slots;
use super::{Cache, Piece, Weigh};
use crate::base::sync::atomic::Ordering::Relaxed;
use crate::base::sync::{Arc, epoch};

/// Those of one table come to at most this part of the budget: until it is done they cannot be evicted.
const SHARE_MAX: usize = 8;

/// And those of all tables in the making to about this part of it: what readers use has room beside them, however many
/// compactions are at work, and those who make room find something to evict.
const ALL_SHARE_MAX: usize = 4;

/// Those for which nothing else goes, with the others, to this part.
const ROOM_SHARE_MAX: usize = 2;

/// Values with the numbers of their slots. Dropped, it gives their bytes back to the cache.
pub(crate) struct Waiting<T: Weigh> {
    cache: Arc<Cache<T>>,
    values: Vec<(usize, Arc<T>)>,
    bytes: usize,
}

impl<T: Weigh> Waiting<T> {
    /// None yet.
    pub(crate) fn new(cache: &Arc<Cache<T>>) -> Self {
        Self { cache: Arc::clone(cache), values: Vec::new(), bytes: 0 }
    }

    /// Whether a value of so many bytes is taken at all.
    pub(crate) fn takes(&self, bytes: usize) -> bool {
        let capacity = self.cache.capacity_bytes;
        let waiting = self.cache.waiting_bytes.load(Relaxed);
        self.bytes + bytes <= capacity / SHARE_MAX && waiting + bytes <= capacity / ALL_SHARE_MAX
    }

    /// Whether it is, without another going.
    pub(crate) fn has_room(&self, bytes: usize) -> bool {
        let (waiting, used) = (self.cache.waiting_bytes.load(Relaxed), self.cache.used_bytes.load(Relaxed));
        waiting + bytes <= self.cache.capacity_bytes / ROOM_SHARE_MAX
            && used + bytes < self.cache.room_bytes()
    }

    /// Memory for a value of `len` bytes.
    pub(crate) fn piece(&self, len: usize) -> Piece {
        self.cache.pieces.take(len)
    }

    /// Takes the value of a slot, and makes room for it; not if it is too large for the cache.
    pub(crate) fn add(&mut self, slot_no: usize, value: T) {
        let bytes = value.weight_bytes();
        if self.cache.admits(bytes) {
            self.bytes += bytes;
            self.cache.waiting_bytes.fetch_add(bytes, Relaxed);
            self.cache.charge(bytes);
            self.values.push((slot_no, Arc::new(value)));
            self.cache.make_room();
        }
    }

    /// Puts the values into their slots, where they begin unvisited.
    pub(crate) fn fill(mut self, slots: &Slots<T>) {
        let guard = epoch::pin();
        self.cache.waiting_bytes.fetch_sub(std::mem::take(&mut self.bytes), Relaxed);
        for (slot_no, value) in std::mem::take(&mut self.values) {
            slots.put_charged(slot_no, value, &guard);
        }
    }
}

impl<T: Weigh> Drop for Waiting<T> {
    fn drop(&mut self) {
        self.cache.waiting_bytes.fetch_sub(self.bytes, Relaxed);
        self.cache.credit(self.bytes);
    }
}
