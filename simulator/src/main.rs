//! `rabi-sim`: the unchanged engine on a simulated disk, under a seed, against a model.
//!
//! Everything of a run happens on one thread, in an order that its seed draws. Layers, from
//! the top:
//!
//! - `cli`, `report`, `planted`, `shrink`, `pool`, `attempt`: many runs, what came of them, bugs that
//!   must be found, one run made smaller
//! - `rounds`: one run, from its first opening to its healthy end
//! - `file_damage`, `amount`, `opening`, `settle`, `faults`: what happens in a run, each by itself
//! - `simulation`: whose turn it is
//! - `caller`, `pending`, `checks`, `cursors`, `reading`: what callers do, and what is checked
//! - `run`: what everybody in a run has in common
//! - `model`, `judge`, `directory`: what must be there, which errors may be, where the database is
//! - `parameters`, `options`, `workload`, `fault_profile`, `bugs`, `random`, `figures`: what is drawn, what is
//!   counted
//!
//! A module imports from those that stand below it; `tests/it/tidy/circles.rs` fails if two import each other.
//!
//! `docs/testing.md` says what a run checks.

mod amount;
mod attempt;
mod bugs;
mod caller;
mod checks;
mod cli;
mod cursors;
mod directory;
mod fault_profile;
mod faults;
mod figures;
mod file_damage;
mod guests;
mod judge;
mod model;
mod opening;
mod options;
mod parameters;
mod pending;
mod planted;
mod pool;
mod random;
mod reading;
mod report;
mod rounds;
mod run;
mod settle;
mod shrink;
mod simulation;
mod workload;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;

use attempt::{EVENTS, attempt, catch_panics};
use cli::Arguments;
use parameters::Parameters;
use pool::run_seeds;
use report::{Report, print_run};

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    catch_panics();
    let passed = match (arguments.seed, arguments.shrink) {
        _ if arguments.planted => {
            let (first, workers) = (arguments.first_seed(), workers(&arguments));
            planted::find_all(first, arguments.seeds, workers, &arguments.overrides)
        }
        (Some(seed), _) => one(seed, &arguments),
        (None, Some(seed)) => smallest(seed, &arguments),
        (None, None) => many(&arguments),
    };
    match passed {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            let _unprintable = writeln!(io::stderr(), "rabi-sim: cannot print: {error}");
            ExitCode::from(2)
        }
    }
}

fn one(seed: u64, arguments: &Arguments) -> io::Result<bool> {
    let mut report = Report::new();
    let events = arguments.events.unwrap_or(EVENTS);
    let verdict = attempt(&Parameters::with(seed, &arguments.overrides), events);
    print_run(&verdict, verdict.failure.is_some() || arguments.events.is_some())?;
    report.count(&verdict);
    report.finish(arguments.coverage)
}

fn smallest(seed: u64, arguments: &Arguments) -> io::Result<bool> {
    let parameters = Parameters::with(seed, &arguments.overrides);
    let say = |verdict: &attempt::Verdict| {
        let failure = verdict.failure.as_deref().unwrap_or_default();
        let _unprintable = writeln!(io::stderr(), "fails: {}: {failure}", verdict.parameters);
    };
    match shrink::shrink(&parameters, say) {
        Some(verdict) => print_run(&verdict, true).map(|()| false),
        None => writeln!(io::stdout(), "{parameters} passes").map(|()| true),
    }
}

fn workers(arguments: &Arguments) -> usize {
    let cpus = || std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    arguments.threads.unwrap_or_else(cpus).max(1)
}

fn many(arguments: &Arguments) -> io::Result<bool> {
    let first = arguments.first_seed();
    writeln!(io::stdout(), "first seed: {first}")?;
    let end = if arguments.hours.is_some() { u64::MAX } else { first.saturating_add(arguments.seeds) };
    let workers = workers(arguments);
    let (mut report, mut printed) = (Report::new(), Ok(()));
    run_seeds(first, end, workers, &arguments.overrides, |verdict| {
        printed = report.see(&verdict);
        let hours = report.figures.simulated.as_secs_f64() / 3600.0;
        let wants_more = arguments.hours.is_none_or(|wanted| hours < wanted);
        printed.is_ok() && wants_more && (verdict.failure.is_none() || arguments.keep_going)
    });
    printed?;
    report.finish(arguments.coverage)
}
