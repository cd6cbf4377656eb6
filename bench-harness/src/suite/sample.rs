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
    /// All phases in order.
    pub phases: Vec<Phase>,
}

/// One phase.
#[derive(Debug, Clone, Deserialize)]
pub struct Phase {
    /// The engine.
    pub engine: String,
    /// Its settings.
    pub engine_settings: BTreeMap<String, String>,
    /// The durability asked for.
    pub durability: String,
    /// The durability kept.
    pub durability_kept: Kept,
    /// By which means.
    pub durability_how: String,
    /// The workload.
    pub workload: String,
    /// `load` or `run`.
    pub phase: String,
    /// Why it ended before its time, if it did.
    #[serde(default)]
    pub cut_short: Option<String>,
    /// Client threads.
    pub threads: u64,
    /// From the first start to the last end.
    pub elapsed_s: f64,
    /// Operations a second.
    pub throughput_ops_s: f64,
    /// Operations that failed.
    pub errors_total: u64,
    /// By kind.
    pub operations: BTreeMap<String, Operation>,
    /// What it used.
    pub resources: Resources,
    /// What the harness cost.
    pub harness: Harness,
    /// Whether it was in a steady state; none if it was too short to say.
    #[serde(default)]
    pub steady_state: Option<Steadiness>,
    /// Bytes that were dropped from the page cache before it.
    #[serde(default)]
    pub cooled_bytes: Option<u64>,
    /// Seconds of background work after it.
    #[serde(default)]
    pub settle_s: Option<f64>,
    /// The phase along the time.
    pub series: Sampled,
}

/// One kind of operation.
#[derive(Debug, Clone, Deserialize)]
pub struct Operation {
    /// How many.
    pub count: u64,
    /// Service times.
    #[serde(rename = "service_us")]
    pub service: Latencies,
    /// Response times, where there is a schedule.
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

/// The latencies of one kind of operation, in microseconds.
#[derive(Debug, Clone, Deserialize)]
pub struct Latencies {
    /// Median.
    #[serde(rename = "p50")]
    pub p50_us: f64,
    /// 99th percentile.
    #[serde(rename = "p99")]
    pub p99_us: f64,
    /// 99.9th percentile.
    #[serde(rename = "p999")]
    pub p999_us: f64,
    /// The distribution.
    pub curve: Vec<Point>,
}

/// One point of a distribution.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct Point {
    /// From 0 to 100.
    pub percentile: f64,
    /// The latency.
    pub us: f64,
}

/// What a phase used.
#[derive(Debug, Clone, Deserialize)]
pub struct Resources {
    /// Processor time.
    pub cpu_us_per_operation: f64,
    /// Cores that other processes kept busy.
    pub cpu_others_cores: Option<f64>,
    /// Bytes written over bytes the user wrote.
    pub write_amplification: Option<f64>,
    /// Bytes fetched over bytes the user read.
    pub read_amplification: Option<f64>,
    /// Space over the data set.
    pub space_amplification: Option<f64>,
    /// The largest resident set.
    pub rss_peak_bytes: Option<u64>,
    /// The fewest operations in a whole second.
    pub worst_second_ops: Option<u64>,
}

/// What the harness cost.
#[derive(Debug, Clone, Deserialize)]
pub struct Harness {
    /// An operation on the null engine.
    pub null_ns_per_operation: f64,
    /// Whether half of the clients' time went there.
    pub client_was_bottleneck: bool,
}

impl Phase {
    /// The load, or the workload.
    pub fn title(&self) -> &str {
        if self.phase == "load" { "load" } else { &self.workload }
    }
}

/// Reads a run's JSON.
pub fn read(path: &Path) -> Result<RunFile> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} is not the JSON of a run", path.display()))
}
