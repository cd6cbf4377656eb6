//! `rabi-bench compare`: is one build slower than another?
//!
//! Results that are there are judged by the library `crate::compare`. With `--pairs`, `record` runs two builds in turn
//! first; `one_run` is one of those runs, and `load_once` spares them the loads. `calibrate` runs one build against itself.

mod arguments;
mod calibrate;
mod load_once;
mod one_run;
mod record;

use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use crate::compare::{Calibration, Comparison, Criteria, Run, Side, text, unlike};
use crate::output_file::OutputFile;
use crate::terminal::{notice, output};
use crate::verdict::Verdict;

pub use arguments::{ABOUT_COMPARISONS, CompareArgs};

pub fn execute(arguments: CompareArgs) -> Result<Verdict> {
    arguments.check()?;
    if arguments.calibrate {
        return calibrate::execute(&arguments);
    }
    let json = OutputFile::check_if_given("--json", arguments.json.as_deref())?;
    let noise = arguments.noise.as_deref().map(Calibration::read).transpose()?;
    let (base, new) = sides(&arguments)?;
    let (base, new) = (Side::read(base)?, Side::read(new)?);
    let unlike = unlike(&base.runs, &new.runs, &arguments.workloads, noise.as_ref());
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
        json.write_json(&comparison)?;
    }
    Ok(comparison.verdict())
}

/// Where the results of both sides are, once they are measured.
fn sides(arguments: &CompareArgs) -> Result<(PathBuf, PathBuf)> {
    let base = arguments.base.as_deref().context("BASE is missing")?;
    let Some((pairs, results)) = arguments.pairs.zip(arguments.results.as_deref()) else {
        return Ok((base.to_owned(), arguments.new.clone().context("NEW is missing")?));
    };
    let builds = record::builds(base, arguments.new.as_deref())?;
    let (base, new) = record::record(&builds, pairs, arguments, results)?;
    notice(&format!("judge them again with: rabi-bench compare {} {}", base.display(), new.display()));
    Ok((base, new))
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
        let advice = if unlike.iter().any(|text| text.starts_with("records:")) {
            "\na workload that is bounded by time inserts as many records as it is fast: bound it by --operations, \
             or judge others by --workloads"
        } else {
            ""
        };
        bail!(
            "the conditions are unlike (base / new):\n  {listed}{advice}\nmeasure both sides under the same \
             conditions, or compare all the same with --force"
        );
    }
    notice(&format!("warning: compared by --force although the conditions are unlike:\n  {listed}"));
    Ok(())
}
