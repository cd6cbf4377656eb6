//! Replaced views of a database in a simulated world.
//!
//! The epoch reclaims a view when all threads have moved on, also those that run other simulations:
//! the moment differs from run to run, and with it the moment at which files are removed. A
//! simulated database stays on one thread, so its views can go as soon as that thread has no guard.

use std::thread::ThreadId;

use crate::base::sync::{Mutex, lock};

/// Views that were replaced, and the one thread that may look at them.
pub(crate) struct Retired<T> {
    thread: ThreadId,
    views: Mutex<Vec<T>>,
}

impl<T> Retired<T> {
    /// For views that this thread alone loads.
    pub(super) fn here() -> Self {
        Self { thread: std::thread::current().id(), views: Mutex::default() }
    }

    /// Panics on any other thread.
    pub(super) fn check_thread(&self) {
        let here = std::thread::current().id();
        assert!(here == self.thread, "a simulated database is used on the thread that opened it");
    }

    /// Keeps a view that was just replaced.
    pub(super) fn keep(&self, view: T) {
        lock(&self.views).push(view);
    }

    /// Lets go of all views, if this thread looks at none.
    pub(super) fn let_go(&self) {
        self.check_thread();
        if !crossbeam_epoch::is_pinned() {
            // What a view holds is freed outside of the lock.
            let unread = std::mem::take(&mut *lock(&self.views));
            drop(unread);
        }
    }
}
