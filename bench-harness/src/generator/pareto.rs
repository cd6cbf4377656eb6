//! The generalized Pareto distribution: what Facebook's value sizes and scan lengths follow.
//!
//! Cao, Dong, Vemuri, Du, "Characterizing, Modeling, and Benchmarking RocksDB Key-Value Workloads
//! at Facebook" (FAST 2020), and the `mixgraph` of RocksDB's db_bench, which rounds up as is done here.

use super::OpRandom;

/// P(X > x) = (1 + k (x - theta) / sigma)^(-1 / k), or exp(-(x - theta) / sigma) for k = 0.
#[derive(Debug, Clone)]
pub struct Pareto {
    theta: f64,
    k: f64,
    sigma: f64,
}

impl Pareto {
    /// `theta` is the smallest value, `sigma` the scale, `k` the weight of the tail.
    pub fn new(theta: f64, k: f64, sigma: f64) -> Pareto {
        Pareto { theta, k, sigma }
    }

    /// The next value, rounded up to a whole number.
    pub fn next(&self, random: &mut OpRandom) -> u64 {
        self.exact(random).ceil() as u64
    }

    fn exact(&self, random: &mut OpRandom) -> f64 {
        // 1 - u lies in (0, 1], so that neither the logarithm nor the power is infinite.
        let above = 1.0 - random.unit();
        let scaled = if self.k == 0.0 { -above.ln() } else { (above.powf(-self.k) - 1.0) / self.k };
        self.theta + self.sigma * scaled
    }
}

#[cfg(test)]
mod tests {
    use super::super::theory::assert_kolmogorov_smirnov;
    use super::*;
    use crate::generator::Stream;

    #[test]
    fn the_distribution_function_is_the_published_one() {
        // The parameters of mixgraph's values and scans, and the limiting case.
        for (theta, k, sigma) in [(0.0, 0.2615, 25.45), (0.0, 2.517, 14.236), (7.0, 0.0, 30.0)] {
            let pareto = Pareto::new(theta, k, sigma);
            let stream = Stream::new(31, "pareto");
            let mut sample: Vec<f64> =
                (0..50_000).map(|index| pareto.exact(&mut stream.operation(index))).collect();
            assert_kolmogorov_smirnov(&format!("k {k}"), &mut sample, |x| {
                let scaled = (x - theta) / sigma;
                1.0 - if k == 0.0 { (-scaled).exp() } else { (1.0 + k * scaled).powf(-1.0 / k) }
            });
        }
    }

    #[test]
    fn the_mean_of_mixgraph_s_values_is_its_formula_s() {
        // sigma / (1 - k) = 34.46 bytes, and half a byte for rounding up. The variance is
        // sigma^2 / ((1 - k)^2 (1 - 2 k)) = 49.9^2, so 0.35 is 3.1 standard errors of 200000 draws.
        let pareto = Pareto::new(0.0, 0.2615, 25.45);
        let stream = Stream::new(32, "pareto");
        let sum: u64 = (0..200_000).map(|index| pareto.next(&mut stream.operation(index))).sum();
        let mean = sum as f64 / 2e5;
        assert!((mean - 34.96).abs() < 0.35, "{mean}");
    }
}
