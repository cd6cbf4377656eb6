//! The numbers of one run, read back from its JSON.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::engine::Kept;
use crate::report::Steadiness;
use crate::report::sampled::Sampled;

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
    pub elapsed_s: f64,
    pub throughput_ops_s: f64,
    pub errors_total: u64,
    pub operations: BTreeMap<String, Operation>,
    pub resources: Resources,
    pub harness: Harness,
    #[serde(default)]
    pub steady_state: Option<Steadiness>,
    #[serde(default)]
    pub cooled_bytes: Option<u64>,
    #[serde(default)]
    pub settle_s: Option<f64>,
    pub series: Sampled,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Operation {
    pub count: u64,
    #[serde(rename = "service_us")]
    pub service: Latencies,
    #[serde(rename = "response_us", default)]
    pub response: Option<Latencies>,
}

impl Operation {
    /// Both kinds of latency with their names, responses first; without a schedule the one there is needs none.
    pub fn latencies(&self) -> Vec<(&'static str, &Latencies)> {
        match &self.response {
            Some(response) => vec![("response ", response), ("service ", &self.service)],
            None => vec![("", &self.service)],
        }
    }
}

#[derive(Debug, Clone, Deserialize)]
pub struct Latencies {
    #[serde(rename = "p50")]
    pub p50_us: f64,
    #[serde(rename = "p99")]
    pub p99_us: f64,
    #[serde(rename = "p999")]
    pub p999_us: f64,
    pub curve: Vec<Point>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
pub struct Point {
    pub percentile: f64,
    pub us: f64,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Resources {
    pub cpu_us_per_operation: f64,
    pub cpu_others_cores: Option<f64>,
    pub write_amplification: Option<f64>,
    pub read_amplification: Option<f64>,
    pub space_amplification: Option<f64>,
    pub rss_peak_bytes: Option<u64>,
    pub worst_second_ops: Option<u64>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Harness {
    pub null_ns_per_operation: f64,
    pub client_was_bottleneck: bool,
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
