//! The result of `crash`, as JSON and as text.

use serde::Serialize;

use super::crashes::{COLUMNS, EngineCrashes};
use super::full_device::{self, EngineFull};
use crate::environment::Environment;
use crate::report::{Grid, Style};

#[derive(Debug, Serialize)]
pub struct CrashReport {
    pub schema: u32,
    pub environment: Environment,
    pub workload: String,
    pub records: u64,
    pub threads: usize,
    pub run_s: f64,
    pub open_kill: f64,
    pub seed: u64,
    pub durability: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cut_short: Option<&'static str>,
    pub engines: Vec<EngineCrashes>,
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
