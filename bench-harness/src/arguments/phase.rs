//! The arguments of `load` and `run`, and the job they ask for.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;

use super::workload::workload;
use super::{EngineArgs, MemoryArgs, TraceArgs, TrafficArgs, WorkloadArgs, check_clients, number};
use crate::engine;
use crate::outputs::Outputs;
use crate::properties::{Origin, Properties};
use crate::report::ExportArgs;
use crate::runner::{Job, PhaseKind};

/// The arguments of `load` and `run`.
#[derive(Debug, Args)]
pub struct PhaseArgs {
    /// The workload.
    #[command(flatten)]
    pub workload: WorkloadArgs,
    /// The directory of the database; `load` creates it
    #[arg(long, value_name = "DIR", help_heading = "Engine")]
    pub dir: PathBuf,
    /// Engine and seed.
    #[command(flatten)]
    pub engine: EngineArgs,
    /// Memory.
    #[command(flatten)]
    pub memory: MemoryArgs,
    /// Operations a second over all threads (property target)
    #[arg(long, value_name = "OPS", help_heading = "Workload")]
    #[arg(value_parser = number)]
    pub target: Option<f64>,
    /// Seconds after which the phase ends (property maxexecutiontime)
    #[arg(long, value_name = "S", help_heading = "Workload")]
    #[arg(value_parser = number)]
    pub duration: Option<f64>,
    /// When operations begin.
    #[command(flatten)]
    pub traffic: TrafficArgs,
    /// Traces.
    #[command(flatten)]
    pub trace: TraceArgs,
    /// Before a run, sync the database's files and drop them from the page cache
    #[arg(long, help_heading = "Workload")]
    pub cool_caches: bool,
    /// Show a status line while running (property status)
    #[arg(short = 's', help_heading = "Output")]
    pub status: bool,
    /// Write the result as JSON
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub json: Option<PathBuf>,
    /// Results for other programs.
    #[command(flatten)]
    pub export: ExportArgs,
}

impl PhaseArgs {
    /// The job on the directory that is named: traces aside, which `trace` adds.
    pub fn job(&self, kind: PhaseKind) -> Result<Job> {
        engine::check(&self.engine.engine)?;
        self.check_outputs()?;
        let properties = self.layer()?;
        let workload = workload(&properties, &self.engine.engine)?;
        check_clients(kind, &workload, &self.engine.engine)?;
        self.prepare_directory(kind)?;
        let name = self.workload.name(self.trace.trace.as_ref());
        Ok(Job::new(kind, name, workload, self.engine.data.seed))
    }

    fn check_outputs(&self) -> Result<()> {
        let mut outputs = Outputs::of_reading(&self.workload.files);
        outputs.writes("--json", self.json.as_deref())?;
        self.export.add_to(&mut outputs)?;
        self.trace.name_files(&mut outputs)
    }

    fn layer(&self) -> Result<Properties> {
        let mut properties = self.workload.layer()?;
        if let Some(target) = self.target {
            properties.set("target", target.to_string(), Origin::Flag("--target"));
        }
        if let Some(seconds) = self.duration {
            properties.set("maxexecutiontime", seconds.to_string(), Origin::Flag("--duration"));
        }
        if self.trace.trace.is_some() && !properties.is_set("recordcount") {
            // The trace has its own keys; the number must be given, and decides nothing.
            properties.set("recordcount", "1", Origin::Flag("--trace"));
        }
        self.traffic.set(&mut properties);
        if self.status {
            properties.set("status", "true", Origin::Flag("-s"));
            // YCSB's ten seconds are long for an embedded engine; a property still decides.
            if !properties.is_set("status.interval") {
                properties.set("status.interval", "1", Origin::Flag("-s"));
            }
        }
        if self.engine.data.verify {
            properties.set("rabi.verify", "true", Origin::Flag("--verify"));
        }
        Ok(properties)
    }

    fn prepare_directory(&self, kind: PhaseKind) -> Result<()> {
        let dir = self.dir.as_path();
        let load = || format!("load the data set first, with: rabi-bench load --dir {}", dir.display());
        // A replay may begin with nothing.
        if kind == PhaseKind::Load || self.trace.trace.is_some() {
            let advice = "name a place for the database that can be written, with --dir";
            return fs::create_dir_all(dir)
                .with_context(|| format!("cannot create the directory {}; {advice}", dir.display()));
        }
        if dir.is_file() {
            bail!("{} is a file; --dir takes the directory of a database", dir.display());
        }
        if !dir.is_dir() {
            bail!("there is no directory {}; {}", dir.display(), load());
        }
        if engine::keeps_files(&self.engine.engine) && is_empty(dir) {
            bail!("the directory {} is empty; {}", dir.display(), load());
        }
        Ok(())
    }
}

/// Whether nothing is in a directory. One that cannot be read is for the engine to name.
fn is_empty(dir: &Path) -> bool {
    fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_none())
}
