//! Where a sample lies: median, quantiles, geometric mean.

/// The quantile of a sorted sample, interpolated between order statistics as R's type 7 does
/// (Hyndman and Fan 1996, definition 7), the default of R and NumPy.
pub fn quantile_sorted(sorted: &[f64], quantile: f64) -> f64 {
    assert!(!sorted.is_empty());
    assert!((0.0..=1.0).contains(&quantile));
    let place = (sorted.len() - 1) as f64 * quantile;
    let below = place.floor() as usize;
    let above = (below + 1).min(sorted.len() - 1);
    let share = place - below as f64;
    // Infinities, which ratios to zero are, must not meet in a difference.
    if share == 0.0 || sorted[below] == sorted[above] {
        return sorted[below];
    }
    sorted[below] + (sorted[above] - sorted[below]) * share
}

/// The median; the mean of the middle two for an even number.
pub fn median(sample: &[f64]) -> f64 {
    let mut sorted = sample.to_vec();
    sorted.sort_by(f64::total_cmp);
    quantile_sorted(&sorted, 0.5)
}

/// The geometric mean of positive numbers, through logarithms so that it cannot overflow.
/// Nothing for an empty sample or one with a number that has no logarithm.
pub fn geometric_mean(sample: &[f64]) -> Option<f64> {
    if sample.is_empty() || sample.iter().any(|value| *value <= 0.0) {
        return None;
    }
    Some((sample.iter().map(|value| value.ln()).sum::<f64>() / sample.len() as f64).exp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_is_the_middle_or_the_mean_of_the_middle_two() {
        // By definition; the samples are out of order on purpose.
        assert_eq!(median(&[9.0, 1.0, 5.0]), 5.0);
        assert_eq!(median(&[9.0, 1.0, 5.0, 6.0]), 5.5);
        assert_eq!(median(&[4.0]), 4.0);
    }

    #[test]
    fn quantiles_follow_type_7() {
        // place = (n - 1) q: for n = 5 and q = 0.1 it is 0.4, so 10 + 0.4 * (20 - 10) = 14.
        let sorted = [10.0, 20.0, 30.0, 40.0, 50.0];
        for (quantile, expected) in [(0.0, 10.0), (0.1, 14.0), (0.5, 30.0), (0.9, 46.0), (1.0, 50.0)] {
            assert!((quantile_sorted(&sorted, quantile) - expected).abs() < 1e-12);
        }
    }

    #[test]
    fn a_geometric_mean_undoes_reciprocal_changes() {
        // sqrt(2 * 1/2) = 1; cube root of 1 * 3 * 9 = 3.
        assert!((geometric_mean(&[2.0, 0.5]).unwrap() - 1.0).abs() < 1e-12);
        assert!((geometric_mean(&[1.0, 3.0, 9.0]).unwrap() - 3.0).abs() < 1e-12);
        // (1e200)^4 would overflow as a product.
        assert!((geometric_mean(&[1e200; 4]).unwrap() / 1e200 - 1.0).abs() < 1e-9);
        assert_eq!(geometric_mean(&[]), None);
        assert_eq!(geometric_mean(&[1.0, 0.0]), None);
    }
}
