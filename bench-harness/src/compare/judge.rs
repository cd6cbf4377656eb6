//! The verdict on each metric, from repeats alone: pure, so that it is tested on samples whose
//! truth is known.
//!
//! A *regression* needs three things: the probability, corrected for the number of metrics, is at
//! most alpha; the change exceeds the minimum effect; its interval excludes zero. *Same* and
//! *not worse* need an interval that stays within the minimum effect. Everything else is
//! *inconclusive*, with the reason: a comparison that could not have found a regression never
//! says that there is none.

use serde::Serialize;

use crate::stats::{
    Interval, Resampling, holm, mann_whitney, mann_whitney_p_min, median, paired_interval, signed_rank,
    signed_rank_p_min, two_sample_interval,
};

use super::metric::Better;

/// Fewer repeats than this on a side decide nothing: their bootstrap intervals are too narrow.
pub const REPEATS_MIN: usize = 5;

/// What is asked about one metric.
#[derive(Debug, Clone)]
pub struct Question {
    /// One value per repeat of the base.
    pub base: Vec<f64>,
    /// One value per repeat of the new side; the partners of `base` if paired.
    pub new: Vec<f64>,
    /// Whether `base[i]` and `new[i]` were measured next to each other.
    pub paired: bool,
    pub better: Better,
    /// The relative change below which a difference does not matter or cannot be told from noise.
    pub min_effect: f64,
}

impl Question {
    /// Whether there are two different values. Where all are equal, as with a counter that stays zero, no
    /// test can give an alarm, and the question need not be corrected for (Tarone, Biometrics 46, 1990).
    fn varies(&self) -> bool {
        let mut all = self.base.iter().chain(&self.new);
        let first = all.next();
        all.any(|value| Some(value) != first)
    }
}

#[derive(Debug, Clone, Copy)]
pub struct Strictness {
    /// The chance of even one false regression among all metrics.
    pub alpha: f64,
    pub resampling: Resampling,
}

/// What is known about one metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Call {
    /// Worse by more than the minimum effect.
    Regression,
    /// Better by more than the minimum effect.
    Improvement,
    /// Any change is smaller than the minimum effect.
    Same,
    /// Worse by less than the minimum effect at most; perhaps better.
    NotWorse,
    /// The repeats cannot tell.
    Inconclusive,
}

/// The answer about one metric.
#[derive(Debug, Clone, Serialize)]
pub struct Judged {
    pub base: f64,
    pub new: f64,
    /// Relative change of the median, or median of the relative changes of the pairs.
    pub change: f64,
    pub low: f64,
    pub high: f64,
    /// The probability of such samples without any difference.
    pub p: f64,
    /// The same after Holm's correction.
    pub p_holm: f64,
    pub test: &'static str,
    pub min_effect: f64,
    pub call: Call,
    pub reason: Option<String>,
}

/// Judges all metrics of a comparison together.
pub fn judge(questions: &[Question], strictness: Strictness) -> Vec<Judged> {
    let family = questions.iter().filter(|question| question.varies()).count();
    let tests: Vec<Test> =
        questions.iter().map(|question| Test::choose(question, family, strictness.alpha)).collect();
    let p: Vec<f64> =
        questions.iter().zip(&tests).map(|(question, test)| test.probability(question)).collect();
    let corrected = correct(questions, &p);
    (0..questions.len())
        .map(|i| {
            let (change, interval) = change_of(&questions[i], strictness.resampling);
            let mut judged = Judged {
                base: median(&questions[i].base),
                new: median(&questions[i].new),
                change,
                low: interval.low,
                high: interval.high,
                p: p[i],
                p_holm: corrected[i],
                test: tests[i].name(),
                min_effect: questions[i].min_effect,
                call: Call::Inconclusive,
                reason: None,
            };
            let p_holm_min = tests[i].p_min(&questions[i]) * family.max(1) as f64;
            decide(&mut judged, &questions[i], p_holm_min, strictness.alpha);
            judged
        })
        .collect()
}

/// The probabilities after Holm's correction over the questions that can give an alarm at all.
fn correct(questions: &[Question], p: &[f64]) -> Vec<f64> {
    let varying: Vec<usize> = (0..questions.len()).filter(|i| questions[*i].varies()).collect();
    let holm = holm(&varying.iter().map(|i| p[*i]).collect::<Vec<f64>>());
    let mut corrected = vec![1.0; questions.len()];
    varying.into_iter().zip(holm).for_each(|(i, p)| corrected[i] = p);
    corrected
}

/// Which test answers a question. It is chosen by the sizes of the samples, never by its outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Test {
    SignedRank,
    MannWhitney,
}

impl Test {
    /// Pairs are tested as pairs where there are enough of them for the corrected level. The
    /// unpaired test reaches smaller probabilities; pairs measured next to each other resemble
    /// each other, which only makes it more careful.
    fn choose(question: &Question, family: usize, alpha: f64) -> Test {
        let enough = signed_rank_p_min(question.base.len()) * family as f64 <= alpha;
        if question.paired && enough { Test::SignedRank } else { Test::MannWhitney }
    }

    fn name(self) -> &'static str {
        match self {
            Test::SignedRank => "Wilcoxon signed-rank",
            Test::MannWhitney => "Mann-Whitney",
        }
    }

    fn probability(self, question: &Question) -> f64 {
        match self {
            Test::SignedRank => {
                let pairs = question.base.iter().zip(&question.new);
                signed_rank(&pairs.map(|(base, new)| new - base).collect::<Vec<f64>>())
            }
            Test::MannWhitney => mann_whitney(&question.base, &question.new),
        }
    }

    fn p_min(self, question: &Question) -> f64 {
        match self {
            Test::SignedRank => signed_rank_p_min(question.base.len()),
            Test::MannWhitney => mann_whitney_p_min(question.base.len(), question.new.len()),
        }
    }
}

/// The change relative to the base; infinite from zero to something.
pub fn relative(base: f64, new: f64) -> f64 {
    if base == new { 0.0 } else { (new - base) / base.abs() }
}

fn change_of(question: &Question, resampling: Resampling) -> (f64, Interval) {
    if question.paired {
        let pairs = question.base.iter().zip(&question.new);
        let changes: Vec<f64> = pairs.map(|(base, new)| relative(*base, *new)).collect();
        return (median(&changes), paired_interval(&changes, resampling));
    }
    let change = relative(median(&question.base), median(&question.new));
    (change, two_sample_interval(&question.base, &question.new, resampling, relative))
}

fn decide(judged: &mut Judged, question: &Question, p_holm_min: f64, alpha: f64) {
    let repeats = question.base.len().min(question.new.len());
    if repeats < REPEATS_MIN {
        judged.reason = Some(format!("{repeats} repeats; at least {REPEATS_MIN} a side are needed"));
        return;
    }
    if p_holm_min > alpha {
        judged.reason =
            Some("too few repeats for so many metrics; repeat more, or choose with --metrics".to_owned());
        return;
    }
    let effect = question.min_effect;
    // Seen so that positive is worse, whatever the metric.
    let worse = question.better.worse(judged.change);
    let (least, most) = match question.better {
        Better::Lower => (judged.low, judged.high),
        Better::Higher => (-judged.high, -judged.low),
    };
    let significant = judged.p_holm <= alpha;
    judged.call = if significant && worse > effect && least > 0.0 {
        Call::Regression
    } else if significant && worse < -effect && most < 0.0 {
        Call::Improvement
    } else if most < effect && least > -effect {
        Call::Same
    } else if most < effect {
        Call::NotWorse
    } else {
        judged.reason = Some(format!(
            "a change of {:+.1} % for the worse cannot be excluded; repeat more, on a quieter machine",
            100.0 * most
        ));
        Call::Inconclusive
    };
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
