//! A descriptor for a loop that is not ours: an eventfd, readable when somebody has called, or operations of a queue have
//! completed.
//!
//! Not the ring's own descriptor: one whose completions are deferred to its thread (`DEFER_TASKRUN`) does not wake who
//! polls it, but signals an eventfd that is registered with it.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{EventfdFlags, eventfd};

use super::{Queue, Unpark};

/// See the module. Called from any thread.
#[derive(Debug)]
pub(crate) struct Bell(OwnedFd);

impl Bell {
    /// Nobody has called yet.
    pub(crate) fn new(queue: &dyn Queue) -> io::Result<Self> {
        let calls = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        queue.signal_completions(calls.as_fd())?;
        Ok(Self(calls))
    }

    /// Forgets the calls so far; whether there were any.
    pub(crate) fn clear(&self) -> bool {
        rustix::io::read(&self.0, &mut [0; 8]).is_ok()
    }
}

impl AsFd for Bell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Unpark for Bell {
    fn unpark(&self) {
        // Fails only if the count is full: then it is readable anyway.
        let _written = rustix::io::write(&self.0, &1_u64.to_ne_bytes());
    }
}
