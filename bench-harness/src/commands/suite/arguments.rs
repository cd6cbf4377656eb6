//! The arguments of `rabi-bench suite`.

use std::path::PathBuf;

use clap::Args;

use super::preset::Preset;
use crate::arguments::{DataArgs, EnginesArgs, JobArgs, count};
use crate::size::parse_size;

/// What the help says after the options.
pub const ABOUT_THE_SUITE: &str = "\
Every engine gets the same records, the same memory and a fresh directory; each repeat runs all of \
them, and every other repeat in the opposite order, so that what drifts over time meets all alike. \
Each is a process of its own, whose command stands in the README of the results.

Examples:
  rabi-bench suite --engines rabi,rocksdb,lmdb --workloads a-f --repeat 5
  rabi-bench suite --smoke --engines rabi,fjall                in seconds, to see that it works
  rabi-bench suite --engines rabi,rocksdb --records 8000000 --memory-limit 2GiB \\
                   --cache-size-bytes 536870912 --threads 32 --duration 60 --load-once

Presets, of which each asks one question; --records alone makes it smaller:
  rabi-bench suite --engines rabi,rocksdb --preset larger-than-memory
  rabi-bench suite --engines rabi,rocksdb --preset overwrites-larger-than-memory
  rabi-bench suite --engines rabi,rocksdb,lmdb --preset twice-memory --records 500000
  rabi-bench suite --engines rabi,rocksdb --preset overwrites
  rabi-bench suite --engines rabi,rocksdb --preset power-writes --threads 16 --clients 1024

Exit status: 0 all well; 1 an engine failed; 2 the command or a directory is wrong; 130 or 143 ended \
early by SIGINT or SIGTERM, with a report of what there was.";

/// The arguments of a suite.
#[derive(Debug, Args)]
pub struct SuiteArgs {
    /// Arguments by name, which those that are given win over; its memory follows --records
    #[arg(long, value_name = "NAME", help_heading = "Workload")]
    pub preset: Option<Preset>,
    /// The engines [default: all in this build that keep data on disk]; rabi-async is Rabi called by the clients of
    /// --clients, and runs beside it if these are given
    #[arg(long, value_name = "LIST", value_delimiter = ',', help_heading = "Engine")]
    pub engines: Vec<String>,
    /// What is asked of them.
    #[command(flatten)]
    pub common: EnginesArgs,
    /// One memtable; each engine may have four, or their sum as cache [default: 67108864]
    #[arg(long, value_name = "BYTES", help_heading = "Engine")]
    #[arg(value_parser = count::<u64>)]
    pub memtable_size_bytes: Option<u64>,
    /// The most memory of each run, such as 2GiB, the OS cache it fills included, by a control group of its own
    #[arg(long, alias = "memory-limit-bytes", value_name = "SIZE", help_heading = "Engine")]
    #[arg(value_parser = parse_size)]
    pub memory_limit: Option<u64>,
    /// Letters, ranges, uniform-reads, uniform-overwrites: a-f is a,b,c,d,f,e, because e is best run last
    #[arg(long, value_name = "LIST", default_value = "a-f", help_heading = "Workload")]
    pub workloads: String,
    /// After the workloads of each run, the patterns of `cliffs`: with one client thread, of its own size
    #[arg(long, help_heading = "Workload")]
    pub cliffs: bool,
    /// How often each engine is run
    #[arg(long, value_name = "N", default_value_t = 3, help_heading = "Workload")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub repeat: u32,
    /// Load once per engine and run each repeat on a clone, nothing of it cached; otherwise each repeat loads anew
    #[arg(long, help_heading = "Workload")]
    pub load_once: bool,
    /// The size of each run.
    #[command(flatten)]
    pub job: JobArgs,
    /// Seed and checks.
    #[command(flatten)]
    pub data: DataArgs,
    /// Where the databases are made and removed again [default: the directory for temporary files]
    #[arg(long, value_name = "DIR", help_heading = "Output")]
    pub dir: Option<PathBuf>,
}

impl SuiteArgs {
    /// The size of one memtable: Rabi's default, or one a smoke test fills.
    pub fn memtable_size_bytes(&self) -> u64 {
        self.memtable_size_bytes.unwrap_or(if self.job.smoke { 1 << 20 } else { 64 << 20 })
    }
}
