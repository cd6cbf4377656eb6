//! Where a driver's thread waits, and is called: in its program's loop, or in the queue.

use crate::base::sync::atomic::{AtomicBool, Ordering};
use crate::base::sync::{Arc, mutant};
use crate::io::Unpark;

/// Who leaves a message for a core whose sleep was announced calls here. Which of the two it means is written down
/// before the announcement, so whoever finds that, finds this as well; and who has found the one before has left its
/// message before it was made, and the core looks at its messages afterwards.
pub(super) struct Waits {
    in_loop: Arc<dyn Unpark>,
    in_queue: Arc<dyn Unpark>,
    is_in_queue: AtomicBool,
}

impl Waits {
    /// In the loop, at first.
    pub(super) fn new(in_loop: Arc<dyn Unpark>, in_queue: Arc<dyn Unpark>) -> Self {
        Self { in_loop, in_queue, is_in_queue: AtomicBool::new(false) }
    }

    /// The next sleep that is announced is one in the queue.
    pub(super) fn next_in_queue(&self) {
        if !mutant!("waits_in_loop_alone") {
            // A swap, as the announcement is: see `Mailbox::sleeping`.
            self.is_in_queue.swap(true, Ordering::SeqCst);
        }
    }

    /// The next sleep that is announced is one in the loop.
    pub(super) fn next_in_loop(&self) {
        if !mutant!("waits_in_queue_for_good") {
            self.is_in_queue.swap(false, Ordering::SeqCst);
        }
    }
}

impl Unpark for Waits {
    fn unpark(&self) {
        if self.is_in_queue.load(Ordering::SeqCst) {
            self.in_queue.unpark();
        } else {
            self.in_loop.unpark();
        }
    }
}
