//! Whether a series goes up or down: Theil and Sen's slope, Mann and Kendall's test.
//!
//! The slope is the median of the slopes between all pairs of points, so that single outliers do not
//! decide it; the test counts how many pairs rise and how many fall. Neighbouring points of one run
//! resemble each other, so the variance is that of as many points as the series is worth.

use super::autocorrelation::effective_size;
use super::location::median;
use super::normal::upper_tail;

/// The trend of a series of equidistant points.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Trend {
    /// The change from one point to the next.
    pub slope: f64,
    /// The probability of so much rise or fall without a trend, of both sides.
    pub p: f64,
}

/// The trend; none for fewer than three points.
pub fn trend(series: &[f64]) -> Option<Trend> {
    let n = series.len();
    if n < 3 {
        return None;
    }
    let mut slopes = Vec::with_capacity(n * (n - 1) / 2);
    let mut score = 0.0;
    for (i, first) in series.iter().enumerate() {
        for (j, second) in series.iter().enumerate().skip(i + 1) {
            slopes.push((second - first) / (j - i) as f64);
            // Zero for a tie, which the sign of a zero is not.
            score += if second == first { 0.0 } else { (second - first).signum() };
        }
    }
    let (points, slope) = (n as f64, median(&slopes));
    // Without the trend itself, which makes neighbours alike as well.
    let rest: Vec<f64> = series.iter().enumerate().map(|(i, value)| value - slope * i as f64).collect();
    let inflation = points / effective_size(&rest).clamp(1.0, points);
    let variance = inflation * points * (points - 1.0) * (2.0 * points + 5.0) / 18.0;
    // One less, for a score takes whole values and the normal distribution does not.
    let z = (score.abs() - 1.0).max(0.0) / variance.sqrt();
    Some(Trend { slope, p: (2.0 * upper_tail(z)).min(1.0) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generator::Stream;

    #[test]
    fn a_line_has_its_slope_whatever_an_outlier_says() {
        let mut series: Vec<f64> = (0..20).map(|i| 5.0 + 2.0 * f64::from(i)).collect();
        series[7] = 1e6;
        let trend = trend(&series).unwrap();
        assert!((trend.slope - 2.0).abs() < 1e-9, "{trend:?}");
    }

    #[test]
    fn without_neighbours_alike_the_test_has_the_known_variance() {
        // Up and down, so that it is worth all its points. Of the 45 pairs 5 x 5 = 25 differ in
        // parity; by hand the pairs (even, odd) rise: 15 of them, and 10 fall: S = 5.
        // Variance 10 x 9 x 25 / 18 = 125, z = 4 / 11.18 = 0.3578, p = 0.7205 (normal table).
        let series: Vec<f64> = (0..10).map(|i| f64::from(i % 2)).collect();
        let trend = trend(&series).unwrap();
        assert_eq!(trend.slope, 0.0);
        assert!((trend.p - 0.7205).abs() < 5e-4, "{trend:?}");
    }

    #[test]
    fn noise_is_seldom_a_trend_and_drift_is_found() {
        let noise = |seed: u64, drift: f64| -> Vec<f64> {
            let mut random = Stream::new(seed, "trend").operation(0);
            (0..40).map(|i| 100.0 + random.normal() + drift * f64::from(i)).collect()
        };
        let found = |drift| (0..200).filter(|seed| trend(&noise(*seed, drift)).unwrap().p < 0.01).count();
        assert!(found(0.0) <= 8, "{}", found(0.0));
        assert!(found(0.2) >= 150, "{}", found(0.2));
        assert_eq!(trend(&[1.0, 2.0]), None);
    }
}
