//! The part of a core that other threads reach: letters to it, and its sleep.
//!
//! A core that finds nothing to do announces its sleep, looks at its letters for the last time, and
//! sleeps until it is unparked. A sender puts its letter in, and unparks a core that has announced
//! its sleep. Either the core sees the letter, or the sender sees the announcement: the lock of the
//! letters orders the two.

use super::local::{Local, LocalTask};
use crate::base::sync::atomic::{AtomicBool, Ordering};
use crate::base::sync::{Arc, Mutex, lock, mutant};
use crate::io::Unpark;

/// Makes a task on the core it is sent to.
pub(super) type Start = Box<dyn FnOnce(Local) -> LocalTask + Send>;

/// The letters to one core and whether it sleeps.
pub(super) struct Mailbox {
    letters: Mutex<Letters>,
    /// Set by the core before it looks at the letters for the last time before sleeping; a sender
    /// that has put a letter in and finds it set must unpark. Changed by swaps alone: for loom a
    /// plain store beside swaps has no certain place in their order. (On x86 both cost the same.)
    sleeping: AtomicBool,
    unparker: Arc<dyn Unpark>,
}

/// What has come since the core last looked.
#[derive(Default)]
pub(super) struct Letters {
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
    /// No letters for a core that is awake and sleeps until `unparker` is used.
    pub(super) fn new(unparker: Arc<dyn Unpark>) -> Self {
        Self { letters: Mutex::default(), sleeping: AtomicBool::new(false), unparker }
    }

    fn put(&self, letter: impl FnOnce(&mut Letters)) {
        {
            let mut letters = lock(&self.letters);
            if letters.ended && !mutant!("mailbox_put_after_end") {
                // Dropped unread, so that whoever waits for its effect hears of the end.
                return;
            }
            letter(&mut letters);
        }
        if self.sleeping.swap(false, Ordering::SeqCst) {
            self.unparker.unpark();
        }
    }

    /// Starts a task on the core.
    pub(super) fn start(&self, start: Start) {
        self.put(|letters| letters.starts.push(start));
    }

    /// Has a task of the core polled.
    pub(super) fn wake(&self, task: u64) {
        self.put(|letters| letters.wakes.push(task));
    }

    /// Ends the core after its current turn.
    pub(super) fn stop(&self) {
        self.put(|letters| letters.stop = true);
    }

    /// Takes what has come. For the core, as the rest.
    pub(super) fn take(&self) -> Letters {
        std::mem::take(&mut *lock(&self.letters))
    }

    /// Announces sleep; `false` if there is mail already and no sleep is due.
    pub(super) fn fall_asleep(&self) -> bool {
        if !mutant!("mailbox_announced_last") {
            self.sleeping.swap(true, Ordering::SeqCst);
        }
        let empty = {
            let letters = lock(&self.letters);
            !letters.stop && letters.wakes.is_empty() && letters.starts.is_empty()
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
        let last = Letters { ended: true, ..Letters::default() };
        // What the letters hold may wake tasks of this very core: not under the lock.
        let unread = std::mem::replace(&mut *lock(&self.letters), last);
        drop(unread);
    }
}
