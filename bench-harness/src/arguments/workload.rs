//! The property files and properties of a command, and the workload they make.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::properties::{Origin, Properties};
use crate::terminal::notice;
use crate::workload::Workload;
use crate::ycsb::check_database;

/// The properties of files and arguments, in the order in which later ones win.
pub fn layer_basics(files: &[PathBuf], given: &[String], threads: Option<u64>) -> Result<Properties> {
    let mut properties = Properties::default();
    for file in files {
        properties.add_file(file)?;
    }
    for argument in given {
        properties.add_argument(argument)?;
    }
    if let Some(threads) = threads {
        properties.set("threadcount", threads.to_string(), Origin::Flag("--threads"));
    }
    Ok(properties)
}

/// The workload that is asked for, of this engine. What has no effect is said.
pub fn workload(properties: &Properties, engine: &str) -> Result<Workload> {
    for warning in properties.warnings() {
        notice(&format!("warning: {warning}"));
    }
    check_database(properties, engine)?;
    Ok(Workload::from_properties(properties)?)
}

/// The trace names the workload, or the last property file.
pub fn workload_name(file: Option<&Path>) -> String {
    let name = file.and_then(Path::file_name);
    name.map_or_else(|| "default".to_owned(), |name| name.to_string_lossy().into_owned())
}
