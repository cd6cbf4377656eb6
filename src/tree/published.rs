//! The newest value of something that many read and few replace: an atomic pointer, reclaimed by
//! the epoch.
//!
//! Reading costs one load under a guard: no lock, no count. Replacing takes a lock, so that each
//! change builds on the one before.

use crate::base::sync::epoch::{self, Atomic, Guard, Owned};
use crate::base::sync::{Arc, Mutex, lock, mutant, weakened};

/// How often the epoch is pushed on when nothing is published any more.
const PUSHES_AT_END: usize = 8;

/// The newest value.
pub(crate) struct Published<T: Send + Sync + 'static> {
    current: Atomic<Arc<T>>,
    /// Held to replace the value; never across a wait.
    writer: Mutex<()>,
    /// Where replaced values go instead of the epoch, in a simulated world.
    #[cfg(feature = "sim")]
    retired: Option<super::retired::Retired<Owned<Arc<T>>>>,
}

impl<T: Send + Sync + 'static> Published<T> {
    /// Publishes the first value.
    pub(crate) fn new(value: T) -> Self {
        Self {
            current: Atomic::new(Arc::new(value)),
            writer: Mutex::new(()),
            #[cfg(feature = "sim")]
            retired: None,
        }
    }

    /// Publishes the first value of a database that stays on this thread, in a simulated world.
    #[cfg(feature = "sim")]
    pub(crate) fn new_on_one_thread(value: T) -> Self {
        let mut published = Self::new(value);
        published.retired = Some(super::retired::Retired::here());
        published
    }

    /// Gives replaced values, which wait for the epoch to move on, a push.
    pub(crate) fn push_retired(&self) {
        #[cfg(feature = "sim")]
        if let Some(retired) = &self.retired {
            return retired.let_go();
        }
        epoch::pin().flush();
    }

    /// The newest value, valid as long as the guard.
    pub(crate) fn load<'g>(&self, guard: &'g Guard) -> &'g Arc<T> {
        #[cfg(feature = "sim")]
        if let Some(retired) = &self.retired {
            retired.check_thread();
        }
        // Acquire pairs with the Release swap in `update`: a reader that finds the pointer finds
        // the value behind it complete.
        let shared = self.current.load(weakened!("published_load", Acquire), guard);
        // SAFETY: the pointer is never null, and what it points to is retired through the epoch
        // only, so it outlives the guard.
        unsafe { shared.deref() }
    }

    /// The newest value, counted.
    pub(crate) fn get(&self) -> Arc<T> {
        Arc::clone(self.load(&epoch::pin()))
    }

    /// Publishes what `change` makes of the newest value.
    pub(crate) fn update(&self, change: impl FnOnce(&T) -> T) -> Arc<T> {
        let _writer = (!mutant!("published_unlocked")).then(|| lock(&self.writer));
        let guard = epoch::pin();
        let new = Arc::new(change(self.load(&guard)));
        let ordering = weakened!("published_swap", AcqRel);
        let old = self.current.swap(Owned::new(Arc::clone(&new)), ordering, &guard);
        #[cfg(feature = "sim")]
        if let Some(retired) = &self.retired {
            // SAFETY: only this thread ever loads the pointer, and what it borrowed under a guard is
            // over before `let_go` frees anything, which it does without one.
            retired.keep(unsafe { old.into_owned() });
            return new;
        }
        // SAFETY: the old pointer was just unlinked by the only writer; readers that still have it
        // hold guards.
        unsafe { guard.defer_destroy(old) };
        // Out of this thread's own bag: it may never come back to empty it, and the old value may
        // hold on to much.
        guard.flush();
        new
    }
}

impl<T: Send + Sync + 'static> Drop for Published<T> {
    fn drop(&mut self) {
        let current = std::mem::replace(&mut self.current, Atomic::null());
        // SAFETY: `&mut self`: no reader is left, and the pointer is not used again.
        drop(unsafe { current.into_owned() });
        // What was replaced last may hold on to much, and perhaps nobody uses the epoch any more. Each push brings it
        // one step on, and frees some of what is two steps old.
        for _ in 0..PUSHES_AT_END {
            self.push_retired();
        }
    }
}
