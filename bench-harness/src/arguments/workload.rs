//! The property files and properties of a command, and the workload they make.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use super::{ClientsArgs, count};
use crate::properties::{Origin, Properties};
use crate::terminal::warn;
use crate::workload::Workload;
use crate::ycsb::check_database;

/// What the clients do.
#[derive(Debug, Args)]
pub struct WorkloadArgs {
    /// A property file; of several, later ones win
    #[arg(short = 'P', value_name = "FILE", help_heading = "Workload")]
    pub files: Vec<PathBuf>,
    /// A property; wins over files, and a later one over an earlier
    #[arg(short = 'p', value_name = "NAME=VALUE", help_heading = "Workload")]
    pub properties: Vec<String>,
    /// Client threads (property threadcount)
    #[arg(long, value_name = "N", help_heading = "Workload")]
    #[arg(value_parser = count::<u64>)]
    pub threads: Option<u64>,
    /// Futures in place of threads.
    #[command(flatten)]
    pub clients: ClientsArgs,
}

impl WorkloadArgs {
    /// The properties of files and arguments, in the order in which later ones win.
    pub fn layer(&self) -> Result<Properties> {
        let mut properties = Properties::default();
        for file in &self.files {
            properties.add_file(file)?;
        }
        for argument in &self.properties {
            properties.add_argument(argument)?;
        }
        if let Some(threads) = self.threads {
            properties.set("threadcount", threads.to_string(), Origin::Flag("--threads"));
        }
        self.clients.set(&mut properties);
        Ok(properties)
    }

    /// The last property file names the workload, unless a trace does.
    pub fn name(&self, trace: Option<&PathBuf>) -> String {
        let name = trace.or(self.files.last()).and_then(|file| file.file_name());
        name.map_or_else(|| "default".to_owned(), |name| name.to_string_lossy().into_owned())
    }
}

/// The workload that is asked for, of this engine. What has no effect is said.
pub fn workload(properties: &Properties, engine: &str) -> Result<Workload> {
    properties.warnings().iter().for_each(warn);
    check_database(properties, engine)?;
    Ok(Workload::from_properties(properties)?)
}
