//! A reason to refuse writes: a flag for the write path, and the error behind it.

use crate::base::error::Error;
use crate::base::sync::atomic::{AtomicBool, Ordering};
use crate::base::sync::{Mutex, lock};

/// Set while there is a reason.
#[derive(Default)]
pub(super) struct Refusal {
    flag: AtomicBool,
    error: Mutex<Option<Error>>,
}

impl Refusal {
    /// Whether there is a reason.
    #[inline]
    pub(super) fn is_set(&self) -> bool {
        // Acquire pairs with the Release in `set`: the error stands there.
        self.flag.load(Ordering::Acquire)
    }

    /// The reason.
    pub(super) fn error(&self) -> Option<Error> {
        lock(&self.error).clone()
    }

    /// Sets the reason; the first counts. Returns whether it was this one.
    pub(super) fn set(&self, error: Error) -> bool {
        let is_first = {
            let mut first = lock(&self.error);
            let is_first = first.is_none();
            first.get_or_insert(error);
            is_first
        };
        self.flag.store(true, Ordering::Release);
        is_first
    }

    /// The reason has passed; returns whether there was one.
    pub(super) fn clear(&self) -> bool {
        let was_set = lock(&self.error).take().is_some();
        self.flag.store(false, Ordering::Release);
        was_set
    }
}
