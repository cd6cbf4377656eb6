//! What is compared of a run: which numbers, which direction is better.
//!
//! Numbers come out of the JSON of a phase. Percentiles are taken only where enough operations
//! lie beyond them to make them more than a matter of one outlier.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::measure::Row;

#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Better {
    Higher,
    Lower,
}

impl Better {
    /// How much worse a relative change is; negative if it is an improvement.
    pub fn worse(self, change: f64) -> f64 {
        match self {
            Better::Higher => -change,
            Better::Lower => change,
        }
    }

    pub fn of(metric: &str) -> Better {
        if metric == THROUGHPUT { Better::Higher } else { Better::Lower }
    }
}

/// The metric of a whole phase that is better when higher.
pub const THROUGHPUT: &str = "throughput_ops_s";

/// Operations that must lie beyond a percentile for it to be compared.
const BEYOND_MIN: f64 = 10.0;

const PERCENTILES: [(&str, f64); 3] = [("p50", 0.5), ("p99", 0.99), ("p999", 0.999)];

/// The kinds of latency, and what stands before the percentile in the name of a metric.
const CLOSED: &[(&str, &str)] = &[("service_us", "")];
const SCHEDULED: &[(&str, &str)] = &[("response_us", "response "), ("service_us", "service ")];

/// Counters that are compared per operation. They stand under `resources`, of the phase alone,
/// or under `engine_stats`, since the engine was opened.
const COUNTERS: [(&str, &str); 4] = [
    ("write_bytes", "write_bytes_per_op"),
    ("syncs", "syncs_per_op"),
    ("ring_enters", "ring_enters_per_op"),
    ("read_bytes", "read_bytes_per_op"),
];

/// Processor time, which is recorded per operation.
const CPU: (&str, &str) = ("/resources/cpu_us_per_operation", "cpu_us_per_op");

/// The metrics of one phase. `before` are the engine's counters at its start, where an earlier
/// phase of the same job left them; they count from the opening of the engine.
pub fn extract(phase: &Value, before: Option<&Value>) -> BTreeMap<String, f64> {
    let mut metrics = BTreeMap::new();
    let mut keep = |name: String, value: Option<f64>| {
        if let Some(value) = value.filter(|value| value.is_finite()) {
            metrics.insert(name, value);
        }
    };
    keep(THROUGHPUT.to_owned(), phase[THROUGHPUT].as_f64());
    let rows = phase["operations"].as_object().into_iter().flatten();
    // Checks call no engine.
    for (row, numbers) in rows.filter(|(row, _)| *row != Row::Verify.name()) {
        let count = numbers["count"].as_f64().unwrap_or(0.0);
        for (name, quantile) in PERCENTILES {
            if count * (1.0 - quantile) < BEYOND_MIN {
                continue;
            }
            let latencies = if numbers["response_us"].is_object() { SCHEDULED } else { CLOSED };
            for (latency, prefix) in latencies {
                keep(format!("{row} {prefix}{name}_us"), numbers[*latency][name].as_f64());
            }
        }
    }
    keep(CPU.1.to_owned(), phase.pointer(CPU.0).and_then(Value::as_f64));
    let operations = phase["operations_total"].as_f64().filter(|count| *count > 0.0);
    for (counter, name) in COUNTERS {
        let since_open = phase["engine_stats"][counter].as_f64();
        let earlier = before.and_then(|stats| stats[counter].as_f64()).unwrap_or(0.0);
        let of_phase = phase["resources"][counter].as_f64();
        let counted = of_phase.or(since_open.map(|total| total - earlier));
        let per_operation = counted.zip(operations).map(|(counted, operations)| counted / operations);
        keep(name.to_owned(), per_operation.filter(|value| *value >= 0.0));
    }
    metrics
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn percentiles_need_operations_beyond_them() {
        let latency = json!({"p50": 1.0, "p99": 5.0, "p999": 9.0});
        let row = json!({"count": 1_500, "service_us": latency});
        let phase = json!({"throughput_ops_s": 10.0, "operations": {"READ": row, "VERIFY": row}});
        let names: Vec<String> = extract(&phase, None).into_keys().collect();
        // 1500 * 0.01 = 15 lie beyond p99, 1.5 beyond p99.9.
        assert_eq!(names, ["READ p50_us", "READ p99_us", "throughput_ops_s"]);
    }

    #[test]
    fn response_times_are_metrics_of_their_own() {
        let row = json!({"count": 500, "service_us": {"p50": 1.0}, "response_us": {"p50": 4.0}});
        let metrics = extract(&json!({"operations": {"READ": row}}), None);
        assert_eq!((metrics["READ service p50_us"], metrics["READ response p50_us"]), (1.0, 4.0));
    }

    #[test]
    fn counters_are_per_operation_and_without_what_came_before() {
        let phase = json!({
            "operations_total": 100,
            "engine_stats": {"syncs": 30, "write_bytes": 500},
            "resources": {"cpu_us_per_operation": 1.5, "read_bytes": 700, "ring_enters": null},
        });
        let metrics = extract(&phase, Some(&json!({"syncs": 10})));
        assert_eq!(metrics["syncs_per_op"], 0.2);
        assert_eq!(metrics["write_bytes_per_op"], 5.0);
        assert_eq!(metrics["cpu_us_per_op"], 1.5);
        assert_eq!(metrics["read_bytes_per_op"], 7.0);
        assert!(!metrics.contains_key("ring_enters_per_op"));
    }

    #[test]
    fn only_throughput_is_better_when_higher() {
        assert_eq!(Better::of(THROUGHPUT).worse(-0.05), 0.05);
        assert_eq!(Better::of("READ p99_us").worse(0.05), 0.05);
    }
}
