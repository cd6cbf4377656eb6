//! How much neighbouring samples of one run know of each other.

/// The correlation of each sample with the next one; zero where there is nothing to correlate.
pub fn lag1(samples: &[f64]) -> f64 {
    let mean = samples.iter().sum::<f64>() / samples.len().max(1) as f64;
    let variance: f64 = samples.iter().map(|x| (x - mean) * (x - mean)).sum();
    if variance <= 0.0 {
        return 0.0;
    }
    samples.windows(2).map(|pair| (pair[0] - mean) * (pair[1] - mean)).sum::<f64>() / variance
}

/// How many independent samples these are worth, if they follow a first-order
/// autoregression: n (1 - r) / (1 + r).
pub fn effective_size(samples: &[f64]) -> f64 {
    let r = lag1(samples).clamp(0.0, 0.999);
    samples.len() as f64 * (1.0 - r) / (1.0 + r)
}

/// The length of blocks within which dependence is kept when resampling: Carlstein's (1986)
/// optimum for a first-order autoregression, (2r / (1 - r^2))^(2/3) n^(1/3), at least one and
/// at most a quarter of the samples.
pub fn block_length(samples: &[f64]) -> usize {
    let r = lag1(samples).clamp(0.0, 0.99);
    let best = (2.0 * r / (1.0 - r * r)).powf(2.0 / 3.0) * (samples.len() as f64).cbrt();
    (best.round() as usize).clamp(1, (samples.len() / 4).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::bootstrap::tests::autoregression;

    #[test]
    fn small_cases_by_hand() {
        // 1 2 3 4, mean 2.5: products 0.75 - 0.25 + 0.75 = 1.25 over a variance sum of 5.
        assert!((lag1(&[1.0, 2.0, 3.0, 4.0]) - 0.25).abs() < 1e-12);
        // 1 -1 1 -1: three products of -1 over 4.
        assert!((lag1(&[1.0, -1.0, 1.0, -1.0]) + 0.75).abs() < 1e-12);
        assert_eq!(lag1(&[5.0; 9]), 0.0);
        assert_eq!(lag1(&[]), 0.0);
    }

    #[test]
    fn an_autoregression_shows_its_coefficient() {
        // The standard error of r is about sqrt((1 - r^2) / n) = 0.006 for n = 10000.
        let samples = autoregression(0.8, 10_000, 1);
        assert!((lag1(&samples) - 0.8).abs() < 0.03);
        // 10000 * 0.2 / 1.8 = 1111.
        assert!((effective_size(&samples) / 1111.0 - 1.0).abs() < 0.15);
        // (1.6 / 0.36)^(2/3) = 2.703, times cbrt(10000) = 21.54: 58.
        assert!((50..=66).contains(&block_length(&samples)));
    }

    #[test]
    fn independent_samples_need_hardly_any_blocks() {
        let samples = autoregression(0.0, 1_000, 2);
        assert!(lag1(&samples).abs() < 0.1);
        assert!(block_length(&samples) <= 4);
        assert_eq!(block_length(&[1.0, 2.0]), 1);
    }
}
