//! The result of one phase, as it is written to JSON.

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
    /// The engine.
    pub engine: String,
    /// The engine's options that were set.
    #[serde(serialize_with = "as_map")]
    pub engine_options: Vec<(String, String)>,
    /// Every setting of the engine worth knowing, set or not.
    #[serde(serialize_with = "as_map")]
    pub engine_settings: Vec<(&'static str, String)>,
    /// The durability asked for.
    pub durability: &'static str,
    /// The durability the engine keeps.
    pub durability_kept: Kept,
    /// By which means it keeps it.
    pub durability_how: &'static str,
    /// The two as one phrase.
    pub durability_statement: String,
}

/// The result of one phase.
#[derive(Debug, Serialize)]
pub struct PhaseReport {
    /// The version of this format.
    pub schema: u32,
    /// Engine and durability.
    #[serde(flatten)]
    pub info: PhaseInfo,
    /// The name of the workload.
    pub workload: String,
    /// `load` or `run`.
    pub phase: &'static str,
    /// Why it ended before its time, if it did: `SIGINT`, `SIGTERM` or an error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cut_short: Option<String>,
    /// Client threads.
    pub threads: usize,
    /// `closed`, `target` (closed, at a target rate) or `open`.
    pub mode: &'static str,
    /// The target rate over all threads; 0 is no limit.
    pub target_ops_s: f64,
    /// The schedule of an open loop.
    pub arrivals: Option<Arrivals>,
    /// The trace that was replayed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace: Option<TraceReport>,
    /// Seconds before the measured part, which no number is of.
    pub warmup_s: f64,
    /// The seed.
    pub seed: u64,
    /// Whether contents were verified.
    pub verify: bool,
    /// Records in the data set after the phase.
    pub records: u64,
    /// From the first start to the last end.
    pub elapsed_s: f64,
    /// Operations finished, counting a read-modify-write once.
    pub operations_total: u64,
    /// Operations a second.
    pub throughput_ops_s: f64,
    /// Calls that failed.
    pub errors_total: u64,
    /// Operations in each whole second.
    pub operations_by_second: Vec<u64>,
    /// Operations an open loop had due by its end and never began.
    pub unstarted: Option<u64>,
    /// How long the first of those had waited by then.
    pub unstarted_wait_us: Option<u64>,
    /// What operations were timed with.
    pub clock: &'static str,
    /// Processor, bytes, memory, space.
    pub resources: Usage,
    /// What the harness itself cost.
    pub harness: HarnessCost,
    /// The first errors in words.
    pub first_errors: Vec<String>,
    /// The whole database against what was acknowledged, after a verified phase.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audit: Option<Audit>,
    /// One entry per kind of operation.
    #[serde(serialize_with = "rows_as_map")]
    pub operations: Vec<RowSummary>,
    /// Which latencies the rows of the text summary have.
    #[serde(skip)]
    pub measured: Measured,
    /// Latencies interval by interval, for formats that carry whole histograms.
    #[serde(skip)]
    pub along: Series,
    /// Whether it was in a steady state, responses included where there is a schedule; none if it was too short to say.
    pub steady_state: Option<Steadiness>,
    /// Bytes of the database's files that were dropped from the page cache before it, if that was
    /// asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cooled_bytes: Option<u64>,
    /// Seconds the engine took after the phase to finish its background work, if that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub settle_s: Option<f64>,
    /// The phase along the time.
    pub series: SeriesReport,
    /// The engine's counters and gauges at the end of the phase.
    #[serde(serialize_with = "stats_as_map")]
    pub engine_stats: EngineStats,
    /// Where it was measured; left out where a surrounding report has it.
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
            threads: job.workload.threads,
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
