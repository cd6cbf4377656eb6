//! The slots of one table: its own, or some that [tables share](super::shared_slots).
//!
//! When the table goes, its last owner drops the values in slots of its own directly: what a reader has found there
//! borrows from [`Slots`], too, so that none is left. The epoch would let whichever thread pins next free
//! thousands of blocks.

use super::shared_slots::{SharedSlots, ValueId};
use super::slot_array::SlotArray;
use super::{Cache, Piece, Weigh};
use crate::base::sync::Arc;
use crate::base::sync::epoch::{self, Guard, Shared};

/// Where the values of a table are.
enum Place<T: Weigh> {
    /// In slots of their own, by number.
    Own(Arc<SlotArray<T>>),
    /// Among those of other tables; whose they are.
    Shared(Arc<SharedSlots<T>>, u64),
}

impl<T: Weigh> Place<T> {
    #[inline]
    fn peek<'g>(&self, number: usize, guard: &'g Guard) -> Option<Shared<'g, T>> {
        match self {
            Self::Own(array) => array.peek(number, guard),
            Self::Shared(slots, owner) => slots.peek(ValueId { owner: *owner, number }, guard),
        }
    }

    #[inline]
    fn find<'g>(&self, number: usize, guard: &'g Guard) -> Option<Shared<'g, T>> {
        match self {
            Self::Own(array) => array.find(number, guard),
            Self::Shared(slots, owner) => slots.find(ValueId { owner: *owner, number }, guard),
        }
    }
}

/// The slots of one table, owned by its reader. Dropping it gives all bytes back to the cache.
pub(crate) struct Slots<T: Weigh> {
    cache: Arc<Cache<T>>,
    place: Place<T>,
    /// Values that may be there.
    count: usize,
    /// So many have been taken out for good.
    emptied: usize,
    /// What is reserved of the budget, and whether it may be for long.
    reserved: (usize, bool),
}

impl<T: Weigh> Slots<T> {
    /// `count` empty slots under the budget of `cache`, each for a value.
    pub(crate) fn new(cache: &Arc<Cache<T>>, count: usize) -> Self {
        let array = Arc::new(SlotArray::new(count));
        cache.register(Arc::clone(&array));
        Self { cache: Arc::clone(cache), place: Place::Own(array), count, emptied: 0, reserved: (0, false) }
    }

    /// Slots that are shared with other tables, for `count` values of `owner`, a number that no other table of the cache
    /// ever has. The values are about so long.
    pub(crate) fn sharing(cache: &Arc<Cache<T>>, owner: u64, count: usize, value_len: usize) -> Self {
        let place = Place::Shared(cache.shared_slots(value_len), owner);
        Self { cache: Arc::clone(cache), place, count, emptied: 0, reserved: (0, false) }
    }

    /// Takes so many bytes of the budget, and no more than a part of it, for what is not cached but always there, as
    /// long as the slots live. If that may be long, they [count](Cache::has_room_for_index) against what comes later.
    pub(crate) fn reserve(&mut self, bytes: usize, is_lasting: bool) {
        assert_eq!(self.reserved.0, 0, "it is reserved once");
        self.reserved = (bytes, is_lasting);
        self.cache.reserve(bytes, is_lasting);
    }

    /// Memory of at least `len` bytes for a value.
    pub(crate) fn piece(&self, len: usize) -> Piece {
        self.cache.pieces.take(len)
    }

    /// Memory of the slots that it has for itself, in bytes.
    pub(crate) fn memory_bytes(&self) -> usize {
        match &self.place {
            Place::Own(array) => array.memory_bytes(),
            Place::Shared(..) => 0,
        }
    }

    /// Brings a slot, and likely its neighbours, on its way, unless slots are shared: there neighbours are elsewhere.
    #[inline]
    pub(crate) fn prefetch(&self, number: usize) {
        if let Place::Own(array) = &self.place {
            array.prefetch(number);
        }
    }

    /// The cached value, if it is there, for a look ahead that counts as none.
    #[inline]
    pub(crate) fn peek<'g>(&'g self, number: usize, guard: &'g Guard) -> Option<&'g T> {
        // SAFETY: as for what `find` returns.
        self.place.peek(number, guard).map(|pointer| unsafe { pointer.deref() })
    }

    /// The cached value, usable as long as the guard and the slots. Counts a hit or a miss.
    #[inline]
    pub(crate) fn get<'g>(&'g self, number: usize, guard: &'g Guard) -> Option<&'g T> {
        // SAFETY: `find` returns pointers that are valid until the guard ends.
        self.find(number, guard).map(|pointer| unsafe { pointer.deref() })
    }

    /// The cached value, shared, so that it stays when it is evicted. Counts a hit or a miss. Asks for the head of the
    /// value `beyond`, as [`prefetch_value`](Self::prefetch_value) does.
    pub(crate) fn get_shared(&self, number: usize, beyond: Option<usize>) -> Option<Arc<T>> {
        let guard = epoch::pin();
        let pointer = self.find(number, &guard)?;
        if let Some(beyond) = beyond {
            self.prefetch_value(beyond, &guard);
        }
        Some(share(pointer))
    }

    /// The cached value, shared, for one who counts as no reader of it.
    pub(crate) fn peek_shared(&self, number: usize) -> Option<Arc<T>> {
        let guard = epoch::pin();
        self.place.peek(number, &guard).map(share)
    }

    /// As [`get_shared`](Self::get_shared), for a value that will be needed soon: that it is not there yet counts for
    /// nothing.
    pub(crate) fn get_ahead(&self, number: usize) -> Option<Arc<T>> {
        let guard = epoch::pin();
        let pointer = self.place.find(number, &guard)?;
        self.cache.lookups.count(true);
        Some(share(pointer))
    }

    /// Asks for the head of a value, and for the counts of its Arc, unless slots are shared: then it is not known which one
    /// it is in.
    #[inline]
    pub(crate) fn prefetch_value(&self, number: usize, guard: &Guard) {
        if let Place::Own(array) = &self.place {
            array.prefetch_value(number, guard);
        }
    }

    #[inline]
    fn find<'g>(&self, number: usize, guard: &'g Guard) -> Option<Shared<'g, T>> {
        debug_assert!(guard.collector() == Some(epoch::default_collector()), "a guard of another collector");
        let pointer = self.place.find(number, guard);
        self.cache.lookups.count(pointer.is_some());
        pointer
    }

    /// Drops up to `count` values, in order, those that are not there among them; false once all are gone. So that the
    /// owner can pause when there are many.
    pub(crate) fn empty_some(&mut self, count: usize) -> bool {
        let guard = epoch::pin();
        let upto = self.count.min(self.emptied.saturating_add(count));
        let bytes = match &self.place {
            Place::Own(array) => (self.emptied..upto)
                // SAFETY: what readers find borrows from `self`, which is borrowed here alone.
                .filter_map(|number| unsafe { array.take(number, &guard) })
                .map(|value| value.weight_bytes())
                .sum(),
            Place::Shared(slots, owner) => (self.emptied..upto)
                .map(|number| slots.evict(ValueId { owner: *owner, number }, &guard))
                .sum(),
        };
        self.cache.credit(bytes);
        self.emptied = upto;
        upto < self.count
    }

    /// Whether the value of a number is there. Counts as no lookup.
    pub(crate) fn is_filled(&self, number: usize) -> bool {
        self.place.peek(number, &epoch::pin()).is_some()
    }

    /// Offers a value that was read because it was not there. It is not kept if it is too large, or
    /// if another thread was faster. It begins unvisited: what is read once leaves first.
    pub(crate) fn admit(&self, number: usize, value: Arc<T>) {
        let bytes = value.weight_bytes();
        if self.cache.admits(bytes) {
            self.cache.charge(bytes);
            if self.put_charged(number, value, &epoch::pin()) {
                self.cache.make_room();
            }
        }
    }

    /// Puts a value into its slot that counts against the budget already, which it does no more if it is not kept.
    pub(super) fn put_charged(&self, number: usize, value: Arc<T>, guard: &Guard) -> bool {
        let bytes = value.weight_bytes();
        let is_put = match &self.place {
            Place::Own(array) => array.put(number, value, guard),
            Place::Shared(slots, owner) => {
                let (is_put, evicted_bytes) = slots.put(ValueId { owner: *owner, number }, value, guard);
                self.cache.credit(evicted_bytes);
                self.cache.evictions.add(u64::from(evicted_bytes > 0));
                is_put
            }
        };
        if !is_put {
            self.cache.credit(bytes);
        }
        is_put
    }
}

/// A value found under a guard that lives, to keep beyond it.
fn share<T>(found: Shared<'_, T>) -> Arc<T> {
    let raw = found.as_raw();
    // SAFETY: `raw` came from `Arc::into_raw` and the slot's count stays at least until the guard
    // ends; the count raised here belongs to the returned Arc.
    unsafe {
        Arc::increment_strong_count(raw);
        Arc::from_raw(raw)
    }
}

impl<T: Weigh> Drop for Slots<T> {
    fn drop(&mut self) {
        // The clock's lock is not taken here: this may run as deferred destruction on a thread that
        // holds it. The clock forgets the array when it next meets it; both may empty slots, each
        // value being taken, and its bytes given back, by one of them.
        if let Place::Own(array) = &self.place {
            array.abandon();
        }
        self.empty_some(usize::MAX);
        let (bytes, is_lasting) = self.reserved;
        self.cache.unreserve(bytes, is_lasting);
    }
}
