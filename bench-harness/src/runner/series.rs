//! A phase as a series of intervals: rates, latencies and the engine's numbers along the time.
//!
//! How long a phase will be is not known when it begins, so intervals start short and double: when
//! there are too many, neighbours are joined two by two. Up to a length of a second there are 32 to
//! 64 of them, so a phase of half a second has as many points as one of half a minute; from then
//! on each is a second long, until there are so many that their number is bounded again.

use std::time::Duration;

use crate::engine::EngineStats;
use crate::measure::{Counts, Done, Row, RowSlice, absorb};

/// The first length.
const LENGTH_MIN: Duration = Duration::from_nanos(15_625_000);
/// The length that is kept as long as the number of intervals allows.
const LENGTH_USUAL: Duration = Duration::from_secs(1);
/// Joined two by two at this number, as long as they are shorter than usual.
const SHORT_INTERVALS_MAX: usize = 64;
/// And at this number in any case.
const INTERVALS_MAX: usize = 1_024;

/// The engine's counters of time in which writes were stopped or slowed.
const STALLS: [&str; 2] = ["stall_us_total", "slowdown_us_total"];

/// What happened from one look of the watcher to another.
#[derive(Debug, Clone)]
pub struct Interval {
    /// When it began, since the measured part of the phase did.
    pub start: Duration,
    pub length: Duration,
    /// Operations finished and failed, and bytes.
    pub done: Done,
    pub rows: Vec<RowSlice>,
    /// Time writes were stopped or slowed meanwhile, over all threads, if the engine counts it.
    pub stall_us: Option<u64>,
    /// All the engine's numbers at its end.
    pub engine: Vec<(String, u64)>,
}

impl Interval {
    pub fn throughput_ops_s(&self) -> f64 {
        self.done.operations as f64 / self.length.as_secs_f64().max(1e-9)
    }

    /// Service times of all kinds of operation together.
    pub fn service(&self) -> Counts {
        self.of_all(|slice| Some(&slice.service))
    }

    /// Response times of all kinds of operation together, where there is a schedule.
    pub fn response(&self) -> Option<Counts> {
        let scheduled = self.rows.iter().any(|slice| slice.response.is_some());
        scheduled.then(|| self.of_all(|slice| slice.response.as_ref()))
    }

    fn of_all(&self, counts: impl Fn(&RowSlice) -> Option<&Counts>) -> Counts {
        let mut all = Counts::default();
        let single = self.rows.iter().filter(|slice| slice.row != Row::ReadModifyWrite);
        single.filter_map(counts).for_each(|part| all.absorb(part));
        all
    }

    fn absorb(&mut self, next: Interval) {
        self.length += next.length;
        self.done = self.done + next.done;
        absorb(&mut self.rows, &next.rows);
        self.stall_us = self.stall_us.zip(next.stall_us).map(|(mine, others)| mine + others);
        self.engine = next.engine;
    }
}

#[derive(Debug, Clone)]
pub struct Series {
    length: Duration,
    intervals: Vec<Interval>,
    end: Duration,
    stalls_us: Option<u64>,
}

impl Series {
    /// Begins, with the engine's numbers at that time.
    pub fn new(engine: &EngineStats) -> Series {
        Series {
            length: LENGTH_MIN,
            intervals: Vec::new(),
            end: Duration::ZERO,
            stalls_us: stalls_us(engine),
        }
    }

    pub fn intervals(&self) -> &[Interval] {
        &self.intervals
    }

    /// The length intervals are meant to have.
    pub fn length(&self) -> Duration {
        self.length
    }

    /// When the current interval ends.
    pub fn due(&self) -> Duration {
        // On a grid, so that a late look does not shift those after it.
        let passed = self.end.as_nanos() / self.length.as_nanos();
        self.length * (passed as u32 + 1)
    }

    /// Ends the current interval at `now` with what was done in it.
    pub fn close(&mut self, now: Duration, done: Done, rows: Vec<RowSlice>, engine: &EngineStats) {
        let stalls_us = stalls_us(engine);
        self.intervals.push(Interval {
            start: self.end,
            length: now.saturating_sub(self.end),
            done,
            rows,
            stall_us: stalls_us.zip(self.stalls_us).map(|(later, earlier)| later.saturating_sub(earlier)),
            engine: engine.values.clone(),
        });
        (self.end, self.stalls_us) = (now, stalls_us);
        let max = if self.length < LENGTH_USUAL { SHORT_INTERVALS_MAX } else { INTERVALS_MAX };
        if self.intervals.len() >= max {
            self.join_pairs();
        }
    }

    /// Ends the series at `end`, when the last operation did. A look may have come a little later
    /// than that, or nothing more may have happened since an earlier one: what was counted stays,
    /// and the intervals are as long together as the phase.
    pub fn end_at(&mut self, end: Duration) {
        while self.intervals.len() > 1 && self.intervals.last().is_some_and(|last| last.start >= end) {
            let late = self.intervals.pop();
            self.intervals.last_mut().zip(late).into_iter().for_each(|(last, late)| last.absorb(late));
        }
        if let Some(last) = self.intervals.last_mut() {
            last.length = end.saturating_sub(last.start);
        }
        self.end = end;
    }

    fn join_pairs(&mut self) {
        self.length *= 2;
        let mut intervals = std::mem::take(&mut self.intervals).into_iter();
        while let Some(mut first) = intervals.next() {
            if let Some(second) = intervals.next() {
                first.absorb(second);
            }
            self.intervals.push(first);
        }
    }
}

fn stalls_us(engine: &EngineStats) -> Option<u64> {
    let known: Vec<u64> = STALLS.iter().filter_map(|name| engine.value(name)).collect();
    (!known.is_empty()).then(|| known.iter().sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stats(stall_us: u64) -> EngineStats {
        EngineStats { values: vec![("stall_us_total".to_owned(), stall_us)], notes: Vec::new() }
    }

    /// A series that is looked at whenever an interval is due, with an operation each millisecond.
    fn series(until: Duration) -> Series {
        let mut series = Series::new(&stats(0));
        let mut operations = 0;
        while series.due() <= until {
            let now = series.due();
            let all = now.as_millis() as u64;
            let done = Done { operations: all - operations, ..Done::default() };
            operations = all;
            series.close(now, done, Vec::new(), &stats(3 * now.as_millis() as u64));
        }
        series
    }

    #[test]
    fn short_and_long_phases_have_enough_points_and_never_too_many() {
        for (seconds, least, most) in
            [(0.5, 32, 64), (3.0, 32, 64), (40.0, 32, 64), (300.0, 299, 301), (5_000.0, 512, 1_024)]
        {
            let until = Duration::from_secs_f64(seconds);
            let series = series(until);
            let count = series.intervals().len();
            assert!((least..=most).contains(&count), "{seconds} s: {count}");
            assert!(until - series.end < series.length());
        }
    }

    #[test]
    fn joined_intervals_hold_what_their_parts_held() {
        let series = series(Duration::from_secs(10));
        let end = series.end.as_millis() as u64;
        assert_eq!(series.intervals().iter().map(|each| each.done.operations).sum::<u64>(), end);
        assert_eq!(series.intervals().iter().filter_map(|each| each.stall_us).sum::<u64>(), 3 * end);
        let mut at = Duration::ZERO;
        for interval in series.intervals() {
            assert_eq!(interval.start, at);
            at += interval.length;
            assert_eq!(interval.engine, [("stall_us_total".to_owned(), 3 * at.as_millis() as u64)]);
        }
        assert_eq!(series.length(), Duration::from_millis(250));
    }

    #[test]
    fn the_series_ends_with_the_phase_whenever_the_last_looks_were() {
        let ms = Duration::from_millis;
        let done = |operations| Done { operations, ..Done::default() };
        for (looks, end, lengths_ms, operations) in [
            // The last look: before the end, at it, after it, twice after it.
            (&[10, 20][..], 25, &[10, 15][..], [1, 1]),
            (&[10, 20], 20, &[10, 10], [1, 1]),
            (&[10, 20], 17, &[10, 7], [1, 1]),
            (&[10, 20, 30], 15, &[10, 5], [1, 2]),
        ] {
            let mut series = Series::new(&EngineStats::default());
            looks
                .iter()
                .for_each(|look| series.close(ms(*look), done(1), Vec::new(), &EngineStats::default()));
            series.end_at(ms(end));
            let lengths: Vec<_> = series.intervals().iter().map(|each| each.length).collect();
            assert_eq!(
                lengths,
                lengths_ms.iter().map(|each| ms(*each)).collect::<Vec<_>>(),
                "{looks:?} {end}"
            );
            let counted: Vec<_> = series.intervals().iter().map(|each| each.done.operations).collect();
            assert_eq!(counted, operations, "{looks:?} {end}");
        }
    }

    #[test]
    fn a_late_look_makes_one_long_interval_and_the_grid_stays() {
        let mut series = Series::new(&EngineStats::default());
        series.close(LENGTH_MIN * 7 / 2, Done::default(), Vec::new(), &EngineStats::default());
        assert_eq!(series.due(), LENGTH_MIN * 4);
        assert_eq!(series.intervals()[0].stall_us, None);
    }
}
