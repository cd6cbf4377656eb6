//! YCSB's "exponential": how far back from the newest record a request reaches.

use super::OpRandom;

/// Distances with an exponential distribution.
#[derive(Debug, Clone)]
pub struct Exponential {
    gamma: f64,
}

impl Exponential {
    /// `percentile` percent of the draws are below `range`.
    pub fn new(percentile: f64, range: f64) -> Exponential {
        Exponential { gamma: -(1.0 - percentile / 100.0).ln() / range.max(1.0) }
    }

    pub fn next(&self, random: &mut OpRandom) -> u64 {
        (random.exponential() / self.gamma) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generator::Stream;

    #[test]
    fn the_given_percentile_lies_at_the_given_range() {
        let exponential = Exponential::new(95.0, 857.0);
        let stream = Stream::new(6, "exponential");
        let below = (0..100_000).filter(|i| exponential.next(&mut stream.operation(*i)) < 857).count();
        assert!((below as f64 / 1e5 - 0.95).abs() < 0.005, "{below}");
    }
}
