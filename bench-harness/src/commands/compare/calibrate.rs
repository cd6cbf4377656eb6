//! `rabi-bench compare --calibrate`: this build against itself, to learn how far apart two sets of runs
//! lie on this machine when nothing has changed.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::arguments::CompareArgs;
use super::one_run::NO_TEMPORARY;
use super::record::{builds, record, this_program};
use crate::compare::{Calibration, Call, REPEATS_MIN, Strictness, judge_all, match_runs, percent, read};
use crate::output_file::OutputFile;
use crate::stats::Resampling;
use crate::terminal::output;
use crate::verdict::Verdict;

/// Pairs, unless --pairs says how many.
const PAIRS: u64 = 10;

pub fn execute(arguments: &CompareArgs) -> Result<Verdict> {
    let temporary = tempfile::tempdir().context(NO_TEMPORARY)?;
    let results = arguments.base.as_deref().or(arguments.results.as_deref()).unwrap_or(temporary.path());
    let (base, new) = match &arguments.base {
        Some(recorded) => (recorded.join("base"), recorded.join("new")),
        None => measure(arguments, results)?,
    };
    let (base, new) = (read(&base)?, read(&new)?);
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
        let (workload, floor_percent) = (floor.key.name(), percent(floor.floor));
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

fn measure(arguments: &CompareArgs, results: &Path) -> Result<(PathBuf, PathBuf)> {
    let pairs = arguments.pairs.unwrap_or(PAIRS);
    if pairs < REPEATS_MIN as u64 {
        bail!("--pairs is {pairs}; a noise floor needs at least {REPEATS_MIN}");
    }
    OutputFile::check("--out", &arguments.out)?;
    record(&builds(&this_program()?, None)?, pairs, arguments, results)
}
