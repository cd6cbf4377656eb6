//! Bootstrap intervals by percentiles (Efron 1979), from a seed.
//!
//! The statistic is always a median or a difference of medians, so no normality is assumed.
//! With few samples such intervals are somewhat too narrow; `compare` does not decide on fewer
//! than five repeats.

use crate::generator::{OpRandom, Stream};

use super::autocorrelation::block_length;
use super::location::quantile_sorted;

/// How an interval is found.
#[derive(Debug, Clone, Copy)]
pub struct Resampling {
    /// The share of intervals that hold the true value, such as 0.95.
    pub confidence: f64,
    /// Draws behind an interval. With 4000 its ends vary by about a fiftieth of its width.
    pub resamples: usize,
    /// Equal seeds give equal intervals.
    pub seed: u64,
}

/// Two ends that hold the true value with the confidence asked for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    pub low: f64,
    pub high: f64,
}

/// The interval of `statistic(median a, median b)` for unpaired samples.
pub fn two_sample_interval(
    a: &[f64],
    b: &[f64],
    plan: Resampling,
    statistic: impl Fn(f64, f64) -> f64,
) -> Interval {
    interval_of_two((a, 1), (b, 1), plan, statistic)
}

/// The interval of the median of the values of pairs.
pub fn paired_interval(values: &[f64], plan: Resampling) -> Interval {
    let mut drawn = Vec::new();
    resample(plan, |random| median_of_drawn((values, 1), &mut drawn, random))
}

/// The interval of `statistic(median a, median b)` for two series of samples within one run
/// each, whose neighbours depend on each other: whole blocks are drawn, and the series is
/// closed to a circle so that its ends are drawn as often (Politis and Romano 1992).
pub fn block_interval(
    a: &[f64],
    b: &[f64],
    plan: Resampling,
    statistic: impl Fn(f64, f64) -> f64,
) -> Interval {
    interval_of_two((a, block_length(a)), (b, block_length(b)), plan, statistic)
}

/// Samples, and how many neighbours are drawn together.
type Blocks<'a> = (&'a [f64], usize);

fn interval_of_two(
    a: Blocks<'_>,
    b: Blocks<'_>,
    plan: Resampling,
    statistic: impl Fn(f64, f64) -> f64,
) -> Interval {
    let mut drawn = Vec::new();
    resample(plan, |random| {
        let left = median_of_drawn(a, &mut drawn, random);
        statistic(left, median_of_drawn(b, &mut drawn, random))
    })
}

fn resample(plan: Resampling, mut once: impl FnMut(&mut OpRandom) -> f64) -> Interval {
    assert!((0.0..1.0).contains(&plan.confidence));
    let mut random = Stream::new(plan.seed, "bootstrap").operation(0);
    let mut values: Vec<f64> = (0..plan.resamples).map(|_| once(&mut random)).collect();
    values.sort_by(f64::total_cmp);
    let outside = (1.0 - plan.confidence) / 2.0;
    Interval { low: quantile_sorted(&values, outside), high: quantile_sorted(&values, 1.0 - outside) }
}

fn draw_blocks(from: &[f64], length: usize, into: &mut Vec<f64>, random: &mut OpRandom) {
    into.clear();
    while into.len() < from.len() {
        let start = random.below(from.len() as u64) as usize;
        let block = (start..start + length).map(|place| from[place % from.len()]);
        into.extend(block.take(from.len() - into.len()));
    }
}

fn median_of_drawn((from, length): Blocks<'_>, drawn: &mut Vec<f64>, random: &mut OpRandom) -> f64 {
    draw_blocks(from, length, drawn, random);
    drawn.sort_by(f64::total_cmp);
    quantile_sorted(drawn, 0.5)
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// x(t) = r x(t-1) + e(t) with standard normal e.
    pub fn autoregression(r: f64, samples: usize, seed: u64) -> Vec<f64> {
        let mut random = Stream::new(seed, "autoregression").operation(0);
        let mut x = random.normal() / (1.0 - r * r).sqrt();
        let mut next = || {
            x = r * x + random.normal();
            x
        };
        (0..samples).map(|_| next()).collect()
    }

    fn plan(confidence: f64, seed: u64) -> Resampling {
        Resampling { confidence, resamples: 1_000, seed }
    }

    #[test]
    fn the_interval_of_a_median_has_its_known_ends() {
        // The resampled median of 1..=9 is at most k with the probability that at least 5 of 9
        // draws are (Efron 1979): for k = 2 it is 0.030, for k = 3 0.145; so the 5 % point is 3
        // and by symmetry the 95 % point 7.
        let values: Vec<f64> = (1..=9).map(f64::from).collect();
        assert_eq!(paired_interval(&values, plan(0.9, 1)), Interval { low: 3.0, high: 7.0 });
    }

    #[test]
    fn equal_seeds_give_equal_intervals_and_equal_values_no_width() {
        let values = [3.0, 1.0, 4.0, 1.5, 9.0, 2.6];
        assert_eq!(paired_interval(&values, plan(0.9, 7)), paired_interval(&values, plan(0.9, 7)));
        let flat = two_sample_interval(&[2.0; 5], &[3.0; 5], plan(0.95, 1), |a, b| b / a - 1.0);
        assert_eq!(flat, Interval { low: 0.5, high: 0.5 });
    }

    #[test]
    fn two_samples_cover_the_true_difference_about_as_often_as_promised() {
        let mut random = Stream::new(5, "coverage").operation(0);
        let mut sample = |mean: f64| (0..20).map(|_| mean + random.normal()).collect::<Vec<f64>>();
        let covered = (0..100).filter(|trial| {
            let (a, b) = (sample(10.0), sample(11.0));
            let interval = two_sample_interval(&a, &b, plan(0.95, *trial), |a, b| b - a);
            interval.low <= 1.0 && 1.0 <= interval.high
        });
        // Of 100 at 95 %, 95 are expected with a standard deviation of 2.2.
        let covered = covered.count();
        assert!((88..=100).contains(&covered), "{covered}");
    }

    #[test]
    fn blocks_keep_the_uncertainty_that_single_draws_lose() {
        let (a, b) = (autoregression(0.8, 1_000, 3), autoregression(0.8, 1_000, 4));
        let width = |interval: Interval| interval.high - interval.low;
        let single = width(two_sample_interval(&a, &b, plan(0.95, 1), |a, b| b - a));
        let blocks = width(block_interval(&a, &b, plan(0.95, 1), |a, b| b - a));
        // The mean of such a series has the standard error of independent samples times
        // sqrt((1 + 0.8) / (1 - 0.8)) = 3; the median somewhat less, and blocks catch most of it.
        assert!((1.7..3.3).contains(&(blocks / single)), "{blocks} {single}");
    }

    #[test]
    fn blocks_wrap_around_and_fill_exactly() {
        let mut random = Stream::new(1, "blocks").operation(0);
        let mut drawn = Vec::new();
        draw_blocks(&[1.0, 2.0, 3.0, 4.0, 5.0], 2, &mut drawn, &mut random);
        assert_eq!(drawn.len(), 5);
        for pair in drawn.chunks_exact(2) {
            assert_eq!(pair[1], if pair[0] == 5.0 { 1.0 } else { pair[0] + 1.0 });
        }
    }
}
