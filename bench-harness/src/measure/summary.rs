//! Recorders of all threads, merged into numbers.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use serde::Serialize;

use super::recorder::{Outcome, Recorder, Row, empty_histogram};

/// One point of a latency distribution.
#[derive(Debug, Clone, Serialize)]
pub struct CurvePoint {
    /// The percentile, from 0 to 100.
    pub percentile: f64,
    /// The latency that this share of the operations did not exceed.
    pub us: f64,
}

/// One row of a report. Latencies are of operations that ended as they should.
#[derive(Debug, Clone, Serialize)]
pub struct RowSummary {
    /// The kind of operation.
    #[serde(skip)]
    pub row: &'static str,
    /// Operations that ended as they should.
    pub count: u64,
    /// Operations that did not.
    pub errors: u64,
    /// How often each outcome occurred.
    pub returns: BTreeMap<&'static str, u64>,
    /// Arithmetic mean.
    pub mean_us: f64,
    /// Shortest.
    pub min_us: f64,
    /// Median.
    pub p50_us: f64,
    /// 95th percentile.
    pub p95_us: f64,
    /// 99th percentile.
    pub p99_us: f64,
    /// 99.9th percentile.
    pub p999_us: f64,
    /// Longest.
    pub max_us: f64,
    /// The percentiles the text summary was asked for.
    #[serde(skip)]
    pub chosen: Vec<CurvePoint>,
    /// The distribution, denser towards its tail.
    pub curve: Vec<CurvePoint>,
    /// All latencies, for formats that carry the whole histogram.
    #[serde(skip)]
    pub latency_ns: Histogram<u64>,
}

/// Merges what all threads recorded. `chosen` are the percentiles of the text summary.
/// With `missing_is_fine` a record that is not there does not count as an error.
pub fn summarize(recorders: &[Recorder], chosen: &[f64], missing_is_fine: bool) -> Vec<RowSummary> {
    Row::ALL.into_iter().filter_map(|row| summarize_row(row, recorders, chosen, missing_is_fine)).collect()
}

fn summarize_row(
    row: Row,
    recorders: &[Recorder],
    chosen: &[f64],
    missing_is_fine: bool,
) -> Option<RowSummary> {
    let mut merged = empty_histogram();
    let mut outcomes = [0; 4];
    for record in recorders.iter().filter_map(|recorder| recorder.row(row)) {
        merged.add(&record.latency_ns).expect("all histograms have the same bounds");
        for (sum, count) in outcomes.iter_mut().zip(record.outcomes) {
            *sum += count;
        }
    }
    if outcomes == [0; 4] {
        return None;
    }
    let returns: BTreeMap<_, _> = Outcome::ALL
        .into_iter()
        .zip(outcomes)
        .filter(|(_, count)| *count > 0)
        .map(|(outcome, count)| (outcome.name(), count))
        .collect();
    let tolerated = if missing_is_fine { outcomes[Outcome::NotFound as usize] } else { 0 };
    let count = outcomes[Outcome::Ok as usize];
    let us = |percentile: f64| microseconds(merged.value_at_quantile(percentile / 100.0));
    let point = |percentile: f64| CurvePoint { percentile, us: us(percentile) };
    Some(RowSummary {
        row: row.name(),
        count,
        errors: outcomes.iter().sum::<u64>() - count - tolerated,
        returns,
        mean_us: merged.mean() / 1_000.0,
        min_us: if merged.is_empty() { 0.0 } else { microseconds(merged.min()) },
        p50_us: us(50.0),
        p95_us: us(95.0),
        p99_us: us(99.0),
        p999_us: us(99.9),
        max_us: microseconds(merged.max()),
        chosen: chosen.iter().copied().map(point).collect(),
        curve: curve_percentiles(count).into_iter().map(point).collect(),
        latency_ns: merged,
    })
}

fn microseconds(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1_000.0
}

/// Eight points for every halving and every tenth of what remains above, as far as there are
/// operations to tell them apart.
fn curve_percentiles(count: u64) -> Vec<f64> {
    let steps = (8.0 * (count.max(1) as f64).log10()).ceil() as i32;
    (0..=steps).map(|step| 100.0 * (1.0 - 10_f64.powf(-f64::from(step) / 8.0))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn threads_are_merged_and_failures_stay_out_of_the_latencies() {
        let mut recorders = [Recorder::default(), Recorder::default()];
        for us in 1..=1000 {
            let latency = Duration::from_micros(us);
            recorders[us as usize % 2].record(Row::Read, Outcome::Ok, latency);
        }
        let long = Duration::from_secs(50);
        recorders[0].record(Row::Read, Outcome::Error, long);
        recorders[1].record(Row::Read, Outcome::NotFound, long);
        let rows = summarize(&recorders, &[25.0], false);
        assert_eq!(rows.len(), 1);
        let read = &rows[0];
        assert_eq!((read.row, read.count, read.errors), ("READ", 1000, 2));
        let near = |seen: f64, expected: f64| (seen / expected - 1.0).abs() < 0.002;
        assert!(near(read.mean_us, 500.5) && near(read.p50_us, 500.0));
        assert!(near(read.p99_us, 990.0) && near(read.max_us, 1000.0));
        assert!(near(read.chosen[0].us, 250.0));
        assert_eq!(summarize(&recorders, &[], true)[0].errors, 1);
    }

    #[test]
    fn a_row_of_failures_only_is_reported_with_zero_latencies() {
        let mut recorder = Recorder::default();
        recorder.record(Row::Scan, Outcome::Error, Duration::from_secs(1));
        let rows = summarize(&[recorder], &[50.0], false);
        assert_eq!((rows[0].count, rows[0].errors, rows[0].max_us), (0, 1, 0.0));
        assert_eq!(rows[0].mean_us, 0.0);
    }

    #[test]
    fn the_curve_ends_where_single_operations_are_told_apart() {
        let percentiles = curve_percentiles(1_000);
        assert_eq!(percentiles[0], 0.0);
        let last = percentiles[percentiles.len() - 1];
        assert!((last - 99.9).abs() < 1e-9, "{last}");
    }
}
