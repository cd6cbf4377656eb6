//! `rabi-bench load` and `rabi-bench run`: one phase on a directory that stays.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::cli::{EngineArgs, PhaseArgs};
use crate::engine::{self, Engine, EngineResult, Settings};
use crate::environment::Environment;
use crate::output_file::OutputFile;
use crate::outputs::Outputs;
use crate::properties::{Origin, Properties};
use crate::report::{Exports, PhaseInfo, PhaseReport, text};
use crate::resources::{Meter, Usage, cool};
use crate::runner::{Job, Ledger, LiveStatus, Observer, PhaseKind, PhaseResult, Tick, run_phase};
use crate::workload::Workload;
use crate::ycsb::check_database;
use crate::{Verdict, notice, output};

/// How long `--settle` waits.
const SETTLE_MAX: Duration = Duration::from_secs(600);

/// Carries out the command.
pub fn execute(kind: PhaseKind, arguments: PhaseArgs) -> Result<Verdict> {
    engine::check(&arguments.engine.engine)?;
    check_outputs(&arguments)?;
    let properties = layer(&arguments)?;
    let workload = workload(&properties, &arguments.engine.engine)?;
    prepare_directory(kind, &arguments)?;
    let json = arguments.json.as_deref().map(|path| OutputFile::check("--json", path)).transpose()?;
    let exports = Exports::check(&arguments.export)?;
    let mut job = job(kind, &arguments, workload);
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

fn check_outputs(arguments: &PhaseArgs) -> Result<()> {
    let mut outputs = Outputs::of_reading(&arguments.files);
    outputs.writes("--json", arguments.json.as_deref())?;
    arguments.export.add_to(&mut outputs)?;
    arguments.trace.name_files(&mut outputs)
}

fn job(kind: PhaseKind, arguments: &PhaseArgs, workload: Workload) -> Job {
    let named_by = arguments.trace.trace.as_ref().or(arguments.files.last());
    let workload_name = workload_name(named_by.map(PathBuf::as_path));
    Job::new(kind, workload_name, workload, arguments.engine.seed)
}

/// What a run with these arguments is to do, on a data set that is there.
pub fn run_job(arguments: &PhaseArgs) -> Result<Job> {
    engine::check(&arguments.engine.engine)?;
    check_outputs(arguments)?;
    let properties = layer(arguments)?;
    let workload = workload(&properties, &arguments.engine.engine)?;
    prepare_directory(PhaseKind::Run, arguments)?;
    Ok(job(PhaseKind::Run, arguments, workload))
}

/// The workload that is asked for, of this engine. What has no effect is said.
pub fn workload(properties: &Properties, engine: &str) -> Result<Workload> {
    for warning in properties.warnings() {
        notice(&format!("warning: {warning}"));
    }
    check_database(properties, engine)?;
    Ok(Workload::from_properties(properties)?)
}

fn measure(job: &Job, arguments: &PhaseArgs) -> Result<PhaseReport> {
    let settings = settings(&arguments.engine);
    let cooled_bytes = (arguments.cool_caches && job.kind == PhaseKind::Run)
        .then(|| cool(&arguments.dir))
        .transpose()
        .with_context(|| format!("cannot drop the caches of {}", arguments.dir.display()))?;
    let engine = engine::open(&arguments.engine.engine, &arguments.dir, &settings)?;
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
    let mut report = PhaseReport::new(info(arguments, engine), job, result, usage, engine)?;
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

/// The engine settings of the command line.
pub fn settings(arguments: &EngineArgs) -> Settings {
    Settings { durability: arguments.durability, options: arguments.options.clone() }
}

/// What a report says about the engine.
pub fn info(arguments: &EngineArgs, engine: &dyn Engine) -> PhaseInfo {
    let keeps = engine.keeps();
    PhaseInfo {
        engine: arguments.engine.clone(),
        engine_options: arguments.options.clone(),
        engine_settings: engine.settings(),
        durability: arguments.durability.name(),
        durability_kept: keeps.kept,
        durability_how: keeps.how,
        durability_statement: keeps.statement(),
    }
}

/// The properties of files and arguments, in the order in which later ones win.
pub fn layer_basics(files: &[PathBuf], given: &[String], threads: Option<u64>) -> Result<Properties> {
    let mut properties = Properties::default();
    for file in files {
        properties.add_file(file)?;
    }
    for argument in given {
        properties.add_argument(argument)?;
    }
    if let Some(threads) = threads {
        properties.set("threadcount", threads.to_string(), Origin::Flag("--threads"));
    }
    Ok(properties)
}

fn layer(arguments: &PhaseArgs) -> Result<Properties> {
    let mut properties = layer_basics(&arguments.files, &arguments.properties, arguments.threads)?;
    if let Some(target) = arguments.target {
        properties.set("target", target.to_string(), Origin::Flag("--target"));
    }
    if let Some(seconds) = arguments.duration {
        properties.set("maxexecutiontime", seconds.to_string(), Origin::Flag("--duration"));
    }
    if arguments.trace.trace.is_some() && !properties.is_set("recordcount") {
        // The trace has its own keys; the number must be given, and decides nothing.
        properties.set("recordcount", "1", Origin::Flag("--trace"));
    }
    arguments.traffic.set(&mut properties);
    if arguments.status {
        properties.set("status", "true", Origin::Flag("-s"));
        // YCSB's ten seconds are long for an embedded engine; a property still decides.
        if !properties.is_set("status.interval") {
            properties.set("status.interval", "1", Origin::Flag("-s"));
        }
    }
    if arguments.engine.verify {
        properties.set("rabi.verify", "true", Origin::Flag("--verify"));
    }
    Ok(properties)
}

/// The trace names the workload, or the last property file.
pub fn workload_name(file: Option<&Path>) -> String {
    let name = file.and_then(Path::file_name);
    name.map_or_else(|| "default".to_owned(), |name| name.to_string_lossy().into_owned())
}

fn prepare_directory(kind: PhaseKind, arguments: &PhaseArgs) -> Result<()> {
    let dir = arguments.dir.as_path();
    let load = || format!("load the data set first, with: rabi-bench load --dir {}", dir.display());
    // A replay may begin with nothing.
    if kind == PhaseKind::Load || arguments.trace.trace.is_some() {
        let advice = "name a place for the database that can be written, with --dir";
        return fs::create_dir_all(dir)
            .with_context(|| format!("cannot create the directory {}; {advice}", dir.display()));
    }
    if dir.is_file() {
        bail!("{} is a file; --dir takes the directory of a database", dir.display());
    }
    if !dir.is_dir() {
        bail!("there is no directory {}; {}", dir.display(), load());
    }
    if engine::keeps_files(&arguments.engine.engine) && is_empty(dir) {
        bail!("the directory {} is empty; {}", dir.display(), load());
    }
    Ok(())
}

/// Whether nothing is in a directory. One that cannot be read is for the engine to name.
fn is_empty(dir: &Path) -> bool {
    fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_none())
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
