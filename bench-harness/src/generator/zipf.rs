//! The exact Zipf distribution, for any number of items and any exponent.
//!
//! YCSB's generators approximate the tail, know one exponent, and one of them always draws from
//! 10^10 items. This one rejects from an integral that is easily inverted: "rejection-inversion"
//! by W. Hörmann and G. Derflinger, "Rejection-inversion to generate variates from monotone
//! discrete distributions", ACM TOMACS 6(3), 1996. It needs no table and no sum over the items, and
//! on average fewer than 1.1 attempts for a draw.

use super::OpRandom;

/// Ranks 0 to items - 1, rank r drawn in proportion to 1 / (r + 1)^theta.
#[derive(Debug, Clone)]
pub struct Zipf {
    items: u64,
    theta: f64,
    /// The integral at the lower end, with the whole bar of the first item to its left.
    area_first: f64,
    /// The integral at the upper end.
    area_last: f64,
    /// Within this distance of an item, its bar lies wholly below the integral.
    squeeze: f64,
}

impl Zipf {
    /// Needs at least one item; theta 0 is the uniform distribution.
    pub fn new(items: u64, theta: f64) -> Zipf {
        assert!(items > 0);
        assert!(theta >= 0.0);
        let mut zipf = Zipf { items, theta, area_first: 0.0, area_last: 0.0, squeeze: 0.0 };
        zipf.area_first = zipf.area(1.5) - 1.0;
        zipf.area_last = zipf.area(items as f64 + 0.5);
        zipf.squeeze = 2.0 - zipf.place(zipf.area(2.5) - zipf.weight(2.0));
        zipf
    }

    pub fn next(&self, random: &mut OpRandom) -> u64 {
        loop {
            let area = self.area_last + random.unit() * (self.area_first - self.area_last);
            let place = self.place(area);
            let item = place.round().clamp(1.0, self.items as f64);
            if item - place <= self.squeeze || area >= self.area(item + 0.5) - self.weight(item) {
                return item as u64 - 1;
            }
        }
    }

    /// The height of an item's bar, continued between the items.
    fn weight(&self, place: f64) -> f64 {
        place.powf(-self.theta)
    }

    /// The integral of the weight from 1 on: (x^(1 - theta) - 1) / (1 - theta), or ln x for theta 1.
    fn area(&self, place: f64) -> f64 {
        let log = place.ln();
        growth((1.0 - self.theta) * log) * log
    }

    fn place(&self, area: f64) -> f64 {
        // Rounding may carry the product a crumb below -1, where there is no logarithm.
        let grown = (area * (1.0 - self.theta)).max(-1.0);
        (shrinkage(grown) * area).exp()
    }
}

/// (e^x - 1) / x, and 1 at zero, so that theta near 1 loses no digits.
fn growth(x: f64) -> f64 {
    if x == 0.0 { 1.0 } else { x.exp_m1() / x }
}

/// ln(1 + x) / x, and 1 at zero.
fn shrinkage(x: f64) -> f64 {
    if x == 0.0 { 1.0 } else { x.ln_1p() / x }
}

#[cfg(test)]
mod tests {
    use super::super::theory::{assert_chi_square, counted};
    use super::*;
    use crate::generator::Stream;

    /// The probabilities by plain summation, which has nothing in common with the generator.
    fn probabilities(items: u64, theta: f64) -> Vec<f64> {
        let weights: Vec<f64> = (1..=items).map(|item| (item as f64).powf(-theta)).collect();
        let sum: f64 = weights.iter().sum();
        weights.iter().map(|weight| weight / sum).collect()
    }

    #[test]
    fn every_rank_of_a_small_set_has_its_share_for_any_theta() {
        for theta in [0.0, 0.5, 0.99, 1.0, 1.000_000_1, 1.2] {
            let zipf = Zipf::new(100, theta);
            let counts = counted(100, 200_000, Stream::new(21, "zipf"), |random| zipf.next(random) as usize);
            assert_chi_square(&format!("theta {theta}"), &counts, &probabilities(100, theta));
        }
    }

    #[test]
    fn steep_distributions_keep_their_head_and_their_tail() {
        // Cells of single ranks, the last one of all that remain.
        for theta in [2.0, 2.6774] {
            let zipf = Zipf::new(1_000_000, theta);
            let cell = |random: &mut OpRandom| zipf.next(random).min(9) as usize;
            let counts = counted(10, 100_000, Stream::new(22, "zipf"), cell);
            let all = probabilities(1_000_000, theta);
            let mut cells: Vec<f64> = all[..9].to_vec();
            cells.push(1.0 - cells.iter().sum::<f64>());
            assert_chi_square(&format!("theta {theta}"), &counts, &cells);
        }
    }

    #[test]
    fn the_hottest_of_a_million_records_gets_one_part_in_zeta_and_not_ycsb_s_share() {
        let zipf = Zipf::new(1_000_000, 0.99);
        let stream = Stream::new(23, "zipf");
        let draws = 400_000_u64;
        let hottest = (0..draws).filter(|index| zipf.next(&mut stream.operation(*index)) == 0).count();
        // zeta(1000000) = 15.391849746036804 at 0.99, summed by Python's math.fsum; YCSB's scrambled
        // generator gives 1 / 26.469 whatever the number of records.
        let (share, expected) = (hottest as f64 / draws as f64, 1.0 / 15.391_849_746_036_804);
        let standard_error = (expected * (1.0 - expected) / draws as f64).sqrt();
        assert!((share - expected).abs() < 3.29 * standard_error, "{share} for {expected}");
    }

    #[test]
    fn one_item_and_very_many_items_stay_in_range() {
        for items in [1, 2, 3, 10_000_000_000] {
            for theta in [0.0, 0.99, 1.0, 4.0] {
                let zipf = Zipf::new(items, theta);
                let stream = Stream::new(24, "zipf");
                assert!((0..2_000).all(|index| zipf.next(&mut stream.operation(index)) < items));
            }
        }
    }
}
