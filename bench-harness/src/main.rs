//! `rabi-bench`: a workload runner that speaks YCSB.
//!
//! From the bottom up: `properties` reads what YCSB's files say, `generator` draws numbers,
//! `workload` turns both into keys, records and operations, `ycsb` knows its names of other things,
//! `trace` reads and writes operations in files, `engine` hides the databases, `measure` holds histograms,
//! `dataset` clones what was loaded, `runner` puts a workload to an engine, `report` prints, and `phase_command`,
//! `main_job`, `suite` and `crash` are what a user can ask for. `interrupt` hears signals, `subprocess` waits for child
//! processes, `outputs` keeps the files of a command apart, and `output_file` writes each.

mod allocations;
mod argument;
mod ci;
mod cli;
mod compare;
mod crash;
mod dataset;
mod engine;
mod environment;
mod generator;
mod harness_cost;
mod interrupt;
mod levels;
mod main_job;
mod measure;
mod output_file;
mod outputs;
mod phase_command;
mod properties;
mod report;
mod resources;
mod runner;
mod search;
mod size;
mod stats;
mod subprocess;
mod suite;
mod terminal;
mod trace;
mod trace_arguments;
mod traffic;
mod workload;
mod ycsb;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;

use cli::{Cli, Command};
use runner::PhaseKind;

fn main() -> ExitCode {
    // What engines warn of, rings denied above all, belongs on the screen.
    let messages =
        tracing_subscriber::fmt().with_writer(io::stderr).with_ansi(terminal::colours()).with_target(false);
    messages.with_max_level(tracing_subscriber::filter::LevelFilter::WARN).init();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(refused) => return explain(&refused),
    };
    if let Err(error) = heed_others(cli.command.as_ref()) {
        notice(&format!("error: cannot get ready for signals: {error}"));
        return ExitCode::from(2);
    }
    let done = carry_out(cli);
    if let Err(error) = &done {
        notice(&format!("error: {error:#}"));
    }
    match (interrupt::asked(), done) {
        (Some(interrupt), _) => ExitCode::from(interrupt.status()),
        (None, Ok(Verdict::Good)) => ExitCode::SUCCESS,
        (None, Ok(Verdict::Bad)) => ExitCode::from(1),
        (None, Err(_)) => ExitCode::from(2),
        (None, Ok(Verdict::Inconclusive)) => ExitCode::from(3),
        (None, Ok(Verdict::None)) => ExitCode::from(4),
    }
}

/// Signals, and the end of a parent that waits for this process.
fn heed_others(command: Option<&Command>) -> io::Result<()> {
    subprocess::die_with_parent()?;
    match command {
        // These have nothing to report before their end, or a parent that kills them.
        Some(Command::Properties | Command::Compare(_) | Command::CiSteps(_) | Command::CrashChild(_)) => {
            Ok(())
        }
        _ => interrupt::listen(),
    }
}

fn carry_out(cli: Cli) -> anyhow::Result<Verdict> {
    match cli.command {
        Some(Command::Load(arguments)) => phase_command::execute(PhaseKind::Load, arguments),
        Some(Command::Run(arguments)) => phase_command::execute(PhaseKind::Run, arguments),
        Some(Command::Properties) => {
            output(&properties::table()).map(|()| Verdict::Good).map_err(anyhow::Error::from)
        }
        Some(Command::Search(arguments)) => search::execute(*arguments),
        Some(Command::Compare(arguments)) => compare::execute(arguments),
        Some(Command::Pairs(arguments)) => compare::pairs(arguments),
        Some(Command::Calibrate(arguments)) => compare::calibrate(arguments),
        Some(Command::Ci(arguments)) => ci::execute(arguments),
        Some(Command::CiSteps(arguments)) => ci::steps(arguments),
        Some(Command::Suite(arguments)) => suite::execute(arguments),
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

/// How a command that could be carried out has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// Everything went as it should.
    Good,
    /// It ran, and what it showed is a failure.
    Bad,
    /// It ran, and what it showed does not suffice to tell.
    Inconclusive,
    /// It ran, and there was nothing to hold all of it against.
    None,
}

/// Writes results to standard output. A reader that went away, such as `head`, is no error.
fn output(text: &str) -> io::Result<()> {
    match io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        done => done,
    }
}

/// Writes a line for the user to standard error.
fn notice(text: &str) {
    // Without standard error there is nobody left to tell.
    let _ = writeln!(io::stderr(), "{text}");
}
