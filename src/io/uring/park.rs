//! Ends the wait of a core that sleeps in its ring, at no system call if it is awake.
//!
//! The state says whether the core sleeps. Only an unpark that finds it asleep writes to the
//! eventfd, which a request of the core's ring is always reading: that completion ends the sleep.
//! An unpark of a core that is awake is remembered and makes its next wait end at once.

use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use rustix::event::EventfdFlags;

use crate::base::sync::atomic::{AtomicU8, Ordering::AcqRel, Ordering::Acquire, Ordering::Release};
use crate::base::sync::{mutant, weakened};
use crate::io::Unpark;

const AWAKE: u8 = 0;
const ASLEEP: u8 = 1;
/// An unpark has come that no wait has seen.
const CALLED: u8 = 2;

/// Whether a core sleeps, and whether somebody has called it. Changed by swaps that acquire and
/// release, so that what a calling thread wrote before is seen by the core after, whether it slept
/// or was about to.
#[derive(Debug)]
pub(super) struct Calls(AtomicU8);

impl Calls {
    /// Nobody has called a core that is awake.
    pub(super) fn new() -> Self {
        Self(AtomicU8::new(AWAKE))
    }

    /// Announces a sleep; `false` if there was a call, which this takes, and no sleep is due.
    pub(super) fn fall_asleep(&self) -> bool {
        if mutant!("park_forgets_a_call") {
            self.0.store(ASLEEP, Release);
            return true;
        }
        if self.0.compare_exchange(AWAKE, ASLEEP, AcqRel, Acquire).is_ok() {
            return true;
        }
        self.wake_up();
        false
    }

    /// Ends the announcement; whether there was a call, which this takes.
    pub(super) fn wake_up(&self) -> bool {
        self.0.swap(AWAKE, weakened!("park_wake_up", AcqRel)) == CALLED
    }

    /// Calls; whether the core sleeps and has to be woken by its wakeup.
    pub(super) fn call(&self) -> bool {
        self.0.swap(CALLED, weakened!("park_call", AcqRel)) == ASLEEP
    }
}

/// Shared between one queue, which parks, and any number of threads, which unpark.
#[derive(Debug)]
pub(super) struct Parker {
    calls: Calls,
    eventfd: OwnedFd,
}

impl Parker {
    /// A parker whose core is awake.
    pub(super) fn new() -> rustix::io::Result<Self> {
        // Not EFD_NONBLOCK: the ring's read of it has to wait, not to fail.
        let eventfd = rustix::event::eventfd(0, EventfdFlags::CLOEXEC)?;
        Ok(Self { calls: Calls::new(), eventfd })
    }

    /// The descriptor that the ring reads, eight bytes at a time.
    pub(super) fn raw_fd(&self) -> RawFd {
        self.eventfd.as_raw_fd()
    }

    /// The descriptor, for a ring to hold.
    pub(super) fn file(&self) -> &OwnedFd {
        &self.eventfd
    }

    /// See [`Calls::fall_asleep`].
    pub(super) fn fall_asleep(&self) -> bool {
        self.calls.fall_asleep()
    }

    /// See [`Calls::wake_up`].
    pub(super) fn wake_up(&self) -> bool {
        self.calls.wake_up()
    }

    /// Makes the ring's read of the eventfd complete.
    pub(super) fn signal(&self) {
        // Fails only if the count is full, and then the read is about to complete anyway.
        let _written = rustix::io::write(&self.eventfd, &1_u64.to_ne_bytes());
    }
}

impl Unpark for Parker {
    fn unpark(&self) {
        if self.calls.call() {
            self.signal();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_before_the_sleep_prevents_it_once() {
        let parker = Parker::new().unwrap();
        parker.unpark();
        parker.unpark();
        assert!(!parker.fall_asleep());
        assert!(parker.fall_asleep());
        assert!(!parker.wake_up());
    }

    #[test]
    fn a_call_during_the_sleep_is_seen_by_the_sleeper() {
        let parker = Parker::new().unwrap();
        assert!(parker.fall_asleep());
        parker.unpark();
        assert!(parker.wake_up());
        assert!(!parker.wake_up());
        let mut count = [0; 8];
        rustix::io::read(&parker.eventfd, &mut count).unwrap();
        assert_eq!(u64::from_ne_bytes(count), 1);
    }
}
