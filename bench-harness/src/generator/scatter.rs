//! Spreads ranks over records: a one-to-one map of 0 to n - 1 onto itself.
//!
//! The popular records of an exact distribution would otherwise be the ones loaded first, and
//! lie side by side in an ordered key space. Being one-to-one, it keeps every probability, which a
//! hash reduced modulo n does not.

/// The map for one number of records.
#[derive(Debug, Clone)]
pub struct Scatter {
    count: u64,
    step: u64,
}

impl Scatter {
    /// For at least one record.
    pub fn new(count: u64) -> Scatter {
        assert!(count > 0);
        // A step near the golden section leaves neighbours far apart; multiplying by it is
        // one-to-one if it has no divisor in common with the count.
        let mut step = (count as f64 * 0.618_033_988_749_894_9) as u64 % count;
        while common_divisor(step, count) != 1 {
            step += 1;
        }
        Scatter { count, step }
    }

    /// The record of a rank.
    pub fn place(&self, rank: u64) -> u64 {
        debug_assert!(rank < self.count);
        (u128::from(rank) * u128::from(self.step) % u128::from(self.count)) as u64
    }
}

fn common_divisor(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_record_is_the_place_of_exactly_one_rank() {
        for count in [1, 2, 3, 10, 97, 1_000, 65_536, 99_990] {
            let scatter = Scatter::new(count);
            let mut seen = vec![false; count as usize];
            (0..count).for_each(|rank| seen[scatter.place(rank) as usize] = true);
            assert!(seen.iter().all(|seen| *seen), "{count}");
        }
    }

    #[test]
    fn the_hottest_ranks_are_no_neighbours() {
        let scatter = Scatter::new(1_000_000);
        let places: Vec<u64> = (0..10).map(|rank| scatter.place(rank)).collect();
        for (index, place) in places.iter().enumerate() {
            assert!(places[..index].iter().all(|other| place.abs_diff(*other) > 10_000), "{places:?}");
        }
    }
}
