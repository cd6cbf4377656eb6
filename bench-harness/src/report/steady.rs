//! Whether a phase was in a steady state: no drift of throughput or of the median latency over its
//! intervals. A mean over a drifting run is a number of no state the engine was ever in.

use serde::{Deserialize, Serialize};

use crate::runner::Series;
use crate::stats::{median, trend};

/// Fewer intervals say nothing about a drift.
const INTERVALS_MIN: usize = 10;
/// A drift below this share of the median, over the whole phase, is no concern.
const DRIFT_MAX: f64 = 0.1;
/// Chance of calling a steady run a drifting one, for each of the two.
const ALPHA: f64 = 0.01;

/// The drift of a phase.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Steadiness {
    /// Whether neither of the two drifts.
    pub steady: bool,
    /// Throughput over the whole phase.
    pub throughput: Drift,
    /// The median of the service times over the whole phase.
    pub median_latency: Drift,
}

/// How far something went from the start of a phase to its end.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Drift {
    /// As a share of its median.
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
    /// The drift along a series; none if it is too short to say.
    pub fn of(series: &Series) -> Option<Steadiness> {
        // The last interval is often a stump of a few operations.
        let whole: Vec<_> =
            series.intervals().iter().filter(|each| 2 * each.length >= series.length()).collect();
        if whole.len() < INTERVALS_MIN {
            return None;
        }
        let rates: Vec<f64> = whole.iter().map(|each| each.throughput_ops_s()).collect();
        let medians: Vec<f64> = whole.iter().map(|each| each.service().quantile_ns(0.5) as f64).collect();
        Steadiness::from(&rates, &medians)
    }

    fn from(rates: &[f64], medians: &[f64]) -> Option<Steadiness> {
        let (throughput, median_latency) = (Drift::of(rates)?, Drift::of(medians)?);
        let steady = throughput.is_steady() && median_latency.is_steady();
        Some(Steadiness { steady, throughput, median_latency })
    }

    /// A sentence for people, if there is a reason for one.
    pub fn warning(&self) -> Option<String> {
        let drift = self.drift()?;
        Some(format!("NOT STEADY: over the phase {drift}; consider a longer run or --warmup"))
    }

    /// How far it drifted, if it did.
    pub fn drift(&self) -> Option<String> {
        let percent = |drift: &Drift| format!("{:+.0} %", 100.0 * drift.share);
        let (throughput, latency) = (percent(&self.throughput), percent(&self.median_latency));
        (!self.steady).then(|| format!("throughput went by {throughput} and the median latency by {latency}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_slows_by_half_is_not_steady_and_one_that_wavers_is() {
        let wavering: Vec<f64> = (0..30).map(|i| 1_000.0 + 50.0 * f64::from(i * 7 % 5)).collect();
        let falling: Vec<f64> =
            (0..30).map(|i| 1_000.0 - 17.0 * f64::from(i) + f64::from(i * 7 % 5)).collect();
        let steady = Steadiness::from(&wavering, &wavering).unwrap();
        assert!(steady.steady && steady.warning().is_none(), "{steady:?}");
        let drifting = Steadiness::from(&falling, &wavering).unwrap();
        assert!(!drifting.steady, "{drifting:?}");
        let warning = drifting.warning().unwrap();
        assert!(warning.starts_with("NOT STEADY: over the phase throughput went by -6"), "{warning}");
    }
}
