//! The result of one phase, as it is written to JSON. `docs/results-schema.md` says what its fields are.

use serde::{Serialize, Serializer};

use crate::engine::{Engine, EngineResult, EngineStats, Kept};
use crate::environment::Environment;
use crate::harness_cost::HarnessCost;
use crate::measure::RowSummary;
use crate::resources::Usage;
use crate::runner::{Audit, Job, PhaseResult, Series};
use crate::workload::{Arrivals, Measured};

use super::trace::TraceReport;
use super::{SeriesReport, Steadiness};

/// Raised when a field changes its meaning or disappears; new fields do not raise it.
pub const SCHEMA: u32 = 2;

/// What a phase report says besides numbers.
#[derive(Debug, Clone, Serialize)]
pub struct PhaseInfo {
    pub engine: String,
    #[serde(serialize_with = "as_map")]
    pub engine_options: Vec<(String, String)>,
    #[serde(serialize_with = "as_map")]
    pub engine_settings: Vec<(&'static str, String)>,
    pub durability: &'static str,
    pub durability_kept: Kept,
    pub durability_how: &'static str,
    pub durability_statement: String,
}

#[derive(Debug, Serialize)]
pub struct PhaseReport {
    pub schema: u32,
    #[serde(flatten)]
    pub info: PhaseInfo,
    pub workload: String,
    pub phase: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cut_short: Option<String>,
    pub threads: usize,
    /// Clients that are futures on these threads; without them each thread is a client.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clients: Option<usize>,
    /// Whether these threads read on rings of their own.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub drivers: bool,
    pub mode: &'static str,
    pub target_ops_s: f64,
    pub arrivals: Option<Arrivals>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace: Option<TraceReport>,
    pub warmup_s: f64,
    pub seed: u64,
    pub verify: bool,
    pub records: u64,
    pub elapsed_s: f64,
    pub operations_total: u64,
    pub throughput_ops_s: f64,
    pub errors_total: u64,
    pub operations_by_second: Vec<u64>,
    pub unstarted: Option<u64>,
    pub unstarted_wait_us: Option<u64>,
    pub clock: &'static str,
    pub resources: Usage,
    pub harness: HarnessCost,
    pub first_errors: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audit: Option<Audit>,
    #[serde(serialize_with = "rows_as_map")]
    pub operations: Vec<RowSummary>,
    /// Which latencies the rows of the text summary have.
    #[serde(skip)]
    pub measured: Measured,
    /// Latencies interval by interval, for formats that carry whole histograms.
    #[serde(skip)]
    pub along: Series,
    pub steady_state: Option<Steadiness>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cooled_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub settle_s: Option<f64>,
    pub series: SeriesReport,
    #[serde(serialize_with = "stats_as_map")]
    pub engine_stats: EngineStats,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environment: Option<Environment>,
}

impl PhaseReport {
    /// Puts a report together at the end of a phase, and measures what the harness cost in it.
    pub fn new(
        info: PhaseInfo,
        job: &Job,
        result: PhaseResult,
        resources: Usage,
        engine: &dyn Engine,
    ) -> EngineResult<PhaseReport> {
        let harness = HarnessCost::of(job, &result)?;
        let trace = job.replay.as_ref().zip(result.trace.as_ref());
        let trace = trace.map(|(replay, ending)| TraceReport::new(replay, ending));
        let problem = result.trace.as_ref().and_then(|ending| ending.problem.clone());
        let errors_total = result.errors() + u64::from(problem.is_some());
        Ok(PhaseReport {
            schema: SCHEMA,
            info,
            workload: job.workload_name.clone(),
            phase: job.kind.name(),
            cut_short: result.cut_short.as_ref().map(|why| why.replace('\n', " ")),
            threads: job.client_threads(),
            clients: job.has_futures().then(|| job.clients()),
            drivers: job.workload.drivers,
            mode: mode(job),
            target_ops_s: job.workload.target_ops_s,
            arrivals: job.arrivals(),
            trace,
            warmup_s: job.warmup_s(),
            seed: job.seed,
            verify: job.workload.verify,
            records: result.records,
            elapsed_s: result.elapsed.as_secs_f64(),
            operations_total: result.operations,
            throughput_ops_s: result.throughput_ops_s(),
            errors_total,
            operations_by_second: result.seconds,
            unstarted: result.backlog.map(|backlog| backlog.operations),
            unstarted_wait_us: result.backlog.map(|backlog| backlog.oldest_wait_ns / 1_000),
            clock: result.clock,
            resources,
            harness,
            // What ended the trace comes first: it is why there are no more operations.
            first_errors: problem.into_iter().chain(result.first_errors).collect(),
            audit: None,
            operations: result.rows,
            measured: job.workload.measured,
            steady_state: Steadiness::of(&result.series, result.backlog),
            cooled_bytes: None,
            settle_s: None,
            series: SeriesReport::of(&result.series),
            along: result.series,
            engine_stats: engine.stats(),
            environment: None,
        })
    }

    /// Adds what the audit found; what it found wrong counts as failed.
    pub fn add_audit(&mut self, audit: Option<Audit>) {
        if let Some(audit) = &audit {
            self.errors_total += audit.bad;
            self.first_errors.extend(audit.texts.iter().cloned());
        }
        self.audit = audit;
    }

    /// Adds a failure that is no operation's, such as one of closing the engine.
    pub fn add_failure(&mut self, error: &dyn std::error::Error) {
        self.errors_total += 1;
        self.first_errors.push(error.to_string());
    }

    /// A short name for tables: the load, or the workload of a run.
    pub fn title(&self) -> &str {
        match self.phase {
            "load" => "load",
            _ => &self.workload,
        }
    }
}

/// Threads in words, with the clients that share them.
pub fn clients_on(clients: Option<u64>, threads: u64) -> String {
    let threads = if threads == 1 { "1 thread".to_owned() } else { format!("{threads} threads") };
    match clients {
        None => threads,
        Some(1) => format!("1 async client on {threads}"),
        Some(clients) => format!("{clients} async clients on {threads}"),
    }
}

fn mode(job: &Job) -> &'static str {
    match job.arrivals() {
        Some(_) => "open",
        None if job.trace_speed().is_some() => "open",
        None if job.is_scheduled() => "target",
        None => "closed",
    }
}

fn as_map<N, S>(pairs: &[(N, String)], serializer: S) -> Result<S::Ok, S::Error>
where
    N: AsRef<str>,
    S: Serializer,
{
    serializer.collect_map(pairs.iter().map(|(name, value)| (name.as_ref(), value)))
}

fn rows_as_map<S: Serializer>(rows: &[RowSummary], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(rows.iter().map(|row| (row.row, row)))
}

fn stats_as_map<S: Serializer>(stats: &EngineStats, serializer: S) -> Result<S::Ok, S::Error> {
    let numbers = stats.values.iter().map(|(name, value)| (name, (*value).into()));
    let notes = stats.notes.iter().map(|(name, text)| (name, text.as_str().into()));
    serializer.collect_map(numbers.chain(notes).map(|(name, v): (_, serde_json::Value)| (name, v)))
}
