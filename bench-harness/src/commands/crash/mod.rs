//! `rabi-bench crash`: kill -9 while an engine writes, then how long it takes to open again, and whether
//! everything acknowledged is there.
//!
//! `plan` says when to kill, `round` carries a round out, `victim` holds the child processes, whose `stage` they
//! say, and `child` is what they do; `full` and `fill` are both sides of a full device. `workload` takes the writes
//! out of a workload; `crashes`, `full_device` and `report` show what was found. The oracle is the ledger of
//! `--verify`, kept in a file in memory that no child takes along when it dies.

mod arguments;
mod child;
mod crashes;
mod fill;
mod full;
mod full_device;
mod plan;
mod report;
mod round;
mod stage;
mod victim;
mod workload;

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use crate::engine;
use crate::environment::Environment;
use crate::interrupt;
use crate::output_file::OutputFile;
use crate::outputs::Outputs;
use crate::report::{SCHEMA, microseconds};
use crate::terminal::{notice, output, warn};
use crate::verdict::Verdict;
use crate::ycsb::check_database;

pub use arguments::{ABOUT_CRASHES, ChildArgs, CrashArgs};
pub use child::execute as execute_child;

use crashes::EngineCrashes;
use report::CrashReport;
use round::Subject;

/// Carries out the command.
pub fn execute(arguments: CrashArgs) -> Result<Verdict> {
    check_engines(&arguments)?;
    Outputs::of_reading(&arguments.workload.files).writes("--json", arguments.json.as_deref())?;
    let properties = arguments.workload.layer()?;
    properties.warnings().iter().for_each(warn);
    arguments.engines.iter().try_for_each(|engine| check_database(&properties, engine))?;
    let job = workload::writes_only(&arguments.workload, arguments.seed)?;
    let (parent, _temporary) = parent_directory(&arguments)?;
    let json = OutputFile::check_if_given("--json", arguments.json.as_deref())?;
    let environment = Environment::gather(&parent);
    environment.doubts().iter().for_each(warn);
    let mut report = CrashReport {
        schema: SCHEMA,
        environment,
        workload: job.workload_name,
        records: job.workload.record_count,
        threads: job.workload.threads,
        run_s: arguments.run_s,
        open_kill: arguments.open_kill,
        seed: arguments.seed,
        durability: arguments.common.durability.name(),
        cut_short: None,
        engines: Vec::new(),
        full: Vec::new(),
    };
    if arguments.full {
        for engine in &arguments.engines {
            match full::fill(&arguments, engine, &parent)? {
                Some(full) => report.full.push(full),
                None => break,
            }
        }
    } else {
        report.engines = crash(&arguments, parent)?;
    }
    report.cut_short = interrupt::asked().map(interrupt::Interrupt::name);
    output(&report.text())?;
    if let Some(json) = json {
        json.write_json(&report)?;
    }
    Ok(if report.is_good() { Verdict::Good } else { Verdict::Bad })
}

fn crash(arguments: &CrashArgs, parent: PathBuf) -> Result<Vec<EngineCrashes>> {
    let mut subjects = subjects(arguments, parent)?;
    for round in 1..=arguments.rounds {
        crash_all(&mut subjects, round, arguments)?;
        if interrupt::asked().is_some() {
            break;
        }
    }
    Ok(subjects.into_iter().map(|subject| subject.crashes).collect())
}

/// One round of every engine that is still in; every other round backwards, so that a drift of the
/// machine meets all alike.
fn crash_all(subjects: &mut [Subject<'_>], round: u32, arguments: &CrashArgs) -> Result<()> {
    let kills = plan::kills(arguments.seed, round, arguments.run_s, arguments.open_kill);
    let mut order: Vec<&mut Subject<'_>> = subjects.iter_mut().collect();
    if round.is_multiple_of(2) {
        order.reverse();
    }
    for subject in order.into_iter().filter(|subject| subject.crashes.out.is_none()) {
        subject.round(round, kills)?;
        if interrupt::asked().is_some() {
            return Ok(());
        }
        let crashes = &subject.crashes;
        let engine = &crashes.engine;
        let (round, rounds) = (format!("[{round}/{}] {engine}", arguments.rounds), &crashes.rounds);
        match (&crashes.out, rounds.last()) {
            (Some(out), _) => notice(&format!("{engine}: given up in {out}")),
            (None, Some(last)) => notice(&format!(
                "{round}: killed in {}, {} acknowledged, open after {} ms, {} lost, {} wrong",
                last.killed_in,
                last.acknowledged,
                microseconds(1e3 * last.found.open_s),
                last.found.lost,
                last.found.wrong
            )),
            (None, None) => {}
        }
    }
    Ok(())
}

fn check_engines(arguments: &CrashArgs) -> Result<()> {
    let on_disk = engine::on_disk();
    arguments.common.check(&arguments.engines, "--rounds to crash it more often", "to be crashed")?;
    match arguments.engines.iter().find(|name| !on_disk.contains(name)) {
        None => Ok(()),
        Some(name) => bail!(
            "--engines: {name} keeps no data on disk, so nothing of it outlives a kill; those that do: {}",
            on_disk.join(", ")
        ),
    }
}

/// The directory of all, and what removes it at the end if it is a temporary one.
fn parent_directory(arguments: &CrashArgs) -> Result<(PathBuf, Option<tempfile::TempDir>)> {
    match &arguments.dir {
        Some(dir) => {
            let advice = "name one that can be written, with --dir";
            fs::create_dir_all(dir)
                .with_context(|| format!("cannot use the directory {}; {advice}", dir.display()))?;
            Ok((dir.clone(), None))
        }
        None => {
            let temporary = tempfile::Builder::new()
                .prefix("rabi-bench-crash-")
                .tempdir()
                .context("cannot create a temporary directory; name one with --dir")?;
            Ok((temporary.path().to_owned(), Some(temporary)))
        }
    }
}

/// The engines with their directories: a single one takes the directory itself.
fn subjects(arguments: &CrashArgs, parent: PathBuf) -> Result<Vec<Subject<'_>>> {
    let mut subjects = Vec::new();
    for engine in &arguments.engines {
        let dir = if arguments.engines.len() == 1 { parent.clone() } else { parent.join(engine) };
        fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
        subjects.push(Subject::new(arguments, engine, dir)?);
    }
    Ok(subjects)
}
