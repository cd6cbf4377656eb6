//! The synchronisation types of the engine: std's in production, loom's in model tests.
//!
//! Lock-free code takes its types from here and nowhere else, so that a model can replace them.

#[cfg(loom)]
pub(crate) use loom::sync::{Arc, Mutex, MutexGuard, atomic};
#[cfg(not(loom))]
pub(crate) use std::sync::{Arc, Mutex, MutexGuard, atomic};

/// Locks, also after a panic elsewhere: every critical section of the engine leaves its data whole
/// at each step, so a poisoned lock guards nothing that the panic could have broken.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
