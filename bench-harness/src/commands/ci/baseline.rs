//! The committed baseline of `ci`: a small JSON file with the counters and what they hold for.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use crate::environment::utc_now;
use crate::output_file;
use crate::stats::median;

use super::gate::Counters;

const KIND: &str = "rabi-bench ci baseline";

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Baseline {
    pub kind: String,
    pub recorded_utc: String,
    pub git_commit: String,
    /// What has to be equal for the counters to be comparable.
    pub conditions: BTreeMap<String, String>,
    pub counters: BTreeMap<String, f64>,
}

impl Baseline {
    pub fn of(conditions: BTreeMap<String, String>, counters: &Counters) -> Baseline {
        let medians = counters.iter().map(|(name, repeats)| (name.clone(), median(repeats)));
        Baseline {
            kind: KIND.to_owned(),
            recorded_utc: utc_now(),
            git_commit: env!("RABI_BENCH_COMMIT").to_owned(),
            conditions,
            counters: medians.collect(),
        }
    }

    pub fn read(path: &Path) -> Result<Baseline> {
        let next = "record one with: rabi-bench ci --update-baseline";
        let text = fs::read_to_string(path)
            .with_context(|| format!("cannot read the baseline {}; {next}", path.display()))?;
        let read: Baseline = serde_json::from_str(&text)
            .with_context(|| format!("{}: this is not a baseline; {next}", path.display()))?;
        if read.kind != KIND {
            bail!("{}: this is not a baseline; {next}", path.display());
        }
        Ok(read)
    }

    pub fn write(&self, path: &Path) -> Result<()> {
        let context = || format!("cannot write the baseline {}", path.display());
        if let Some(dir) = path.parent() {
            fs::create_dir_all(dir).with_context(context)?;
        }
        output_file::write_json(path, self)
    }
}
