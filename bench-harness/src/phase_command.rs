//! `rabi-bench load` and `rabi-bench run`: one phase on a directory that stays.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::argument::create_file;
use crate::cli::{EngineArgs, PhaseArgs};
use crate::engine::{self, Engine, Settings};
use crate::environment::Environment;
use crate::outputs::Outputs;
use crate::properties::{Origin, Properties};
use crate::report::{Exports, PhaseInfo, PhaseReport, text};
use crate::resources::{Meter, cool};
use crate::runner::{Job, LiveStatus, Observer, PhaseKind, PhaseResult, Tick, run_phase};
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
    let json = arguments.json.as_deref().map(create_json).transpose()?;
    let exports = Exports::create(&arguments.export)?;
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
    exports.write(&report)?;
    let verdict = finish(&report, json)?;
    // Last, so that a file that cannot be written does not cost the results.
    finish_recording(&job)?;
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
    Job { kind, workload_name, workload, seed: arguments.engine.seed, replay: None, recording: None }
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
    let usage = watch.meter.stop(&*engine, job, &result);
    let settle_s =
        (arguments.engine.settle && job.kind == PhaseKind::Load).then(|| settled_s(&*engine)).transpose()?;
    let info = info(&arguments.engine, &*engine);
    let mut report = PhaseReport::new(info, job, result, usage, &*engine)?;
    report.add_audit(job.audit(&*engine, ledger.as_ref())?);
    (report.cooled_bytes, report.settle_s) = (cooled_bytes, settle_s);
    if let Some(warning) = report.steady_state.and_then(|state| state.warning()) {
        notice(&format!("warning: {warning}"));
    }
    engine.close()?;
    Ok(report)
}

/// Waits until the engine's background work is done; returns for how long.
pub fn settled_s(engine: &dyn Engine) -> Result<f64> {
    let start = Instant::now();
    engine.settle(SETTLE_MAX)?;
    Ok(start.elapsed().as_secs_f64())
}

fn finish_recording(job: &Job) -> Result<()> {
    if let Some(recording) = &job.recording {
        let total = recording.finish()?;
        notice(&format!("recorded {total} operations in {}", recording.path().display()));
    }
    Ok(())
}

fn finish(report: &PhaseReport, json: Option<(PathBuf, File)>) -> Result<Verdict> {
    output(&text(report))?;
    if let Some((path, mut file)) = json {
        let encoded = serde_json::to_string_pretty(report)?;
        writeln!(file, "{encoded}").with_context(|| format!("cannot write {}", path.display()))?;
    }
    if report.errors_total == 0 {
        return Ok(Verdict::Good);
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
    Ok(Verdict::Bad)
}

/// The result of a phase, unless nothing of it was measured.
pub fn measured(job: &Job, result: PhaseResult) -> Result<PhaseResult> {
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

/// Created before the measurement, so that a wrong path does not cost a run.
pub fn create_json(path: &Path) -> Result<(PathBuf, File)> {
    Ok((path.to_owned(), create_file("--json", path)?))
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
