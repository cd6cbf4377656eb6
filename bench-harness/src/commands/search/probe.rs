//! One probe: an open loop of Poisson arrivals at one rate, and whether it met the objective.

use serde::Serialize;

use super::objective::Objective;
use crate::engine::{Engine, EngineResult};
use crate::harness_cost::HarnessCost;
use crate::measure::Counts;
use crate::runner::{Job, PhaseResult, Unwatched, run_phase};
use crate::workload::{Arrivals, Pool};

/// More of the schedule than this left undone is a rate that was not reached. One operation for each
/// thread may be, for at the deadline all of them can be within a call.
const UNSTARTED_SHARE_MAX: f64 = 0.001;
/// Client threads that spend this share of the time within calls have no time to wait for the
/// next operation.
const BUSY_SHARE: f64 = 0.9;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Judged {
    Response,
    Service,
}

#[derive(Debug, Clone, Serialize)]
pub struct Probe {
    pub rate_ops_s: f64,
    /// Operations a second that ended.
    pub throughput_ops_s: f64,
    /// The service time at the objective's percentile.
    pub service_us: f64,
    /// The response time at the objective's percentile.
    pub response_us: f64,
    /// Operations that were due and never begun.
    pub unstarted: u64,
    pub errors: u64,
    /// The share of the clients' time spent within calls.
    pub busy_share: f64,
    /// The share of the clients' time the harness itself took.
    pub harness_share: f64,
    /// Whether the objective was met, all of the schedule done and nothing failed.
    pub met: bool,
    /// Whether it was the client that kept it from that: the calls themselves were fast enough, but
    /// no thread was free, or the harness took its share.
    pub client_bound: bool,
    /// Whether it repeats the rate that was found.
    pub confirms: bool,
}

pub struct Prober<'a> {
    pub engine: &'a dyn Engine,
    /// What to do; each probe sets the rate, and adds what it inserted.
    pub job: Job,
    pub pool: Pool,
    pub objective: Objective,
    pub judged: Judged,
    pub harness_ns: f64,
    pub cut_short: Option<String>,
}

impl Prober<'_> {
    /// Tries a rate. A probe that was cut short tells nothing, and is none.
    pub fn probe(&mut self, rate_ops_s: f64, confirms: bool) -> EngineResult<Option<Probe>> {
        self.job.workload.arrivals = Some(Arrivals::poisson(rate_ops_s));
        // Other arrivals and other operations each time, so that no probe is a copy of another.
        self.job.seed = self.job.seed.wrapping_add(1);
        let result = run_phase(self.engine, &self.job, &self.pool, None, &mut Unwatched)?;
        if result.cut_short.is_some() {
            self.cut_short = result.cut_short;
            return Ok(None);
        }
        let inserted = result.records - self.job.workload.record_count;
        self.job.workload.record_count += inserted;
        self.job.workload.insert_count += inserted;
        Ok(Some(self.judge(rate_ops_s, confirms, &result)))
    }

    fn judge(&self, rate_ops_s: f64, confirms: bool, result: &PhaseResult) -> Probe {
        let (mut service, mut response) = (Counts::default(), Counts::default());
        for interval in result.series.intervals() {
            service.absorb(&interval.service());
            response.absorb(&interval.response().unwrap_or_default());
        }
        let at = |counts: &Counts| counts.quantile_ns(self.objective.percentile / 100.0) as f64 / 1e3;
        let (service_us, response_us) = (at(&service), at(&response));
        let unstarted = result.backlog.map_or(0, |backlog| backlog.operations);
        let judged_us = if self.judged == Judged::Response { response_us } else { service_us };
        let due = result.operations + unstarted;
        let undone_max = (UNSTARTED_SHARE_MAX * due as f64).max(self.job.clients() as f64);
        let complete = unstarted as f64 <= undone_max;
        let errors = result.errors();
        let met = errors == 0 && result.operations > 0 && complete && judged_us <= self.objective.limit_us;
        let clients_us = result.elapsed.as_secs_f64() * 1e6 * self.job.clients() as f64;
        let busy_share = service.histogram().mean() / 1e3 * service.total() as f64 / clients_us.max(1.0);
        let harness = HarnessCost::from(self.harness_ns, &self.job, result);
        let fast_calls = service_us <= self.objective.limit_us;
        let no_time = busy_share + harness.client_share >= BUSY_SHARE || harness.client_was_bottleneck;
        Probe {
            rate_ops_s,
            throughput_ops_s: result.throughput_ops_s(),
            service_us,
            response_us,
            unstarted,
            errors,
            busy_share,
            harness_share: harness.client_share,
            met,
            client_bound: !met && errors == 0 && fast_calls && no_time,
            confirms,
        }
    }
}
