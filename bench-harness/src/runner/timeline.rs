//! Operations second by second, from the counters the watcher sees.
//!
//! A second ends at the first look after it is over. The watcher looks every few milliseconds,
//! so its count may hold a few operations of the next one; what it holds too many is scaled off.

use std::time::Duration;

#[derive(Debug, Default)]
pub struct Timeline {
    seconds: Vec<u64>,
    start: Duration,
    operations: u64,
}

impl Timeline {
    /// Notes how many operations were finished at `elapsed`.
    pub fn note(&mut self, elapsed: Duration, operations: u64) {
        let span_s = elapsed.saturating_sub(self.start).as_secs_f64();
        if span_s < 1.0 {
            return;
        }
        let rate = (operations - self.operations) as f64 / span_s;
        // A watcher that was kept from looking has only the mean of all the seconds it missed.
        let whole = span_s.floor() as usize;
        self.seconds.extend(std::iter::repeat_n(rate.round() as u64, whole));
        self.start = elapsed;
        self.operations = operations;
    }

    pub fn seconds(self) -> Vec<u64> {
        self.seconds
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(looks: &[(u64, u64)]) -> Vec<u64> {
        let mut timeline = Timeline::default();
        for (ms, operations) in looks {
            timeline.note(Duration::from_millis(*ms), *operations);
        }
        timeline.seconds()
    }

    #[test]
    fn each_whole_second_has_its_operations_and_the_rest_at_the_end_has_none() {
        assert_eq!(seconds(&[(500, 50), (1000, 100), (1500, 100), (2000, 110), (2900, 900)]), [100, 10]);
    }

    #[test]
    fn a_late_look_is_scaled_to_a_second_and_a_long_gap_is_spread() {
        assert_eq!(seconds(&[(1250, 125), (1300, 130), (4250, 425)]), [100, 100, 100, 100]);
    }

    #[test]
    fn a_phase_below_a_second_has_no_worst_second() {
        assert_eq!(seconds(&[(900, 50)]), Vec::<u64>::new());
    }
}
