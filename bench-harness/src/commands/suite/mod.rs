//! `rabi-bench suite`: several engines, the same work, the same memory, side by side.
//!
//! `preset` has arguments by name, `plan` says what is run in which order, `cell` runs one engine in a process of its own, and `pace` says how long it
//! will be. What becomes of the results is in `crate::suite`.

mod arguments;
mod cell;
mod pace;
mod plan;
mod preset;

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::control_group::{Hierarchy, MemoryLimit};
use crate::dataset;
use crate::engine;
use crate::environment::Environment;
use crate::interrupt::{self, Interrupt};
use crate::output_file;
use crate::report::{Cliff, Style};
use crate::results_directory;
use crate::size::size;
use crate::suite::{CLIFFS_NOTE, Done, Phase, SuiteReport, page, pictures, read, readme, summarize};
use crate::terminal::{notice, output, warn};
use crate::verdict::Verdict;

pub use arguments::{ABOUT_THE_SUITE, SuiteArgs};
pub use preset::expanded;

use cell::{Ended, Recipe, Words};
use pace::Outlook;
use plan::Cell;

/// How the names of files with the numbers of `cliffs` end.
const CLIFFS: &str = "-cliffs.json";

pub fn execute(arguments: SuiteArgs) -> Result<Verdict> {
    let engines = engines(&arguments)?;
    let workloads = plan::workloads(&arguments.workloads)?;
    let (limit, memory) = memory_limit(&arguments)?;
    notice(&format!("memory: {memory}"));
    let parent = databases(arguments.dir.as_deref())?;
    let environment = Environment::gather(parent.path());
    environment.doubts().iter().for_each(warn);
    let results = results_directory::create(&arguments.job.results)?;
    fs::create_dir(results.join("raw")).context("cannot create raw/ in the directory of results")?;
    let mut suite = Suite {
        recipe: Recipe { arguments: &arguments, workloads: &workloads },
        dir: parent.path().to_owned(),
        results: results.clone(),
        limit,
        done: Vec::new(),
        out: BTreeSet::new(),
    };
    suite.run(&engines)?;
    let done = suite.done;
    // Half a phase beside whole ones would be no repeat of them. Its numbers are in its file.
    let (phases, cut): (Vec<_>, Vec<_>) =
        read_all(&results, &done)?.into_iter().partition(|phase| phase.cut_short.is_none());
    let cut_short = interrupt::asked().map(Interrupt::name);
    let workloads = summarize(&engines, &phases);
    let cliffs = read_cliffs(&results, &done)?;
    let repeats = arguments.repeat;
    let report = SuiteReport {
        environment,
        engines,
        repeats,
        memory,
        cut_short,
        done,
        phases,
        cut,
        workloads,
        cliffs,
    };
    write(&results, "README.md", &readme(&report))?;
    write(&results, "report.html", &page(&report))?;
    for (name, picture) in pictures(&report.engines, repeats, &report.phases, &report.workloads) {
        write(&results, name, &picture)?;
    }
    conclude(&report, &results)
}

fn engines(arguments: &SuiteArgs) -> Result<Vec<String>> {
    let has_clients = arguments.job.clients.clients.is_some();
    let named = match arguments.engines.is_empty() {
        true => engine::on_disk(),
        false => arguments.engines.clone(),
    };
    // A second time with futures is no second time.
    let first =
        |name: &&String| !plan::has_futures(name) || !named.iter().any(|one| one == plan::engine_of(name));
    let engines: Vec<String> =
        named.iter().filter(first).map(|name| plan::engine_of(name).to_owned()).collect();
    arguments.common.check(&engines, "--repeat to run it more often", "of this suite")?;
    for name in named.iter().filter(|name| plan::has_futures(name)) {
        let engine = plan::engine_of(name);
        if !engine::awaits(engine) {
            bail!("--engines {name}: the engine {engine} has no calls that can be awaited; leave -async out");
        }
        if !has_clients {
            bail!("--engines {name}: its clients are futures; say how many, with --clients");
        }
    }
    Ok(if has_clients { plan::with_futures(named, engine::awaits) } else { named })
}

/// The limit, if one was asked for, and what the report says about memory.
fn memory_limit(arguments: &SuiteArgs) -> Result<(Option<MemoryLimit>, String)> {
    let hierarchy = Hierarchy::of_this_process();
    let Some(bytes) = arguments.memory_limit else {
        let otherwise = match hierarchy.as_ref().and_then(Hierarchy::limit_bytes) {
            Some(bytes) => format!("all runs share the limit of {} the suite was started under", size(bytes)),
            None => "runs may fill the OS cache with all of the machine's memory".to_owned(),
        };
        return Ok((None, format!("no limit was asked for; {otherwise}")));
    };
    let limit = MemoryLimit::new(hierarchy, bytes).map_err(anyhow::Error::msg)?;
    Ok((Some(limit), format!("{} for each run by a control group of its own", size(bytes))))
}

/// A directory of this suite's own for the databases, removed with all of them at the end.
fn databases(parent: Option<&Path>) -> Result<tempfile::TempDir> {
    let mut builder = tempfile::Builder::new();
    builder.prefix("rabi-bench-suite-");
    let made = match parent {
        Some(parent) => fs::create_dir_all(parent).and_then(|()| builder.tempdir_in(parent)),
        None => builder.tempdir(),
    };
    let place =
        parent.map_or("the directory for temporary files".to_owned(), |dir| dir.display().to_string());
    made.with_context(|| {
        format!("cannot make a directory for the databases in {place}; name another with --dir")
    })
}

struct Suite<'a> {
    recipe: Recipe<'a>,
    dir: PathBuf,
    results: PathBuf,
    limit: Option<MemoryLimit>,
    done: Vec<Done>,
    /// The engines that could not be run; they are not tried again.
    out: BTreeSet<String>,
}

impl Suite<'_> {
    fn run(&mut self, engines: &[String]) -> Result<()> {
        let runs = plan::cells(engines, self.recipe.arguments.repeat).len();
        notice(&self.outlook(runs).sentence());
        if self.recipe.arguments.cliffs {
            notice(
                "the patterns of cliffs follow on each run, and take a minute or two unless it is --smoke",
            );
        }
        notice(&format!("results go to {}", self.results.display()));
        if self.recipe.arguments.load_once {
            for engine in engines {
                let json = PathBuf::from(format!("raw/{engine}-load.json"));
                let words = self.recipe.load(engine, &self.loaded(engine), &self.results.join(&json));
                self.carry_out(engine, words, json, "load")?;
                if interrupt::asked().is_some() {
                    return Ok(());
                }
            }
        }
        let cells = plan::cells(engines, self.recipe.arguments.repeat);
        let mut outlook = self.outlook(cells.len());
        let mut took = Vec::new();
        for (index, cell) in cells.iter().enumerate() {
            if self.out.contains(&cell.engine) {
                continue;
            }
            notice(&format!("[{}/{}] {}, repeat {}", index + 1, cells.len(), cell.engine, cell.repeat));
            let start = Instant::now();
            self.run_cell(cell)?;
            if interrupt::asked().is_some() {
                return Ok(());
            }
            if self.out.contains(&cell.engine) {
                // It is not tried again, and the runs it would have had are none.
                outlook.runs -= cells[index..].iter().filter(|later| later.engine == cell.engine).count();
                continue;
            }
            took.push(start.elapsed());
            notice(&format!("[{}/{}] {}", index + 1, cells.len(), outlook.after(&took)));
        }
        Ok(())
    }

    fn outlook(&self, runs: usize) -> Outlook {
        let arguments = self.recipe.arguments;
        Outlook {
            runs,
            workloads: self.recipe.workloads.len(),
            workload_s_max: arguments.job.duration.unwrap_or(if arguments.job.smoke { 5.0 } else { 10.0 }),
            loads_each: !arguments.load_once,
        }
    }

    fn run_cell(&mut self, cell: &Cell) -> Result<()> {
        let name = format!("{}-{}", cell.engine, cell.repeat);
        let dir = self.dir.join(&name);
        let json = PathBuf::from(format!("raw/{name}.json"));
        let file = self.results.join(&json);
        let words = if self.recipe.arguments.load_once {
            match dataset::clone(&self.loaded(&cell.engine), &dir) {
                Err(_) if interrupt::asked().is_some() => return Ok(()),
                cloned => notice(&cloned?.sentence()),
            }
            self.recipe.on_loaded(&cell.engine, &dir, &file)
        } else {
            self.recipe.whole(&cell.engine, &dir, &file)
        };
        self.carry_out(&cell.engine, words, json, &name)?;
        self.clear(&dir)?;
        let has_cliffs = self.recipe.arguments.cliffs && !plan::has_futures(&cell.engine);
        if has_cliffs && !self.out.contains(&cell.engine) && interrupt::asked().is_none() {
            let json = PathBuf::from(format!("raw/{name}{CLIFFS}"));
            let words = self.recipe.cliffs(&cell.engine, &dir, &self.results.join(&json));
            self.carry_out(&cell.engine, words, json, &name)?;
            self.clear(&dir)?;
        }
        Ok(())
    }

    fn clear(&self, dir: &Path) -> Result<()> {
        // The next run needs the room, and must not find this one's pages in memory.
        match fs::remove_dir_all(dir) {
            // A run that was refused, or ended early, has made none.
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            done => done.with_context(|| format!("cannot remove {}", dir.display())),
        }
    }

    fn carry_out(&mut self, engine: &str, words: Words, json: PathBuf, name: &str) -> Result<()> {
        let ended = cell::run(&words, self.limit.as_ref(), name)?;
        let trouble = match ended {
            Ended::Well => None,
            Ended::CutShort(interrupt) => {
                Some(format!("{engine}: cut short by {} in {}", interrupt.name(), json.display()))
            }
            Ended::WithFailures => Some(format!("{engine}: operations failed in {}", json.display())),
            Ended::Refused => {
                Some(format!("{engine} could not be run, and is left out: see its own message"))
            }
            Ended::BySystem(status, ref why) => {
                let why = why.as_deref().unwrap_or("was memory or the device too small for it?");
                Some(format!("{engine} was ended by the system ({status}), and is left out: {why}"))
            }
        };
        let has_numbers = match ended {
            Ended::Well | Ended::WithFailures => true,
            Ended::CutShort(_) => self.results.join(&json).exists(),
            Ended::Refused | Ended::BySystem(..) => false,
        };
        if !has_numbers {
            self.out.insert(engine.to_owned());
        }
        let file = has_numbers.then_some(json);
        self.done.push(Done { engine: engine.to_owned(), command: cell::shown(&words), file, trouble });
        Ok(())
    }

    /// Where an engine's data set lies that was loaded once.
    fn loaded(&self, engine: &str) -> PathBuf {
        self.dir.join(format!("{engine}-loaded"))
    }
}

/// The files of runs, of `cliffs` or of the workloads, each with the engine as this suite names it.
fn files(done: &[Done], of_cliffs: bool) -> impl Iterator<Item = (&String, &PathBuf)> {
    let is_of_cliffs = |file: &PathBuf| file.to_string_lossy().ends_with(CLIFFS);
    let files = done.iter().filter_map(|run| Some((&run.engine, run.file.as_ref()?)));
    files.filter(move |(_, file)| is_of_cliffs(file) == of_cliffs)
}

fn read_cliffs(results: &Path, done: &[Done]) -> Result<Vec<Cliff>> {
    #[derive(serde::Deserialize)]
    struct File {
        cliffs: Vec<Cliff>,
    }
    let mut cliffs = Vec::new();
    for (_, file) in files(done, true) {
        let path = results.join(file);
        let context = || format!("cannot read {}", path.display());
        let file: File =
            serde_json::from_slice(&fs::read(&path).with_context(context)?).with_context(context)?;
        cliffs.extend(file.cliffs);
    }
    Ok(cliffs)
}

fn read_all(results: &Path, done: &[Done]) -> Result<Vec<Phase>> {
    let mut phases = Vec::new();
    for (engine, file) in files(done, false) {
        let found = read(&results.join(file))?.phases;
        phases.extend(found.into_iter().map(|phase| Phase { engine: engine.clone(), ..phase }));
    }
    Ok(phases)
}

fn write(dir: &Path, name: &str, text: &str) -> Result<()> {
    output_file::write(&dir.join(name), text.as_bytes())
}

fn conclude(report: &SuiteReport, results: &Path) -> Result<Verdict> {
    let mut out = String::new();
    if let Some(sentence) = report.cut_short() {
        out += &format!("\n{}\n", sentence.replacen("cut short", "CUT SHORT", 1));
    }
    for workload in &report.workloads {
        for class in &workload.classes {
            let grid = report.class(class).text(Style::Plain);
            out += &format!("\n{}, durability kept: {}\n{grid}", workload.title, class.kept.name());
        }
    }
    for (kept, grid) in report.summary() {
        let grid = grid.text(Style::Plain);
        out += &format!(
            "\nSummary: operations a second and share of the fastest, durability kept: {}\n{grid}",
            kept.name()
        );
    }
    if let Some(cliffs) = report.cliffs() {
        out += &format!("\n{CLIFFS_NOTE}\n{}", cliffs.text(Style::Plain));
    }
    if let Some((summary, workloads)) = report.behind() {
        out += &format!("\n{summary}\n");
        for behind in workloads {
            out += &format!("  {}\n", behind.headline());
        }
    }
    out += &format!("\n{}\n", report.durability().text(Style::Plain));
    out += &format!("{}\n", report.harness().text(Style::Plain));
    out += &format!("* best of its class by more than noise; results in {}\n", results.display());
    output(&out)?;
    let failed = |phase: &&Phase| phase.errors_total > 0;
    for phase in report.phases.iter().chain(&report.cut).filter(failed) {
        notice(&format!("FAILED: {} {}: {} operations", phase.engine, phase.title(), phase.errors_total));
    }
    let troubles: Vec<&String> = report.done.iter().filter_map(|run| run.trouble.as_ref()).collect();
    for trouble in &troubles {
        notice(&format!("FAILED: {trouble}"));
    }
    Ok(if troubles.is_empty() { Verdict::Good } else { Verdict::Bad })
}
