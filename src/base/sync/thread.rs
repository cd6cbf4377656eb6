//! Parking of threads for model tests. loom's own forgets an unpark when a mutex that the thread
//! used last is released before the thread parks, so a token under a condition variable stands in:
//! the contract of std's `park`, spelled out.

use loom::sync::{Condvar, Mutex};

use super::{Arc, lock};

/// A handle to a thread of a model.
#[derive(Clone, Default)]
pub(crate) struct Thread(Arc<Token>);

#[derive(Default)]
struct Token {
    set: Mutex<bool>,
    changed: Condvar,
}

loom::thread_local! {
    static HERE: Thread = Thread::default();
}

/// The calling thread.
pub(crate) fn current() -> Thread {
    HERE.with(Clone::clone)
}

/// Sleeps until there is a token, and takes it.
pub(crate) fn park() {
    let Thread(token) = current();
    let mut set = lock(&token.set);
    while !*set {
        set = token.changed.wait(set).unwrap_or_else(std::sync::PoisonError::into_inner);
    }
    *set = false;
}

impl Thread {
    /// Puts the token there.
    pub(crate) fn unpark(&self) {
        *lock(&self.0.set) = true;
        self.0.changed.notify_one();
    }
}
