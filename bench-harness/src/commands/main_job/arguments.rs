//! The arguments of the main job.

use std::path::PathBuf;

use clap::Args;

use crate::arguments::{EngineArgs, TrafficArgs, count, number};

/// The arguments of the main job.
#[derive(Debug, Args)]
pub struct MainJobArgs {
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
    /// When operations begin.
    #[command(flatten)]
    pub traffic: TrafficArgs,
    /// Client threads
    #[arg(long, value_name = "N", default_value_t = 2, help_heading = "Workload")]
    #[arg(value_parser = count::<u64>)]
    pub threads: u64,
    /// The workloads to run, in this order
    #[arg(long, value_name = "LIST", default_value = "a,b,c,d,f,e", value_delimiter = ',')]
    #[arg(help_heading = "Workload")]
    pub workloads: Vec<String>,
    /// A property for all phases, as in YCSB; may be repeated
    #[arg(short = 'p', value_name = "NAME=VALUE", help_heading = "Workload")]
    pub properties: Vec<String>,
    /// Tiny: 20000 records, 5000 operations, small memtables; unfilled levels are no failure
    #[arg(long, help_heading = "Workload")]
    pub smoke: bool,
    /// An empty or new directory for the database, which stays [default: a temporary one]
    #[arg(long, value_name = "DIR", help_heading = "Engine")]
    pub dir: Option<PathBuf>,
    /// The memtable size, small enough to see all levels at work [default: 33554432]
    #[arg(long, value_name = "BYTES", help_heading = "Engine")]
    #[arg(value_parser = count::<u64>)]
    pub memtable_size_bytes: Option<u64>,
    /// The database is there: run on it without loading; --records says how many it has
    #[arg(long, requires = "dir", help_heading = "Workload")]
    pub loaded: bool,
    /// The control group to run in, an existing directory
    #[arg(long, value_name = "DIR", help_heading = "Engine")]
    pub join_group: Option<PathBuf>,
    /// Write the results as JSON to this file only; unfilled levels are no failure
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub json: Option<PathBuf>,
    /// Engine and seed.
    #[command(flatten)]
    pub engine: EngineArgs,
    /// Where the directory of results is created
    #[arg(long, value_name = "DIR", default_value = "results", help_heading = "Output")]
    pub results: PathBuf,
}
