//! The result of `crash`, as JSON and as text.

use serde::Serialize;

use super::crashes::{COLUMNS, EngineCrashes};
use super::full_device::{self, EngineFull};
use crate::environment::Environment;
use crate::report::{Grid, Style};

/// The result of `crash`.
#[derive(Debug, Serialize)]
pub struct CrashReport {
    /// The version of this format, as of all results.
    pub schema: u32,
    /// Where it was measured.
    pub environment: Environment,
    /// The workload.
    pub workload: String,
    /// Records in the data set.
    pub records: u64,
    /// Client threads.
    pub threads: usize,
    /// Seconds within which a writing process was killed.
    pub run_s: f64,
    /// The share of rounds in which the opening was to be killed.
    pub open_kill: f64,
    /// The seed.
    pub seed: u64,
    /// The durability asked for.
    pub durability: &'static str,
    /// The signal that ended it before its time, if one did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cut_short: Option<&'static str>,
    /// The engines that were killed.
    pub engines: Vec<EngineCrashes>,
    /// The engines that had a full device, under `--full`.
    pub full: Vec<EngineFull>,
}

impl CrashReport {
    /// Whether all engines have kept what they promise.
    pub fn is_good(&self) -> bool {
        self.engines.iter().all(EngineCrashes::is_good) && self.full.iter().all(EngineFull::is_good)
    }

    /// The table, and a few words on each engine.
    pub fn text(&self) -> String {
        let cut_short =
            self.cut_short.map(|why| format!("CUT SHORT by {why}: what it interrupted is left out\n\n"));
        cut_short.unwrap_or_default() + &self.tables()
    }

    fn tables(&self) -> String {
        if !self.full.is_empty() {
            return full_device::text(&self.full);
        }
        let mut grid = Grid::new(&COLUMNS, &[0, 1]);
        grid.lines = self.engines.iter().map(EngineCrashes::line).collect();
        let sentences: String = self.engines.iter().map(EngineCrashes::sentences).collect();
        format!("{}\n{sentences}", grid.text(Style::Plain))
    }
}
