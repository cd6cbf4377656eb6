//! The arguments of the main job.

use std::path::PathBuf;

use clap::Args;

use crate::arguments::{EngineArgs, JobArgs, MemoryArgs, TrafficArgs, count};

/// The arguments of the main job.
#[derive(Debug, Args)]
pub struct MainJobArgs {
    /// Size and place.
    #[command(flatten)]
    pub job: JobArgs,
    /// When operations begin.
    #[command(flatten)]
    pub traffic: TrafficArgs,
    /// The workloads to run, in this order
    #[arg(long, value_name = "LIST", default_value = "a,b,c,d,f,e", value_delimiter = ',')]
    #[arg(help_heading = "Workload")]
    pub workloads: Vec<String>,
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
    /// Memory.
    #[command(flatten)]
    pub memory: MemoryArgs,
    /// Write the results as JSON to this file only; unfilled levels are no failure
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub json: Option<PathBuf>,
    /// Engine and seed.
    #[command(flatten)]
    pub engine: EngineArgs,
}
