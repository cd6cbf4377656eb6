//! One measured phase, as `compare` sees it, out of a result file.
//!
//! Two forms of file are known, both with `"schema": 1`: one phase, as `--json` writes it, and a
//! whole job with its `phases`, as the main job's `results.json` is.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::report::SCHEMA;

use super::likeness;
use super::metric::extract;

/// What a run measured: runs are compared with runs of the same key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Key {
    pub engine: String,
    /// `load` or `run`.
    pub phase: String,
    pub workload: String,
}

impl Key {
    /// What a table calls it: the workload, but a load by that name.
    pub fn name(&self) -> &str {
        if self.phase == "load" { "load" } else { &self.workload }
    }
}

#[derive(Debug, Clone)]
pub struct Run {
    pub source: PathBuf,
    pub key: Key,
    /// Everything that must be alike for a comparison to mean something.
    pub conditions: BTreeMap<String, String>,
    /// When it started, as ISO 8601; sorts as text.
    pub started_utc: Option<String>,
    /// The number of the pair it belongs to, if it was recorded as one of alternating runs.
    pub pair: Option<u64>,
    pub metrics: BTreeMap<String, f64>,
    /// Throughput interval by interval within the run, where it was recorded.
    pub intervals_ops_s: Vec<f64>,
    pub errors: u64,
    /// Why it ended before its time, if it did.
    pub cut_short: Option<String>,
}

/// Whether a JSON document looks like a result of this harness.
pub fn is_result(document: &Value) -> bool {
    document["schema"].is_u64() && (document["phases"].is_array() || document["operations"].is_object())
}

pub fn runs_of(document: &Value, source: &Path) -> Result<Vec<Run>> {
    match document["schema"].as_u64() {
        Some(schema) if schema == u64::from(SCHEMA) => {}
        Some(schema) => bail!(
            "{}: its schema is {schema}, this program knows {SCHEMA}; compare results of one version \
             of rabi-bench, or use the version that wrote it",
            source.display()
        ),
        None => bail!(
            "{}: this is not a result of rabi-bench (it has no \"schema\"); give files written by \
             --json, or a results.json",
            source.display()
        ),
    }
    let Some(phases) = document["phases"].as_array() else {
        return Ok(vec![run_of(document, document, None, source)?]);
    };
    let mut before = None;
    let mut runs = Vec::new();
    for phase in phases {
        runs.push(run_of(phase, document, before, source)?);
        before = Some(&phase["engine_stats"]);
    }
    Ok(runs)
}

fn run_of(phase: &Value, document: &Value, before: Option<&Value>, source: &Path) -> Result<Run> {
    let text = |field: &str| match phase[field].as_str() {
        Some(text) => Ok(text.to_owned()),
        None => bail!("{}: a phase has no \"{field}\"; the file is damaged", source.display()),
    };
    let environment = if phase["environment"].is_object() { phase } else { document };
    let environment = &environment["environment"];
    let key = Key { engine: text("engine")?, phase: text("phase")?, workload: text("workload")? };
    let metrics = extract(phase, before);
    if metrics.is_empty() {
        bail!("{}: a phase has no numbers; the file is damaged", source.display());
    }
    let pairing = if phase["pairing"].is_object() { phase } else { document };
    let mut conditions = likeness::conditions(phase, environment);
    if pairing["pairing"]["cloned"].is_object() {
        // Nothing of it was cached when the run began, unlike after a load.
        conditions.insert("data_set".to_owned(), "cloned".to_owned());
    }
    Ok(Run {
        source: source.to_owned(),
        key,
        conditions,
        started_utc: environment["started_utc"].as_str().map(str::to_owned),
        pair: pairing["pairing"]["pair"].as_u64(),
        metrics,
        intervals_ops_s: intervals(phase),
        errors: phase["errors_total"].as_u64().unwrap_or(0),
        cut_short: phase["cut_short"].as_str().map(str::to_owned),
    })
}

/// Operations in each whole second, of one thread or all: a rate either way.
fn intervals(phase: &Value) -> Vec<f64> {
    let seconds = phase["operations_by_second"].as_array().into_iter().flatten();
    seconds.filter_map(Value::as_f64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_job_gives_a_run_for_each_phase_with_counters_of_its_own() {
        let phase = |name: &str, syncs: u64| {
            json!({"engine": "rabi", "phase": "run", "workload": name, "throughput_ops_s": 5.0,
                   "operations_total": 10, "engine_stats": {"syncs": syncs}})
        };
        let job = json!({
            "schema": 2, "environment": {"started_utc": "2026-01-01T00:00:00Z"},
            "phases": [phase("workloada", 10), phase("workloadb", 30)],
        });
        assert!(is_result(&job));
        let runs = runs_of(&job, Path::new("x.json")).unwrap();
        assert_eq!(runs.len(), 2);
        assert_eq!(runs[1].metrics["syncs_per_op"], 2.0);
        assert_eq!(runs[1].started_utc.as_deref(), Some("2026-01-01T00:00:00Z"));
    }
}
