//! The part of a core that other threads reach: messages to it, and its sleep.
//!
//! A core that finds nothing to do announces its sleep, looks at its messages for the last time, and
//! sleeps until it is unparked. A sender puts its message in, and unparks a core that has announced
//! its sleep. Either the core sees the message, or the sender sees the announcement: the lock of the
//! messages orders the two.
//!
//! In a child of the process a message goes nowhere: nobody is there to read it, and another thread may have held the
//! lock at the fork.

use super::guest::contain;
use super::local::Local;
use crate::base::sync::atomic::{AtomicBool, Ordering};
use crate::base::sync::{Arc, Mutex, lock, mutant};
use crate::io::{Process, Unpark};

/// Spawns a task on the core it is sent to.
pub(super) type Start = Box<dyn FnOnce(&Local) + Send>;

/// The messages to one core and whether it sleeps.
pub(super) struct Mailbox {
    messages: Mutex<Messages>,
    /// Set by the core before it looks at the messages for the last time before sleeping; a sender
    /// that has put a message in and finds it set must unpark. Changed by swaps alone: for loom a
    /// plain store beside swaps has no certain place in their order. (On x86 both cost the same.)
    sleeping: AtomicBool,
    unparker: Arc<dyn Unpark>,
    /// Where the core runs.
    process: Process,
}

/// What has come since the core last looked.
#[derive(Default)]
pub(super) struct Messages {
    /// Tasks to be polled.
    pub(super) wakes: Vec<u64>,
    /// Tasks to be made.
    pub(super) starts: Vec<Start>,
    /// The core is to end after its turn.
    pub(super) stop: bool,
    /// The core is gone: nobody will read this.
    ended: bool,
}

impl Mailbox {
    /// No messages for a core that is awake and sleeps until `unparker` is used.
    pub(super) fn new(unparker: Arc<dyn Unpark>) -> Self {
        let process = Process::current();
        Self { messages: Mutex::default(), sleeping: AtomicBool::new(false), unparker, process }
    }

    fn put(&self, message: impl FnOnce(&mut Messages)) {
        if !self.process.is_current() {
            return;
        }
        {
            let mut messages = lock(&self.messages);
            if messages.ended && !mutant!("mailbox_put_after_end") {
                // The message is dropped unread, which tells whoever waits for its effect.
                return;
            }
            message(&mut messages);
        }
        if self.sleeping.swap(false, Ordering::SeqCst) {
            self.unparker.unpark();
        }
    }

    /// Starts a task on the core.
    pub(super) fn start(&self, start: Start) {
        self.put(|messages| messages.starts.push(start));
    }

    /// Has a task of the core polled.
    pub(super) fn wake(&self, task: u64) {
        self.put(|messages| messages.wakes.push(task));
    }

    /// Ends the core after its current turn.
    pub(super) fn stop(&self) {
        self.put(|messages| messages.stop = true);
    }

    /// Takes what has come. For the core, as the rest.
    pub(super) fn take(&self) -> Messages {
        std::mem::take(&mut *lock(&self.messages))
    }

    /// Announces sleep; `false` if there is mail already and no sleep is due.
    pub(super) fn fall_asleep(&self) -> bool {
        if !mutant!("mailbox_announced_last") {
            self.sleeping.swap(true, Ordering::SeqCst);
        }
        let empty = {
            let messages = lock(&self.messages);
            !messages.stop && messages.wakes.is_empty() && messages.starts.is_empty()
        };
        if mutant!("mailbox_announced_last") {
            self.sleeping.swap(true, Ordering::SeqCst);
        }
        empty || mutant!("mailbox_not_looked_at")
    }

    /// Ends the announcement.
    pub(super) fn wake_up(&self) {
        self.sleeping.swap(false, Ordering::SeqCst);
    }

    /// The core is gone: gives up what nobody will read, now and from now on.
    pub(super) fn end(&self) {
        let last = Messages { ended: true, ..Messages::default() };
        // Dropping what the messages hold may wake tasks of this very core, which takes the lock.
        let unread = std::mem::replace(&mut *lock(&self.messages), last);
        // Some hold what a guest was to be made of.
        unread.starts.into_iter().for_each(|start| contain(|| drop(start)));
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::io::ends_in_child;

    struct Nobody;

    impl Unpark for Nobody {
        fn unpark(&self) {}
    }

    #[test]
    fn a_child_sends_nothing_and_does_not_wait_for_the_lock() {
        let mailbox = Mailbox::new(Arc::new(Nobody));
        // As another thread may at the moment of a fork.
        let held = lock(&mailbox.messages);
        let has_ended = ends_in_child(|| {
            mailbox.wake(1);
            mailbox.start(Box::new(|_| ()));
            mailbox.stop();
        });
        drop(held);
        assert!(has_ended);
        mailbox.wake(1);
        assert_eq!(mailbox.take().wakes, [1]);
    }
}
