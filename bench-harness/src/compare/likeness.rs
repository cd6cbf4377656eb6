//! Which conditions runs were measured under, and where those of two runs differ.
//!
//! What is under test may differ (the commit), and so may what identifies a run (date, command,
//! directory, host name). All else of the environment must be equal.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::environment::FREE;

/// Fields of a phase that are conditions, not results.
const PHASE_FIELDS: [&str; 11] = [
    "durability",
    "durability_kept",
    "engine",
    "engine_options",
    "target_ops_s",
    "threads",
    "clients",
    "drivers",
    "verify",
    "arrivals",
    "mode",
];

/// Those of the trace that was replayed; where its file is and what it could not replay are none.
const TRACE_FIELDS: [&str; 4] = ["file_bytes", "format", "sample", "speed"];

/// Memory is what the firmware left of it; two boots of one machine differ by some pages.
const MEMORY_FIELD: &str = "memory_bytes";
const MEMORY_TOLERANCE: f64 = 0.01;

pub fn conditions(phase: &Value, environment: &Value) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for field in PHASE_FIELDS {
        flatten(field, &phase[field], &mut all);
    }
    for field in TRACE_FIELDS {
        flatten(&format!("trace.{field}"), &phase["trace"][field], &mut all);
    }
    if let Some(records) = records_at_start(phase) {
        all.insert("records".to_owned(), records.to_string());
    }
    for (field, value) in environment.as_object().into_iter().flatten() {
        if !FREE.contains(&field.as_str()) {
            flatten(field, value, &mut all);
        }
    }
    all
}

/// Records of the data set before the phase: what it inserted depends on its speed.
fn records_at_start(phase: &Value) -> Option<u64> {
    let records = phase["records"].as_u64()?;
    let inserted = phase["operations"]["INSERT"]["count"].as_u64().unwrap_or(0);
    if phase["phase"] == "load" { Some(records) } else { records.checked_sub(inserted) }
}

fn flatten(name: &str, value: &Value, into: &mut BTreeMap<String, String>) {
    match value {
        Value::Null => {}
        Value::Object(fields) => {
            for (field, value) in fields {
                flatten(&format!("{name}.{field}"), value, into);
            }
        }
        Value::String(text) => {
            into.insert(name.to_owned(), text.clone());
        }
        other => {
            into.insert(name.to_owned(), other.to_string());
        }
    }
}

/// The conditions in which two runs differ, each as a sentence without its end.
pub fn differences(a: &BTreeMap<String, String>, b: &BTreeMap<String, String>) -> Vec<String> {
    let mut names: Vec<&String> = a.keys().chain(b.keys()).collect();
    names.sort();
    names.dedup();
    let mut found = Vec::new();
    for name in names {
        let (left, right) = (a.get(name), b.get(name));
        if left != right && !(name == MEMORY_FIELD && nearly_equal(left, right)) {
            let shown = |side: Option<&String>| side.map_or("not recorded", String::as_str).to_owned();
            found.push(format!("{name}: {} / {}", shown(left), shown(right)));
        }
    }
    found
}

fn nearly_equal(a: Option<&String>, b: Option<&String>) -> bool {
    let number = |side: Option<&String>| side.and_then(|text| text.parse::<f64>().ok());
    match (number(a), number(b)) {
        (Some(a), Some(b)) => (a - b).abs() <= MEMORY_TOLERANCE * a.max(b),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn of(kernel: &str, commit: &str, memory: u64, threads: u64) -> BTreeMap<String, String> {
        conditions(
            &json!({"threads": threads, "phase": "run", "records": 110,
                    "operations": {"INSERT": {"count": 10}}, "engine_options": {"cores": "1"}}),
            &json!({"kernel": kernel, "git_commit": commit, "memory_bytes": memory}),
        )
    }

    #[test]
    fn commits_may_differ_and_kernels_may_not() {
        let base = of("6.1", "abc", 1_000_000, 2);
        assert_eq!(base["records"], "100");
        assert_eq!(base["engine_options.cores"], "1");
        assert!(differences(&base, &of("6.1", "def", 1_000_400, 2)).is_empty());
        let found = differences(&base, &of("6.2", "abc", 2_000_000, 4));
        assert_eq!(found, ["kernel: 6.1 / 6.2", "memory_bytes: 1000000 / 2000000", "threads: 2 / 4"]);
    }

    #[test]
    fn a_trace_may_have_moved_and_not_changed() {
        let of = |file: &str, bytes: u64, speed: Option<f64>| {
            let trace =
                json!({"file": file, "file_bytes": bytes, "sample": 1.0, "speed": speed, "skipped": {}});
            conditions(&json!({"phase": "run", "trace": trace}), &json!({}))
        };
        let base = of("a/t.trace", 100, None);
        assert!(differences(&base, &of("b/t.trace", 100, None)).is_empty());
        assert_eq!(
            differences(&base, &of("a/t.trace", 101, Some(2.0))),
            ["trace.file_bytes: 100 / 101", "trace.speed: not recorded / 2.0"]
        );
    }

    #[test]
    fn what_only_one_side_recorded_is_a_difference() {
        let mut other = of("6.1", "abc", 1, 2);
        other.remove("kernel");
        let found = differences(&of("6.1", "abc", 1, 2), &other);
        assert_eq!(found, ["kernel: 6.1 / not recorded"]);
    }
}
