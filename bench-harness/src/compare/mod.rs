//! `rabi-bench compare`, `pairs` and `calibrate`: is one build slower than another?
//!
//! `source` and `run` read results, `metric` picks the numbers, `likeness` says what must be
//! equal, `matching` brings repeats and pairs together, `judge` decides (pure), `floor` knows
//! the machine's noise, `table` prints. `record` runs two builds in turn, `load_once` spares
//! them the loads, and `calibrate` runs one build against itself.

mod calibrate;
mod floor;
mod judge;
mod likeness;
mod load_once;
mod matching;
mod metric;
mod record;
mod run;
mod source;
mod table;
mod within;

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Args;
use serde::Serialize;

use crate::argument::{count, number};
use crate::output_file::OutputFile;
use crate::stats::{Resampling, geometric_mean};
use crate::{Verdict, notice, output};

pub use calibrate::{CalibrateArgs, execute as calibrate};
pub use likeness::differences;
pub use record::{PairsArgs, execute as pairs};

use floor::Calibration;
use judge::{Call, Judged, Question, Strictness, judge};
use matching::{Matched, match_runs};
use metric::{Better, THROUGHPUT};
use run::{Key, Run};
use within::WithinRun;

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

/// One metric of one workload, judged.
#[derive(Debug, Serialize)]
struct Line {
    #[serde(flatten)]
    key: Key,
    metric: String,
    better: Better,
    repeats_base: usize,
    repeats_new: usize,
    paired: bool,
    #[serde(flatten)]
    judged: Judged,
}

/// A whole comparison, as it is written to JSON.
#[derive(Debug, Serialize)]
struct Comparison {
    schema: u32,
    kind: &'static str,
    base: String,
    new: String,
    verdict: &'static str,
    /// Unlike conditions that `--force` passed over.
    unlike: Vec<String>,
    /// Workloads that only one side has.
    unmatched: Vec<Key>,
    /// The geometric mean over the workloads of new throughput over base throughput.
    throughput_ratio: Option<f64>,
    lines: Vec<Line>,
    /// What single runs tell from within.
    within_runs: Vec<WithinRun>,
}

/// Carries out `compare`.
pub fn execute(arguments: CompareArgs) -> Result<Verdict> {
    check(&arguments)?;
    let json = arguments.json.as_deref().map(|path| OutputFile::check("--json", path)).transpose()?;
    let (base, new) = (source::read(&arguments.base)?, source::read(&arguments.new)?);
    let noise = arguments.noise.as_deref().map(Calibration::read).transpose()?;
    let unlike = unlike(&base, &new, noise.as_ref());
    refuse_unlike(&unlike, &base, &new, arguments.force)?;
    let comparison = compare(&base, &new, unlike, noise.as_ref(), &arguments)?;
    output(&table::text(&comparison, arguments.alpha))?;
    if let Some(json) = json {
        json.write(&json_of(&comparison)?)?;
    }
    Ok(verdict(&comparison.lines))
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

/// Every difference of conditions among the runs of either side and of the calibration.
/// Runs of different workloads may differ in what belongs to the workload.
fn unlike(base: &[Run], new: &[Run], noise: Option<&Calibration>) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let runs: Vec<&Run> = base.iter().chain(new).collect();
    for (index, run) in runs.iter().enumerate() {
        let alike =
            |other: &&&Run| other.key.phase == run.key.phase && other.key.workload == run.key.workload;
        if let Some(first) = runs[..index].iter().find(alike) {
            found.extend(differences(&first.conditions, &run.conditions));
        }
    }
    if let (Some(noise), Some(first)) = (noise, runs.first()) {
        let machine = |text: &String| !text.starts_with("records:") && !text.starts_with("engine");
        let of_noise = differences(&first.conditions, &noise.conditions).into_iter().filter(machine);
        found.extend(of_noise.map(|text| format!("{text} (of the calibration)")));
    }
    found.sort();
    found.dedup();
    found
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

fn compare(
    base: &[Run],
    new: &[Run],
    unlike: Vec<String>,
    noise: Option<&Calibration>,
    arguments: &CompareArgs,
) -> Result<Comparison> {
    let (mut matched, unmatched) = match_runs(base, new);
    let both_have = matched.iter().map(|group| group.key.name().to_owned()).collect::<Vec<_>>().join(", ");
    let named = |group: &Matched<'_>| arguments.workloads.iter().any(|name| name == group.key.name());
    matched.retain(|group| arguments.workloads.is_empty() || named(group));
    if matched.is_empty() && !both_have.is_empty() {
        bail!("--workloads names none that both sides have; allowed: {both_have}");
    }
    let resampling = Resampling { confidence: 0.95, resamples: 4_000, seed: arguments.seed };
    let strictness = Strictness { alpha: arguments.alpha, resampling };
    let wanted = |metric: &str| {
        arguments.metrics.is_empty() || arguments.metrics.iter().any(|part| metric.contains(part.as_str()))
    };
    let lines = judge_all(&matched, noise, arguments.min_effect / 100.0, strictness, wanted);
    if lines.is_empty() {
        bail!(
            "there is nothing to compare: {} and {} have no workload with a metric in common{}",
            arguments.base.display(),
            arguments.new.display(),
            if arguments.metrics.is_empty() { "" } else { " that --metrics names" }
        );
    }
    Ok(Comparison {
        schema: 1,
        kind: "rabi-bench comparison",
        base: arguments.base.display().to_string(),
        new: arguments.new.display().to_string(),
        verdict: table::word(verdict(&lines)),
        unlike,
        unmatched,
        throughput_ratio: throughput_ratio(&lines),
        within_runs: within::of(&matched, resampling),
        lines,
    })
}

/// Judges every wanted metric of every workload as one family.
fn judge_all(
    matched: &[Matched<'_>],
    noise: Option<&Calibration>,
    min_effect: f64,
    strictness: Strictness,
    wanted: impl Fn(&str) -> bool,
) -> Vec<Line> {
    let mut named = Vec::new();
    let mut questions = Vec::new();
    for group in matched {
        for metric in group.metrics().into_iter().filter(|metric| wanted(metric)) {
            let (base, new) = group.values(metric);
            let repeats = base.len().min(new.len());
            let floor = noise.and_then(|noise| noise.floor(&group.key, metric, repeats)).unwrap_or(0.0);
            let (better, min_effect) = (Better::of(metric), min_effect.max(floor));
            questions.push(Question { base, new, paired: group.paired, better, min_effect });
            named.push((group, metric));
        }
    }
    let judged = judge(&questions, strictness);
    let lines = named.into_iter().zip(judged).map(|((group, metric), judged)| Line {
        key: group.key.clone(),
        metric: metric.to_owned(),
        better: Better::of(metric),
        repeats_base: group.base.len(),
        repeats_new: group.new.len(),
        paired: group.paired,
        judged,
    });
    lines.collect()
}

fn throughput_ratio(lines: &[Line]) -> Option<f64> {
    let of_throughput = lines.iter().filter(|line| line.metric == THROUGHPUT);
    geometric_mean(&of_throughput.map(|line| line.judged.new / line.judged.base).collect::<Vec<f64>>())
}

fn verdict(lines: &[Line]) -> Verdict {
    let any = |call| lines.iter().any(|line| line.judged.call == call);
    if any(Call::Regression) {
        Verdict::Bad
    } else if any(Call::Inconclusive) {
        Verdict::Inconclusive
    } else {
        Verdict::Good
    }
}

fn json_of(value: &impl Serialize) -> Result<Vec<u8>> {
    Ok((serde_json::to_string_pretty(value)? + "\n").into_bytes())
}
