//! The clock operations are timed with, in nanoseconds.
//!
//! Two looks at `Instant` cost 55 ns on the machines of `results/`, most of what the harness may
//! take for a whole operation; two looks at the processor's time stamp counter cost 21 ns. So the
//! counter is read where the kernel itself keeps time by it, which it does only after it has found
//! it to tick evenly and alike on all cores; elsewhere the clock is `Instant`. The counter's rate
//! is measured against `Instant` once, over 20 ms with an error below 100 ns: five parts in a
//! million, two hundred times finer than a histogram.
//!
//! `before` may be read by the processor while it still finishes what stands before it, which can
//! only make the time that follows longer. `after` waits until everything before it is done.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// Says what the kernel keeps time by.
const KERNELS_CLOCK: &str = "/sys/devices/system/clocksource/clocksource0/current_clocksource";
/// How long the counter is compared with `Instant`.
const CALIBRATION: Duration = Duration::from_millis(20);
/// Binary digits behind the point of `ns_per_tick`.
const FRACTION_BITS: u32 = 32;

/// A moment, in nanoseconds since the clock's origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(u64);

impl Moment {
    /// The nanoseconds since an earlier moment; none if it is later.
    #[inline]
    pub fn ns_since(self, earlier: Moment) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// The time since an earlier moment; none if it is later.
    pub fn since(self, earlier: Moment) -> Duration {
        Duration::from_nanos(self.ns_since(earlier))
    }

    /// The moment this many nanoseconds later.
    #[inline]
    pub fn plus_ns(self, ns: u64) -> Moment {
        Moment(self.0.saturating_add(ns))
    }
}

/// A clock. All clocks of a process have one origin and one rate, so their moments compare.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    origin: Instant,
    counter: Option<Counter>,
}

#[derive(Debug, Clone, Copy)]
struct Counter {
    origin_ticks: u64,
    ns_per_tick: u64,
}

impl Clock {
    /// The clock of this process; the first call takes 20 ms where the counter is to be used.
    pub fn of_process() -> Clock {
        static CLOCK: OnceLock<Clock> = OnceLock::new();
        *CLOCK.get_or_init(|| Clock { origin: Instant::now(), counter: Counter::calibrated() })
    }

    /// What is read, for reports.
    pub fn name(&self) -> &'static str {
        if self.counter.is_some() { "time stamp counter" } else { "monotonic" }
    }

    /// The moment before what is to be timed.
    #[inline]
    pub fn before(&self) -> Moment {
        match self.counter {
            Some(counter) => counter.moment(ticks()),
            None => self.monotonic(),
        }
    }

    /// The moment after what is to be timed.
    #[inline]
    pub fn after(&self) -> Moment {
        match self.counter {
            Some(counter) => counter.moment(ticks_when_done()),
            None => self.monotonic(),
        }
    }

    fn monotonic(&self) -> Moment {
        Moment(self.origin.elapsed().as_nanos() as u64)
    }
}

impl Counter {
    fn calibrated() -> Option<Counter> {
        let kernels = std::fs::read_to_string(KERNELS_CLOCK);
        if !cfg!(target_arch = "x86_64") || !kernels.is_ok_and(|name| name.trim() == "tsc") {
            return None;
        }
        let (start, start_ticks) = pair();
        std::thread::sleep(CALIBRATION);
        let (end, end_ticks) = pair();
        let ticks = end_ticks.checked_sub(start_ticks).filter(|ticks| *ticks > 0)?;
        let ns_per_tick = ((end - start).as_nanos() << FRACTION_BITS) / u128::from(ticks);
        Some(Counter { origin_ticks: start_ticks, ns_per_tick: ns_per_tick as u64 })
    }

    #[inline]
    fn moment(self, ticks: u64) -> Moment {
        let ticks = u128::from(ticks.saturating_sub(self.origin_ticks));
        Moment(((ticks * u128::from(self.ns_per_tick)) >> FRACTION_BITS) as u64)
    }
}

/// Both clocks at one moment: of several looks the one least disturbed.
fn pair() -> (Instant, u64) {
    let looks = (0..32).map(|_| {
        let (first, ticks, second) = (Instant::now(), ticks_when_done(), Instant::now());
        (second - first, first + (second - first) / 2, ticks)
    });
    let (_, at, ticks) = looks.min_by_key(|look| look.0).expect("the range is not empty");
    (at, ticks)
}

#[inline]
#[cfg(target_arch = "x86_64")]
fn ticks() -> u64 {
    // SAFETY: the instruction reads a counter and touches nothing else; x86-64 always has it, and
    // Linux lets programs use it unless they forbid it to themselves.
    unsafe { std::arch::x86_64::_rdtsc() }
}

#[inline]
#[cfg(target_arch = "x86_64")]
fn ticks_when_done() -> u64 {
    // SAFETY: a fence that x86-64 always has, and then as above.
    unsafe {
        std::arch::x86_64::_mm_lfence();
        std::arch::x86_64::_rdtsc()
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn ticks() -> u64 {
    0
}

#[cfg(not(target_arch = "x86_64"))]
fn ticks_when_done() -> u64 {
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_agrees_with_the_monotonic_one() {
        let clock = Clock::of_process();
        let (start, before) = (Instant::now(), clock.before());
        std::thread::sleep(Duration::from_millis(50));
        let (after, real) = (clock.after(), start.elapsed());
        let seen = after.since(before);
        assert!(seen <= real + Duration::from_micros(100), "{seen:?} of {real:?}");
        assert!(seen >= Duration::from_micros(49_900), "{seen:?}");
    }

    #[test]
    fn without_a_counter_the_clock_is_the_monotonic_one() {
        let clock = Clock { origin: Instant::now(), counter: None };
        let before = clock.before();
        assert_eq!(clock.name(), "monotonic");
        assert!(clock.after() >= before && before.plus_ns(5).ns_since(before) == 5);
        assert_eq!(before.ns_since(before.plus_ns(5)), 0);
    }

    #[test]
    fn ticks_become_nanoseconds_without_overflow_for_years() {
        let counter = Counter { origin_ticks: 100, ns_per_tick: 1 << (FRACTION_BITS - 1) };
        assert_eq!(counter.moment(300), Moment(100));
        let year_ticks = 3 * 31_557_600_000_000_000;
        assert_eq!(counter.moment(100 + year_ticks), Moment(year_ticks / 2));
        assert_eq!(counter.moment(50), Moment(0));
    }
}
