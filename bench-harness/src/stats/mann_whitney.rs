//! The Mann-Whitney U test of two unpaired samples, two-sided.
//!
//! Up to 50 values in all the probability is exact, given the ties there are; beyond, it is the
//! normal approximation with the correction for ties and for continuity (Hollander and Wolfe,
//! Nonparametric Statistical Methods, section 4.1).

use super::normal::upper_tail;
use super::ranks::{of_fixed_size, rank, two_sided};

/// Beyond it counts would no longer be exact in `f64`, and the approximation is close.
const EXACT_TOTAL_MAX: usize = 50;

/// The probability, if both samples came from one distribution, of ranks at least this far apart.
pub fn mann_whitney(a: &[f64], b: &[f64]) -> f64 {
    if a.is_empty() || b.is_empty() {
        return 1.0;
    }
    let all: Vec<f64> = a.iter().chain(b).copied().collect();
    let ranked = rank(&all);
    let sum: usize = ranked.doubled[..a.len()].iter().sum();
    if all.len() <= EXACT_TOTAL_MAX {
        return two_sided(&of_fixed_size(&ranked.doubled, a.len()), sum);
    }
    approximate(a.len() as f64, b.len() as f64, sum as f64 / 2.0, ranked.ties())
}

fn approximate(a: f64, b: f64, rank_sum: f64, ties: f64) -> f64 {
    let all = a + b;
    let u = rank_sum - a * (a + 1.0) / 2.0;
    let variance = a * b / 12.0 * (all + 1.0 - ties / (all * (all - 1.0)));
    if variance <= 0.0 {
        return 1.0; // All values are equal.
    }
    let distance = ((u - a * b / 2.0).abs() - 0.5).max(0.0);
    (2.0 * upper_tail(distance / variance.sqrt())).min(1.0)
}

/// The smallest probability samples of these sizes can reach: two orders of the whole are the
/// most extreme ones, out of (a + b) over a.
pub fn mann_whitney_p_min(a: usize, b: usize) -> f64 {
    let ways: f64 = (1..=a).map(|k| (b + k) as f64 / k as f64).product();
    (2.0 / ways).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(seen: f64, expected: f64) {
        assert!((seen - expected).abs() < 1e-12, "{seen}, not {expected}");
    }

    #[test]
    fn complete_separation_has_the_smallest_probability() {
        // 2 of (n + m over n) orders: 2/20, 2/252, 2/184756.
        near(mann_whitney(&[1.0, 2.0, 3.0], &[4.0, 5.0, 6.0]), 0.1);
        let low: Vec<f64> = (0..10).map(f64::from).collect();
        let high: Vec<f64> = (10..20).map(f64::from).collect();
        near(mann_whitney(&low[..5], &high[..5]), 2.0 / 252.0);
        near(mann_whitney(&high, &low), 2.0 / 184_756.0);
        near(mann_whitney_p_min(10, 10), 2.0 / 184_756.0);
        near(mann_whitney_p_min(3, 3), 0.1);
    }

    #[test]
    fn the_critical_value_of_the_published_table_is_met() {
        // Two-sided 5 % table (Mann and Whitney 1947): for 5 and 5, U = 2 is significant and
        // U = 3 is not. U <= 2 arises in 1 + 1 + 2 = 4 ways of 252, U <= 3 in 7.
        near(mann_whitney(&[1.0, 2.0, 3.0, 4.0, 7.0], &[5.0, 6.0, 8.0, 9.0, 10.0]), 8.0 / 252.0);
        near(mann_whitney(&[1.0, 2.0, 3.0, 4.0, 8.0], &[5.0, 6.0, 7.0, 9.0, 10.0]), 14.0 / 252.0);
    }

    #[test]
    fn the_worked_example_of_scipy_is_reproduced() {
        // Documentation of scipy.stats.mannwhitneyu: U = 17, exact p 0.1111111,
        // asymptotic p with continuity correction 0.11134688653314041.
        let (males, females) = ([19.0, 22.0, 16.0, 29.0, 24.0], [20.0, 11.0, 17.0, 12.0]);
        near(mann_whitney(&males, &females), 1.0 / 9.0);
        // U + 5 * 6 / 2 is the rank sum of the first sample.
        near(approximate(5.0, 4.0, 17.0 + 15.0, 0.0), 0.111_346_886_533_140_41);
    }

    #[test]
    fn ties_are_taken_into_account() {
        // The doubled ranks of 1 1 2 3 3 are 3 3 6 9 9: the sum 6 of two of them is the least and
        // arises in 1 of 10 ways.
        near(mann_whitney(&[1.0, 1.0], &[2.0, 3.0, 3.0]), 0.2);
        // All values equal: nothing can be said.
        near(mann_whitney(&[1.0; 5], &[1.0; 5]), 1.0);
        near(mann_whitney(&[1.0; 40], &[1.0; 40]), 1.0);
        // Variance by hand for sizes 2 and 2 with one pair tied: 4/12 * (5 - 6/12) = 1.5;
        // rank sum 3.5, so U = 0.5, distance 2 - 0.5 - 0.5 = 1, hence z = 1 / sqrt(1.5).
        near(approximate(2.0, 2.0, 3.5, 6.0), 2.0 * upper_tail(1.0 / 1.5_f64.sqrt()));
    }

    #[test]
    fn large_samples_are_approximated_closely() {
        // Of sizes 25 and 25 the exact value is at hand; at 5 in a thousand both must agree to
        // one in a thousand.
        let a: Vec<f64> = (0..25).map(f64::from).collect();
        let b: Vec<f64> = (0..25).map(|i| f64::from(i) + 6.5).collect();
        let exact = mann_whitney(&a, &b);
        let all: Vec<f64> = a.iter().chain(&b).copied().collect();
        let ranked = rank(&all);
        let sum: usize = ranked.doubled[..25].iter().sum();
        let near_enough = approximate(25.0, 25.0, sum as f64 / 2.0, ranked.ties());
        assert!((near_enough - exact).abs() < 0.001, "{near_enough} {exact}");
    }
}
