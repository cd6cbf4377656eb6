//! The main job: load, then YCSB's workloads on one open engine, then the results.
//!
//! Later phases see the records earlier ones inserted: their record count grows with them.
//! The engine's gauges are sampled all the while, to say which levels were at work.

mod arguments;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::arguments::check_clients;
use crate::engine::{self, Engine, EngineStats};
use crate::environment::Environment;
use crate::interrupt;
use crate::levels::{self, LevelWatch, live_text};
use crate::output_file::{self, OutputFile};
use crate::outputs::Outputs;
use crate::phase::{Subject, Watch};
use crate::properties::{Origin, Properties};
use crate::report::{
    JobReport, PhaseReport, SCHEMA, Style, durability_matrix, html, readme, resources, response_table, table,
};
use crate::results_directory;
use crate::runner::{Job, LiveStatus, PhaseKind};
use crate::terminal::{notice, output, warn};
use crate::verdict::Verdict;
use crate::workload::{KnownWorkload, Workload};
use crate::ycsb::check_database;

pub use arguments::MainJobArgs;

#[derive(Debug, Clone, Copy)]
struct Size {
    records: u64,
    operations: u64,
    duration_s: f64,
    memtable_size_bytes: u64,
    sample_interval: Duration,
}

/// Half a gigabyte of records through memtables of 32 MiB: about sixteen flushes while loading.
const FULL: Size = Size {
    records: 500_000,
    operations: 2_000_000,
    duration_s: 10.0,
    memtable_size_bytes: 32 << 20,
    sample_interval: Duration::from_millis(50),
};

/// The same number of flushes, each of 1 MiB; they are short, so they are sampled more often.
const SMOKE: Size = Size {
    records: 20_000,
    operations: 5_000,
    duration_s: 5.0,
    memtable_size_bytes: 1 << 20,
    sample_interval: Duration::from_millis(2),
};

pub fn execute(mut arguments: MainJobArgs) -> Result<Verdict> {
    let size = size(&arguments);
    engine::check(&arguments.engine.engine)?;
    Outputs::of_reading(&[]).writes("--json", arguments.json.as_deref())?;
    if engine::is_budgeted(&arguments.engine.engine) {
        let option = ("memtable_size_bytes".to_owned(), size.memtable_size_bytes.to_string());
        arguments.engine.options.insert(0, option);
    } else if arguments.memtable_size_bytes.is_some() {
        bail!("the engine {} has no memtable; leave --memtable-size-bytes out", arguments.engine.engine);
    }
    let jobs = jobs(&arguments, size)?;
    let (dir, temporary) = directory(arguments.dir.as_deref(), arguments.loaded)?;
    let target = match &arguments.json {
        Some(file) => Target::File(OutputFile::check("--json", file)?),
        None => Target::Directory(results_directory::create(&arguments.job.results)?),
    };
    let report = run_all(jobs, &dir, &arguments, size)?;
    drop(temporary);
    let place = target.write(&report)?;
    conclude(&report, &place, arguments.job.smoke || arguments.json.is_some())
}

/// The load, unless the database is there, and the workloads.
fn jobs(arguments: &MainJobArgs, size: Size) -> Result<Vec<Job>> {
    let load = (!arguments.loaded).then(|| job(PhaseKind::Load, "a", arguments, size));
    let letters = arguments.workloads.iter().filter(|letter| !letter.is_empty());
    let runs = letters.map(|letter| job(PhaseKind::Run, letter, arguments, size));
    load.into_iter().chain(runs).collect()
}

fn size(arguments: &MainJobArgs) -> Size {
    let base = if arguments.job.smoke { SMOKE } else { FULL };
    Size {
        records: arguments.job.records.unwrap_or(base.records),
        operations: arguments.job.operations.unwrap_or(base.operations),
        duration_s: arguments.job.duration.unwrap_or(base.duration_s),
        memtable_size_bytes: arguments.memtable_size_bytes.unwrap_or(base.memtable_size_bytes),
        ..base
    }
}

fn job(kind: PhaseKind, name: &str, arguments: &MainJobArgs, size: Size) -> Result<Job> {
    let Some(known) = KnownWorkload::of(name) else {
        bail!("--workloads: there is no workload '{name}'; allowed: {}", KnownWorkload::names());
    };
    let name = known.title();
    let mut properties = Properties::default();
    properties.add_text(Path::new(&name), known.text)?;
    // A scan touches fifty records on average, so that far fewer of them tell as much.
    let operations = if known.name == "e" { size.operations.div_ceil(10) } else { size.operations };
    let mut set = |property: &str, value: String, flag| {
        properties.set(property, value, Origin::Flag(flag));
    };
    set("recordcount", size.records.to_string(), "--records");
    set("operationcount", operations.to_string(), "--operations");
    set("threadcount", arguments.job.threads.to_string(), "--threads");
    set("rabi.verify", arguments.engine.data.verify.to_string(), "--verify");
    if kind == PhaseKind::Run {
        set("maxexecutiontime", size.duration_s.to_string(), "--duration");
    }
    arguments.job.clients.set(&mut properties);
    if kind == PhaseKind::Run {
        arguments.traffic.set(&mut properties);
    }
    for argument in &arguments.job.properties {
        properties.add_argument(argument)?;
    }
    if kind == PhaseKind::Load {
        properties.warnings().iter().for_each(warn);
    }
    check_database(&properties, &arguments.engine.engine)?;
    let workload = Workload::from_properties(&properties)?;
    check_clients(kind, &workload, &arguments.engine.engine)?;
    let seed = arguments.engine.data.seed;
    let job = Job::new(kind, name, workload, seed);
    if job.operations().is_none() && job.workload.duration_s <= 0.0 {
        bail!("{} would never end: set --operations or --duration", job.workload_name);
    }
    Ok(job)
}

/// The directory of the database, and what removes it at the end if it is a temporary one.
fn directory(named: Option<&Path>, loaded: bool) -> Result<(PathBuf, Option<tempfile::TempDir>)> {
    let Some(dir) = named else {
        let temporary = tempfile::Builder::new().prefix("rabi-bench-").tempdir().context(
            "cannot create a temporary directory; name a place that can be written, with --dir or by TMPDIR",
        )?;
        return Ok((temporary.path().to_owned(), Some(temporary)));
    };
    let advice = "name one that can be written, with --dir";
    let context = || format!("cannot use the directory {}; {advice}", dir.display());
    fs::create_dir_all(dir).with_context(context)?;
    let empty = fs::read_dir(dir).with_context(context)?.next().is_none();
    if loaded && empty {
        bail!("the directory {} is empty; leave --loaded out to load a data set", dir.display());
    }
    if !loaded && !empty {
        bail!(
            "the directory {} is not empty; the main job needs an empty one (or --loaded, or \
             rabi-bench run)",
            dir.display()
        );
    }
    Ok((dir.to_owned(), None))
}

fn run_all(mut jobs: Vec<Job>, dir: &Path, arguments: &MainJobArgs, size: Size) -> Result<JobReport> {
    let environment = Environment::gather(dir);
    let start = Instant::now();
    let engine = engine::open(&arguments.engine.engine, dir, &arguments.engine.settings())?;
    let engine = arguments.engine.injection.around(engine);
    let subject = Subject { arguments: &arguments.engine, engine: &*engine, dir };
    let mut watch = LevelWatch::new();
    let mut phases: Vec<PhaseReport> = Vec::new();
    let mut inserted = 0;
    let mut cut_short = None;
    announce(&environment, arguments, &*engine);
    for job in &mut jobs {
        // What earlier phases inserted belongs to the data set.
        job.workload.insert_count += inserted;
        job.workload.record_count += inserted;
        cut_short = interrupt::asked().filter(|_| !phases.is_empty()).map(|signal| signal.name().to_owned());
        if cut_short.is_some() {
            break;
        }
        let report = match run_one(job, &subject, &mut watch, size.sample_interval) {
            // What there is of a phase that a signal ended too early is nothing; what was before stands.
            Err(error) if interrupt::asked().is_some() && !phases.is_empty() => {
                notice(&format!("{error:#}"));
                cut_short = interrupt::asked().map(|signal| signal.name().to_owned());
                break;
            }
            report => report?,
        };
        if job.kind == PhaseKind::Run {
            inserted += report.records - job.workload.record_count;
        }
        let failed_load = job.kind == PhaseKind::Load && report.errors_total > 0;
        cut_short = report.cut_short.clone();
        phases.push(report);
        if cut_short.is_some() {
            break;
        }
        if failed_load {
            notice("the load failed; the workloads are not run on a part of the data set");
            break;
        }
    }
    match (engine.close(), phases.last_mut()) {
        (Err(error), Some(last)) => last.add_failure(&error),
        (done, _) => done?,
    }
    Ok(JobReport {
        schema: SCHEMA,
        environment,
        cut_short,
        levels: watch.seen().map(<[_]>::to_vec),
        phases,
        elapsed_s: start.elapsed().as_secs_f64(),
    })
}

fn announce(environment: &Environment, arguments: &MainJobArgs, engine: &dyn Engine) {
    notice(&format!(
        "{} in {} ({}), durability {}",
        arguments.engine.engine,
        environment.directory,
        environment.file_system,
        engine.keeps().statement()
    ));
    environment.doubts().iter().for_each(warn);
}

fn run_one(
    job: &Job,
    subject: &Subject<'_>,
    levels: &mut LevelWatch,
    interval: Duration,
) -> Result<PhaseReport> {
    let title = if job.kind == PhaseKind::Load { "load" } else { job.workload_name.as_str() };
    levels.begin(title);
    let look = &mut |stats: &EngineStats| {
        levels.sample(stats);
        live_text(stats)
    };
    let live = Some(LiveStatus::new(job, title, 2.0));
    let report = subject.run(job, Watch { live, interval, look })?;
    if report.settle_s.is_some() {
        levels.sample(&subject.engine.stats());
    }
    notice(&format!(
        "{title:>10}  {} operations in {:.1} s: {:.0} ops/s",
        report.operations_total, report.elapsed_s, report.throughput_ops_s
    ));
    notice(&format!("{:>10}  {}", "", report.harness.sentence()));
    if let Some(warning) = report.steady_state.and_then(|state| state.warning()) {
        notice(&format!("{:>10}  {warning}", ""));
    }
    Ok(report)
}

/// Where the results go. Checked or made before the work, so that a wrong path does not cost a run.
enum Target {
    File(OutputFile),
    Directory(PathBuf),
}

impl Target {
    fn write(self, report: &JobReport) -> Result<PathBuf> {
        let json = serde_json::to_string_pretty(report)? + "\n";
        match self {
            Target::File(file) => {
                file.write(json.as_bytes())?;
                Ok(file.path().to_owned())
            }
            Target::Directory(dir) => {
                let files =
                    [("results.json", json), ("README.md", readme(report)), ("report.html", html(report))];
                for (name, text) in files {
                    output_file::write(&dir.join(name), text.as_bytes())?;
                }
                Ok(dir)
            }
        }
    }
}

fn conclude(report: &JobReport, results: &Path, levels_are_optional: bool) -> Result<Verdict> {
    let mut out = String::new();
    if let Some(sentence) = report.cut_short() {
        out += &format!("\n{}\n", sentence.replacen("cut short", "CUT SHORT", 1));
    }
    out += &format!("\n{}\n", report.headline());
    if let Some(responses) = response_table(&report.phases) {
        out += &format!("Response times, from the intended start:\n{}\n", responses.text(Style::Plain));
        out += "Service times, from the call, which leave out the wait for it:\n";
    }
    out += &format!("{}\n\n", table(&report.phases).text(Style::Plain));
    out += &format!("{}\n", resources(&report.phases).text(Style::Plain));
    out += &format!("{}\n", durability_matrix(&report.durability_rows()).text(Style::Plain));
    for sentence in report.level_sentences() {
        out += &format!("{sentence}\n");
    }
    out += &format!("\n{:.1} s in all; results in {}\n", report.elapsed_s, results.display());
    output(&out)?;
    let mut verdict = Verdict::Good;
    if report.errors() > 0 {
        notice(&format!("FAILED: {} operations failed; the first of them:", report.errors()));
        for error in report.phases.iter().flat_map(|phase| &phase.first_errors).take(5) {
            notice(&format!("  {error}"));
        }
        verdict = Verdict::Bad;
    }
    let missing = levels::missing(report.levels.as_deref().unwrap_or_default());
    if !missing.is_empty() && !levels_are_optional && report.cut_short.is_none() {
        notice(&format!(
            "FAILED: never seen filled: {}; give the job more records or a smaller memtable",
            missing.join(", ")
        ));
        verdict = Verdict::Bad;
    }
    Ok(verdict)
}
