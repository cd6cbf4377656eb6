//! Deadlines of the sleeping tasks of one core.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::task::Waker;
use std::time::Duration;

/// Wakers by deadline. The waker of a dropped sleeper stays until its deadline and then wakes nobody.
#[derive(Default)]
pub(super) struct Timers {
    deadlines: BinaryHeap<Reverse<(Duration, u64)>>,
    wakers: std::collections::HashMap<u64, Waker>,
    next: u64,
}

impl Timers {
    /// Wakes `waker` at `deadline`.
    pub(super) fn add(&mut self, deadline: Duration, waker: Waker) {
        self.deadlines.push(Reverse((deadline, self.next)));
        self.wakers.insert(self.next, waker);
        self.next += 1;
    }

    /// The earliest deadline.
    pub(super) fn next_deadline(&self) -> Option<Duration> {
        self.deadlines.peek().map(|Reverse((deadline, _))| *deadline)
    }

    /// The wakers whose deadline is not after `now`, in order of deadline.
    pub(super) fn expired(&mut self, now: Duration) -> Vec<Waker> {
        let mut expired = Vec::new();
        while self.next_deadline().is_some_and(|deadline| deadline <= now) {
            if let Some(Reverse((_, number))) = self.deadlines.pop() {
                expired.extend(self.wakers.remove(&number));
            }
        }
        expired
    }
}
