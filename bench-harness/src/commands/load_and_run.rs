//! `rabi-bench load` and `rabi-bench run`: one phase on a directory that stays.

use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::arguments::PhaseArgs;
use crate::engine::{self, EngineStats};
use crate::environment::Environment;
use crate::output_file::OutputFile;
use crate::phase::{Subject, Watch};
use crate::report::{Exports, PhaseReport, text};
use crate::resources::cool;
use crate::runner::{Job, LiveStatus, PhaseKind};
use crate::terminal::{notice, output, warn};
use crate::verdict::Verdict;

/// How often a phase is looked at.
const SAMPLE_INTERVAL: Duration = Duration::from_millis(50);

/// Carries out the command.
pub fn execute(kind: PhaseKind, arguments: PhaseArgs) -> Result<Verdict> {
    let mut job = arguments.job(kind)?;
    let json = OutputFile::check_if_given("--json", arguments.json.as_deref())?;
    let exports = Exports::check(&arguments.export)?;
    arguments.trace.add_to(&mut job)?;
    if job.operations().is_none() && job.workload.duration_s <= 0.0 && job.replay.is_none() {
        bail!(
            "the run would never end: operationcount is 0, which means unbounded; \
             set operationcount or --duration"
        );
    }
    let environment = Environment::gather(&arguments.dir);
    environment.doubts().iter().for_each(warn);
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
    let live = job.workload.status.then(|| {
        let label = match job.workload.label.as_str() {
            "" => job.kind.name(),
            label => label,
        };
        LiveStatus::new(job, label, job.workload.status_interval_s)
    });
    let subject = Subject { arguments: &arguments.engine, engine: &*engine, dir: &arguments.dir };
    let look = &mut |_: &EngineStats| String::new();
    let mut report = subject.run(job, Watch { live, interval: SAMPLE_INTERVAL, look })?;
    report.cooled_bytes = cooled_bytes;
    report.steady_state.and_then(|state| state.warning()).into_iter().for_each(warn);
    if let Err(error) = engine.close() {
        report.add_failure(&error);
    }
    Ok(report)
}

fn write_json(report: &PhaseReport, json: Option<OutputFile>) -> Result<()> {
    let Some(json) = json else { return Ok(()) };
    json.write_json(report)
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
