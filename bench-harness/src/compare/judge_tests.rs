//! Verdicts on synthetic repeats: the truth is known, so false and missed alarms can be counted.

use super::*;
use crate::generator::{OpRandom, Stream};

const STRICT: Strictness =
    Strictness { alpha: 0.05, resampling: Resampling { confidence: 0.95, resamples: 200, seed: 1 } };

/// Repeats of one build. `noise` is the relative standard deviation between runs; a machine that
/// drifts gets slower by `drift` in each further run.
fn repeats(random: &mut OpRandom, n: usize, factor: f64, noise: f64) -> Vec<f64> {
    (0..n).map(|_| 1_000.0 * factor * (1.0 + noise * random.normal())).collect()
}

fn question(base: Vec<f64>, new: Vec<f64>, better: Better, paired: bool) -> Question {
    Question { base, new, paired, better, min_effect: 0.02 }
}

fn calls(judged: &[Judged]) -> Vec<Call> {
    judged.iter().map(|judged| judged.call).collect()
}

#[test]
fn of_a_thousand_equal_comparisons_at_most_one_in_twenty_says_regression() {
    let mut random = Stream::new(1, "equal").operation(0);
    for paired in [false, true] {
        let alarms = (0..1_000).filter(|_| {
            // Four metrics, run-to-run noise of 3 %, more than the minimum effect.
            let questions: Vec<Question> = (0..4)
                .map(|_| {
                    let base = repeats(&mut random, 10, 1.0, 0.03);
                    let new = repeats(&mut random, 10, 1.0, 0.03);
                    question(base, new, Better::Lower, paired)
                })
                .collect();
            calls(&judge(&questions, STRICT)).contains(&Call::Regression)
        });
        let alarms = alarms.count();
        assert!(alarms <= 50, "{alarms} false alarms of 1000, paired: {paired}");
    }
}

#[test]
fn a_slowdown_of_five_percent_is_caught() {
    let mut random = Stream::new(2, "slower").operation(0);
    for (better, factor) in [(Better::Lower, 1.05), (Better::Higher, 0.95)] {
        let caught = (0..100).filter(|_| {
            let base = repeats(&mut random, 10, 1.0, 0.015);
            let new = repeats(&mut random, 10, factor, 0.015);
            // Among two metrics that did not change.
            let same = |random: &mut OpRandom| {
                let base = repeats(random, 10, 1.0, 0.015);
                question(base, repeats(random, 10, 1.0, 0.015), better, false)
            };
            let questions = [question(base, new, better, false), same(&mut random), same(&mut random)];
            judge(&questions, STRICT)[0].call == Call::Regression
        });
        let caught = caught.count();
        assert!(caught >= 95, "{caught} of 100 caught");
    }
}

#[test]
fn pairs_see_through_a_machine_that_drifts() {
    // The machine slows by 3 % with every pair, so that unpaired samples overlap widely.
    let mut random = Stream::new(3, "drift").operation(0);
    let drift = |i: i32| 1.0 + 0.03 * f64::from(i);
    let mut side = |factor: f64| -> Vec<f64> {
        (0..12).map(|i| 1_000.0 * factor * drift(i) * (1.0 + 0.005 * random.normal())).collect()
    };
    let (base, new) = (side(1.0), side(1.05));
    let paired = judge(&[question(base.clone(), new.clone(), Better::Lower, true)], STRICT);
    assert_eq!(calls(&paired), [Call::Regression]);
    assert_eq!(paired[0].test, "Wilcoxon signed-rank");
    assert!((paired[0].change - 0.05).abs() < 0.01);
    let unpaired = judge(&[question(base, new, Better::Lower, false)], STRICT);
    assert_eq!(calls(&unpaired), [Call::Inconclusive]);
}

#[test]
fn what_cannot_be_known_is_never_called_the_same() {
    let flat = |n: usize| vec![1_000.0; n];
    let few = judge(&[question(flat(3), flat(3), Better::Lower, false)], STRICT);
    assert_eq!(calls(&few), [Call::Inconclusive]);
    assert_eq!(few[0].reason.as_deref(), Some("3 repeats; at least 5 a side are needed"));
    // 5 against 5 reach p = 2/252 = 0.008 at best: not enough for ten metrics.
    let rising = |from: f64| (0..5).map(|i| from + f64::from(i)).collect::<Vec<f64>>();
    let many = vec![question(rising(1_000.0), rising(1_000.5), Better::Lower, false); 10];
    let many = judge(&many, STRICT);
    assert!(many.iter().all(|judged| judged.call == Call::Inconclusive));
    assert!(many[0].reason.as_deref().unwrap().starts_with("too few repeats for so many metrics"));
    // Noise of 10 % does not allow a statement about 2 %.
    let mut random = Stream::new(4, "noisy").operation(0);
    let (base, new) = (repeats(&mut random, 10, 1.0, 0.1), repeats(&mut random, 10, 1.0, 0.1));
    let noisy = judge(&[question(base, new, Better::Lower, false)], STRICT);
    assert_eq!(calls(&noisy), [Call::Inconclusive]);
    assert!(noisy[0].reason.as_deref().unwrap().contains("cannot be excluded"));
}

#[test]
fn what_never_varies_costs_the_others_nothing() {
    // Five against five, completely apart: 2/252, times two metrics that vary, times ten in all.
    let apart =
        || question(vec![1.0, 2.0, 3.0, 4.0, 5.0], vec![6.0, 7.0, 8.0, 9.0, 10.0], Better::Lower, false);
    let constant = || question(vec![7.0; 5], vec![7.0; 5], Better::Lower, false);
    let questions: Vec<Question> = [apart(), apart()].into_iter().chain((0..8).map(|_| constant())).collect();
    let judged = judge(&questions, STRICT);
    assert!((judged[0].p_holm - 2.0 * 2.0 / 252.0).abs() < 1e-12, "{}", judged[0].p_holm);
    assert_eq!(calls(&judged)[..3], [Call::Regression, Call::Regression, Call::Same]);
    assert_eq!(judged[2].p_holm, 1.0);
}

#[test]
fn quiet_repeats_are_called_the_same_better_or_not_worse() {
    let mut random = Stream::new(5, "quiet").operation(0);
    let mut side = |factor: f64| repeats(&mut random, 10, factor, 0.002);
    let questions = [
        question(side(1.0), side(1.0), Better::Lower, false),
        question(side(1.0), side(0.9), Better::Lower, false),
        question(side(1.0), side(1.1), Better::Higher, false),
    ];
    let judged = judge(&questions, STRICT);
    assert_eq!(calls(&judged), [Call::Same, Call::Improvement, Call::Improvement]);
    assert!((judged[1].change + 0.1).abs() < 0.01);
}

#[test]
fn a_counter_that_was_zero_and_is_no_longer_is_a_regression() {
    let zero = vec![0.0; 8];
    let judged = judge(
        &[
            question(zero.clone(), vec![0.5; 8], Better::Lower, false),
            question(zero.clone(), zero, Better::Lower, false),
        ],
        STRICT,
    );
    assert_eq!(calls(&judged), [Call::Regression, Call::Same]);
    assert_eq!(judged[0].change, f64::INFINITY);
}
