//! What runs have done, in numbers.

use std::ops::AddAssign;
use std::time::Duration;

/// The figures of one run, or of many.
#[derive(Clone, Debug, Default)]
pub(crate) struct Figures {
    pub(crate) runs: u64,
    pub(crate) operations: u64,
    pub(crate) writes: u64,
    pub(crate) reads: u64,
    pub(crate) steps: u64,
    /// Errors that the engine reported and that were explained.
    pub(crate) errors: u64,
    pub(crate) openings: u64,
    /// Crashes while the database was being opened, among those below.
    pub(crate) opening_crashes: u64,
    pub(crate) process_crashes: u64,
    pub(crate) power_losses: u64,
    /// Faults that struck.
    pub(crate) faults: u64,
    /// Runs that ended early because what was damaged could not be opened.
    pub(crate) unreadable: u64,
    /// Acknowledged writes that damage at the end of the log has taken.
    pub(crate) taken_by_damage: u64,
    pub(crate) simulated: Duration,
}

impl AddAssign<&Figures> for Figures {
    fn add_assign(&mut self, other: &Figures) {
        self.runs += other.runs;
        self.operations += other.operations;
        self.writes += other.writes;
        self.reads += other.reads;
        self.steps += other.steps;
        self.errors += other.errors;
        self.openings += other.openings;
        self.opening_crashes += other.opening_crashes;
        self.process_crashes += other.process_crashes;
        self.power_losses += other.power_losses;
        self.faults += other.faults;
        self.unreadable += other.unreadable;
        self.taken_by_damage += other.taken_by_damage;
        self.simulated += other.simulated;
    }
}

impl Figures {
    /// All of it in a few lines.
    pub(crate) fn show(&self, elapsed: Duration) -> String {
        let minutes = elapsed.as_secs_f64() / 60.0;
        let hours = self.simulated.as_secs_f64() / 3600.0;
        format!(
            "{} seeds in {:.1} s ({:.0} a minute), {hours:.1} simulated hours\n\
             {} operations, {} writes in the order, {} reads compared, {} steps of cores\n\
             {} openings, {} losses of power, {} process deaths, {} of both during an opening\n\
             {} faults struck, {} errors reported; damage: {} runs unreadable, {} writes taken",
            self.runs,
            elapsed.as_secs_f64(),
            self.runs as f64 / minutes,
            self.operations,
            self.writes,
            self.reads,
            self.steps,
            self.openings,
            self.power_losses,
            self.process_crashes,
            self.opening_crashes,
            self.faults,
            self.errors,
            self.unreadable,
            self.taken_by_damage,
        )
    }
}
