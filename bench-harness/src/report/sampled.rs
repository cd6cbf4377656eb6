//! The lines that pages draw of a phase along the time.

use super::SeriesReport;
use super::series::{Gauge, IntervalReport, Quantiles};

/// A line's points: seconds since the start of the axis, and values.
pub type Points = Vec<(f64, f64)>;

/// From when a latency counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Since {
    Call,
    /// The time the operation was due, where there is a schedule.
    Due,
}

pub type Quantile = (&'static str, fn(&Quantiles) -> f64);

pub const QUANTILES: [Quantile; 4] =
    [("p50", |q| q.p50), ("p99", |q| q.p99), ("p99.9", |q| q.p999), ("max", |q| q.max)];

impl SeriesReport {
    /// Operations a second, in the middle of each interval.
    pub fn throughput(&self, from_s: f64) -> Points {
        self.points(from_s, |interval| Some(interval.throughput_ops_s))
    }

    /// A quantile of all operations together, in the middle of each interval that had any.
    pub fn latency(&self, from_s: f64, since: Since, quantile: fn(&Quantiles) -> f64) -> Points {
        self.points(from_s, |interval| {
            let quantiles = match since {
                Since::Call => &interval.service_us,
                Since::Due => &interval.response_us,
            };
            quantiles.as_ref().map(quantile)
        })
    }

    /// Milliseconds of each interval in which writes were stopped or slowed, summed over threads.
    pub fn stalls_ms(&self, from_s: f64) -> Points {
        self.points(from_s, |interval| Some(interval.stall_us? as f64 / 1e3))
    }

    fn points(&self, from_s: f64, value: impl Fn(&IntervalReport) -> Option<f64>) -> Points {
        let middle = |interval: &IntervalReport| from_s + interval.start_s + interval.length_s / 2.0;
        self.intervals.iter().filter_map(|interval| Some((middle(interval), value(interval)?))).collect()
    }

    /// A number of the engine, at the end of each interval; no points if it has no such number.
    pub fn engine(&self, from_s: f64, name: &str) -> Points {
        let gauge = self.engine.iter().find(|(known, _)| known == name).map(|(_, gauge)| gauge);
        let value = |index: usize| match gauge? {
            Gauge::Constant(value) => Some(*value),
            Gauge::Values(values) => *values.get(index)?,
        };
        let end = |interval: &IntervalReport| from_s + interval.start_s + interval.length_s;
        let intervals = self.intervals.iter().enumerate();
        intervals.filter_map(|(index, interval)| Some((end(interval), value(index)? as f64))).collect()
    }

    /// The engine's numbers that changed during the phase.
    pub fn changing(&self) -> impl Iterator<Item = &str> {
        let changed = self.engine.iter().filter(|(_, gauge)| matches!(gauge, Gauge::Values(_)));
        changed.map(|(name, _)| name.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn rates_lie_in_the_middle_of_intervals_and_gauges_at_their_end() {
        let quantiles = json!({"p50": 1.0, "p99": 5.0, "p999": 7.0, "max": 9.0});
        let interval = |start: f64, service| {
            json!({"start_s": start, "length_s": 2.0, "throughput_ops_s": 10.0, "stall_us": 500,
                   "service_us": service, "operations": 20})
        };
        let sampled: SeriesReport = serde_json::from_value(json!({
            "interval_s": 2.0,
            "intervals": [interval(0.0, quantiles), interval(2.0, json!(null))],
            "engine": {"cores": 2, "files": [null, 3]},
        }))
        .unwrap();
        assert_eq!(sampled.throughput(100.0), [(101.0, 10.0), (103.0, 10.0)]);
        assert_eq!(sampled.latency(0.0, Since::Call, QUANTILES[1].1), [(1.0, 5.0)]);
        assert_eq!(sampled.latency(0.0, Since::Due, QUANTILES[1].1), []);
        assert_eq!(sampled.stalls_ms(0.0), [(1.0, 0.5), (3.0, 0.5)]);
        assert_eq!(sampled.engine(0.0, "cores"), [(2.0, 2.0), (4.0, 2.0)]);
        assert_eq!(sampled.engine(0.0, "files"), [(4.0, 3.0)]);
        assert_eq!(sampled.engine(0.0, "none"), []);
        assert_eq!(sampled.changing().collect::<Vec<_>>(), ["files"]);
    }
}
