//! What every measured phase is reported with, whichever command runs it.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::arguments::EngineArgs;
use crate::engine::{Engine, EngineResult};
use crate::report::PhaseReport;
use crate::resources::Usage;
use crate::runner::{Job, Ledger, PhaseKind, PhaseResult};

/// How long `--settle` waits.
const SETTLE_MAX: Duration = Duration::from_secs(600);

/// The result of a phase, unless nothing of it was measured.
pub fn measured(job: &Job, result: PhaseResult) -> Result<PhaseResult> {
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
pub fn report(
    arguments: &EngineArgs,
    engine: &dyn Engine,
    job: &Job,
    result: PhaseResult,
    usage: Usage,
    ledger: Option<&Ledger>,
) -> Result<PhaseReport> {
    let settles = arguments.settle && job.kind == PhaseKind::Load && result.cut_short.is_none();
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
