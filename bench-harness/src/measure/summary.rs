//! What was recorded, in numbers for reports.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::counts::Counts;
use super::recorder::Outcome;
use super::totals::RowSlice;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CurvePoint {
    pub percentile: f64,
    /// The latency that this share of the operations did not exceed.
    pub us: f64,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct LatencySummary {
    #[serde(rename = "mean")]
    pub mean_us: f64,
    #[serde(rename = "min")]
    pub min_us: f64,
    #[serde(rename = "p50")]
    pub p50_us: f64,
    #[serde(rename = "p95")]
    pub p95_us: f64,
    #[serde(rename = "p99")]
    pub p99_us: f64,
    #[serde(rename = "p999")]
    pub p999_us: f64,
    #[serde(rename = "max")]
    pub max_us: f64,
    /// The percentiles the text summary was asked for.
    #[serde(skip)]
    pub chosen: Vec<CurvePoint>,
    /// The distribution, denser towards its tail.
    pub curve: Vec<CurvePoint>,
}

/// One row of a report. Latencies are of operations that ended as they should.
#[derive(Debug, Clone, Serialize)]
pub struct RowSummary {
    #[serde(skip)]
    pub row: &'static str,
    /// Operations that ended as they should.
    pub count: u64,
    /// Operations that did not.
    pub errors: u64,
    pub returns: BTreeMap<&'static str, u64>,
    /// From the actual start of an operation.
    #[serde(rename = "service_us")]
    pub service: LatencySummary,
    /// From its intended start, the wait included, where there is a schedule.
    #[serde(rename = "response_us", skip_serializing_if = "Option::is_none")]
    pub response: Option<LatencySummary>,
    /// From the actual start, of the operations that did not end as they should.
    #[serde(rename = "failed_us", skip_serializing_if = "Option::is_none")]
    pub failed: Option<LatencySummary>,
}

/// The numbers of what a stretch of time gave. `chosen` are the percentiles of the text summary.
/// With `missing_is_fine` a record that is not there does not count as an error.
pub fn summarize(slices: &[RowSlice], chosen: &[f64], missing_is_fine: bool) -> Vec<RowSummary> {
    slices.iter().map(|slice| summarize_row(slice, chosen, missing_is_fine)).collect()
}

fn summarize_row(slice: &RowSlice, chosen: &[f64], missing_is_fine: bool) -> RowSummary {
    let outcomes = slice.outcomes;
    let returns: BTreeMap<_, _> = Outcome::ALL
        .into_iter()
        .zip(outcomes)
        .filter(|(_, count)| *count > 0)
        .map(|(outcome, count)| (outcome.name(), count))
        .collect();
    let tolerated = if missing_is_fine { outcomes[Outcome::NotFound as usize] } else { 0 };
    let count = outcomes[Outcome::Ok as usize];
    RowSummary {
        row: slice.row.name(),
        count,
        errors: outcomes.iter().sum::<u64>() - count - tolerated,
        returns,
        service: LatencySummary::of(&slice.service, chosen),
        response: slice.response.as_ref().map(|response| LatencySummary::of(response, chosen)),
        failed: slice
            .failed
            .as_ref()
            .filter(|failed| failed.total() > 0)
            .map(|failed| LatencySummary::of(failed, chosen)),
    }
}

impl LatencySummary {
    pub fn of(counts: &Counts, chosen: &[f64]) -> LatencySummary {
        let histogram = counts.histogram();
        let us = |percentile: f64| microseconds(histogram.value_at_quantile(percentile / 100.0));
        let point = |percentile: f64| CurvePoint { percentile, us: us(percentile) };
        LatencySummary {
            mean_us: histogram.mean() / 1_000.0,
            min_us: if histogram.is_empty() { 0.0 } else { microseconds(histogram.min()) },
            p50_us: us(50.0),
            p95_us: us(95.0),
            p99_us: us(99.0),
            p999_us: us(99.9),
            max_us: microseconds(histogram.max()),
            chosen: chosen.iter().copied().map(point).collect(),
            curve: curve_percentiles(counts.total()).into_iter().map(point).collect(),
        }
    }
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
    use crate::measure::{Latency, Recorder, Row, Totals};

    fn rows(recorders: &[Recorder], chosen: &[f64], missing_is_fine: bool) -> Vec<RowSummary> {
        summarize(&Totals::gather(recorders).since(&Totals::default()), chosen, missing_is_fine)
    }

    fn of_us(us: u64) -> Latency {
        Latency { service_ns: us * 1_000, response_ns: us * 3_000 }
    }

    #[test]
    fn threads_are_merged_and_failures_stay_out_of_the_latencies() {
        let recorders = [Recorder::new(true), Recorder::new(true)];
        for us in 1..=1000 {
            recorders[us as usize % 2].record(Row::Read, Outcome::Ok, of_us(us));
        }
        recorders[0].record(Row::Read, Outcome::Error, of_us(50_000_000));
        recorders[1].record(Row::Read, Outcome::NotFound, of_us(50_000_000));
        let summaries = rows(&recorders, &[25.0], false);
        assert_eq!(summaries.len(), 1);
        let read = &summaries[0];
        assert_eq!((read.row, read.count, read.errors), ("READ", 1000, 2));
        let near = |seen: f64, expected: f64| (seen / expected - 1.0).abs() < 0.002;
        let (service, response) = (&read.service, read.response.as_ref().unwrap());
        assert!(near(service.mean_us, 500.5) && near(service.p50_us, 500.0));
        assert!(near(service.p99_us, 990.0) && near(service.max_us, 1000.0));
        assert!(near(service.chosen[0].us, 250.0) && near(response.p50_us, 1500.0));
        assert_eq!(rows(&recorders, &[25.0], true)[0].errors, 1);
    }

    #[test]
    fn a_row_of_failures_only_is_reported_with_zero_latencies() {
        let recorder = Recorder::new(false);
        recorder.record(Row::Scan, Outcome::Error, of_us(1_000_000));
        let rows = rows(&[recorder], &[50.0], false);
        assert_eq!((rows[0].count, rows[0].errors, rows[0].service.max_us), (0, 1, 0.0));
        assert_eq!(rows[0].service.mean_us, 0.0);
    }

    #[test]
    fn the_curve_ends_where_single_operations_are_told_apart() {
        let percentiles = curve_percentiles(1_000);
        assert_eq!(percentiles[0], 0.0);
        let last = percentiles[percentiles.len() - 1];
        assert!((last - 99.9).abs() < 1e-9, "{last}");
    }
}
