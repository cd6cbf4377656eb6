//! Random draws: the same seed and purpose draw the same on every machine.
//!
//! Each purpose has a stream of its own, so that changing how much one of them draws (shrinking a
//! run does) leaves the others as they were.

/// The generator of the simulated machine, under a seed and a purpose. Names of purposes belong to what a seed means:
/// another name is another run, also of those in `seeds.txt`.
#[derive(Clone, Debug)]
pub(crate) struct Random(rabi::sim::Random);

impl Random {
    /// The stream of `purpose` under `seed`.
    pub(crate) fn new(seed: u64, purpose: &str) -> Self {
        Self(rabi::sim::Random::new(xxhash_rust::xxh3::xxh3_64_with_seed(purpose.as_bytes(), seed)))
    }

    fn next(&mut self) -> u64 {
        self.0.bits()
    }

    /// A number from 0 up to but without `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        assert!(end > 0);
        ((u128::from(self.next()) * end as u128) >> 64) as usize
    }

    /// A number from `first` to `last`.
    pub(crate) fn between(&mut self, first: usize, last: usize) -> usize {
        first + self.below(last - first + 1)
    }

    /// A number from 1 to `last` of which each power of two is as likely as the next: small ones
    /// often, large ones at times.
    pub(crate) fn magnitude(&mut self, last: usize) -> usize {
        let bits = self.below(last.ilog2() as usize + 1);
        self.between(1 << bits, ((2 << bits) - 1).min(last))
    }

    /// True in `percent` of 100 cases.
    pub(crate) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub(crate) fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }

    /// An index into `weights`, each as likely as its weight.
    pub(crate) fn weighted(&mut self, weights: &[usize]) -> usize {
        let mut left = self.below(weights.iter().sum());
        for (index, weight) in weights.iter().enumerate() {
            if left < *weight {
                return index;
            }
            left -= weight;
        }
        unreachable!("the draw is below the sum of the weights")
    }

    /// Bytes that no compression makes smaller.
    pub(crate) fn bytes(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(len + 8);
        while bytes.len() < len {
            bytes.extend_from_slice(&self.next().to_le_bytes());
        }
        bytes.truncate(len);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn purposes_draw_independently_and_repeatably() {
        let draw = |seed, purpose| Random::new(seed, purpose).next();
        assert_eq!(draw(1, "keys"), draw(1, "keys"));
        assert_ne!(draw(1, "keys"), draw(1, "faults"));
        assert_ne!(draw(1, "keys"), draw(2, "keys"));
    }

    #[test]
    fn draws_stay_in_their_ranges_and_reach_both_ends() {
        let mut random = Random::new(7, "test");
        let mut seen = [false; 4];
        for _ in 0..1000 {
            seen[random.between(2, 5) - 2] = true;
            assert!((1..=100).contains(&random.magnitude(100)));
            assert_eq!(random.weighted(&[0, 3, 0]), 1);
        }
        assert_eq!(seen, [true; 4]);
    }
}
