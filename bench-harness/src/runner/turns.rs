//! When a client thread begins its next operation.
//!
//! In a closed loop that is when the previous one has ended; with a target rate, as in YCSB,
//! operation n of a thread is due n intervals after the start; in an open loop each operation is
//! due when the schedule says, and whichever thread is free takes it. A thread that is late begins
//! at once, and the time from when the operation was due says how late.
//!
//! A thread sleeps until shortly before its time and spins for the rest: far away it costs nothing,
//! and the sleep's own lateness stays out of the response times.

use std::num::NonZeroU64;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::measure::{Clock, Moment};

use super::agenda::Agenda;
use super::claim::Claims;

/// How a phase is paced.
#[derive(Debug)]
pub enum Pace {
    /// Closed loop, as fast as it goes.
    Free(Claims),
    /// Closed loop at a target rate: each thread has an operation every so many nanoseconds.
    Target {
        claims: Claims,
        /// From one operation of a thread to its next.
        interval_ns: f64,
    },
    Open(Agenda),
    /// Open loop at the times of a trace, which says when; here operations are only counted.
    Recorded {
        claims: Claims,
        speed: f64,
    },
}

impl Pace {
    /// Whether operations have an intended start.
    pub fn is_scheduled(&self) -> bool {
        !matches!(self, Pace::Free(_))
    }
}

#[derive(Debug, Clone, Copy)]
pub struct Turn {
    pub index: u64,
    /// Its intended start; the phase's own where there is no schedule.
    pub due: Moment,
}

/// How long before its time a thread wakes to spin: a wake-up takes a few microseconds.
const SPIN_NS: u64 = 15_000;
/// The longest sleep, so that a thread that waits for long sees that it is to stop.
const SLEEP_NS_MAX: u64 = 50_000_000;

#[derive(Debug)]
pub struct Turns<'a> {
    pace: &'a Pace,
    clock: Clock,
    origin: Moment,
    deadline: Option<Moment>,
    spin: bool,
    /// Set by whoever ends the phase early; nothing else is read because of it.
    stop: &'a AtomicBool,
    claimed: Range<u64>,
    taken: u64,
}

impl<'a> Turns<'a> {
    /// The turns of the calling thread in a phase that began at `origin`. With `spin` it never
    /// sleeps.
    pub fn new(
        pace: &'a Pace,
        clock: Clock,
        origin: Moment,
        deadline: Option<Moment>,
        spin: bool,
        stop: &'a AtomicBool,
    ) -> Turns<'a> {
        if pace.is_scheduled() {
            // Without this the kernel may end a sleep 50 us late. If it refuses, sleeps are late.
            let _ = rustix::thread::set_current_timer_slack(NonZeroU64::new(1));
        }
        Turns { pace, clock, origin, deadline, spin, stop, claimed: 0..0, taken: 0 }
    }

    /// The next turn, once it is due. None if all are taken, or the time of the phase is over;
    /// `now` is a moment a little earlier than this one.
    #[inline]
    pub fn next(&mut self, now: Moment) -> Option<Turn> {
        let turn = self.take(now)?;
        (!self.have_times() || self.wait_until(turn.due)).then_some(turn)
    }

    /// The next turn, which may still have to be waited for.
    #[inline]
    pub fn take(&mut self, now: Moment) -> Option<Turn> {
        if self.deadline.is_some_and(|deadline| now >= deadline) {
            return None;
        }
        match self.pace {
            Pace::Free(claims) | Pace::Recorded { claims, .. } => {
                Some(Turn { index: self.claim(claims)?, due: self.origin })
            }
            Pace::Target { claims, interval_ns } => {
                let turn = Turn {
                    index: self.claim(claims)?,
                    due: self.origin.plus_ns((interval_ns * self.taken as f64) as u64),
                };
                self.taken += 1;
                Some(turn)
            }
            Pace::Open(agenda) => {
                // An operation that is due behind the deadline is none of this phase's; nobody
                // else would want it, so that it may be taken and dropped.
                let appointment = agenda.take()?;
                Some(Turn { index: appointment.index, due: self.origin.plus_ns(appointment.due_ns) })
            }
        }
    }

    /// Whether a turn says when it is due. Those of a trace are told by the trace.
    #[inline]
    pub fn have_times(&self) -> bool {
        matches!(self.pace, Pace::Target { .. } | Pace::Open(_))
    }

    /// Takes up to `count` more operations, whose indices follow the one last taken; returns how many.
    /// In a closed loop without a rate only, where nothing has to be waited for.
    pub fn take_more(&mut self, count: usize) -> usize {
        debug_assert!(matches!(self.pace, Pace::Free(_)));
        let more = count.min((self.claimed.end - self.claimed.start) as usize);
        self.claimed.start += more as u64;
        more
    }

    /// Gives the last `count` operations back that were taken and not begun.
    pub fn give_back(&mut self, count: usize) {
        self.claimed.start -= count as u64;
    }

    /// When no operation begins any more.
    pub fn deadline(&self) -> Option<Moment> {
        self.deadline
    }

    #[inline]
    fn claim(&mut self, claims: &Claims) -> Option<u64> {
        if self.claimed.is_empty() {
            self.claimed = claims.take()?;
        }
        self.claimed.next()
    }

    /// False if the deadline comes first, or the phase is ended early.
    pub fn wait_until(&self, due: Moment) -> bool {
        let until = self.deadline.map_or(due, |deadline| deadline.min(due));
        let mut left_ns = until.ns_since(self.clock.before());
        while left_ns > 0 {
            if self.stop.load(Ordering::Relaxed) {
                return false;
            }
            if !self.spin && left_ns > SPIN_NS {
                std::thread::sleep(Duration::from_nanos((left_ns - SPIN_NS).min(SLEEP_NS_MAX)));
            } else {
                std::hint::spin_loop();
            }
            left_ns = until.ns_since(self.clock.before());
        }
        until == due
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generator::Stream;
    use crate::workload::{Arrivals, Rate, Spacing};

    static STOP: AtomicBool = AtomicBool::new(false);

    fn turns(pace: &Pace, deadline_ms: Option<u64>) -> (Turns<'_>, Clock, Moment) {
        let clock = Clock::of_process();
        let start = clock.before();
        let deadline = deadline_ms.map(|ms| start.plus_ns(ms * 1_000_000));
        (Turns::new(pace, clock, start, deadline, false, &STOP), clock, start)
    }

    #[test]
    fn an_operation_waits_for_its_time_and_a_late_one_does_not() {
        let claims = Claims::new(Some(10), 2, true);
        let pace = Pace::Target { claims, interval_ns: 10e6 };
        let (mut turns, clock, start) = turns(&pace, None);
        assert_eq!(turns.next(start).unwrap().due, start);
        assert_eq!(turns.next(start).unwrap().due, start.plus_ns(10_000_000));
        assert!(clock.after() >= start.plus_ns(10_000_000));
        std::thread::sleep(Duration::from_millis(40));
        let before = clock.before();
        let late = turns.next(before).unwrap();
        // It began behind its time, and says when that was.
        assert_eq!((late.index, late.due), (2, start.plus_ns(20_000_000)));
        assert!(clock.after().since(before) < Duration::from_millis(15));
    }

    #[test]
    fn the_deadline_ends_the_waiting() {
        let arrivals = Arrivals { spacing: Spacing::Even, rate: Rate::Constant { rate_ops_s: 0.1 } };
        let pace = Pace::Open(Agenda::new(arrivals, Stream::new(1, "x"), None));
        let (mut turns, clock, start) = turns(&pace, Some(10));
        assert_eq!(turns.next(start).map(|turn| turn.index), Some(0));
        assert!(turns.next(start).is_none());
        let waited = clock.after().since(start);
        assert!(waited >= Duration::from_millis(10) && waited < Duration::from_secs(5), "{waited:?}");
    }

    #[test]
    fn a_thread_that_waits_for_hours_sees_that_it_is_to_stop() {
        let claims = Claims::new(Some(10), 1, true);
        let pace = Pace::Target { claims, interval_ns: 3_600e9 };
        let (clock, stop) = (Clock::of_process(), AtomicBool::new(false));
        let start = clock.before();
        let mut turns = Turns::new(&pace, clock, start, None, false, &stop);
        assert!(turns.next(start).is_some());
        std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(Duration::from_millis(20));
                stop.store(true, Ordering::Relaxed);
            });
            assert!(turns.next(start).is_none());
        });
    }

    #[test]
    fn a_closed_loop_begins_at_once_and_ends_with_its_operations_or_its_time() {
        let pace = Pace::Free(Claims::new(Some(100), 1, false));
        let (mut first, _, start) = turns(&pace, Some(1_000));
        assert_eq!(
            (0..99).filter_map(|_| first.next(start)).map(|turn| turn.index).sum::<u64>(),
            98 * 99 / 2
        );
        assert!(first.next(start.plus_ns(1_000_000_000)).is_none());
        assert_eq!(first.next(start).map(|turn| turn.index), Some(99));
        assert!(first.next(start).is_none());
    }
}
