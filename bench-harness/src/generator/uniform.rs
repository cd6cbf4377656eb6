//! Uniform numbers from a closed interval.

use super::OpRandom;

/// Draws every number from `low` to `high`, both included, equally often.
#[derive(Debug, Clone)]
pub struct Uniform {
    low: u64,
    count: u64,
}

impl Uniform {
    /// `high` must not be below `low`.
    pub fn new(low: u64, high: u64) -> Uniform {
        assert!(low <= high);
        Uniform { low, count: (high - low).saturating_add(1) }
    }

    pub fn max(&self) -> u64 {
        self.low + (self.count - 1)
    }

    pub fn next(&self, random: &mut OpRandom) -> u64 {
        self.low + random.below(self.count)
    }
}

#[cfg(test)]
mod tests {
    use super::super::theory::counted;
    use super::*;
    use crate::generator::Stream;

    #[test]
    fn a_chi_square_test_finds_no_unevenness() {
        let uniform = Uniform::new(100, 199);
        let cell = |random: &mut OpRandom| (uniform.next(random) - 100) as usize;
        let counts = counted(100, 100_000, Stream::new(11, "uniform"), cell);
        let chi_square: f64 = counts.iter().map(|count| (*count as f64 - 1000.0).powi(2) / 1000.0).sum();
        // 99 degrees of freedom: the 0.1 % and 99.9 % points are 60 and 149.
        assert!((60.0..149.0).contains(&chi_square), "chi square {chi_square}");
    }
}
