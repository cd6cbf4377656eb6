//! One measured phase: run, watched, settled, audited and reported, whichever command it belongs to.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::arguments::EngineArgs;
use crate::engine::{Engine, EngineResult, EngineStats};
use crate::report::PhaseReport;
use crate::resources::{Meter, Usage};
use crate::runner::{Job, Ledger, LiveStatus, Observer, PhaseKind, PhaseResult, Tick, run_phase};

const SETTLE_MAX: Duration = Duration::from_secs(600);

pub struct Subject<'a> {
    pub arguments: &'a EngineArgs,
    pub engine: &'a dyn Engine,
    pub dir: &'a Path,
}

/// What looks at a phase while it runs.
pub struct Watch<'a> {
    /// The line that shows how far it is.
    pub live: Option<LiveStatus>,
    pub interval: Duration,
    /// Gets the engine's numbers each time, and returns what of them belongs to the line.
    pub look: &'a mut dyn FnMut(&EngineStats) -> String,
}

impl<'a> Subject<'a> {
    pub fn run(&'a self, job: &Job, watch: Watch<'a>) -> Result<PhaseReport> {
        let pool = job.pool();
        let ledger = job.take_stock(self.engine)?;
        let meter = Meter::start(self.engine, self.dir);
        let mut metered = Metered { engine: self.engine, meter, watch };
        let result = run_phase(self.engine, job, &pool, ledger.as_ref(), &mut metered);
        if let Some(live) = &metered.watch.live {
            live.finish();
        }
        let result = measured(job, result?)?;
        let usage = metered.meter.stop(self.engine, &result.work(job));
        report(self.arguments, self.engine, job, result, usage, ledger.as_ref())
    }
}

struct Metered<'a> {
    engine: &'a dyn Engine,
    meter: Meter,
    watch: Watch<'a>,
}

impl Observer for Metered<'_> {
    fn interval(&self) -> Duration {
        self.watch.interval
    }

    fn begin(&mut self) {
        self.meter.restart(self.engine);
    }

    fn tick(&mut self, tick: &Tick<'_>) {
        let text = (self.watch.look)(tick.stats);
        if let Some(live) = &mut self.watch.live {
            live.show(tick, || text);
        }
    }
}

fn measured(job: &Job, result: PhaseResult) -> Result<PhaseResult> {
    if let Some(why) = result.cut_short.as_ref().filter(|_| result.ended_in_warmup) {
        bail!("cut short by {why} within its warm-up of {} s, so nothing was measured", job.warmup_s());
    }
    if result.ended_in_warmup {
        bail!(
            "the run ended within its warm-up of {} s, so nothing was measured; give it more \
             operations (operationcount, 0 for no bound) or a shorter --warmup",
            job.warmup_s()
        );
    }
    Ok(result)
}

/// The report of a phase that is over, with what follows it: settling, and the check of the whole database. If one of
/// them fails the numbers stand all the same, and the failure beside them.
fn report(
    arguments: &EngineArgs,
    engine: &dyn Engine,
    job: &Job,
    result: PhaseResult,
    usage: Usage,
    ledger: Option<&Ledger>,
) -> Result<PhaseReport> {
    let settles = arguments.data.settle && job.kind == PhaseKind::Load && result.cut_short.is_none();
    let settled = settles.then(|| settled_s(engine)).transpose();
    let mut report = PhaseReport::new(arguments.info(engine), job, result, usage, engine)?;
    match settled {
        Ok(settle_s) => report.settle_s = settle_s,
        Err(error) => report.add_failure(&error),
    }
    match job.audit(engine, ledger) {
        Ok(audit) => report.add_audit(audit),
        Err(error) => report.add_failure(&error),
    }
    Ok(report)
}

/// Waits until the engine's background work is done; returns for how long.
fn settled_s(engine: &dyn Engine) -> EngineResult<f64> {
    let start = Instant::now();
    engine.settle(SETTLE_MAX)?;
    Ok(start.elapsed().as_secs_f64())
}
