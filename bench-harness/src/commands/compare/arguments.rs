//! The arguments of `compare`.

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::{ArgGroup, Args};

use crate::arguments::{count, number};

/// What the help says after the options.
pub const ABOUT_COMPARISONS: &str = "\
Examples:
  rabi-bench compare old.json new.json      two results, or two directories of repeats
  rabi-bench compare old/rabi-bench --pairs 10 --results out -- --records 100000 --operations 200000
                                            two builds, run in turn: an old and this one
  rabi-bench compare --calibrate --out noise.json -- --smoke
                                            this machine's noise, for --noise

Exit status: 0 no regression beyond the minimum effect, or calibrated; 1 a regression; 2 the command, a file or a \
program is wrong, or the conditions are unlike; 3 inconclusive: these results cannot tell; 130 or 143 ended by \
SIGINT or SIGTERM: pairs that were recorded stay in --results.";

/// The arguments of `compare`.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("runs").args(["pairs", "calibrate"]).multiple(true)))]
pub struct CompareArgs {
    /// Results of the base: a JSON file, or a directory of repeats. With --pairs, a rabi-bench built from it
    #[arg(value_name = "BASE", required_unless_present = "calibrate")]
    pub base: Option<PathBuf>,
    /// Results to judge against it. With --pairs, a rabi-bench built from what is to be judged [default: this program]
    #[arg(value_name = "NEW", required_unless_present = "runs")]
    pub new: Option<PathBuf>,
    /// Only metrics whose name contains one of these, such as throughput,p99_us
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    pub metrics: Vec<String>,
    /// Only these workloads, by name, such as workloadc; the load of a data set is named load
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    pub workloads: Vec<String>,
    /// The smallest relative change that matters, in percent
    #[arg(long, value_name = "PERCENT", default_value_t = 2.0)]
    #[arg(value_parser = number)]
    pub min_effect: f64,
    /// A calibration of this machine; where its noise floor is higher it is the minimum effect
    #[arg(long, value_name = "FILE")]
    pub noise: Option<PathBuf>,
    /// The chance of one false regression among all metrics
    #[arg(long, value_name = "P", default_value_t = 0.05)]
    #[arg(value_parser = number)]
    pub alpha: f64,
    /// The seed of the bootstrap
    #[arg(long, value_name = "N", default_value_t = 42)]
    #[arg(value_parser = count::<u64>)]
    pub seed: u64,
    /// Compare also what was measured under unlike conditions, or with failed operations
    #[arg(long)]
    pub force: bool,
    /// Write the comparison as JSON
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Run both builds in turn, each so often, and judge the results
    #[arg(long, value_name = "N", help_heading = "Runs")]
    #[arg(value_parser = count::<u64>)]
    pub pairs: Option<u64>,
    /// Run this build against itself, in 10 pairs or --pairs, to learn this machine's noise. With BASE, take runs
    /// recorded there earlier (base/ and new/ of one and the same build) in place of new ones
    #[arg(long, help_heading = "Runs", conflicts_with_all = ["new", "metrics", "workloads", "min_effect"])]
    #[arg(conflicts_with_all = ["noise", "alpha", "seed", "force", "json"])]
    pub calibrate: bool,
    /// Where a calibration is written, for --noise
    #[arg(long, value_name = "FILE", default_value = "calibration.json", help_heading = "Runs")]
    #[arg(requires = "calibrate")]
    pub out: PathBuf,
    /// Where results go and stay: base/01.json, new/01.json and so on [default of --calibrate: thrown away]
    #[arg(long, value_name = "DIR", help_heading = "Runs", requires = "runs")]
    pub results: Option<PathBuf>,
    /// Load once per side and run on clones, nothing of them cached; otherwise each run loads
    #[arg(long, help_heading = "Runs", requires = "runs")]
    pub load_once: bool,
    /// Arguments of the main job for every run
    #[arg(last = true, value_name = "ARGUMENTS", requires = "runs", help_heading = "Runs")]
    pub arguments: Vec<OsString>,
}

impl CompareArgs {
    /// Whether anything is measured, and not only judged.
    pub fn runs(&self) -> bool {
        self.pairs.is_some() || self.calibrate
    }

    /// Refuses what clap cannot know to be wrong.
    pub fn check(&self) -> Result<()> {
        if !(self.alpha > 0.0 && self.alpha < 1.0) {
            bail!("--alpha is {}; allowed: between 0 and 1, such as 0.05", self.alpha);
        }
        if !(self.min_effect >= 0.0 && self.min_effect.is_finite()) {
            bail!("--min-effect is {}; allowed: a percentage of at least 0, such as 2", self.min_effect);
        }
        if self.pairs.is_some() && !self.calibrate && self.results.is_none() {
            bail!("--pairs needs --results DIR, where the results of all runs stay");
        }
        let is_run = self.pairs.is_some() || self.results.is_some() || self.load_once;
        if self.calibrate && self.base.is_some() && (is_run || !self.arguments.is_empty()) {
            bail!("--calibrate takes either runs that were recorded, by BASE, or the arguments of new ones");
        }
        Ok(())
    }
}
