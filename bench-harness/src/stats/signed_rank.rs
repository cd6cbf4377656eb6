//! Wilcoxon's signed-rank test of paired samples, two-sided: are the differences symmetric
//! around zero?
//!
//! Pairs without a difference are left out, as Wilcoxon did. Up to 50 pairs the probability is
//! exact, given the ties there are; beyond, it is the normal approximation with tie correction.

use super::normal::upper_tail;
use super::ranks::{of_any_size, rank, two_sided};

const EXACT_MAX: usize = 50;

/// The probability of signed ranks at least this far from balance, if there is no difference.
pub fn signed_rank(differences: &[f64]) -> f64 {
    let differences: Vec<f64> = differences.iter().copied().filter(|d| *d != 0.0).collect();
    if differences.is_empty() {
        return 1.0;
    }
    let sizes: Vec<f64> = differences.iter().map(|d| d.abs()).collect();
    let ranked = rank(&sizes);
    let positive = differences.iter().zip(&ranked.doubled).filter(|(d, _)| **d > 0.0);
    let sum: usize = positive.map(|(_, doubled)| *doubled).sum();
    if differences.len() <= EXACT_MAX {
        return two_sided(&of_any_size(&ranked.doubled), sum);
    }
    approximate(differences.len() as f64, sum as f64 / 2.0, ranked.ties())
}

fn approximate(n: f64, positive: f64, ties: f64) -> f64 {
    let variance = n * (n + 1.0) * (2.0 * n + 1.0) / 24.0 - ties / 48.0;
    let distance = ((positive - n * (n + 1.0) / 4.0).abs() - 0.5).max(0.0);
    (2.0 * upper_tail(distance / variance.sqrt())).min(1.0)
}

/// The smallest probability this many pairs can reach: all differences of one sign.
pub fn signed_rank_p_min(pairs: usize) -> f64 {
    (2.0 * 0.5_f64.powi(i32::try_from(pairs).unwrap_or(i32::MAX))).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_sign_only_has_the_smallest_probability() {
        // 2 of the 2^5 and 2^10 ways to give signs.
        assert_eq!(signed_rank(&[1.0, 2.0, 3.0, 4.0, 5.0]), 0.0625);
        let all: Vec<f64> = (1..=10).map(|d| -f64::from(d)).collect();
        assert_eq!(signed_rank(&all), 2.0 / 1024.0);
        assert_eq!(signed_rank_p_min(10), 2.0 / 1024.0);
        assert_eq!(signed_rank_p_min(0), 1.0);
    }

    #[test]
    fn darwins_plants_are_reproduced() {
        // Heights of crossed and self-fertilised plants (Darwin 1876, Fisher 1935). The negative
        // differences have the ranks 10 and 14, so W = 24; documentation of
        // scipy.stats.wilcoxon: p = 0.041259765625, which is 1352 of 2^15 ways.
        let differences =
            [6.0, 8.0, 14.0, 16.0, 23.0, 24.0, 28.0, 29.0, 41.0, -48.0, 49.0, 56.0, 60.0, -67.0, 75.0];
        assert_eq!(signed_rank(&differences), 0.041_259_765_625);
    }

    #[test]
    fn pairs_without_a_difference_say_nothing() {
        assert_eq!(signed_rank(&[0.0; 8]), 1.0);
        assert_eq!(signed_rank(&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0]), 0.0625);
    }

    #[test]
    fn large_samples_are_approximated_closely() {
        // Every third difference negative, of 48: exact and approximate must nearly agree.
        let sign = |i: i32| if i % 3 == 0 { -1.0 } else { 1.0 };
        let differences: Vec<f64> = (1..=48).map(|i| f64::from(i) * sign(i)).collect();
        let exact = signed_rank(&differences);
        let positive: f64 = differences.iter().filter(|d| **d > 0.0).sum();
        let close = approximate(48.0, positive, 0.0);
        assert!((close - exact).abs() < 0.001, "{close} {exact}");
    }
}
