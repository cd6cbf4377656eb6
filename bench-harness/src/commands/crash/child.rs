//! A child process of `crash`: what it says on standard output tells its parent how far it is.
//!
//! `opening`, `opened`, `loading`, `running`: from then on it is there. `failed N`: so many of its
//! operations have failed. `recovered {...}`: what a recovery has found, see `Recovered`. `fill` has words of its own.
//! Its standard input is the ledger's file, in memory and shared with the parent, which keeps it over
//! the death. It dies with its parent.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Signal, set_parent_process_death_signal};
use serde::{Deserialize, Serialize};

use super::arguments::{ChildArgs, Step};
use super::crashes::Found;
use super::fill::fill;
use super::stage::say;
use super::workload::writes_only;
use crate::engine::{self, Engine, Kept};
use crate::generator::Stream;
use crate::runner::{Job, Ledger, Observer, PhaseKind, Tick, run_phase};
use crate::verdict::Verdict;

/// The first word of the line with what a recovery has found.
pub const RECOVERED: &str = "recovered";

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Recovered {
    #[serde(flatten)]
    pub found: Found,
    /// The first records that are lost or wrong, in words.
    pub texts: Vec<String>,
    pub kept: Kept,
    pub how: String,
}

/// Carries out a step.
pub fn execute(arguments: ChildArgs) -> Result<Verdict> {
    set_parent_process_death_signal(Some(Signal::KILL)).context("cannot ask to die with the parent")?;
    let file = io::stdin().as_fd().try_clone_to_owned().context("cannot use standard input")?;
    let ledger = Ledger::kept_in(File::from(file))
        .context("cannot read the ledger, which crash hands over as standard input")?;
    let job = writes_only(&arguments.workload, arguments.engine.data.seed)?;
    match arguments.step {
        Step::Write => write(&arguments, job, &ledger),
        Step::Open => {
            let _engine = open(&arguments)?;
            loop {
                std::thread::park();
            }
        }
        Step::Recover => recover(&arguments, &job, &ledger),
        Step::Fill => fill(&*open(&arguments)?, &job, &ledger),
    }
}

fn open(arguments: &ChildArgs) -> Result<Box<dyn Engine>> {
    say("opening")?;
    let engine = engine::open(&arguments.engine.engine, &arguments.dir, &arguments.engine.settings())?;
    say("opened")?;
    Ok(engine)
}

fn write(arguments: &ChildArgs, mut job: Job, ledger: &Ledger) -> Result<Verdict> {
    let engine = arguments.engine.injection.around(open(arguments)?);
    let pool = job.pool();
    if arguments.load {
        if ledger.numbers() == 0 {
            job.take_stock_into(&*engine, ledger)?;
        }
        say("loading")?;
        let end = job.workload.insert_start + job.workload.insert_count;
        // Behind the first record that is not there, others may be: they are written once more.
        let start = ledger.first(job.workload.insert_start..end, false).unwrap_or(end);
        let mut load = Job { kind: PhaseKind::Load, ..job.clone() };
        (load.workload.insert_start, load.workload.insert_count) = (start, end - start);
        if start < end {
            let result = run_phase(&*engine, &load, &pool, Some(ledger), &mut Teller::default())?;
            if let Some(error) = result.first_errors.first() {
                bail!("the load failed: {error}");
            }
        }
    }
    say("running")?;
    // Without a bound: the parent ends it.
    (job.workload.operation_count, job.workload.duration_s) = (0, 0.0);
    run_phase(&*engine, &job, &pool, Some(ledger), &mut Teller::default())?;
    bail!("the run ended before it was killed")
}

fn recover(arguments: &ChildArgs, job: &Job, ledger: &Ledger) -> Result<Verdict> {
    let from = Stream::new(job.seed, "crash first read").operation(0).below(ledger.numbers().max(1));
    let there = ledger.first(from..ledger.numbers(), true).or_else(|| ledger.first(0..from, true));
    let mut key = Vec::new();
    let start = Instant::now();
    let engine = open(arguments)?;
    let open_s = start.elapsed().as_secs_f64();
    let mut first_read_s = None;
    if let Some(number) = there {
        job.workload.keys.write(number, &mut key);
        engine.session()?.read(&key, &mut |value| drop(std::hint::black_box(value.to_vec())))?;
        first_read_s = Some(start.elapsed().as_secs_f64());
    }
    let audit = job.audit_and_settle(&*engine, ledger)?.context("a signal ended the check")?;
    let keeps = engine.keeps();
    engine.close()?;
    let recovered = Recovered {
        found: Found {
            open_s,
            first_read_s,
            good: audit.good,
            lost: audit.lost,
            wrong: audit.bad - audit.lost,
        },
        texts: audit.texts,
        kept: keeps.kept,
        how: keeps.how.to_owned(),
    };
    say(&format!("{RECOVERED} {}", serde_json::to_string(&recovered)?))?;
    Ok(Verdict::Good)
}

/// Tells the parent of failed operations.
#[derive(Default)]
struct Teller {
    failures: u64,
}

impl Observer for Teller {
    fn interval(&self) -> Duration {
        Duration::from_millis(20)
    }

    fn tick(&mut self, tick: &Tick<'_>) {
        if tick.failures != self.failures {
            self.failures = tick.failures;
            // A parent that is gone takes this process with it.
            let _ = say(&format!("failed {}", tick.failures));
        }
    }
}
