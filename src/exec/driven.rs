//! A core without a thread: the host's own loop waits for its descriptor, and then has it take its turns.
//!
//! Between two runs it sleeps, as far as senders can tell: a message rings the bell, and so do a completion and what a run
//! leaves to be done.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use super::core::{Core, Turn};
use super::local::Local;
use crate::base::error::{Error, Result};
use crate::base::sync::Arc;
use crate::io::{Bell, File, Io, Unpark};

/// How long a run goes on: the loop has other things to do.
const RUN_MAX: Duration = Duration::from_millis(1);

/// See the module.
pub(crate) struct Driven {
    core: Core,
    bell: Arc<Bell>,
}

impl Driven {
    /// Belongs to the calling thread. Its queue only reads; `held` stays open meanwhile.
    pub(crate) fn new(io: &Arc<dyn Io>, number: usize, held: &File) -> Result<Self> {
        let queue = io.queue(number, held)?;
        let bell = Bell::new(&*queue).map_err(|e| Error::io("wait for", held.path(), None, e))?;
        let bell = Arc::new(bell);
        let core = Core::of(io, queue, Arc::clone(&bell) as Arc<dyn Unpark>, true);
        let driven = Self { core, bell };
        driven.sleep(false);
        Ok(driven)
    }

    pub(crate) fn local(&self) -> &Local {
        self.core.local()
    }

    /// Takes turns until nobody has anything to do, but not for long.
    ///
    /// # Errors
    /// The queue is broken.
    pub(crate) fn run_ready(&mut self) -> Result<()> {
        if !self.core.is_at_home() {
            return Err(Error::Forked);
        }
        let io = Arc::clone(self.local().io());
        let end = io.now() + RUN_MAX;
        let is_left = loop {
            match self.core.turn(false) {
                // What has rung meanwhile may have been seen by that turn, or not.
                Turn::Idle if self.bell.clear() => {}
                Turn::Idle => break false,
                Turn::Stopped => return Err(self.core.broken()),
                Turn::Worked if io.now() >= end => break true,
                Turn::Worked => {}
            }
        };
        self.sleep(is_left);
        Ok(())
    }

    /// From here on messages ring the bell; something that is there already does so now.
    fn sleep(&self, is_left: bool) {
        if !self.core.mailbox().fall_asleep() || is_left {
            self.bell.unpark();
        }
    }

    /// How long until there is something to do that does not ring; `None` if there is nothing.
    pub(crate) fn timeout(&self) -> Option<Duration> {
        let now = self.local().io().now();
        self.core.next_deadline().map(|deadline| deadline.saturating_sub(now))
    }

    /// A task was spawned from outside of a run.
    pub(crate) fn call(&self) {
        self.bell.unpark();
    }
}

impl AsFd for Driven {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }
}
