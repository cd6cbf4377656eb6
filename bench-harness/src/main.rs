//! `rabi-bench`: a workload runner that speaks YCSB.
//!
//! Its layers from the bottom up. A module imports those of its own layer and of layers before it, in no circle; a test
//! of the repository reads this list and holds it.
//!
//! - `terminal`, `size`, `verdict`, `interrupt` (signals) and `subprocess` (children that are waited for); `output_file`
//!   and `outputs`, files that are written; `allocations`, which counts them;
//! - `properties` reads what YCSB's files say, `generator` draws numbers, `stats` sums numbers up, `measure` counts and
//!   times;
//! - `workload` makes keys, records and operations of them, `trace` reads and writes operations in files, `engine` hides
//!   the databases, `ycsb` knows what YCSB calls otherwise;
//! - `runner` puts a workload to an engine, `dataset` clones what was loaded, `resources` and `environment` say what a
//!   run used and where it was, `control_group` bounds its memory, `results_directory` makes room for its results;
//! - `harness_cost` and `levels` add to a phase's numbers, and `report` shows them;
//! - `arguments` are those that commands share, `phase` reports one phase whichever command runs it, `compare` judges
//!   builds by their results, `suite` lays engines side by side;
//! - `commands` has one module for each command;
//! - `cli` names them.

mod allocations;
mod arguments;
mod cli;
mod commands;
mod compare;
mod control_group;
mod dataset;
mod engine;
mod environment;
mod generator;
mod harness_cost;
mod interrupt;
mod levels;
mod measure;
mod output_file;
mod outputs;
mod phase;
mod properties;
mod report;
mod resources;
mod results_directory;
mod runner;
mod size;
mod stats;
mod subprocess;
mod suite;
mod terminal;
mod trace;
mod verdict;
mod workload;
mod ycsb;

use std::io;
use std::process::ExitCode;

use clap::Parser;

use cli::{Cli, Command};
use commands::{ci, cliffs, crash, load_and_run, main_job, search};
use runner::PhaseKind;
use terminal::{notice, output};
use verdict::Verdict;

fn main() -> ExitCode {
    // What engines warn of, rings denied above all, belongs on the screen.
    let messages =
        tracing_subscriber::fmt().with_writer(io::stderr).with_ansi(terminal::colours()).with_target(false);
    messages.with_max_level(tracing_subscriber::filter::LevelFilter::WARN).init();
    let cli = match Cli::try_parse().and_then(with_preset) {
        Ok(cli) => cli,
        Err(refused) => return explain(&refused),
    };
    if let Err(error) = heed_others(cli.command.as_ref()) {
        notice(&format!("error: cannot get ready for signals: {error}"));
        return ExitCode::from(2);
    }
    let done = match bound_memory(&cli) {
        // A child has done it all, and said what there was to say.
        Ok(Some(status)) => return status,
        Ok(None) => carry_out(cli),
        Err(error) => Err(error),
    };
    if let Err(error) = &done {
        notice(&format!("error: {error:#}"));
    }
    match (interrupt::asked(), done) {
        (Some(interrupt), _) => ExitCode::from(interrupt.status()),
        (None, Ok(verdict)) => verdict.status(),
        (None, Err(_)) => ExitCode::from(2),
    }
}

/// The command that the preset of a suite stands for.
fn with_preset(cli: Cli) -> Result<Cli, clap::Error> {
    let typed: Vec<_> = std::env::args_os().collect();
    let expanded = match &cli.command {
        Some(Command::Suite(arguments)) => commands::suite::expanded(arguments, &typed),
        _ => None,
    };
    expanded.map_or(Ok(cli), Cli::try_parse_from)
}

/// Signals, and the end of a parent that waits for this process.
fn heed_others(command: Option<&Command>) -> io::Result<()> {
    subprocess::die_with_parent()?;
    match command {
        // These have nothing to report before their end, or a parent that kills them.
        Some(Command::Properties | Command::CiSteps(_) | Command::CrashChild(_)) => Ok(()),
        Some(Command::Compare(arguments)) if !arguments.runs() => Ok(()),
        _ => interrupt::listen(),
    }
}

/// Bounds the memory of commands that open engines themselves, if they were asked to. The others hand the limit on.
fn bound_memory(cli: &Cli) -> anyhow::Result<Option<ExitCode>> {
    match &cli.command {
        Some(Command::Load(arguments) | Command::Run(arguments)) => arguments.memory.bound(),
        Some(Command::Cliffs(arguments)) => arguments.memory.bound(),
        None => cli.main_job.memory.bound(),
        Some(_) => Ok(None),
    }
}

fn carry_out(cli: Cli) -> anyhow::Result<Verdict> {
    match cli.command {
        Some(Command::Load(arguments)) => load_and_run::execute(PhaseKind::Load, arguments),
        Some(Command::Run(arguments)) => load_and_run::execute(PhaseKind::Run, arguments),
        Some(Command::Properties) => {
            output(&properties::table()).map(|()| Verdict::Good).map_err(anyhow::Error::from)
        }
        Some(Command::Search(arguments)) => search::execute(*arguments),
        Some(Command::Compare(arguments)) => commands::compare::execute(*arguments),
        Some(Command::Ci(arguments)) => ci::execute(arguments),
        Some(Command::CiSteps(arguments)) => ci::steps(arguments),
        Some(Command::Suite(arguments)) => commands::suite::execute(*arguments),
        Some(Command::Cliffs(arguments)) => cliffs::execute(*arguments),
        Some(Command::Crash(arguments)) => crash::execute(*arguments),
        Some(Command::CrashChild(arguments)) => crash::execute_child(*arguments),
        None => main_job::execute(cli.main_job),
    }
}

/// Says what is wrong with the command line, or shows the help that was asked for.
fn explain(refused: &clap::Error) -> ExitCode {
    // Without the stream there is nobody left to tell.
    let _ = refused.print();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Some(hint) = refused.use_stderr().then(|| ycsb::hint(&arguments)).flatten() {
        notice(&format!("hint: {hint}"));
    }
    u8::try_from(refused.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from)
}
