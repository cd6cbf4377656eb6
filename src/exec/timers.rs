//! Deadlines of the sleeping tasks of one core.

use std::collections::BTreeMap;
use std::task::Waker;
use std::time::Duration;

/// Names a sleeper: its deadline, and a number for those with the same one.
pub(super) type Sleeper = (Duration, u64);

/// Wakers by deadline, of those who still sleep.
#[derive(Default)]
pub(super) struct Timers {
    wakers: BTreeMap<Sleeper, Waker>,
    next: u64,
}

impl Timers {
    /// Wakes `waker` at `deadline`.
    pub(super) fn add(&mut self, deadline: Duration, waker: Waker) -> Sleeper {
        let sleeper = (deadline, self.next);
        self.next += 1;
        self.wakers.insert(sleeper, waker);
        sleeper
    }

    /// The waker of one who still sleeps.
    pub(super) fn waker(&mut self, sleeper: Sleeper) -> Option<&mut Waker> {
        self.wakers.get_mut(&sleeper)
    }

    /// Forgets a sleeper; returns its waker, if it has not been woken.
    pub(super) fn remove(&mut self, sleeper: Sleeper) -> Option<Waker> {
        self.wakers.remove(&sleeper)
    }

    /// The earliest deadline.
    pub(super) fn next_deadline(&self) -> Option<Duration> {
        self.wakers.keys().next().map(|(deadline, _)| *deadline)
    }

    /// The wakers whose deadline is not after `now`, in order of deadline.
    pub(super) fn expired(&mut self, now: Duration) -> Vec<Waker> {
        let mut expired = Vec::new();
        while self.next_deadline().is_some_and(|deadline| deadline <= now) {
            expired.extend(self.wakers.pop_first().map(|(_, waker)| waker));
        }
        expired
    }
}
