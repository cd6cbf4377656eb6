//! What the harness itself costs: the same workload against the engine that does nothing.
//!
//! At most two threads, histograms on, the same mix and the same data set size, content checks off
//! (the null engine has no content), closed loop; the median of three runs. The client threads of a run spend about this much of their time
//! in the harness; where that is half of it or more, the run measured the client.

use serde::{Deserialize, Serialize};

use crate::engine::{EngineResult, null_engine};
use crate::runner::{Job, Observer, PhaseResult, run_phase};

/// Long enough for a steady figure, short enough to go with every phase.
const OPERATIONS_MAX: u64 = 1_000_000;
const DURATION_S: f64 = 0.2;
const RUNS: usize = 3;
/// Where there are more, they would only take each other's time.
const THREADS_MAX: usize = 2;
/// A client that spends this share of its time on itself is the bottleneck.
const BOTTLENECK_SHARE: f64 = 0.5;
/// What an operation of the harness should cost at most.
const GOAL_NS: f64 = 60.0;

#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub struct HarnessCost {
    /// Nanoseconds for an operation of this workload on the null engine, with histograms on.
    pub null_ns_per_operation: f64,
    /// The share of the client threads' time that this makes up.
    pub client_share: f64,
    pub client_was_bottleneck: bool,
}

impl HarnessCost {
    /// Measures the cost, and sets it against a phase that is over.
    pub fn of(job: &Job, result: &PhaseResult) -> EngineResult<HarnessCost> {
        Ok(HarnessCost::from(null_ns_per_operation(job)?, job, result))
    }

    /// Sets a cost that is known against a phase that is over.
    pub fn from(null_ns: f64, job: &Job, result: &PhaseResult) -> HarnessCost {
        let spent_ns = null_ns * result.operations as f64;
        let had_ns = result.elapsed.as_nanos() as f64 * job.client_threads() as f64;
        let client_share = (spent_ns / had_ns.max(1.0)).min(1.0);
        HarnessCost {
            null_ns_per_operation: null_ns,
            client_share,
            client_was_bottleneck: client_share >= BOTTLENECK_SHARE,
        }
    }

    pub fn sentence(&self) -> String {
        let ns = self.null_ns_per_operation;
        let goal = if ns > GOAL_NS { format!(" (goal: at most {GOAL_NS:.0})") } else { String::new() };
        let bottleneck = if self.client_was_bottleneck {
            "; THE CLIENT WAS THE BOTTLENECK: the engine is faster than these numbers"
        } else {
            ""
        };
        format!(
            "the harness takes {ns:.0} ns an operation{goal}, {:.1} % of the clients' time{bottleneck}",
            100.0 * self.client_share
        )
    }
}

/// Nanoseconds of a client thread for an operation of this workload on the null engine.
pub fn null_ns_per_operation(job: &Job) -> EngineResult<f64> {
    let mut job = job.clone();
    job.workload.threads = job.workload.threads.min(THREADS_MAX);
    job.workload.cores = job.workload.cores.min(THREADS_MAX);
    job.workload.target_ops_s = 0.0;
    job.workload.arrivals = None;
    job.workload.warmup_s = 0.0;
    job.workload.expected_inserts = Some(job.workload.expected_inserts());
    job.workload.duration_s = DURATION_S;
    job.workload.verify = false;
    job.workload.integrity = false;
    job.workload.operation_count = OPERATIONS_MAX;
    if let Some(replay) = &mut job.replay {
        replay.speed = None;
    }
    job.recording = None;
    job.workload.insert_count = job.workload.insert_count.min(OPERATIONS_MAX);
    let pool = job.pool();
    let mut runs = Vec::with_capacity(RUNS);
    for _ in 0..RUNS {
        let result = run_phase(&*null_engine(), &job, &pool, None, &mut Unwatched)?;
        let had_ns = result.elapsed.as_nanos() as f64 * job.client_threads() as f64;
        runs.push(had_ns / result.operations.max(1) as f64);
    }
    runs.sort_by(f64::total_cmp);
    Ok(runs[RUNS / 2])
}

struct Unwatched;

impl Observer for Unwatched {
    fn asks_for_end(&self) -> Option<String> {
        // It takes less than a second, and belongs to what is reported of a phase that was cut short.
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::EngineStats;
    use crate::runner::{PhaseKind, Series};
    use std::time::Duration;

    fn job(threads: u32) -> Job {
        let text = format!("recordcount=1000\noperationcount=1000\nthreadcount={threads}\n");
        Job::of(PhaseKind::Run, &text, 1)
    }

    fn result(operations: u64, elapsed: Duration) -> PhaseResult {
        PhaseResult {
            elapsed,
            cut_short: None,
            ended_in_warmup: false,
            operations,
            rows: Vec::new(),
            records: 1000,
            written_bytes: 0,
            read_bytes: 0,
            seconds: Vec::new(),
            series: Series::new(&EngineStats::default()),
            backlog: None,
            trace: None,
            clock: "monotonic",
            first_errors: Vec::new(),
        }
    }

    #[test]
    fn the_share_is_of_all_client_threads_and_half_of_it_is_a_bottleneck() {
        let second = Duration::from_secs(1);
        let free = HarnessCost::from(100.0, &job(2), &result(1_000_000, second));
        assert!((free.client_share - 0.05).abs() < 1e-9 && !free.client_was_bottleneck);
        let bound = HarnessCost::from(100.0, &job(2), &result(12_000_000, second));
        assert!((bound.client_share - 0.6).abs() < 1e-9 && bound.client_was_bottleneck);
        assert!(bound.sentence().contains("THE CLIENT WAS THE BOTTLENECK"));
        assert!(
            bound.sentence().starts_with("the harness takes 100 ns an operation (goal: at most 60), 60.0 %")
        );
    }

    #[test]
    fn an_operation_on_the_null_engine_takes_some_time_and_less_than_a_disk() {
        let ns = null_ns_per_operation(&job(4)).unwrap();
        assert!((1.0..100_000.0).contains(&ns), "{ns}");
    }
}
