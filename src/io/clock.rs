//! Time as a host counts it: from when it was made.

use std::time::{Duration, Instant};

/// The clock of one host; queues carry a copy to turn deadlines into timeouts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    origin: Instant,
}

impl Clock {
    /// Begins now.
    pub(super) fn start() -> Self {
        Self { origin: Instant::now() }
    }

    /// Time since it began.
    pub(super) fn now(self) -> Duration {
        self.origin.elapsed()
    }

    /// Time left until `deadline`; `None` once it has passed.
    pub(super) fn left_until(self, deadline: Duration) -> Option<Duration> {
        deadline.checked_sub(self.now()).filter(|left| !left.is_zero())
    }
}
