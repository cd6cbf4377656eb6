//! `rabi-bench load` and `rabi-bench run`: one phase on a directory that stays.

use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::arguments::PhaseArgs;
use crate::engine::{self, Engine};
use crate::environment::Environment;
use crate::output_file::OutputFile;
use crate::phase::{measured, report};
use crate::report::{Exports, PhaseReport, text};
use crate::resources::{Meter, cool};
use crate::runner::{Job, LiveStatus, Observer, PhaseKind, Tick, run_phase};
use crate::terminal::{notice, output};
use crate::verdict::Verdict;

/// Carries out the command.
pub fn execute(kind: PhaseKind, arguments: PhaseArgs) -> Result<Verdict> {
    let mut job = arguments.job(kind)?;
    let json = arguments.json.as_deref().map(|path| OutputFile::check("--json", path)).transpose()?;
    let exports = Exports::check(&arguments.export)?;
    arguments.trace.add_to(&mut job)?;
    if job.operations().is_none() && job.workload.duration_s <= 0.0 && job.replay.is_none() {
        bail!(
            "the run would never end: operationcount is 0, which means unbounded; \
             set operationcount or --duration"
        );
    }
    let environment = Environment::gather(&arguments.dir);
    for doubt in environment.doubts() {
        notice(&format!("warning: {doubt}"));
    }
    let mut report = measure(&job, &arguments)?;
    report.environment = Some(environment);
    output(&text(&report))?;
    // Each is tried before one is judged: a file that cannot be written costs no other result.
    let written = [write_json(&report, json), exports.write(&report), finish_recording(&job)];
    let verdict = verdict(&report);
    match written.into_iter().collect::<Result<()>>() {
        Err(error) if verdict == Verdict::Bad => notice(&format!("error: {error:#}")),
        done => done?,
    }
    Ok(verdict)
}

fn measure(job: &Job, arguments: &PhaseArgs) -> Result<PhaseReport> {
    let cooled_bytes = (arguments.cool_caches && job.kind == PhaseKind::Run)
        .then(|| cool(&arguments.dir))
        .transpose()
        .with_context(|| format!("cannot drop the caches of {}", arguments.dir.display()))?;
    let engine = engine::open(&arguments.engine.engine, &arguments.dir, &arguments.engine.settings())?;
    let engine = arguments.engine.injection.around(engine);
    let pool = job.pool();
    let ledger = job.take_stock(&*engine)?;
    let mut watch = Watch {
        engine: &*engine,
        meter: Meter::start(&*engine, &arguments.dir),
        live: job.workload.status.then(|| {
            let label = match job.workload.label.as_str() {
                "" => job.kind.name(),
                label => label,
            };
            LiveStatus::new(job, label, job.workload.status_interval_s)
        }),
    };
    let result = run_phase(&*engine, job, &pool, ledger.as_ref(), &mut watch);
    if let Some(live) = &watch.live {
        live.finish();
    }
    let result = measured(job, result?)?;
    let usage = watch.meter.stop(&*engine, &result.work(job));
    let mut report = report(&arguments.engine, &*engine, job, result, usage, ledger.as_ref())?;
    report.cooled_bytes = cooled_bytes;
    if let Some(warning) = report.steady_state.and_then(|state| state.warning()) {
        notice(&format!("warning: {warning}"));
    }
    if let Err(error) = engine.close() {
        report.add_failure(&error);
    }
    Ok(report)
}

fn write_json(report: &PhaseReport, json: Option<OutputFile>) -> Result<()> {
    let Some(json) = json else { return Ok(()) };
    json.write((serde_json::to_string_pretty(report)? + "\n").as_bytes())
}

fn finish_recording(job: &Job) -> Result<()> {
    if let Some(recording) = &job.recording {
        let total = recording.finish()?;
        notice(&format!("recorded {total} operations in {}", recording.path().display()));
    }
    Ok(())
}

fn verdict(report: &PhaseReport) -> Verdict {
    if let Some(why) = &report.cut_short {
        notice(&format!("CUT SHORT by {why}: the numbers are of the first {:.1} s", report.elapsed_s));
    }
    if report.errors_total == 0 {
        return Verdict::Good;
    }
    notice(&format!("{} operations failed; the first of them:", report.errors_total));
    for error in &report.first_errors {
        notice(&format!("  {error}"));
    }
    if report.first_errors.iter().any(|error| error.ends_with("the record is not there")) {
        notice(
            "was the data set loaded by the same engine, with the same recordcount, insertorder and zeropadding?",
        );
    }
    Verdict::Bad
}

struct Watch<'a> {
    engine: &'a dyn Engine,
    meter: Meter,
    live: Option<LiveStatus>,
}

impl Observer for Watch<'_> {
    fn begin(&mut self) {
        self.meter.restart(self.engine);
    }

    fn interval(&self) -> Duration {
        Duration::from_millis(50)
    }

    fn tick(&mut self, tick: &Tick<'_>) {
        if let Some(live) = &mut self.live {
            live.show(tick, String::new);
        }
    }
}
