//! The directory of the results of one command.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::environment::{hostname, utc_now};

/// A directory of its own for each job, also for two within the same second.
pub fn create(parent: &Path) -> Result<PathBuf> {
    // Without colons, which some tools and file systems do not take in names.
    let name = format!("{}-{}", utc_now().replace(':', "-"), hostname());
    let advice = "name a place that can be written, with --results";
    let context = |dir: &Path| format!("cannot create the results directory {}; {advice}", dir.display());
    fs::create_dir_all(parent).with_context(|| context(parent))?;
    let mut dir = parent.join(&name);
    for number in 2.. {
        match fs::create_dir(&dir) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                dir = parent.join(format!("{name}-{number}"));
            }
            done => {
                done.with_context(|| context(&dir))?;
                break;
            }
        }
    }
    Ok(dir)
}
