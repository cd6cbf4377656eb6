//! Slots: an atomic pointer per value, with the visited bit inside the pointer.
//!
//! A filled slot owns one strong count of an `Arc<T>`, turned into a raw pointer. Whoever unlinks the
//! pointer (sweep or drop) hands that count to the epoch collector, so that
//! - a reader under a guard may use `&T` until the guard ends, without touching the count, and
//! - a reader under a guard may raise the count to keep the value beyond the guard.
//!
//! All guards must be of the default collector, which is the one `epoch::pin` uses.

use super::Weigh;
use crate::base::prefetch::{prefetch, prefetch_at};
use crate::base::sync::atomic::AtomicBool;
use crate::base::sync::atomic::Ordering::{Acquire, Relaxed};
use crate::base::sync::epoch::{Atomic, Guard, Shared};
use crate::base::sync::{Arc, weakened};

/// Tag of a slot that was read since the hand last passed.
const VISITED: usize = 1;

/// The pointers themselves; shared between the table and the clock.
pub(super) struct SlotArray<T> {
    slots: Box<[Atomic<T>]>,
    /// Set when the table is gone: nothing will be put in any more.
    abandoned: AtomicBool,
}

impl<T: Weigh> SlotArray<T> {
    /// `count` empty slots.
    pub(super) fn new(count: usize) -> Self {
        const { assert!(align_of::<T>() > VISITED, "the visited bit needs a free bit in the pointer") };
        let slots = (0..count).map(|_| Atomic::null()).collect();
        Self { slots, abandoned: AtomicBool::new(false) }
    }

    /// The pointer in a slot, which is valid to dereference until `guard` ends; `None` if it is empty.
    #[inline]
    pub(super) fn peek<'g>(&self, slot_no: usize, guard: &'g Guard) -> Option<Shared<'g, T>> {
        // Acquire pairs with the Release of `put`: the value is seen whole. Exchanges in between only
        // change the tag and continue that release sequence.
        let pointer = self.slots[slot_no].load(weakened!("slots_find", Acquire), guard);
        (!pointer.is_null()).then_some(pointer)
    }

    /// As [`peek`](Self::peek), of a value that `is_it`.
    pub(super) fn peek_if<'g>(
        &self,
        slot_no: usize,
        guard: &'g Guard,
        is_it: impl FnOnce(&T) -> bool,
    ) -> Option<Shared<'g, T>> {
        // SAFETY: `peek` returns pointers that are valid until the guard ends.
        self.peek(slot_no, guard).filter(|pointer| is_it(unsafe { pointer.deref() }))
    }

    /// Number of slots.
    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    /// Memory of the slots themselves, in bytes.
    pub(super) fn memory_bytes(&self) -> usize {
        self.len() * size_of::<Atomic<T>>()
    }

    /// The table is gone.
    pub(super) fn abandon(&self) {
        self.abandoned.store(true, Relaxed);
    }

    /// Whether the table is gone.
    pub(super) fn is_abandoned(&self) -> bool {
        self.abandoned.load(Relaxed)
    }

    /// Brings a slot on its way, if there is one of that number.
    #[inline]
    pub(super) fn prefetch(&self, slot_no: usize) {
        if let Some(slot) = self.slots.get(slot_no) {
            prefetch(slot);
        }
    }

    /// Asks for the head of what is in a slot, and for the counts of its Arc, which are before it.
    #[inline]
    pub(super) fn prefetch_value(&self, slot_no: usize, guard: &Guard) {
        let value = self.slots[slot_no].load(Relaxed, guard).as_raw().cast::<u8>();
        prefetch_at(value.wrapping_sub(2 * size_of::<usize>()));
        (0..size_of::<T>()).step_by(64).for_each(|line| prefetch_at(value.wrapping_add(line)));
    }

    /// As [`peek`](Self::peek); what is found is marked visited.
    #[inline]
    pub(super) fn find<'g>(&self, slot_no: usize, guard: &'g Guard) -> Option<Shared<'g, T>> {
        let pointer = self.peek(slot_no, guard)?;
        self.mark(slot_no, pointer, guard);
        Some(pointer)
    }

    /// Marks what was found in a slot as visited.
    #[inline]
    pub(super) fn mark(&self, slot_no: usize, found: Shared<'_, T>, guard: &Guard) {
        if found.tag() != VISITED {
            let slot = &self.slots[slot_no];
            // Failing is fine: another reader has set the bit, or the value was just evicted.
            let _marked = slot.compare_exchange(found, found.with_tag(VISITED), Relaxed, Relaxed, guard);
        }
    }

    /// Fills an empty slot; gives the value's count up if the slot is taken.
    pub(super) fn put(&self, slot_no: usize, value: Arc<T>, guard: &Guard) -> bool {
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
    pub(super) fn unlink(&self, slot_no: usize, pointer: Shared<'_, T>, guard: &Guard) -> Option<usize> {
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
