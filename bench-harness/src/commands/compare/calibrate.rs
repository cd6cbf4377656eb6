//! `rabi-bench calibrate`: this build against itself, to learn how far apart two sets of runs
//! lie on this machine when nothing has changed.

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::Args;

use super::one_run::{NO_TEMPORARY, Side};
use super::record::{Plan, record, this_program};
use crate::arguments::count;
use crate::compare::{Calibration, Call, REPEATS_MIN, Strictness, judge_all, match_runs, percent, read};
use crate::output_file::OutputFile;
use crate::stats::Resampling;
use crate::terminal::output;
use crate::verdict::Verdict;

/// The arguments of `calibrate`.
#[derive(Debug, Args)]
pub struct CalibrateArgs {
    /// Where the calibration is written, for compare --noise
    #[arg(long, value_name = "FILE", default_value = "calibration.json")]
    out: PathBuf,
    /// Pairs of runs
    #[arg(long, value_name = "N", default_value_t = 10)]
    #[arg(value_parser = count::<u64>)]
    pairs: u64,
    /// Keeps the results of all runs here [default: they are thrown away]
    #[arg(long, value_name = "DIR")]
    results: Option<PathBuf>,
    /// Takes runs recorded earlier (base/ and new/ of one and the same build) in place of new ones
    #[arg(long, value_name = "DIR", conflicts_with_all = ["results", "pairs"])]
    from: Option<PathBuf>,
    /// Load once per side and run on clones, as pairs does
    #[arg(long, conflicts_with = "from")]
    load_once: bool,
    /// Arguments of the main job for every run
    #[arg(last = true, value_name = "ARGUMENTS")]
    arguments: Vec<OsString>,
}

/// Carries out `calibrate`.
pub fn execute(arguments: CalibrateArgs) -> Result<Verdict> {
    let temporary = tempfile::tempdir().context(NO_TEMPORARY)?;
    let results = match &arguments.from {
        Some(from) => from.clone(),
        None => {
            if arguments.pairs < REPEATS_MIN as u64 {
                bail!("--pairs is {}; a noise floor needs at least {REPEATS_MIN}", arguments.pairs);
            }
            OutputFile::check("--out", &arguments.out)?;
            let results = arguments.results.clone().unwrap_or_else(|| temporary.path().to_owned());
            let side = |name| this_program().map(|program| Side { name, program });
            let (pairs, load_once) = (arguments.pairs, arguments.load_once);
            let plan = Plan { pairs, arguments: &arguments.arguments, load_once };
            record(&[side("base")?, side("new")?], &plan, &results)?;
            results
        }
    };
    let (base, new) = (read(&results.join("base"))?, read(&results.join("new"))?);
    let (matched, _) = match_runs(&base, &new);
    if matched.iter().any(|group| group.base.len().min(group.new.len()) < REPEATS_MIN) {
        bail!("{}: a noise floor needs at least {REPEATS_MIN} runs a side", results.display());
    }
    let calibration = Calibration::of(&matched, 1);
    calibration.write(&arguments.out)?;
    let strictness =
        Strictness { alpha: 0.05, resampling: Resampling { confidence: 0.95, resamples: 4_000, seed: 1 } };
    let lines = judge_all(&matched, Some(&calibration), 0.0, strictness, |_| true);
    let false_alarms = lines.iter().filter(|line| line.judged.call == Call::Regression).count();
    let mut out = String::from("noise floor: the difference that one A/A comparison in twenty exceeds\n");
    for floor in &calibration.floors {
        let workload = if floor.phase == "load" { "load" } else { &floor.workload };
        let floor_percent = percent(floor.floor);
        out += &format!("{workload:>12}  {:<28} {floor_percent:>8}\n", floor.metric);
    }
    out += &format!(
        "compared with itself, this build is called a regression in {false_alarms} of {} metrics\n\
         written to {}\n",
        lines.len(),
        arguments.out.display()
    );
    output(&out)?;
    Ok(Verdict::Good)
}
