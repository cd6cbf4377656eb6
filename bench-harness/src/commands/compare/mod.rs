//! `rabi-bench compare`, `pairs` and `calibrate`: is one build slower than another?
//!
//! `record` runs two builds in turn, `load_once` spares them the loads, and `calibrate` runs one build against itself.

mod calibrate;
mod load_once;
mod one_run;
mod record;

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Args;
use serde::Serialize;

use crate::arguments::{count, number};
use crate::compare::{Calibration, Comparison, Criteria, Run, Side, text, unlike};
use crate::output_file::OutputFile;
use crate::terminal::{notice, output};
use crate::verdict::Verdict;

pub use calibrate::{CalibrateArgs, execute as calibrate};
pub use record::{PairsArgs, execute as pairs};

/// The arguments of `compare`.
#[derive(Debug, Args)]
pub struct CompareArgs {
    /// Results of the base: a JSON file, or a directory of repeats
    #[arg(value_name = "BASE")]
    base: PathBuf,
    /// Results to judge against it
    #[arg(value_name = "NEW")]
    new: PathBuf,
    /// Only metrics whose name contains one of these, such as throughput,p99_us
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    metrics: Vec<String>,
    /// Only these workloads, by name, such as workloadc; the load of a data set is named load
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    workloads: Vec<String>,
    /// The smallest relative change that matters, in percent
    #[arg(long, value_name = "PERCENT", default_value_t = 2.0)]
    #[arg(value_parser = number)]
    min_effect: f64,
    /// A calibration of this machine; where its noise floor is higher it is the minimum effect
    #[arg(long, value_name = "FILE")]
    noise: Option<PathBuf>,
    /// The chance of one false regression among all metrics
    #[arg(long, value_name = "P", default_value_t = 0.05)]
    #[arg(value_parser = number)]
    alpha: f64,
    /// The seed of the bootstrap
    #[arg(long, value_name = "N", default_value_t = 42)]
    #[arg(value_parser = count::<u64>)]
    seed: u64,
    /// Compare also what was measured under unlike conditions, or with failed operations
    #[arg(long)]
    force: bool,
    /// Write the comparison as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// Carries out `compare`.
pub fn execute(arguments: CompareArgs) -> Result<Verdict> {
    check(&arguments)?;
    let json = arguments.json.as_deref().map(|path| OutputFile::check("--json", path)).transpose()?;
    let (base, new) = (Side::read(arguments.base)?, Side::read(arguments.new)?);
    let noise = arguments.noise.as_deref().map(Calibration::read).transpose()?;
    let unlike = unlike(&base.runs, &new.runs, noise.as_ref());
    refuse_unlike(&unlike, &base.runs, &new.runs, arguments.force)?;
    let criteria = Criteria {
        metrics: &arguments.metrics,
        workloads: &arguments.workloads,
        min_effect: arguments.min_effect / 100.0,
        noise: noise.as_ref(),
        alpha: arguments.alpha,
        seed: arguments.seed,
    };
    let comparison = Comparison::of(&base, &new, unlike, &criteria)?;
    output(&text(&comparison, arguments.alpha))?;
    if let Some(json) = json {
        json.write(&json_of(&comparison)?)?;
    }
    Ok(comparison.verdict())
}

fn check(arguments: &CompareArgs) -> Result<()> {
    if !(arguments.alpha > 0.0 && arguments.alpha < 1.0) {
        bail!("--alpha is {}; allowed: between 0 and 1, such as 0.05", arguments.alpha);
    }
    if !(arguments.min_effect >= 0.0 && arguments.min_effect.is_finite()) {
        bail!("--min-effect is {}; allowed: a percentage of at least 0, such as 2", arguments.min_effect);
    }
    Ok(())
}

fn refuse_unlike(unlike: &[String], base: &[Run], new: &[Run], force: bool) -> Result<()> {
    let trouble = |run: &Run| match &run.cut_short {
        Some(why) => Some(format!("{}: cut short by {why}", run.source.display())),
        None if run.errors > 0 => Some(format!("{}: {} operations failed", run.source.display(), run.errors)),
        None => None,
    };
    let failed: Vec<String> = base.iter().chain(new).filter_map(trouble).collect();
    if !force && !failed.is_empty() {
        bail!(
            "a run with failed operations, or that was cut short, is no measurement:\n  {}\nmeasure again, or \
             compare all the same with --force",
            failed.join("\n  ")
        );
    }
    if unlike.is_empty() {
        return Ok(());
    }
    let listed = unlike.join("\n  ");
    if !force {
        bail!(
            "the conditions are unlike (base / new):\n  {listed}\nmeasure both sides under the same \
             conditions, or compare all the same with --force"
        );
    }
    notice(&format!("warning: compared by --force although the conditions are unlike:\n  {listed}"));
    Ok(())
}

fn json_of(value: &impl Serialize) -> Result<Vec<u8>> {
    Ok((serde_json::to_string_pretty(value)? + "\n").into_bytes())
}
