//! Hot key ranges as in the `mixgraph` of RocksDB's db_bench.
//!
//! Cao, Dong, Vemuri, Du (FAST 2020) found that neighbouring keys are hot together. The key space
//! is cut into ranges of one size; range x, counted from 1, is asked for in proportion to
//! a e^(b x) + c e^(d x); ranges lie in the key space in shuffled order. Within a range, the key of
//! rank r has the distribution function p r^q, and ranks are spread over the range by a hash.
//! Unlike db_bench, which takes range, rank and kind of operation from one random number and so ties
//! them together, each has a number of its own.

use super::{OpRandom, fnv_hash_64};

/// The parameters of the distribution.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct KeyRangeShape {
    pub ranges: u64,
    /// Weight and exponent of the first term, then of the second.
    pub terms: [(f64, f64); 2],
    /// Factor and exponent of the ranks within a range; a factor of 0 makes them uniform.
    pub ranks: (f64, f64),
}

impl KeyRangeShape {
    /// Whether the ranges have weights to draw by.
    pub fn is_drawable(&self) -> bool {
        let total: f64 = (1..=self.ranges).map(|range| weight(self.terms, range as f64)).sum();
        total.is_finite() && total > 0.0
    }
}

/// Draws record numbers by range and rank.
#[derive(Debug, Clone)]
pub struct KeyRanges {
    low: u64,
    range_records: u64,
    /// The share of all draws that falls into this range or one before it in the key space.
    shares: Vec<f64>,
    ranks: (f64, f64),
}

impl KeyRanges {
    /// For records from `low` to `low + count - 1`; the few behind the last whole range are never
    /// asked for, as in db_bench.
    pub fn new(low: u64, count: u64, shape: KeyRangeShape) -> KeyRanges {
        assert!(count > 0);
        let ranges = shape.ranges.clamp(1, count);
        let mut weights: Vec<f64> = (1..=ranges).map(|range| weight(shape.terms, range as f64)).collect();
        shuffle(&mut weights);
        let total: f64 = weights.iter().sum();
        let mut sum = 0.0;
        let shares = weights.iter().map(|weight| {
            sum += weight / total;
            sum
        });
        KeyRanges { low, range_records: count / ranges, shares: shares.collect(), ranks: shape.ranks }
    }

    pub fn next(&self, random: &mut OpRandom) -> u64 {
        let unit = random.unit();
        // Rounding may leave the last share a crumb below 1.
        let range = self.shares.partition_point(|share| *share <= unit).min(self.shares.len() - 1);
        self.low + range as u64 * self.range_records + self.offset(random)
    }

    fn offset(&self, random: &mut OpRandom) -> u64 {
        let (factor, exponent) = self.ranks;
        if factor <= 0.0 || exponent <= 0.0 {
            return random.below(self.range_records);
        }
        let rank = (random.unit() / factor).powf(1.0 / exponent).ceil() as u64;
        fnv_hash_64(rank).unsigned_abs() % self.range_records
    }
}

fn weight(terms: [(f64, f64); 2], range: f64) -> f64 {
    terms.iter().map(|(factor, exponent)| factor * (exponent * range).exp()).sum::<f64>().max(0.0)
}

/// Always the same order for a number of ranges, so that runs compare.
fn shuffle(weights: &mut [f64]) {
    let mut random = super::Stream::new(0, "key ranges").operation(0);
    for last in (1..weights.len()).rev() {
        weights.swap(last, random.below(last as u64 + 1) as usize);
    }
}

#[cfg(test)]
mod tests {
    use super::super::theory::{assert_chi_square, counted};
    use super::*;
    use crate::generator::Stream;

    /// The published example: see workloads/mixgraph.
    const PUBLISHED: KeyRangeShape =
        KeyRangeShape { ranges: 30, terms: [(14.18, -2.917), (0.0164, -0.08082)], ranks: (0.002312, 0.3467) };

    #[test]
    fn the_share_of_each_range_is_the_two_term_formula_s() {
        let ranges = KeyRanges::new(1_000, 30_000, PUBLISHED);
        let cell = |random: &mut OpRandom| ((ranges.next(random) - 1_000) / 1_000) as usize;
        let mut counts = counted(30, 100_000, Stream::new(61, "ranges"), cell);
        // Shuffled, so compared hottest first; the formula falls with the range's number.
        counts.sort_unstable_by_key(|count| std::cmp::Reverse(*count));
        let weights: Vec<f64> = (1..=30)
            .map(|x| 14.18 * (-2.917 * f64::from(x)).exp() + 0.0164 * (-0.08082 * f64::from(x)).exp())
            .collect();
        let total: f64 = weights.iter().sum();
        assert_chi_square(
            "ranges",
            &counts,
            &weights.iter().map(|weight| weight / total).collect::<Vec<_>>(),
        );
        // Computed outside: 0.78220 of a sum of 0.98853, so four requests of five go to one range.
        assert!((counts[0] as f64 / 1e5 - 0.7913).abs() < 0.005, "{}", counts[0]);
    }

    #[test]
    fn ranks_within_a_range_follow_the_power_function() {
        // With a factor of 1 / n^q, the n ranks share all draws; n is the range's size, so that the
        // hash puts each rank at one place, though two may meet there.
        let shape = KeyRangeShape { ranges: 1, terms: [(1.0, 0.0), (0.0, 0.0)], ranks: (0.01, 0.5) };
        let ranges = KeyRanges::new(0, 1_000_003, shape);
        let place = |rank: u64| fnv_hash_64(rank).unsigned_abs() % 1_000_003;
        let places: Vec<u64> = (1..=9).map(place).collect();
        let counts = counted(10, 100_000, Stream::new(62, "ranges"), |random| {
            let number = ranges.next(random);
            places.iter().position(|place| *place == number).unwrap_or(9)
        });
        let power = |rank: f64| 0.01 * rank.sqrt();
        let mut cells: Vec<f64> =
            (1..=9).map(|rank| power(f64::from(rank)) - power(f64::from(rank - 1))).collect();
        cells.push(1.0 - power(9.0));
        assert_chi_square("ranks", &counts, &cells);
    }

    #[test]
    fn fewer_records_than_ranges_stay_in_range() {
        for count in [1, 7, 29, 31] {
            let ranges = KeyRanges::new(5, count, PUBLISHED);
            let stream = Stream::new(63, "ranges");
            assert!(
                (0..1_000).all(|index| (5..5 + count).contains(&ranges.next(&mut stream.operation(index))))
            );
        }
    }
}
