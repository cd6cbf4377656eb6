//! The numbers of one run, read back from its JSON.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::engine::Kept;
use crate::harness_cost::HarnessCost;
use crate::measure::LatencySummary;
use crate::report::{SeriesReport, Steadiness};
use crate::resources::Usage;

/// A run's JSON, as far as the suite's report uses it.
#[derive(Debug, Deserialize)]
pub struct RunFile {
    pub phases: Vec<Phase>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Phase {
    pub engine: String,
    pub engine_settings: BTreeMap<String, String>,
    pub durability: String,
    pub durability_kept: Kept,
    pub durability_how: String,
    pub workload: String,
    pub phase: String,
    #[serde(default)]
    pub cut_short: Option<String>,
    pub threads: u64,
    #[serde(default)]
    pub clients: Option<u64>,
    pub elapsed_s: f64,
    pub throughput_ops_s: f64,
    pub errors_total: u64,
    pub operations: BTreeMap<String, Operation>,
    pub resources: Usage,
    pub harness: HarnessCost,
    #[serde(default)]
    pub steady_state: Option<Steadiness>,
    #[serde(default)]
    pub cooled_bytes: Option<u64>,
    #[serde(default)]
    pub settle_s: Option<f64>,
    pub series: SeriesReport,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Operation {
    pub count: u64,
    #[serde(rename = "service_us")]
    pub service: LatencySummary,
    #[serde(rename = "response_us", default)]
    pub response: Option<LatencySummary>,
}

impl Operation {
    /// Both kinds of latency with their names, responses first; without a schedule the one there is needs none.
    pub fn latencies(&self) -> Vec<(&'static str, &LatencySummary)> {
        match &self.response {
            Some(response) => vec![("response ", response), ("service ", &self.service)],
            None => vec![("", &self.service)],
        }
    }
}

impl Phase {
    /// The load, or the workload.
    pub fn title(&self) -> &str {
        if self.phase == "load" { "load" } else { &self.workload }
    }
}

pub fn read(path: &Path) -> Result<RunFile> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} is not the JSON of a run", path.display()))
}

/// For tests: a phase of one second, with no more in it than its throughput and as many microseconds for the slowest reads.
#[cfg(test)]
pub fn phase(engine: &str, durability_kept: Kept, throughput_ops_s: f64) -> Phase {
    let service = LatencySummary { p999_us: throughput_ops_s, ..LatencySummary::default() };
    Phase {
        engine: engine.to_owned(),
        engine_settings: BTreeMap::new(),
        durability: "process".to_owned(),
        durability_kept,
        durability_how: String::new(),
        workload: "workloada".to_owned(),
        phase: "run".to_owned(),
        cut_short: None,
        threads: 2,
        clients: None,
        elapsed_s: 1.0,
        throughput_ops_s,
        errors_total: 0,
        operations: [("READ".to_owned(), Operation { count: 9, service, response: None })].into(),
        resources: Usage::default(),
        harness: HarnessCost::default(),
        steady_state: None,
        cooled_bytes: None,
        settle_s: None,
        series: SeriesReport { interval_s: 0.0, intervals: Vec::new(), engine: Vec::new() },
    }
}
