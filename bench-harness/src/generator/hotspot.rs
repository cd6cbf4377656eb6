//! YCSB's "hotspot": a share of the operations goes to a share of the records.

use super::OpRandom;

/// Draws from `low` to `low + count - 1`; the first `hot_count` of them are the hot set.
#[derive(Debug, Clone)]
pub struct Hotspot {
    low: u64,
    count: u64,
    hot_count: u64,
    hot_share: f64,
}

impl Hotspot {
    /// `data_fraction` of the records get `operation_fraction` of the draws.
    pub fn new(low: u64, count: u64, data_fraction: f64, operation_fraction: f64) -> Hotspot {
        assert!(count > 0);
        let hot_count = (count as f64 * data_fraction) as u64;
        // With an empty set on either side, all draws belong to the other.
        let hot_share = match hot_count {
            0 => 0.0,
            hot if hot >= count => 1.0,
            _ => operation_fraction,
        };
        Hotspot { low, count, hot_count, hot_share }
    }

    pub fn next(&self, random: &mut OpRandom) -> u64 {
        if random.unit() < self.hot_share {
            self.low + random.below(self.hot_count)
        } else {
            self.low + self.hot_count + random.below(self.count - self.hot_count)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generator::Stream;

    #[test]
    fn the_hot_set_gets_its_share_and_both_sets_are_covered() {
        let hotspot = Hotspot::new(50, 1_000, 0.2, 0.8);
        let stream = Stream::new(4, "hotspot");
        let mut seen = vec![false; 1_000];
        let mut hot = 0;
        for index in 0..100_000 {
            let place = (hotspot.next(&mut stream.operation(index)) - 50) as usize;
            seen[place] = true;
            hot += u64::from(place < 200);
        }
        assert!((hot as f64 / 1e5 - 0.8).abs() < 0.01);
        assert!(seen.iter().all(|seen| *seen));
    }

    #[test]
    fn an_empty_or_total_hot_set_draws_from_what_there_is() {
        let stream = Stream::new(4, "hotspot");
        for fraction in [0.0, 1.0] {
            let hotspot = Hotspot::new(0, 10, fraction, 0.5);
            assert!((0..100).all(|index| hotspot.next(&mut stream.operation(index)) < 10));
        }
    }
}
