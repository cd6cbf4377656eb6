//! A whole comparison: every metric of every workload that both sides have, judged.

use std::path::PathBuf;

use anyhow::{Result, bail};
use serde::Serialize;

use super::floor::Calibration;
use super::judge::{Call, Judged, Question, Strictness, judge};
use super::likeness::differences;
use super::matching::{Matched, match_runs};
use super::metric::{Better, THROUGHPUT};
use super::run::{Key, Run};
use super::source;
use super::within::{self, WithinRun};
use crate::stats::{Resampling, geometric_mean};
use crate::verdict::Verdict;

#[derive(Debug)]
pub struct Side {
    /// Where they were read.
    pub path: PathBuf,
    pub runs: Vec<Run>,
}

impl Side {
    /// Reads a result, or a directory of them.
    pub fn read(path: PathBuf) -> Result<Side> {
        Ok(Side { runs: source::read(&path)?, path })
    }
}

#[derive(Debug)]
pub struct Criteria<'a> {
    /// Parts of the names of metrics; none for all metrics.
    pub metrics: &'a [String],
    /// Names of workloads; none for all.
    pub workloads: &'a [String],
    /// The smallest relative change that matters.
    pub min_effect: f64,
    pub noise: Option<&'a Calibration>,
    /// The chance of one false regression among all metrics.
    pub alpha: f64,
    pub seed: u64,
}

/// One metric of one workload, judged.
#[derive(Debug, Serialize)]
pub struct Line {
    #[serde(flatten)]
    pub key: Key,
    pub metric: String,
    pub better: Better,
    pub repeats_base: usize,
    pub repeats_new: usize,
    /// Whether they are compared in pairs.
    pub paired: bool,
    #[serde(flatten)]
    pub judged: Judged,
}

#[derive(Debug, Serialize)]
pub struct Comparison {
    pub schema: u32,
    /// What tells it from other JSON files.
    pub kind: &'static str,
    pub base: String,
    pub new: String,
    pub verdict: &'static str,
    /// Unlike conditions that `--force` passed over.
    pub unlike: Vec<String>,
    /// Workloads that only one side has.
    pub unmatched: Vec<Key>,
    /// The geometric mean over the workloads of new throughput over base throughput.
    pub throughput_ratio: Option<f64>,
    pub lines: Vec<Line>,
    pub within_runs: Vec<WithinRun>,
}

impl Comparison {
    pub fn of(base: &Side, new: &Side, unlike: Vec<String>, criteria: &Criteria<'_>) -> Result<Comparison> {
        let (mut matched, unmatched) = match_runs(&base.runs, &new.runs);
        let both_have =
            matched.iter().map(|group| group.key.name().to_owned()).collect::<Vec<_>>().join(", ");
        let named = |group: &Matched<'_>| criteria.workloads.iter().any(|name| name == group.key.name());
        matched.retain(|group| criteria.workloads.is_empty() || named(group));
        if matched.is_empty() && !both_have.is_empty() {
            bail!("--workloads names none that both sides have; allowed: {both_have}");
        }
        let resampling = Resampling { confidence: 0.95, resamples: 4_000, seed: criteria.seed };
        let strictness = Strictness { alpha: criteria.alpha, resampling };
        let wanted = |metric: &str| {
            criteria.metrics.is_empty() || criteria.metrics.iter().any(|part| metric.contains(part.as_str()))
        };
        let lines = judge_all(&matched, criteria.noise, criteria.min_effect, strictness, wanted);
        if lines.is_empty() {
            bail!(
                "there is nothing to compare: {} and {} have no workload with a metric in common{}",
                base.path.display(),
                new.path.display(),
                if criteria.metrics.is_empty() { "" } else { " that --metrics names" }
            );
        }
        Ok(Comparison {
            schema: 1,
            kind: "rabi-bench comparison",
            base: base.path.display().to_string(),
            new: new.path.display().to_string(),
            verdict: word(verdict(&lines)),
            unlike,
            unmatched,
            throughput_ratio: throughput_ratio(&lines),
            within_runs: within::of(&matched, resampling),
            lines,
        })
    }

    pub fn verdict(&self) -> Verdict {
        verdict(&self.lines)
    }
}

/// Every difference of conditions among the runs of either side that are judged, and of the calibration.
/// Runs of different workloads may differ in what belongs to the workload.
pub fn unlike(base: &[Run], new: &[Run], workloads: &[String], noise: Option<&Calibration>) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let is_judged = |run: &&Run| workloads.is_empty() || workloads.iter().any(|name| name == run.key.name());
    let runs: Vec<&Run> = base.iter().chain(new).filter(is_judged).collect();
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

/// Judges every wanted metric of every workload as one family.
pub fn judge_all(
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

fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Good => "no-regression",
        Verdict::Bad => "regression",
        Verdict::Inconclusive => "inconclusive",
        Verdict::None => "no-verdict",
    }
}
