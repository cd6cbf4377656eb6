//! What a reader pins: L0, L1, L2 and L3 at one moment. Immutable, published atomically.
//!
//! A lookup loads the view under an epoch guard: no lock, no count. Iterators take a counted
//! reference instead, since they may live long. Replaced views are reclaimed by the epoch.

use crossbeam_epoch::{Atomic, Guard, Owned};

use super::ranges::RangeSet;
use crate::base::sync::atomic::Ordering;
use crate::base::sync::{Arc, Mutex, lock};
use crate::memtable::Memtable;
use crate::table::Table;

/// A file of L2.
pub(crate) struct Flushed {
    /// The file.
    pub(crate) table: Arc<Table>,
    /// Keys that must not be read here: they have gone down.
    pub(crate) consumed: RangeSet,
}

/// A partition of L3.
pub(crate) struct Partition {
    /// Its smallest possible key.
    pub(crate) lower: Vec<u8>,
    /// Its file; none while it is empty.
    pub(crate) table: Option<Arc<Table>>,
}

/// The files: L2 newest first, L3 by key.
pub(crate) struct Files {
    pub(crate) flushed: Vec<Flushed>,
    pub(crate) partitions: Vec<Partition>,
}

impl Files {
    /// Index of the partition that is the home of `key`.
    pub(crate) fn partition_of(&self, key: &[u8]) -> usize {
        let after = self.partitions.partition_point(|partition| partition.lower.as_slice() <= key);
        after.checked_sub(1).expect("the first partition begins at the empty key")
    }

    /// Index of the last partition that may hold keys below `key`.
    pub(crate) fn partition_below(&self, key: &[u8]) -> usize {
        let after = self.partitions.partition_point(|partition| partition.lower.as_slice() < key);
        after.saturating_sub(1)
    }
}

/// One moment of the tree.
#[derive(Clone)]
pub(crate) struct View {
    /// L0.
    pub(crate) memtable: Arc<Memtable>,
    /// L1, newest first.
    pub(crate) frozen: Vec<Arc<Memtable>>,
    /// L2 and L3.
    pub(crate) files: Arc<Files>,
}

/// The newest view.
pub(crate) struct Published {
    current: Atomic<Arc<View>>,
    /// Held to replace the view; never across a wait.
    writer: Mutex<()>,
    /// Where replaced views go instead of the epoch, in a simulated world.
    #[cfg(feature = "sim")]
    retired: Option<super::retired::Retired<Owned<Arc<View>>>>,
}

impl Published {
    /// Publishes the first view.
    pub(crate) fn new(view: View) -> Self {
        Self {
            current: Atomic::new(Arc::new(view)),
            writer: Mutex::new(()),
            #[cfg(feature = "sim")]
            retired: None,
        }
    }

    /// Publishes the first view of a database in a simulated world.
    #[cfg(feature = "sim")]
    pub(crate) fn new_simulated(view: View) -> Self {
        let mut published = Self::new(view);
        published.retired = Some(super::retired::Retired::here());
        published
    }

    /// Gives replaced views, which wait for the epoch to move on, a push.
    pub(crate) fn push_retired(&self) {
        #[cfg(feature = "sim")]
        if let Some(retired) = &self.retired {
            return retired.let_go();
        }
        crossbeam_epoch::pin().flush();
    }

    /// The newest view, valid as long as the guard.
    pub(crate) fn load<'g>(&self, guard: &'g Guard) -> &'g Arc<View> {
        #[cfg(feature = "sim")]
        if let Some(retired) = &self.retired {
            retired.check_thread();
        }
        // Acquire pairs with the Release swap in `update`: a reader that finds the pointer finds
        // the view behind it complete.
        let shared = self.current.load(Ordering::Acquire, guard);
        // SAFETY: the pointer is never null, and what it points to is retired through the epoch
        // only, so it outlives the guard.
        unsafe { shared.deref() }
    }

    /// The newest view, counted.
    pub(crate) fn get(&self) -> Arc<View> {
        Arc::clone(self.load(&crossbeam_epoch::pin()))
    }

    /// Publishes what `change` makes of the newest view.
    pub(crate) fn update(&self, change: impl FnOnce(&View) -> View) -> Arc<View> {
        let _writer = lock(&self.writer);
        let guard = crossbeam_epoch::pin();
        let new = Arc::new(change(self.load(&guard)));
        let old = self.current.swap(Owned::new(Arc::clone(&new)), Ordering::AcqRel, &guard);
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
        // Out of this thread's own bag: it may never come back to empty it, and the old view keeps
        // files alive.
        guard.flush();
        new
    }
}

impl Drop for Published {
    fn drop(&mut self) {
        let current = std::mem::replace(&mut self.current, Atomic::null());
        // SAFETY: `&mut self`: no reader is left, and the pointer is not used again.
        drop(unsafe { current.into_owned() });
    }
}
