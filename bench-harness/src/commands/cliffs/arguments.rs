//! The arguments of `rabi-bench cliffs`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::patterns::Pattern;
use crate::arguments::{EnginesArgs, MemoryArgs, count, number};

pub const ABOUT_CLIFFS: &str = "\
Patterns that some designs are bad at, one by one: many versions of one key, queues, ranges of deleted keys, large \
values, scans right after writes. Engines take turns, each on a fresh database for each pattern; records have keys of \
20 and values of 100 bytes. Puts end with --records or --duration, whichever comes first, everything else with \
--duration. Where dead entries pile up, as in a queue, the mean over a longer time is lower.

Examples:
  rabi-bench cliffs --engines rabi,lmdb
  rabi-bench cliffs --patterns hot-key,queue --duration 10 --json cliffs.json
  rabi-bench cliffs --smoke                              in seconds, to see that it works

Exit status: 0 all well; 1 an engine failed or gave a wrong answer; 2 the command or a directory is wrong; 130 or 143 \
ended early by SIGINT or SIGTERM, with a report of what there was.";

/// The arguments of `cliffs`.
#[derive(Debug, Args)]
pub struct CliffsArgs {
    /// The engines [default: all in this build that keep data on disk]
    #[arg(long, alias = "engine", value_name = "LIST", value_delimiter = ',', help_heading = "Engine")]
    pub engines: Vec<String>,
    /// What is asked of them.
    #[command(flatten)]
    pub common: EnginesArgs,
    /// One memtable; each engine may have four, or their sum as cache [default: 67108864]
    #[arg(long, value_name = "BYTES", help_heading = "Engine")]
    #[arg(value_parser = count::<u64>)]
    memtable_size_bytes: Option<u64>,
    /// The patterns [default: all]
    #[arg(long, value_name = "LIST", value_delimiter = ',', help_heading = "Workload")]
    pub patterns: Vec<Pattern>,
    /// Records of a data set; a hot key is written twice as often [default: 1000000]
    #[arg(long, value_name = "N", help_heading = "Workload")]
    #[arg(value_parser = clap::value_parser!(u64).range(100..))]
    records: Option<u64>,
    /// Most seconds of each measurement [default: 5]
    #[arg(long, value_name = "S", value_parser = number, help_heading = "Workload")]
    duration: Option<f64>,
    /// Client threads, but of the pattern that has many writers
    #[arg(long, value_name = "N", default_value_t = 1, help_heading = "Workload")]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=256))]
    pub threads: u64,
    /// Client threads of the pattern that has many writers
    #[arg(long, value_name = "N", default_value_t = 16, help_heading = "Workload")]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=256))]
    pub writers: u64,
    /// The seed of everything random
    #[arg(long, value_name = "N", default_value_t = 42, help_heading = "Workload")]
    #[arg(value_parser = count::<u64>)]
    pub seed: u64,
    /// Tiny: 2000 records, a twentieth of a second each, small memtables
    #[arg(long, help_heading = "Workload")]
    smoke: bool,
    /// Where the databases are made and removed again [default: the directory for temporary files]
    #[arg(long, value_name = "DIR", help_heading = "Engine")]
    pub dir: Option<PathBuf>,
    /// Memory.
    #[command(flatten)]
    pub memory: MemoryArgs,
    /// Write the result as JSON
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub json: Option<PathBuf>,
    /// Write one line per engine and measurement as CSV
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub csv: Option<PathBuf>,
}

impl CliffsArgs {
    /// Records of a data set.
    pub fn records(&self) -> u64 {
        self.records.unwrap_or(if self.smoke { 2_000 } else { 1_000_000 })
    }

    /// The most a measurement may take; nothing if what was given is no duration.
    pub fn duration(&self) -> Option<Duration> {
        let seconds = self.duration.unwrap_or(if self.smoke { 0.05 } else { 5.0 });
        Duration::try_from_secs_f64(seconds).ok().filter(|duration| !duration.is_zero())
    }

    /// The size of one memtable: Rabi's default, or one a smoke test fills.
    pub fn memtable_size_bytes(&self) -> u64 {
        self.memtable_size_bytes.unwrap_or(if self.smoke { 1 << 20 } else { 64 << 20 })
    }
}
