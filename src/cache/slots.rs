//! The slots of one table: an atomic pointer per block, with the visited bit inside the pointer.
//!
//! A filled slot owns one strong count of an `Arc<T>`, turned into a raw pointer. Whoever unlinks the
//! pointer (sweep or drop) hands that count to the epoch collector, so that
//! - a reader under a guard may use `&T` until the guard ends, without touching the count, and
//! - a reader under a guard may raise the count to keep the value beyond the guard.
//!
//! When the table goes, its last owner drops the values directly: what a reader has found in its slots
//! borrows from [`Slots`], too, so that none is left. The epoch would let whichever thread pins next free
//! thousands of blocks.
//!
//! A table that cannot have much in memory may have fewer slots than blocks: then several share one, and what is in it
//! says which of them it is.
//!
//! All guards must be of the default collector, which is the one `epoch::pin` uses.

use super::{Cache, Piece, Weigh};
use crate::base::planted::planted;
use crate::base::prefetch::{prefetch, prefetch_at};
use crate::base::sync::atomic::AtomicBool;
use crate::base::sync::atomic::Ordering::{Acquire, Relaxed};
use crate::base::sync::epoch::{self, Atomic, Guard, Shared};
use crate::base::sync::{Arc, weakened};

/// Tag of a slot that was read since the hand last passed.
const VISITED: usize = 1;

/// The pointers themselves; shared between the table and the clock.
pub(super) struct SlotArray<T> {
    slots: Box<[Atomic<T>]>,
    /// Whether there are more values than slots.
    is_shared: bool,
    /// Set when the table is gone: nothing will be put in any more.
    abandoned: AtomicBool,
}

impl<T: Weigh> SlotArray<T> {
    /// `count` empty slots for `values` values.
    pub(super) fn new(count: usize, values: usize) -> Self {
        const { assert!(align_of::<T>() > VISITED, "the visited bit needs a free bit in the pointer") };
        assert!(count > 0 || values == 0, "values without slots");
        let slots = (0..count).map(|_| Atomic::null()).collect();
        Self { slots, is_shared: count < values, abandoned: AtomicBool::new(false) }
    }

    /// The slot of the value of that number. Neighbours have different ones, if there are several.
    #[inline]
    fn slot_of(&self, number: usize) -> usize {
        if self.is_shared { number % self.slots.len() } else { number }
    }

    /// Whether what is in the slot of a number is its value.
    #[inline]
    fn is_it(&self, value: &T, number: usize) -> bool {
        !self.is_shared || value.has_number(number) || planted!(SharedSlotUnchecked)
    }

    /// What is in the slot of a number, if it is its value.
    #[inline]
    fn peek<'g>(&self, number: usize, guard: &'g Guard) -> Option<Shared<'g, T>> {
        // Acquire pairs with the Release of `put`: the value is seen whole. Exchanges in between only
        // change the tag and continue that release sequence.
        let pointer = self.slots[self.slot_of(number)].load(weakened!("slots_find", Acquire), guard);
        // SAFETY: a pointer in a slot came from `Arc::into_raw`; its count is given up only through the epoch after
        // unlinking, and `guard` was pinned before the load.
        let is_it = !pointer.is_null() && self.is_it(unsafe { pointer.deref() }, number);
        is_it.then_some(pointer)
    }

    /// Number of slots.
    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether the table is gone.
    pub(super) fn is_abandoned(&self) -> bool {
        self.abandoned.load(Relaxed)
    }

    /// Brings a slot on its way, if there is one of that number.
    #[inline]
    pub(super) fn prefetch(&self, number: usize) {
        if let Some(slot) = self.slots.get(self.slot_of(number)) {
            prefetch(slot);
        }
    }

    /// The pointer in the slot of a number, marked visited; `None` if its value is not there. A pointer returned is
    /// valid to dereference until `guard` ends.
    #[inline]
    pub(super) fn find<'g>(&self, number: usize, guard: &'g Guard) -> Option<Shared<'g, T>> {
        let pointer = self.peek(number, guard)?;
        if pointer.tag() != VISITED {
            let slot = &self.slots[self.slot_of(number)];
            // Failing is fine: another reader has set the bit, or the value was just evicted.
            let _marked = slot.compare_exchange(pointer, pointer.with_tag(VISITED), Relaxed, Relaxed, guard);
        }
        Some(pointer)
    }

    /// Makes room in the slot of a number, if another value is in it, as the hand would; returns the bytes of what went.
    fn dispute(&self, number: usize, guard: &Guard) -> usize {
        let is_taken = self.is_shared && self.peek(number, guard).is_none();
        let went = is_taken.then(|| self.sweep(self.slot_of(number), guard));
        went.flatten().unwrap_or(0)
    }

    /// Fills the empty slot of a number; gives the value's count up if the slot is taken.
    pub(super) fn put(&self, number: usize, value: Arc<T>, guard: &Guard) -> bool {
        let slot_no = self.slot_of(number);
        let raw = Arc::into_raw(value);
        // Release pairs with the Acquire in `find` and `unlink`.
        let release = weakened!("slots_put", Release);
        let put =
            self.slots[slot_no].compare_exchange(Shared::null(), Shared::from(raw), release, Relaxed, guard);
        if put.is_err() {
            // SAFETY: `raw` is the pointer just taken from the Arc and was not published.
            drop(unsafe { Arc::from_raw(raw) });
        }
        put.is_ok()
    }

    /// Whether a slot holds a value.
    pub(super) fn is_filled(&self, slot_no: usize, guard: &Guard) -> bool {
        !self.slots[slot_no].load(Relaxed, guard).is_null()
    }

    /// The hand passes: takes the visited bit, or else the value, whose bytes are returned.
    pub(super) fn sweep(&self, slot_no: usize, guard: &Guard) -> Option<usize> {
        let slot = &self.slots[slot_no];
        let pointer = slot.load(Relaxed, guard);
        if pointer.is_null() {
            return None;
        }
        if pointer.tag() == VISITED {
            // Fails only if the table is being dropped and has taken the value itself.
            let _cleared = slot.compare_exchange(pointer, pointer.with_tag(0), Relaxed, Relaxed, guard);
            return None;
        }
        // Failing means a reader has just set the bit: the value stays for another turn.
        self.unlink(slot_no, pointer, guard)
    }

    /// Takes the value whether visited or not; returns its bytes.
    pub(super) fn evict(&self, slot_no: usize, guard: &Guard) -> Option<usize> {
        loop {
            let pointer = self.slots[slot_no].load(Relaxed, guard);
            if pointer.is_null() {
                return None;
            }
            // Failing means that a reader has set the bit, at most once, or that somebody else has
            // taken the value.
            if let Some(bytes) = self.unlink(slot_no, pointer, guard) {
                return Some(bytes);
            }
        }
    }

    /// Takes the value out for the caller to drop, without the epoch.
    ///
    /// # Safety
    /// No reader may have a pointer that it found in the slot, nor find one from now on.
    pub(super) unsafe fn take(&self, slot_no: usize, guard: &Guard) -> Option<Arc<T>> {
        let slot = &self.slots[slot_no];
        loop {
            let pointer = slot.load(Relaxed, guard);
            if pointer.is_null() {
                return None;
            }
            // Acquire pairs with the Release of `put`, though the owner has synchronised with all who filled
            // slots. Failing means that the hand has cleared the bit, or taken the value.
            if slot.compare_exchange(pointer, Shared::null(), Acquire, Relaxed, guard).is_ok() {
                // SAFETY: the slot's strong count is now ours alone: whoever takes a pointer out of a slot
                // exchanges it there, and the hand looks at no value that it has not taken. That no reader
                // looks at it without a count of its own, the caller promises.
                return Some(unsafe { Arc::from_raw(pointer.as_raw()) });
            }
        }
    }

    /// Takes `pointer` out of its slot, if it still is there, and drops its count when all present
    /// guards are gone.
    fn unlink(&self, slot_no: usize, pointer: Shared<'_, T>, guard: &Guard) -> Option<usize> {
        let acquire = weakened!("slots_unlink", Acquire);
        self.slots[slot_no].compare_exchange(pointer, Shared::null(), acquire, Relaxed, guard).ok()?;
        // SAFETY: the pointer was in the slot until now, so it is valid as argued at `find`; Acquire
        // pairs with the Release of `put`.
        let bytes = unsafe { pointer.deref() }.weight_bytes();
        let raw = pointer.as_raw();
        // SAFETY: the slot's strong count passes to the closure: the exchange above succeeds for one
        // thread only. It runs when no guard can still see the pointer; T is Send and 'static, so any
        // thread may drop it at any time.
        unsafe { guard.defer_unchecked(move || drop(Arc::from_raw(raw))) };
        Some(bytes)
    }
}

/// The slots of one table, owned by its reader. Dropping it gives all bytes back to the cache.
pub(crate) struct Slots<T: Weigh> {
    cache: Arc<Cache<T>>,
    array: Arc<SlotArray<T>>,
    /// So many slots have been emptied for good.
    emptied: usize,
    /// What is reserved of the budget.
    reserved_bytes: usize,
}

impl<T: Weigh> Slots<T> {
    /// `count` empty slots under the budget of `cache`, each for a value.
    pub(crate) fn new(cache: &Arc<Cache<T>>, count: usize) -> Self {
        Self::sharing(cache, count, count)
    }

    /// `count` empty slots for `values` values, at least one if there are any: if it is fewer, several share one.
    pub(crate) fn sharing(cache: &Arc<Cache<T>>, count: usize, values: usize) -> Self {
        let array = Arc::new(SlotArray::new(count, values));
        cache.register(Arc::clone(&array));
        Self { cache: Arc::clone(cache), array, emptied: 0, reserved_bytes: 0 }
    }

    /// Takes so many bytes of the budget, and no more than a part of it, for what is not cached but always there, as
    /// long as the slots live.
    pub(crate) fn reserve(&mut self, bytes: usize) {
        self.reserved_bytes += bytes;
        self.cache.reserve(bytes);
    }

    /// Memory of at least `len` bytes for a value.
    pub(crate) fn piece(&self, len: usize) -> Piece {
        self.cache.pieces.take(len)
    }

    /// Memory of the slots themselves, in bytes.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.array.len() * size_of::<Atomic<T>>()
    }

    /// Brings a slot, and likely its neighbours, on its way.
    #[inline]
    pub(crate) fn prefetch(&self, number: usize) {
        self.array.prefetch(number);
    }

    /// The cached value, if it is there, for a look ahead that counts as none.
    #[inline]
    pub(crate) fn peek<'g>(&'g self, number: usize, guard: &'g Guard) -> Option<&'g T> {
        // SAFETY: as for what `find` returns.
        self.array.peek(number, guard).map(|pointer| unsafe { pointer.deref() })
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
        self.array.peek(number, &guard).map(share)
    }

    /// As [`get_shared`](Self::get_shared), for a value that will be needed soon: that it is not there yet counts for
    /// nothing.
    pub(crate) fn get_ahead(&self, number: usize) -> Option<Arc<T>> {
        let guard = epoch::pin();
        let pointer = self.array.find(number, &guard)?;
        self.cache.lookups.count(true);
        Some(share(pointer))
    }

    /// Asks for the head of what is in the slot of a number, and for the counts of its Arc, which are before it.
    #[inline]
    pub(crate) fn prefetch_value(&self, number: usize, guard: &Guard) {
        let value = self.array.slots[self.array.slot_of(number)].load(Relaxed, guard).as_raw().cast::<u8>();
        prefetch_at(value.wrapping_sub(2 * size_of::<usize>()));
        (0..size_of::<T>()).step_by(64).for_each(|line| prefetch_at(value.wrapping_add(line)));
    }

    #[inline]
    fn find<'g>(&self, number: usize, guard: &'g Guard) -> Option<Shared<'g, T>> {
        debug_assert!(guard.collector() == Some(epoch::default_collector()), "a guard of another collector");
        let pointer = self.array.find(number, guard);
        self.cache.lookups.count(pointer.is_some());
        pointer
    }

    /// Empties up to `count` slots, in order, and drops what they hold; false once all are empty. So that the
    /// owner can pause when there are many.
    pub(crate) fn empty_some(&mut self, count: usize) -> bool {
        let guard = epoch::pin();
        let upto = self.array.len().min(self.emptied.saturating_add(count));
        let mut bytes = 0;
        for slot_no in self.emptied..upto {
            // SAFETY: what readers find borrows from `self`, which is borrowed here alone.
            if let Some(value) = unsafe { self.array.take(slot_no, &guard) } {
                bytes += value.weight_bytes();
            }
        }
        self.cache.credit(bytes);
        self.emptied = upto;
        upto < self.array.len()
    }

    /// The slots themselves.
    pub(super) fn array(&self) -> &SlotArray<T> {
        &self.array
    }

    /// Whether the value of a number is there. Counts as no lookup.
    pub(crate) fn is_filled(&self, number: usize) -> bool {
        self.array.peek(number, &epoch::pin()).is_some()
    }

    /// Offers a value that was read because it was not there. It is not kept if it is too large, or
    /// if another thread was faster. It begins unvisited: what is read once leaves first.
    pub(crate) fn admit(&self, number: usize, value: Arc<T>) {
        let bytes = value.weight_bytes();
        if !self.cache.admits(bytes) {
            return;
        }
        let guard = epoch::pin();
        let disputed_bytes = self.array.dispute(number, &guard);
        self.cache.credit(disputed_bytes);
        self.cache.evictions.add(u64::from(disputed_bytes > 0));
        self.cache.charge(bytes);
        if self.array.put(number, value, &guard) {
            self.cache.make_room();
        } else {
            self.cache.credit(bytes);
        }
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
        self.array.abandoned.store(true, Relaxed);
        self.empty_some(usize::MAX);
        self.cache.unreserve(self.reserved_bytes);
    }
}
