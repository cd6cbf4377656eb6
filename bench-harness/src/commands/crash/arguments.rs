//! The arguments of `rabi-bench crash`, and those of the child processes it starts.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use crate::arguments::{EngineArgs, EnginesArgs, WorkloadArgs, count, within};
use crate::engine::Injection;

pub const ABOUT_CRASHES: &str = "\
Each round a process of its own opens the database and does the writes of the workload, after loading it \
if it is empty; its reads and scans are left out. It is killed (SIGKILL) at a random moment, in the first \
round while it loads. Some openings that follow are killed as well. Then another process opens the database and \
is timed, and every record is held against what the dead process had acknowledged. Memory that was written \
survives such a death, so this says nothing about a loss of power.

Examples:
  rabi-bench crash -P workloads/workloada -p recordcount=100000 --dir db --rounds 100
  rabi-bench crash -P workloads/workloada --engines rabi,fjall,lmdb --dir dbs --json crash.json

With --full there is one round and no kill while writing: a process inserts records until the device is full, reads some \
back, waits for room and writes again; then it is killed, and all is checked. Give it a small file system:
  mount -t tmpfs -o size=256m none small; rabi-bench crash -P workloads/workloada --full --dir small

Exit status: 0 nothing was lost; 1 an engine lost what it had promised to keep, had what nobody wrote, or did \
not open again; 2 the command, a file or a directory is wrong; 130 or 143 ended early by SIGINT or SIGTERM, with a report of \
what there was.";

/// The arguments of `crash`.
#[derive(Debug, Args)]
pub struct CrashArgs {
    /// The workload.
    #[command(flatten)]
    pub workload: WorkloadArgs,
    /// The seed of everything random but the time a machine takes
    #[arg(long, value_name = "N", default_value_t = 42, help_heading = "Workload")]
    #[arg(value_parser = count::<u64>)]
    pub seed: u64,
    /// Kills of each engine; engines take turns
    #[arg(long, value_name = "N", default_value_t = 20, help_heading = "Crashes")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub rounds: u32,
    /// Seconds within which a writing process is killed
    #[arg(long, value_name = "S", default_value_t = 1.0, help_heading = "Crashes")]
    #[arg(value_parser = within(|s| s > 0.0 && s <= 86_400.0, "seconds above 0, at most 86400"))]
    pub run_s: f64,
    /// The share of rounds in which the opening that follows is killed as well
    #[arg(long, value_name = "SHARE", default_value_t = 0.25, help_heading = "Crashes")]
    #[arg(value_parser = within(|share| (0.0..=1.0).contains(&share), "a share from 0 to 1"))]
    pub open_kill: f64,
    /// The engines
    #[arg(long, alias = "engine", value_name = "LIST", default_value = "rabi", value_delimiter = ',')]
    #[arg(help_heading = "Engine")]
    pub engines: Vec<String>,
    /// What is asked of them.
    #[command(flatten)]
    pub common: EnginesArgs,
    /// One memtable: the more it may hold, the more log there is to read after a crash
    #[arg(long, value_name = "BYTES", default_value_t = 64 << 20, help_heading = "Engine")]
    #[arg(value_parser = count::<u64>)]
    pub memtable_size_bytes: u64,
    /// Fill the file system of --dir instead, make room again, and see what each engine makes of it
    #[arg(long, requires = "dir", help_heading = "Crashes")]
    pub full: bool,
    /// Under --full, the share of the free space that is given back once the device is full
    #[arg(long, value_name = "SHARE", default_value_t = 0.5)]
    #[arg(value_parser = within(|share| (0.01..=0.9).contains(&share), "a share from 0.01 to 0.9"))]
    #[arg(help_heading = "Crashes", requires = "full")]
    pub room: f64,
    /// The directory of the database, or of several engines' databases, by name [default: a temporary one]
    #[arg(long, value_name = "DIR", help_heading = "Engine")]
    pub dir: Option<PathBuf>,
    /// Write the result as JSON
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub json: Option<PathBuf>,
    /// Spoilt writes, to try out what looks for them.
    #[command(flatten)]
    pub injection: Injection,
}

/// What a child process does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Step {
    /// Loads if asked to, and writes until it is killed.
    Write,
    /// Opens the database and waits to be killed.
    Open,
    /// Opens the database, is timed, and checks it.
    Recover,
    /// Writes until the device is full, reads, and waits for room.
    Fill,
}

/// The arguments of a child process. Its standard input is the file of the ledger.
#[derive(Debug, Args)]
pub struct ChildArgs {
    /// What it does
    #[arg(long)]
    pub step: Step,
    /// Whether the data set is to be loaded first
    #[arg(long)]
    pub load: bool,
    /// The workload.
    #[command(flatten)]
    pub workload: WorkloadArgs,
    /// The directory of the database
    #[arg(long)]
    pub dir: PathBuf,
    /// Engine and seed.
    #[command(flatten)]
    pub engine: EngineArgs,
}

impl CrashArgs {
    pub fn child(&self, engine: &str, dir: &Path, step: Step, load: bool, seed: u64) -> Vec<OsString> {
        let mut words: Vec<OsString> = vec!["crash-child".into()];
        let mut flag = |name: &str, value: OsString| words.extend([name.into(), value]);
        let name = step.to_possible_value().expect("no step is skipped");
        flag("--step", name.get_name().into());
        flag("--engine", engine.into());
        flag("--dir", dir.into());
        flag("--seed", seed.to_string().into());
        flag("--durability", self.common.durability.name().into());
        flag("--engine-option", format!("cache_size_bytes={}", self.common.cache_size_bytes).into());
        flag("--engine-option", format!("memtable_size_bytes={}", self.memtable_size_bytes).into());
        for setting in self.common.options_of(engine) {
            flag("--engine-option", setting.into());
        }
        self.workload.files.iter().for_each(|file| flag("-P", file.into()));
        self.workload.properties.iter().for_each(|property| flag("-p", property.into()));
        if let Some(threads) = self.workload.threads {
            flag("--threads", threads.to_string().into());
        }
        words.extend(self.injection.arguments().map(OsString::from));
        words.extend(load.then(|| "--load".into()));
        words
    }
}
