//! Keeps a client thread at its share of the target rate.
//!
//! As in YCSB, operation n of a thread is due n intervals after the thread's start; a thread
//! that fell behind goes on without pause until it has caught up.

use std::time::{Duration, Instant};

/// One thread's schedule.
#[derive(Debug)]
pub struct Throttle {
    start: Instant,
    interval_s: f64,
    spin: bool,
}

impl Throttle {
    /// `target_ops_s` is the rate of all threads together; 0 is no limit.
    pub fn new(start: Instant, target_ops_s: f64, threads: usize, spin: bool) -> Throttle {
        let interval_s = if target_ops_s > 0.0 { threads as f64 / target_ops_s } else { 0.0 };
        Throttle { start, interval_s, spin }
    }

    /// Waits until operation `n` is due. False if that is not before the deadline.
    pub fn wait(&self, n: u64, deadline: Option<Instant>) -> bool {
        if self.interval_s == 0.0 {
            return true;
        }
        let due = self.start + Duration::from_secs_f64(self.interval_s * n as f64);
        let until = deadline.map_or(due, |deadline| deadline.min(due));
        if self.spin {
            while Instant::now() < until {
                std::hint::spin_loop();
            }
        } else {
            std::thread::sleep(until.saturating_duration_since(Instant::now()));
        }
        until == due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_waits_for_its_time_and_a_late_one_does_not() {
        let start = Instant::now();
        let throttle = Throttle::new(start, 200.0, 2, false);
        assert!(throttle.wait(3, None));
        assert!(start.elapsed() >= Duration::from_millis(30));
        let late = Instant::now();
        assert!(throttle.wait(1, None));
        assert!(late.elapsed() < Duration::from_millis(20));
    }

    #[test]
    fn the_deadline_ends_the_waiting() {
        let start = Instant::now();
        let throttle = Throttle::new(start, 0.01, 1, false);
        assert!(!throttle.wait(1, Some(start + Duration::from_millis(10))));
        assert!(start.elapsed() < Duration::from_secs(5));
    }
}
