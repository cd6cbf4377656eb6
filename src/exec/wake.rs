//! Calling wakers of others.
//!
//! A waker may be the host program's code. Who calls it (a core, a caller who leads) owes the same to others, and has
//! work of its own: a panic in one ends there.

use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::Waker;

/// Calls a waker; returns also if that panics. Not under a lock.
pub(crate) fn wake(waker: Waker) {
    // What a panic leaves half done is the waker's own.
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| waker.wake())) {
        tracing::error!("a waker panicked");
        // The panic's own drop is the host's code as well.
        mem::forget(panic);
    }
}
