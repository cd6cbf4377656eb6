//! A phase along the time, as it is written to JSON. `docs/results-schema.md` says what its fields are.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::measure::{Counts, Outcome, RowSlice};
use crate::runner::{Interval, Series};

/// It is read back by the pages of a suite, as far as they draw it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SeriesReport {
    #[serde(skip_deserializing)]
    pub interval_s: f64,
    pub intervals: Vec<IntervalReport>,
    #[serde(serialize_with = "as_map", deserialize_with = "from_map")]
    pub engine: Vec<(String, Gauge)>,
}

/// One number of the engine over the intervals.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Gauge {
    /// The same at the end of all intervals.
    Constant(u64),
    /// One value for each interval; none where the engine had no such number.
    Values(Vec<Option<u64>>),
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct IntervalReport {
    pub start_s: f64,
    pub length_s: f64,
    #[serde(skip_deserializing)]
    pub operations: u64,
    pub throughput_ops_s: f64,
    #[serde(skip_deserializing)]
    pub failures: u64,
    pub stall_us: Option<u64>,
    pub service_us: Option<Quantiles>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_us: Option<Quantiles>,
    #[serde(serialize_with = "rows_as_map", skip_deserializing)]
    pub rows: Vec<IntervalRow>,
}

#[derive(Debug, Clone, Serialize)]
pub struct IntervalRow {
    #[serde(skip)]
    pub row: &'static str,
    pub count: u64,
    pub service_us: Option<Quantiles>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_us: Option<Quantiles>,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Quantiles {
    pub p50: f64,
    pub p99: f64,
    pub p999: f64,
    pub max: f64,
}

impl Quantiles {
    fn of(counts: &Counts) -> Option<Quantiles> {
        let us = |ns: u64| ns as f64 / 1e3;
        (counts.total() > 0).then(|| Quantiles {
            p50: us(counts.quantile_ns(0.5)),
            p99: us(counts.quantile_ns(0.99)),
            p999: us(counts.quantile_ns(0.999)),
            max: us(counts.max_ns()),
        })
    }
}

impl SeriesReport {
    pub fn of(series: &Series) -> SeriesReport {
        let intervals = series.intervals();
        SeriesReport {
            interval_s: series.length().as_secs_f64(),
            intervals: intervals.iter().map(interval).collect(),
            engine: gauges(intervals),
        }
    }
}

fn interval(interval: &Interval) -> IntervalReport {
    IntervalReport {
        start_s: interval.start.as_secs_f64(),
        length_s: interval.length.as_secs_f64(),
        operations: interval.done.operations,
        throughput_ops_s: interval.throughput_ops_s(),
        failures: interval.done.failures,
        stall_us: interval.stall_us,
        service_us: Quantiles::of(&interval.service()),
        response_us: interval.response().as_ref().and_then(Quantiles::of),
        rows: interval.rows.iter().map(row).collect(),
    }
}

fn row(slice: &RowSlice) -> IntervalRow {
    IntervalRow {
        row: slice.row.name(),
        count: slice.outcomes[Outcome::Ok as usize],
        service_us: Quantiles::of(&slice.service),
        response_us: slice.response.as_ref().and_then(Quantiles::of),
    }
}

/// The engine's numbers in the order in which they first appear.
fn gauges(intervals: &[Interval]) -> Vec<(String, Gauge)> {
    let mut names: Vec<&String> = Vec::new();
    for (name, _) in intervals.iter().flat_map(|interval| &interval.engine) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let value = |interval: &Interval, name: &String| {
        interval.engine.iter().find(|(known, _)| known == name).map(|(_, value)| *value)
    };
    let gauge = |name: &String| {
        let values: Vec<_> = intervals.iter().map(|interval| value(interval, name)).collect();
        match values.first() {
            Some(Some(first)) if values.iter().all(|value| *value == Some(*first)) => Gauge::Constant(*first),
            _ => Gauge::Values(values),
        }
    };
    names.into_iter().map(|name| (name.clone(), gauge(name))).collect()
}

fn as_map<S: Serializer>(gauges: &[(String, Gauge)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(gauges.iter().map(|(name, gauge)| (name, gauge)))
}

fn from_map<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<(String, Gauge)>, D::Error> {
    Ok(BTreeMap::deserialize(deserializer)?.into_iter().collect())
}

fn rows_as_map<S: Serializer>(rows: &[IntervalRow], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(rows.iter().map(|row| (row.row, row)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::EngineStats;
    use crate::measure::Done;

    #[test]
    fn a_number_that_never_changed_is_written_once() {
        let stats = |files: u64, more: &[(&str, u64)]| EngineStats {
            values: [("cores", 2), ("files", files)]
                .iter()
                .chain(more)
                .map(|(name, value)| ((*name).to_owned(), *value))
                .collect(),
            notes: Vec::new(),
        };
        let mut series = Series::new(&stats(0, &[]));
        for (files, more) in [(1, &[][..]), (3, &[("late", 7)])] {
            let due = series.due();
            series.close(due, Done::default(), Vec::new(), &stats(files, more));
        }
        let report = serde_json::to_value(SeriesReport::of(&series)).unwrap();
        assert_eq!(report["engine"]["cores"], 2);
        assert_eq!(report["engine"]["files"], serde_json::json!([1, 3]));
        assert_eq!(report["engine"]["late"], serde_json::json!([null, 7]));
        assert!(report["intervals"][0]["service_us"].is_null());
    }
}
