//! The arguments of `rabi-bench suite`.

use std::path::PathBuf;

use clap::Args;

use crate::arguments::{EngineOption, count, engine_option, number};
use crate::engine::Durability;

/// What the help says after the options.
pub const ABOUT_THE_SUITE: &str = "\
Every engine gets the same records, the same memory and a fresh directory; each repeat runs all of
them, and every other repeat in the opposite order, so that what drifts over time meets all alike.
Each is a process of its own, whose command stands in the README of the results.

Examples:
  rabi-bench suite --engines rabi,rocksdb,lmdb --workloads a-f --repeat 5
  rabi-bench suite --smoke --engines rabi,fjall                in seconds, to see that it works
  rabi-bench suite --engines rabi,rocksdb --records 8000000 --memory-limit-bytes 2147483648 \\
                   --cache-size-bytes 536870912 --threads 32 --duration 60 --load-once

Exit status: 0 all well; 1 an engine failed; 2 the command or a directory is wrong; 130 or 143 ended
early by SIGINT or SIGTERM, with a report of what there was.";

/// The arguments of a suite.
#[derive(Debug, Args)]
pub struct SuiteArgs {
    /// The engines [default: all in this build that keep data on disk]
    #[arg(long, value_name = "LIST", value_delimiter = ',', help_heading = "Engines")]
    pub engines: Vec<String>,
    /// What an acknowledged write has survived: process (kill -9) or power (loss of it)
    #[arg(long, value_enum, default_value = "process", hide_possible_values = true)]
    #[arg(help_heading = "Engines")]
    pub durability: Durability,
    /// An option of one engine; may be repeated
    #[arg(long = "engine-option", value_name = "ENGINE.NAME=VALUE", value_parser = engine_option)]
    #[arg(help_heading = "Engines")]
    pub options: Vec<EngineOption>,
    /// What each engine may cache
    #[arg(long, value_name = "BYTES", default_value_t = 256 << 20, help_heading = "Engines")]
    #[arg(value_parser = count::<u64>)]
    pub cache_size_bytes: u64,
    /// One memtable; each engine may have four, or their sum as cache [default: 67108864]
    #[arg(long, value_name = "BYTES", help_heading = "Engines")]
    #[arg(value_parser = count::<u64>)]
    pub memtable_size_bytes: Option<u64>,
    /// The most memory of a whole run, the OS cache it fills included, by control group
    #[arg(long, value_name = "BYTES", help_heading = "Engines")]
    #[arg(value_parser = count::<u64>)]
    pub memory_limit_bytes: Option<u64>,
    /// Letters, ranges or both: a-f is a,b,c,d,f,e, because e is best run last
    #[arg(long, value_name = "LIST", default_value = "a-f", help_heading = "Workload")]
    pub workloads: String,
    /// How often each engine is run
    #[arg(long, value_name = "N", default_value_t = 3, help_heading = "Workload")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub repeat: u32,
    /// Load once per engine and run each repeat on a clone, nothing of it cached; otherwise each repeat loads anew
    #[arg(long, help_heading = "Workload")]
    pub load_once: bool,
    /// Records to load, of about 1 KB each [default: 500000]
    #[arg(long, value_name = "N", help_heading = "Workload")]
    #[arg(value_parser = count::<u64>)]
    pub records: Option<u64>,
    /// Most operations of each workload [default: 2000000; of E, a tenth]
    #[arg(long, value_name = "N", help_heading = "Workload")]
    #[arg(value_parser = count::<u64>)]
    pub operations: Option<u64>,
    /// Most seconds of each workload [default: 10]
    #[arg(long, value_name = "S", help_heading = "Workload")]
    #[arg(value_parser = number)]
    pub duration: Option<f64>,
    /// Client threads
    #[arg(long, value_name = "N", default_value_t = 2, help_heading = "Workload")]
    #[arg(value_parser = count::<u64>)]
    pub threads: u64,
    /// A property for all phases, as in YCSB; may be repeated
    #[arg(short = 'p', value_name = "NAME=VALUE", help_heading = "Workload")]
    pub properties: Vec<String>,
    /// The seed of everything random: equal seeds give equal operations
    #[arg(long, value_name = "N", default_value_t = 42, help_heading = "Workload")]
    #[arg(value_parser = count::<u64>)]
    pub seed: u64,
    /// Check the content of every record read
    #[arg(long, help_heading = "Workload")]
    pub verify: bool,
    /// After loading, wait until the engine's background work is done
    #[arg(long, help_heading = "Workload")]
    pub settle: bool,
    /// Tiny, as the main job's
    #[arg(long, help_heading = "Workload")]
    pub smoke: bool,
    /// Where the databases are made and removed again [default: the directory for temporary files]
    #[arg(long, value_name = "DIR", help_heading = "Output")]
    pub dir: Option<PathBuf>,
    /// Where the directory of results is created
    #[arg(long, value_name = "DIR", default_value = "results", help_heading = "Output")]
    pub results: PathBuf,
}

impl SuiteArgs {
    /// The size of one memtable: Rabi's default, or one a smoke test fills.
    pub fn memtable_size_bytes(&self) -> u64 {
        self.memtable_size_bytes.unwrap_or(if self.smoke { 1 << 20 } else { 64 << 20 })
    }
}
