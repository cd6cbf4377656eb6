//! One engine over all rounds: kill it, open it again, hold it against its ledger.

use std::fs::File;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::fs::{MemfdFlags, memfd_create};

use super::arguments::{CrashArgs, Step};
use super::crashes::{EngineCrashes, Round};
use super::plan::Kills;
use super::stage::Stage;
use super::victim::{Trouble, Victim};
use crate::interrupt;
use crate::resources::allocated_bytes;
use crate::runner::Ledger;
use crate::stats::median;

/// More than any engine that opens at all should take.
pub const OPEN_MAX: Duration = Duration::from_secs(600);
/// A load takes as long as it takes, but not for ever.
const LOAD_MAX: Duration = Duration::from_secs(86_400);
/// How long an opening takes before one was measured.
const OPEN_FIRST_S: f64 = 0.05;

pub fn new_ledger() -> Result<File> {
    let ledger = memfd_create("rabi-bench-ledger", MemfdFlags::CLOEXEC)
        .context("cannot make a file in memory for what is acknowledged")?;
    Ok(File::from(ledger))
}

/// One engine while it is being crashed.
pub struct Subject<'a> {
    arguments: &'a CrashArgs,
    dir: PathBuf,
    /// What was acknowledged; in memory, shared with the child processes, alive beyond them.
    ledger: File,
    /// Whether a child has come to the end of loading.
    loaded: bool,
    acknowledged: u64,
    pub crashes: EngineCrashes,
}

impl<'a> Subject<'a> {
    /// An engine whose database is, or will be, in `dir`.
    pub fn new(arguments: &'a CrashArgs, engine: &str, dir: PathBuf) -> Result<Subject<'a>> {
        let ledger = new_ledger()?;
        let crashes = EngineCrashes::new(engine);
        Ok(Subject { arguments, dir, ledger, loaded: false, acknowledged: 0, crashes })
    }

    /// Carries out a round; what is found of the engine is in `crashes`, also that it cannot go on.
    pub fn round(&mut self, round: u32, kills: Kills) -> Result<()> {
        match Trouble::in_words(self.attempt(round, kills))? {
            // Half a round tells nothing, and the children died of it.
            _ if interrupt::asked().is_some() => {}
            Ok(done) => self.crashes.rounds.push(done),
            Err(trouble) => self.crashes.out = Some(format!("round {round}: {trouble}")),
        }
        Ok(())
    }

    fn attempt(&mut self, round: u32, kills: Kills) -> Result<Round> {
        let seed = self.arguments.seed.wrapping_add(u64::from(round));
        let mut writer = self.start(Step::Write, seed)?;
        // Only the first load is killed, or a load longer than a round would never end.
        let (stage, limit) = match (self.loaded, round) {
            (true, _) => (Stage::Running, OPEN_MAX),
            (false, 1) => (Stage::Loading, OPEN_MAX),
            (false, _) => (Stage::Running, LOAD_MAX),
        };
        let writing = "the process that writes";
        writer.wait_for(stage, limit).context(writing)?;
        let death = writer.kill_after(Duration::from_secs_f64(kills.after_s)).context(writing)?;
        self.loaded |= death.stage == Stage::Running;
        let acknowledged = self.newly_acknowledged()?;
        let kill_opening = |share| self.kill_opening(seed, share).context("the first opening");
        let killed_again_in = kills.opening.map(kill_opening).transpose()?;
        let size_bytes = allocated_bytes(&self.dir);
        let recovery = self.start(Step::Recover, seed)?;
        let recovered = recovery.recovered(OPEN_MAX).context("opening after the kill")?;
        self.crashes.durability_kept = Some(recovered.kept);
        self.crashes.durability_how = Some(recovered.how);
        recovered.texts.iter().for_each(|text| self.crashes.note(format!("round {round}: {text}")));
        Ok(Round {
            round,
            kill_after_s: kills.after_s,
            killed_in: death.stage.name(),
            killed_again_in: killed_again_in.map(Stage::name),
            acknowledged,
            failures: death.failures,
            size_bytes,
            found: recovered.found,
        })
    }

    fn start(&self, step: Step, seed: u64) -> Result<Victim> {
        let load = step == Step::Write && !self.loaded;
        let words = self.arguments.child(&self.crashes.engine, &self.dir, step, load, seed);
        Victim::start(&words, &self.ledger)
    }

    fn newly_acknowledged(&mut self) -> Result<u64> {
        let file = self.ledger.try_clone().context("cannot read the ledger")?;
        let now = Ledger::kept_in(file).context("cannot read the ledger")?.acknowledged();
        let before = std::mem::replace(&mut self.acknowledged, now);
        Ok(now - before)
    }

    /// Kills a process that opens the database, at a share of the time that usually takes.
    fn kill_opening(&self, seed: u64, share: f64) -> Result<Stage> {
        let known: Vec<f64> = self.crashes.rounds.iter().map(|round| round.found.open_s).collect();
        let usual_s = if known.is_empty() { OPEN_FIRST_S } else { median(&known) };
        let mut opener = self.start(Step::Open, seed)?;
        opener.wait_for(Stage::Opening, OPEN_MAX)?;
        Ok(opener.kill_after(Duration::from_secs_f64(usual_s * share))?.stage)
    }
}
