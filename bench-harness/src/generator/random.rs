//! The random source: a function of (seed, phase, operation index), not of history.
//!
//! Every operation starts its own short SplitMix64 sequence at a position hashed from its
//! index. So the same operations arise whichever thread performs them and however many threads
//! there are, and a run can be repeated from its seed.

use xxhash_rust::xxh3::xxh3_64_with_seed;

/// 2^64 divided by the golden ratio, odd: the step SplitMix64 is defined with.
const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

/// The finaliser of SplitMix64 (Steele, Lea, Flood 2014, variant 13 by Stafford).
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// All random sequences of one phase of one run.
#[derive(Debug, Clone, Copy)]
pub struct Stream {
    base: u64,
}

impl Stream {
    /// The stream of a phase, for example `run workloada`, under a seed.
    pub fn new(seed: u64, phase: &str) -> Stream {
        Stream { base: xxh3_64_with_seed(phase.as_bytes(), seed) }
    }

    pub fn operation(&self, index: u64) -> OpRandom {
        OpRandom { state: mix(self.base ^ mix(index.wrapping_add(GOLDEN))) }
    }
}

#[derive(Debug, Clone)]
pub struct OpRandom {
    state: u64,
}

impl OpRandom {
    pub fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(GOLDEN);
        mix(self.state)
    }

    /// A number in [0, 1) with 53 random bits.
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 * (1.0 / (1_u64 << 53) as f64)
    }

    /// A number with an exponential distribution of mean one.
    pub fn exponential(&mut self) -> f64 {
        // 1 - u lies in (0, 1], so that the logarithm is finite.
        -(1.0 - self.unit()).ln()
    }

    /// A number with the standard normal distribution (Box and Muller 1958).
    pub fn normal(&mut self) -> f64 {
        let radius = (2.0 * self.exponential()).sqrt();
        radius * (std::f64::consts::TAU * self.unit()).cos()
    }

    /// A number in [0, bound). The bias of the multiplication is below bound / 2^64.
    pub fn below(&mut self, bound: u64) -> u64 {
        debug_assert!(bound > 0);
        ((u128::from(self.bits()) * u128::from(bound)) >> 64) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sequence_depends_on_seed_phase_and_index_and_nothing_else() {
        let draw = |seed, phase, index| Stream::new(seed, phase).operation(index).bits();
        assert_eq!(draw(1, "load", 7), draw(1, "load", 7));
        assert_ne!(draw(1, "load", 7), draw(2, "load", 7));
        assert_ne!(draw(1, "load", 7), draw(1, "run", 7));
        assert_ne!(draw(1, "load", 7), draw(1, "load", 8));
    }

    #[test]
    fn units_fill_the_interval_evenly() {
        let stream = Stream::new(3, "test");
        let mean = (0..100_000).map(|i| stream.operation(i).unit()).sum::<f64>() / 1e5;
        // The standard error of the mean is 0.2887 / sqrt(100000) = 0.0009.
        assert!((mean - 0.5).abs() < 0.004, "mean {mean}");
    }
}
