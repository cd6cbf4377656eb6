//! Epoch reclamation for model tests: the part of crossbeam-epoch's face that the engine uses, over
//! loom's atomics, so that loom interleaves what the engine does with its pointers.
//!
//! What is modelled is the promise, not crossbeam's algorithm, which has models of its own: garbage
//! is destroyed at a moment when no guard is alive, and then at once; whoever pins after that moment
//! sees what led to it. Guards order nothing else: `pin` acquires only what guards released that
//! had ended before, and a model in which the guards of two threads overlap finds orderings that
//! are too weak.
//!
//! The bookkeeping is in a std mutex that loom does not see. That is sound because loom runs one
//! thread at a time and switches only within its own operations, of which there are none under
//! that mutex.

use std::marker::PhantomData;
use std::sync::Mutex;

use loom::sync::atomic::{AtomicUsize, Ordering};

type Garbage = Box<dyn FnOnce()>;

/// The collector of one execution of a model.
#[derive(Default)]
struct Epoch {
    /// Ended guards release through it, the destruction of garbage and new guards acquire.
    ended: AtomicUsize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    guards: usize,
    garbage: Vec<Garbage>,
}

// SAFETY: loom runs the threads of a model as coroutines on one thread, so nothing is ever sent.
unsafe impl Send for State {}

loom::lazy_static! {
    static ref EPOCH: Epoch = Epoch::default();
}

impl Epoch {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// The only collector.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Collector;

/// The collector of [`pin`].
pub(crate) fn default_collector() -> &'static Collector {
    &Collector
}

/// Holds destruction back.
pub(crate) struct Guard(());

/// Begins a guard.
pub(crate) fn pin() -> Guard {
    EPOCH.state().guards += 1;
    EPOCH.ended.fetch_add(0, Ordering::Acquire);
    Guard(())
}

impl Guard {
    /// The collector this guard belongs to.
    pub(crate) fn collector(&self) -> Option<&Collector> {
        Some(&Collector)
    }

    /// Hands garbage over; here there is no bag to be emptied.
    pub(crate) fn flush(&self) {}

    /// Calls `then` when no guard is alive.
    pub(crate) fn defer<F: FnOnce() + Send + 'static>(&self, then: F) {
        // SAFETY: it borrows nothing.
        unsafe { self.defer_unchecked(then) };
    }

    /// Calls `destroy` when no guard is alive.
    ///
    /// # Safety
    /// As for crossbeam: it may be called on any thread, at any time after all present guards.
    pub(crate) unsafe fn defer_unchecked<F: FnOnce()>(&self, destroy: F) {
        let destroy: Box<dyn FnOnce() + '_> = Box::new(destroy);
        // SAFETY: the caller promises that it may be called later than any borrow would tell.
        let destroy = unsafe { std::mem::transmute::<Box<dyn FnOnce() + '_>, Garbage>(destroy) };
        if super::mutant!("epoch_destroys_at_once") {
            destroy();
        } else {
            EPOCH.state().garbage.push(destroy);
        }
    }

    /// Drops what was unlinked when no guard is alive.
    ///
    /// # Safety
    /// Nobody can find the pointer any more, and nobody else destroys it.
    pub(crate) unsafe fn defer_destroy<T>(&self, unlinked: Shared<'_, T>) {
        let raw = unlinked.as_raw().cast_mut();
        // SAFETY: the caller's promise; the pointer came from a box.
        unsafe { self.defer_unchecked(move || drop(Box::from_raw(raw))) };
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        EPOCH.ended.fetch_add(1, Ordering::AcqRel);
        let garbage = {
            let mut state = EPOCH.state();
            state.guards -= 1;
            if state.guards == 0 { std::mem::take(&mut state.garbage) } else { Vec::new() }
        };
        garbage.into_iter().for_each(|destroy| destroy());
    }
}

/// A pointer to a boxed value, owned.
pub(crate) struct Owned<T>(Box<T>);

impl<T> Owned<T> {
    /// Boxes a value.
    pub(crate) fn new(value: T) -> Self {
        Self(Box::new(value))
    }
}

/// A tagged pointer that is valid as long as a guard.
pub(crate) struct Shared<'g, T> {
    data: usize,
    marker: PhantomData<(&'g (), *const T)>,
}

impl<T> Clone for Shared<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Shared<'_, T> {}

impl<T> From<*const T> for Shared<'_, T> {
    fn from(raw: *const T) -> Self {
        Self::of(raw.expose_provenance())
    }
}

impl<T> From<Owned<T>> for Shared<'_, T> {
    fn from(owned: Owned<T>) -> Self {
        Self::of(Box::into_raw(owned.0).expose_provenance())
    }
}

impl<'g, T> Shared<'g, T> {
    const TAGS: usize = align_of::<T>() - 1;

    fn of(data: usize) -> Self {
        Self { data, marker: PhantomData }
    }

    /// No pointer.
    pub(crate) fn null() -> Self {
        Self::of(0)
    }

    /// Whether there is no pointer.
    pub(crate) fn is_null(&self) -> bool {
        self.as_raw().is_null()
    }

    /// The low bits.
    pub(crate) fn tag(&self) -> usize {
        self.data & Self::TAGS
    }

    /// The same pointer with other low bits.
    pub(crate) fn with_tag(&self, tag: usize) -> Self {
        Self::of(self.data & !Self::TAGS | tag)
    }

    /// The pointer itself.
    pub(crate) fn as_raw(&self) -> *const T {
        std::ptr::with_exposed_provenance(self.data & !Self::TAGS)
    }

    /// What it points to.
    ///
    /// # Safety
    /// It is not null, and what it points to lives as long as the guard.
    pub(crate) unsafe fn deref(&self) -> &'g T {
        // SAFETY: the caller's promise.
        unsafe { &*self.as_raw() }
    }
}

/// A pointer that threads share.
pub(crate) struct Atomic<T> {
    data: AtomicUsize,
    marker: PhantomData<*mut T>,
}

// SAFETY: as for crossbeam's: it is a pointer to something that may be shared and sent.
unsafe impl<T: Send + Sync> Send for Atomic<T> {}
// SAFETY: as above.
unsafe impl<T: Send + Sync> Sync for Atomic<T> {}

impl<T> Atomic<T> {
    /// No pointer.
    pub(crate) fn null() -> Self {
        Self { data: AtomicUsize::new(0), marker: PhantomData }
    }

    /// A pointer to a boxed value.
    pub(crate) fn new(value: T) -> Self {
        let data = AtomicUsize::new(Shared::from(Owned::new(value)).data);
        Self { data, marker: PhantomData }
    }

    /// The pointer.
    pub(crate) fn load<'g>(&self, ordering: Ordering, _guard: &'g Guard) -> Shared<'g, T> {
        Shared::of(self.data.load(ordering))
    }

    /// Puts another pointer in its place.
    pub(crate) fn swap<'g>(&self, new: Owned<T>, ordering: Ordering, _guard: &'g Guard) -> Shared<'g, T> {
        Shared::of(self.data.swap(Shared::from(new).data, ordering))
    }

    /// Puts `new` in the place of `current`, if it stands there.
    pub(crate) fn compare_exchange<'g>(
        &self,
        current: Shared<'_, T>,
        new: Shared<'_, T>,
        success: Ordering,
        failure: Ordering,
        _guard: &'g Guard,
    ) -> Result<Shared<'g, T>, Shared<'g, T>> {
        let exchanged = self.data.compare_exchange(current.data, new.data, success, failure);
        exchanged.map(Shared::of).map_err(Shared::of)
    }

    /// Takes the value.
    ///
    /// # Safety
    /// Nobody else uses the pointer any more, and it is not null.
    pub(crate) unsafe fn into_owned(self) -> Owned<T> {
        let raw = Shared::<T>::of(self.data.load(Ordering::Relaxed)).as_raw().cast_mut();
        // SAFETY: the caller's promise; the pointer came from a box.
        Owned(unsafe { Box::from_raw(raw) })
    }
}
