//! The size of a main job, which is also each run of a suite.

use std::path::PathBuf;

use clap::Args;

use super::{ClientsArgs, count, number};

/// How much is done, and where its results go.
#[derive(Debug, Args)]
pub struct JobArgs {
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
    /// Futures in place of threads.
    #[command(flatten)]
    pub clients: ClientsArgs,
    /// A property for all phases, as in YCSB; may be repeated
    #[arg(short = 'p', value_name = "NAME=VALUE", help_heading = "Workload")]
    pub properties: Vec<String>,
    /// Tiny: 20000 records, 5000 operations, small memtables; unfilled levels are no failure
    #[arg(long, help_heading = "Workload")]
    pub smoke: bool,
    /// Where the directory of results is created
    #[arg(long, value_name = "DIR", default_value = "results", help_heading = "Output")]
    pub results: PathBuf,
}
