//! How far the inserts of a run are all finished.
//!
//! `acknowledge` reports a number as finished, in any order. `finished` is the first number that is
//! not known to be finished: everything below it may be read.
//! A ring of slots remembers what finished ahead of the limit. A slot holds the number that
//! was acknowledged in it plus one, so that slots need no clearing when the ring wraps.

use std::sync::atomic::{AtomicU64, Ordering};

/// How far one thread may run ahead of another one whose insert takes long.
const WINDOW: u64 = 1 << 20;

/// Shared by all threads of a phase.
#[derive(Debug)]
pub struct AcknowledgedCounter {
    finished: AtomicU64,
    slots: Box<[AtomicU64]>,
}

impl AcknowledgedCounter {
    /// Starts at `first`; everything below counts as finished.
    pub fn new(first: u64) -> AcknowledgedCounter {
        AcknowledgedCounter::with_window(first, WINDOW)
    }

    fn with_window(first: u64, window: u64) -> AcknowledgedCounter {
        AcknowledgedCounter {
            finished: AtomicU64::new(first),
            slots: (0..window).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    /// The first number that is not finished.
    pub fn finished(&self) -> u64 {
        // Pairs with the exchange in `advance`: who sees the limit sees the inserts below it.
        self.finished.load(Ordering::Acquire)
    }

    /// Reports a number as finished. If a slow insert holds the limit a whole
    /// window back, the caller waits for it.
    pub fn acknowledge(&self, number: u64) {
        let window = self.slots.len() as u64;
        while number >= self.finished() + window {
            std::thread::yield_now();
        }
        // Sequential consistency here and in `advance`: of two threads that finish at once,
        // at least one sees the slot of the other, and so no acknowledgement is left behind.
        self.slots[(number % window) as usize].store(number + 1, Ordering::SeqCst);
        self.advance();
    }

    fn advance(&self) {
        let window = self.slots.len() as u64;
        loop {
            let limit = self.finished.load(Ordering::SeqCst);
            if self.slots[(limit % window) as usize].load(Ordering::SeqCst) != limit + 1 {
                return;
            }
            // A failed exchange means that another thread advanced; look again from there.
            let _ = self.finished.compare_exchange(limit, limit + 1, Ordering::SeqCst, Ordering::SeqCst);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_waits_for_the_oldest_unfinished_number() {
        let counter = AcknowledgedCounter::new(10);
        counter.acknowledge(12);
        counter.acknowledge(11);
        assert_eq!(counter.finished(), 10);
        counter.acknowledge(10);
        assert_eq!(counter.finished(), 13);
    }

    #[test]
    fn threads_over_a_small_ring_leave_nothing_behind() {
        let counter = AcknowledgedCounter::with_window(0, 8);
        let next = AtomicU64::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..2_000 {
                        counter.acknowledge(next.fetch_add(1, Ordering::Relaxed));
                    }
                });
            }
        });
        assert_eq!(counter.finished(), 8_000);
    }
}
