//! The log-normal distribution: sizes whose logarithm has a normal distribution.

use super::OpRandom;

/// Half of the values lie below the median; `sigma` is the deviation of the natural logarithm.
#[derive(Debug, Clone)]
pub struct LogNormal {
    median: f64,
    sigma: f64,
}

impl LogNormal {
    /// Both must be positive; with sigma 0 every value is the median.
    pub fn new(median: f64, sigma: f64) -> LogNormal {
        LogNormal { median, sigma }
    }

    /// The next value, rounded to a whole number.
    pub fn next(&self, random: &mut OpRandom) -> u64 {
        self.exact(random).round() as u64
    }

    fn exact(&self, random: &mut OpRandom) -> f64 {
        self.median * (self.sigma * random.normal()).exp()
    }
}

#[cfg(test)]
mod tests {
    use super::super::theory::{assert_chi_square, counted};
    use super::*;
    use crate::generator::Stream;

    #[test]
    fn the_deciles_are_those_of_the_normal_distribution() {
        // Deciles of the standard normal distribution, from any printed table.
        let deciles = [-1.281_552, -0.841_621, -0.524_401, -0.253_347, 0.0];
        let all = deciles.iter().copied().chain(deciles[..4].iter().rev().map(|z| -z));
        let limits: Vec<f64> = all.map(|z: f64| 230.0 * (0.7 * z).exp()).collect();
        let sizes = LogNormal::new(230.0, 0.7);
        let counts = counted(10, 100_000, Stream::new(41, "lognormal"), |random| {
            let size = sizes.exact(random);
            limits.partition_point(|limit| *limit < size)
        });
        assert_chi_square("log-normal", &counts, &[0.1; 10]);
    }

    #[test]
    fn without_deviation_every_value_is_the_median() {
        let stream = Stream::new(42, "lognormal");
        let sizes = LogNormal::new(100.0, 0.0);
        assert!((0..1_000).all(|index| sizes.next(&mut stream.operation(index)) == 100));
    }
}
