//! Whether a phase was in a steady state: no drift of throughput or of the median latency over its
//! intervals. A mean over a drifting run is a number of no state the engine was ever in.
//!
//! Where operations are due on a schedule, response times are judged too: by their drift, and by stalls. While
//! everything stands still no call ends, so that neither throughput's trend nor any service time tells of it; those who
//! waited do.

use serde::{Deserialize, Serialize};

use crate::measure::Counts;
use crate::runner::{Backlog, Series};
use crate::stats::{median, trend};

use super::microseconds;

/// Fewer intervals say nothing about a drift.
const INTERVALS_MIN: usize = 10;
/// A drift below this share of the median, over the whole phase, is no concern.
const DRIFT_MAX: f64 = 0.1;
/// Chance of calling a steady run a drifting one, for each of the two.
const ALPHA: f64 = 0.01;
/// An interval whose 99th percentile of responses is so many times the usual one (the median over intervals) had a
/// stall: more than Poisson arrivals or the memtable's turn make of it at rates an engine can hold.
const STALL_FACTOR: f64 = 10.0;
/// What is shorter may be the scheduler of the machine, and is no stall whatever is usual.
const STALL_US_MIN: f64 = 10_000.0;

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Steadiness {
    /// Whether nothing drifts, and no response stalled.
    pub steady: bool,
    pub throughput: Drift,
    /// The median of the service times over the whole phase.
    pub median_latency: Drift,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response: Option<Responses>,
}

/// Response times over the intervals of a phase.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Responses {
    /// Their median over the whole phase.
    pub median: Drift,
    /// Of the 99th percentiles of the intervals, the median.
    pub usual_p99_us: f64,
    pub worst_p99_us: f64,
    /// Whether that, or the wait of what was due and never began, is far above the usual.
    pub stalled: bool,
}

impl Responses {
    fn of(intervals: &[Counts], backlog: Option<Backlog>) -> Option<Responses> {
        let of = |quantile| -> Vec<f64> {
            intervals.iter().map(|each| each.quantile_ns(quantile) as f64 / 1e3).collect()
        };
        let (medians, p99s) = (of(0.5), of(0.99));
        let median_drift = Drift::of(&medians)?;
        let (usual_p99_us, worst_p99_us) = (median(&p99s), p99s.iter().copied().fold(0.0, f64::max));
        let waited_us = backlog.map_or(0.0, |backlog| backlog.oldest_wait_ns as f64 / 1e3);
        let longest_us = worst_p99_us.max(waited_us);
        let stalled = longest_us >= STALL_US_MIN && longest_us >= STALL_FACTOR * usual_p99_us;
        Some(Responses { median: median_drift, usual_p99_us, worst_p99_us, stalled })
    }
}

/// How far something went from the start of a phase to its end.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Drift {
    pub share: f64,
    /// The probability of as much without any trend.
    pub p: f64,
}

impl Drift {
    fn of(values: &[f64]) -> Option<Drift> {
        let trend = trend(values)?;
        let middle = median(values);
        let whole = trend.slope * (values.len() - 1) as f64;
        Some(Drift { share: if middle > 0.0 { whole / middle } else { 0.0 }, p: trend.p })
    }

    fn is_steady(&self) -> bool {
        self.share.abs() <= DRIFT_MAX || self.p >= ALPHA
    }
}

impl Steadiness {
    /// The drift along a series, and what an open loop had due at its end; none if it is too short to say.
    pub fn of(series: &Series, backlog: Option<Backlog>) -> Option<Steadiness> {
        // The last interval is often a stump of a few operations.
        let whole: Vec<_> =
            series.intervals().iter().filter(|each| 2 * each.length >= series.length()).collect();
        if whole.len() < INTERVALS_MIN {
            return None;
        }
        let rates: Vec<f64> = whole.iter().map(|each| each.throughput_ops_s()).collect();
        let medians: Vec<f64> = whole.iter().map(|each| each.service().quantile_ns(0.5) as f64).collect();
        // Of those in which any operation ended.
        let responses: Vec<Counts> = whole.iter().filter_map(|each| each.response()).collect();
        Steadiness::from(&rates, &medians, Responses::of(&responses, backlog))
    }

    fn from(rates: &[f64], medians: &[f64], response: Option<Responses>) -> Option<Steadiness> {
        let (throughput, median_latency) = (Drift::of(rates)?, Drift::of(medians)?);
        let mut steadiness = Steadiness { steady: true, throughput, median_latency, response };
        steadiness.steady = !steadiness.drifts() && !steadiness.stalled();
        Some(steadiness)
    }

    fn drifts(&self) -> bool {
        let response = self.response.map(|response| response.median);
        [Some(self.throughput), Some(self.median_latency), response].iter().flatten().any(|d| !d.is_steady())
    }

    fn stalled(&self) -> bool {
        self.response.is_some_and(|response| response.stalled)
    }

    pub fn state(&self) -> &'static str {
        match (self.stalled(), self.steady) {
            (true, _) => "stalled",
            (false, true) => "steady",
            (false, false) => "drifting",
        }
    }

    /// A sentence for people, if there is a reason for one.
    pub fn warning(&self) -> Option<String> {
        let drift = self.drift()?;
        let advice = if self.drifts() { "; consider a longer run or --warmup" } else { "" };
        Some(format!("NOT STEADY: over the phase {drift}{advice}"))
    }

    /// How far it drifted, and how long responses stalled, if they did.
    pub fn drift(&self) -> Option<String> {
        let percent = |drift: &Drift| format!("{:+.0} %", 100.0 * drift.share);
        let mut parts = Vec::new();
        if self.drifts() {
            let (throughput, latency) = (percent(&self.throughput), percent(&self.median_latency));
            parts.push(format!("throughput went by {throughput} and the median latency by {latency}"));
            parts.extend(self.response.map(|of| format!("the median response by {}", percent(&of.median))));
        }
        if let Some(response) = self.response.filter(|response| response.stalled) {
            parts.push(format!(
                "responses stalled: p99 {} us in the worst interval, {} us in a usual one",
                microseconds(response.worst_p99_us),
                microseconds(response.usual_p99_us)
            ));
        }
        (!self.steady).then(|| parts.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::{Latency, Outcome, Recorder, Row, Totals};

    #[test]
    fn a_run_that_slows_by_half_is_not_steady_and_one_that_wavers_is() {
        let wavering: Vec<f64> = (0..30).map(|i| 1_000.0 + 50.0 * f64::from(i * 7 % 5)).collect();
        let falling: Vec<f64> =
            (0..30).map(|i| 1_000.0 - 17.0 * f64::from(i) + f64::from(i * 7 % 5)).collect();
        let steady = Steadiness::from(&wavering, &wavering, None).unwrap();
        assert!(steady.steady && steady.warning().is_none(), "{steady:?}");
        let drifting = Steadiness::from(&falling, &wavering, None).unwrap();
        assert!(!drifting.steady, "{drifting:?}");
        let warning = drifting.warning().unwrap();
        assert!(warning.starts_with("NOT STEADY: over the phase throughput went by -6"), "{warning}");
    }

    /// Thirty intervals of a thousand responses each: all of 50 us, but in one of them some of a second.
    fn responses(stalled: u64) -> Vec<Counts> {
        let interval = |index: usize| {
            let recorder = Recorder::new(true);
            for number in 0..1_000 {
                let waited = index == 7 && number < stalled;
                let response_ns = if waited { 1_000_000_000 } else { 50_000 };
                recorder.record(Row::Read, Outcome::Ok, Latency { service_ns: 900, response_ns });
            }
            Totals::gather(&[recorder]).since(&Totals::default()).remove(0).response.unwrap()
        };
        (0..30).map(interval).collect()
    }

    #[test]
    fn a_stall_that_no_service_time_shows_is_no_steady_state() {
        let level: Vec<f64> = (0..30).map(|i| 1_000.0 + f64::from(i * 7 % 5)).collect();
        let of = |stalled, backlog| {
            Steadiness::from(&level, &level, Responses::of(&responses(stalled), backlog)).unwrap()
        };
        assert_eq!(of(0, None).state(), "steady");
        let stalled = of(100, None);
        assert!(!stalled.steady && stalled.state() == "stalled", "{stalled:?}");
        let warning = stalled.warning().unwrap();
        assert!(warning.starts_with("NOT STEADY: over the phase responses stalled: p99 1,000,"), "{warning}");
        // What the stall at the end kept from beginning is in no percentile.
        let waits = |oldest_wait_ns| Some(Backlog { operations: 9, oldest_wait_ns });
        assert_eq!(of(0, waits(900_000_000)).state(), "stalled");
        assert_eq!(of(0, waits(2_000_000)).state(), "steady");
    }
}
