//! How much writers are slowed: a pure function of how far flushes and compaction lag behind.
//!
//! Writers are slowed in proportion to the debt, so that the stall at the limit is rare. The delay
//! is counted in nanoseconds for each byte written and paid in sleeps of a millisecond and more.

use std::time::Duration;

use super::Tree;
use super::view::View;
use crate::base::sync::atomic::{AtomicU64, Ordering};

/// Delay at full debt: 25 ns a byte leaves writers 40 MB/s.
const NS_PER_BYTE_MAX: u64 = 25;

/// A delay is paid once this much is owed: shorter sleeps cost more than they delay.
const SLEEP_MIN_NS: u64 = 1_000_000;

/// The delay that is asked of writers, and what they owe of it. Nothing is ordered by these numbers.
#[derive(Default)]
pub(crate) struct Throttle {
    delay_ns_per_byte: AtomicU64,
    owed_ns: AtomicU64,
}

impl Throttle {
    /// The delay now.
    pub(crate) fn delay_ns_per_byte(&self) -> u64 {
        self.delay_ns_per_byte.load(Ordering::Relaxed)
    }

    /// How long the writer of so many bytes has to sleep; `None` while too little is owed.
    pub(crate) fn charge(&self, bytes: u64) -> Option<Duration> {
        let delay = self.delay_ns_per_byte();
        if delay == 0 {
            return None;
        }
        let owed = self.owed_ns.fetch_add(bytes * delay, Ordering::Relaxed) + bytes * delay;
        if owed < SLEEP_MIN_NS {
            return None;
        }
        let owed = self.owed_ns.swap(0, Ordering::Relaxed);
        Some(Duration::from_nanos(owed.min(100 * SLEEP_MIN_NS)))
    }
}

impl Tree {
    /// Sets how much writers are slowed, from the debt that a view shows.
    pub(crate) fn set_throttle(&self, view: &View) {
        let delay = delay_ns_per_byte(Load {
            frozen: view.frozen.len(),
            frozen_max: self.options.max_frozen_memtables,
            flushed: view.files.flushed.len(),
            flushed_max: self.options.max_flushed_files,
        });
        self.throttle.delay_ns_per_byte.store(delay, Ordering::Relaxed);
    }
}

/// Frozen memtables and flushed files, with their limits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) frozen: usize,
    pub(crate) frozen_max: usize,
    pub(crate) flushed: usize,
    pub(crate) flushed_max: usize,
}

/// Delay in nanoseconds for each byte written.
pub(crate) fn delay_ns_per_byte(load: Load) -> u64 {
    // Nothing up to half of L1 and three quarters of L2; then rising with the square.
    let frozen = above(load.frozen, load.frozen_max, 50);
    let flushed = above(load.flushed, load.flushed_max, 75);
    let debt = frozen.max(flushed);
    NS_PER_BYTE_MAX * debt * debt / 10_000
}

/// How far `count` is on its way from `free` per cent of `max` to `max`, in per cent.
fn above(count: usize, max: usize, free: u64) -> u64 {
    let filled = (count * 100 / max).min(100) as u64;
    filled.saturating_sub(free) * 100 / (100 - free)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_delay_rises_with_the_debt() {
        let check = |frozen, flushed, expected| {
            let load = Load { frozen, frozen_max: 4, flushed, flushed_max: 12 };
            assert_eq!(delay_ns_per_byte(load), expected, "{load:?}");
        };
        check(0, 0, 0);
        check(2, 9, 0);
        check(3, 0, 6);
        check(4, 0, 25);
        check(0, 10, 2);
        check(0, 11, 10);
        check(0, 12, 25);
        check(9, 99, 25);
    }
}
