//! The synchronisation types of the engine: std's in production, loom's in model tests.
//!
//! Lock-free code takes its types from here and nowhere else, so that a model can replace them.
//! `Arc` and its `Weak` are std's in both: wakers and trait objects need it, and no protocol of ours rests on the
//! order of its counts. The epoch is crossbeam's, or in models a small one made of loom's atomics.
//!
//! [`mutant!`] and [`weakened!`] mark the places where a model test makes a mistake on purpose, to
//! show that it would notice one. In every other build they cost nothing: the first is `false`, the
//! second the ordering it is given.

#[cfg(loom)]
pub(crate) mod epoch;
#[cfg(all(test, loom))]
pub(crate) mod loom_tests;
pub(crate) mod parker;

pub(crate) use std::sync::{Arc, Weak};

#[cfg(not(loom))]
pub(crate) use crossbeam_epoch as epoch;
#[cfg(loom)]
pub(crate) use loom::sync::{Condvar, Mutex, MutexGuard, atomic};
#[cfg(not(loom))]
pub(crate) use std::sync::{Condvar, Mutex, MutexGuard, atomic};

/// Atomics that are laid over mapped memory or are of the whole process, which those of a model could not be.
pub(crate) mod mapped {
    pub(crate) use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering};
}

/// Locks, also after a panic elsewhere: every critical section of the engine leaves its data whole
/// at each step, so a poisoned lock guards nothing that the panic could have broken.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Lets time pass before look number `looks` at what another thread is about to do: a little at first, which is
/// enough if that thread runs; then this core is left to whoever wants it.
#[cfg(not(loom))]
pub(crate) fn give_way(looks: u32) {
    if looks < 64 { std::hint::spin_loop() } else { std::thread::yield_now() }
}

#[cfg(loom)]
pub(crate) fn give_way(_looks: u32) {
    loom::thread::yield_now();
}

/// Whether to make the mistake of this name. Always `false`, but for the model tests of mistakes.
#[cfg(not(loom))]
macro_rules! mutant {
    ($name:literal) => {
        false
    };
}

/// Whether to make the mistake of this name: the one that the environment variable `RABI_MUTANT`
/// gives.
#[cfg(loom)]
macro_rules! mutant {
    ($name:literal) => {
        $crate::base::sync::is_mutant($name)
    };
}

/// The ordering, unless the mistake of this name is to be made: then `Relaxed`.
macro_rules! weakened {
    ($name:literal, $ordering:ident) => {
        if $crate::base::sync::mutant!($name) {
            $crate::base::sync::atomic::Ordering::Relaxed
        } else {
            $crate::base::sync::atomic::Ordering::$ordering
        }
    };
}

pub(crate) use {mutant, weakened};

/// The mistake to be made, for [`mutant!`].
#[cfg(loom)]
pub(crate) fn is_mutant(name: &str) -> bool {
    static MUTANT: std::sync::OnceLock<Option<String>> = std::sync::OnceLock::new();
    MUTANT.get_or_init(|| std::env::var("RABI_MUTANT").ok()).as_deref() == Some(name)
}
