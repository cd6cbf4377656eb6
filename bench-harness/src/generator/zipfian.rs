//! Zipfian numbers by the method of Gray et al., "Quickly Generating Billion-Record Synthetic
//! Databases" (SIGMOD 1994), with YCSB's constant of 0.99.
//!
//! Rank 0 is the most frequent. The two first ranks have their exact probabilities, the others
//! follow the continuous approximation of the paper.

use super::OpRandom;

/// The exponent YCSB uses everywhere.
pub const THETA: f64 = 0.99;

/// Beyond what the short way to a rank can be off by, as a share.
const POWER_ERROR: f64 = 1e-12;

/// Ranks 0 to items - 1, rank r drawn in proportion to 1 / (r + 1)^0.99.
#[derive(Debug, Clone)]
pub struct Zipfian {
    items: u64,
    zeta: f64,
    eta: f64,
    /// Below it, as a multiple of zeta, rank 1 is drawn.
    second: f64,
}

impl Zipfian {
    /// Needs at least one item.
    pub fn new(items: u64) -> Zipfian {
        Zipfian::with_zeta(items, zeta(items))
    }

    /// For a zeta that is known already.
    pub fn with_zeta(items: u64, zeta: f64) -> Zipfian {
        assert!(items > 0);
        Zipfian { items, zeta, eta: eta(items, zeta), second: 1.0 + 0.5_f64.powf(THETA) }
    }

    pub fn items(&self) -> u64 {
        self.items
    }

    #[inline]
    pub fn next(&self, random: &mut OpRandom) -> u64 {
        self.rank(random.unit())
    }

    /// The rank at `u`, a number in [0, 1).
    #[inline]
    fn rank(&self, u: f64) -> u64 {
        let uz = u * self.zeta;
        if uz < 1.0 || self.items == 1 {
            return 0;
        }
        if uz < self.second {
            return 1;
        }
        let base = self.eta * u - self.eta + 1.0;
        // The exponent is 100 but for a rounding error of 9e-14, and eight multiplications cost a
        // third of a power. Both agree within some 4e-14; where so little could decide between two
        // ranks, the power itself does.
        let near = self.items as f64 * base.powi(100);
        let rank = near as i64;
        let (rest, error) = (near - rank as f64, near * POWER_ERROR);
        if rest >= error && rest + error < 1.0 {
            return (rank as u64).min(self.items - 1);
        }
        self.exact_rank(base)
    }

    #[cold]
    fn exact_rank(&self, base: f64) -> u64 {
        let spread = base.powf(1.0 / (1.0 - THETA));
        ((self.items as f64 * spread) as u64).min(self.items - 1)
    }

    /// Extends the ranks to `items`. Cheap for small steps: only the new terms are added.
    pub fn grow(&mut self, items: u64) {
        debug_assert!(items >= self.items);
        self.zeta = if items - self.items <= EXACT_TERMS {
            self.zeta + (self.items + 1..=items).map(term).sum::<f64>()
        } else {
            zeta(items)
        };
        self.items = items;
        self.eta = eta(items, self.zeta);
    }
}

fn term(rank: u64) -> f64 {
    (rank as f64).powf(-THETA)
}

fn eta(items: u64, zeta: f64) -> f64 {
    (1.0 - (2.0 / items as f64).powf(1.0 - THETA)) / (1.0 - (1.0 + term(2)) / zeta)
}

/// Up to this many terms are summed one by one; what follows is integrated.
const EXACT_TERMS: u64 = 1000;

/// The sum of 1 / i^0.99 for i from 1 to n. Beyond the first 1000 terms by the Euler-Maclaurin
/// formula, whose first omitted term is below 1e-11 there, so that 10^10 items cost no more
/// than a thousand.
pub fn zeta(n: u64) -> f64 {
    let exact = n.min(EXACT_TERMS);
    let head: f64 = (1..=exact).map(term).sum();
    if n == exact {
        return head;
    }
    let (a, b) = (exact as f64, n as f64);
    let integral = (b.powf(1.0 - THETA) - a.powf(1.0 - THETA)) / (1.0 - THETA);
    let ends = (term(n) - term(exact)) / 2.0;
    let slopes = THETA / 12.0 * (a.powf(-THETA - 1.0) - b.powf(-THETA - 1.0));
    head + integral + ends + slopes
}

#[cfg(test)]
mod tests {
    use super::super::theory::counted;
    use super::*;
    use crate::generator::Stream;

    #[test]
    fn the_closed_form_of_zeta_agrees_with_the_sum() {
        let sum: f64 = (1..=200_000).map(term).sum();
        assert!((zeta(200_000) - sum).abs() < 1e-9);
    }

    /// The sums of ZipfianGenerator.java lines 198 to 208 (YCSB d9faaac, `zetastatic`), in Python:
    /// math.fsum(i ** -0.99 for i in range(1, n + 1)).
    #[test]
    fn zeta_is_that_of_ycsb() {
        for (items, expected) in [
            (2, 1.503_477_775_028_359_4),
            (100, 5.294_568_831_377_163_5),
            (1_000, 7.728_953_217_284_738),
            (1_000_000, 15.391_849_746_036_804),
        ] {
            assert!((zeta(items) - expected).abs() < 1e-9, "zeta({items}) is {}", zeta(items));
        }
    }

    /// ZipfianGenerator.java lines 132 to 148 and 250 to 263 (YCSB d9faaac) in Python, for 1000 items:
    ///     eta = (1 - (2 / n) ** 0.01) / (1 - zeta(2) / zeta(n)); uz = u * zeta(n)
    ///     0 if uz < 1 else 1 if uz < 1 + 0.5 ** 0.99 else int(n * (eta * u - eta + 1) ** (1 / (1 - 0.99)))
    /// and for the 10^10 + 1 items of ScrambledZipfianGenerator.java with its ZETAN.
    #[test]
    fn equal_random_numbers_give_the_ranks_of_ycsb() {
        let (small, large) = (Zipfian::new(1_000), Zipfian::with_zeta(10_000_000_001, 26.469_028_201_783_02));
        for (u, of_small, of_large) in [
            (0.0, 0, 0),
            (0.1, 0, 6),
            (0.13, 1, 13),
            (0.2, 2, 83),
            (0.25, 3, 296),
            (0.3, 4, 1_038),
            (0.5, 22, 134_552),
            (0.75, 151, 42_924_421),
            (0.9, 471, 1_170_869_537),
            (0.99, 927, 8_086_205_587),
            (0.999_999, 999, 9_999_787_803),
        ] {
            assert_eq!((small.rank(u), large.rank(u)), (of_small, of_large), "at {u}");
        }
    }

    #[test]
    fn growing_gives_the_same_zeta_as_starting_large() {
        let mut grown = Zipfian::new(5_000);
        grown.grow(5_600);
        grown.grow(9_000);
        assert!((grown.zeta - zeta(9_000)).abs() < 1e-9);
        assert_eq!(grown.items(), 9_000);
    }

    #[test]
    fn the_short_way_to_a_rank_leads_where_the_power_leads() {
        let stream = Stream::new(6, "zipfian");
        for items in [3, 1_000, 123_456_789, 10_000_000_001] {
            let zipfian = Zipfian::new(items);
            for index in 0..200_000 {
                // Towards the highest ranks, where a share of an error is most.
                let unit = stream.operation(index).unit();
                for u in [unit, 1.0 - unit * 1e-3] {
                    let base = zipfian.eta * u - zipfian.eta + 1.0;
                    let rank = zipfian.rank(u);
                    assert!(rank < 2 || rank == zipfian.exact_rank(base), "{items} {u}");
                }
            }
        }
    }

    #[test]
    fn the_first_two_ranks_have_their_theoretical_shares() {
        let zipfian = Zipfian::new(1_000);
        let draws = 400_000;
        let cell = |random: &mut OpRandom| zipfian.next(random) as usize;
        let counts = counted(1_000, draws, Stream::new(5, "zipfian"), cell);
        for (rank, count) in counts.iter().take(2).enumerate() {
            let expected = term(rank as u64 + 1) / zeta(1_000);
            let seen = *count as f64 / draws as f64;
            assert!((seen / expected - 1.0).abs() < 0.02, "rank {rank}: {seen} for {expected}");
        }
        // The approximation covers the tail: the upper half of the ranks has its share, too.
        let upper = counts[500..].iter().sum::<u64>() as f64 / draws as f64;
        let expected = 1.0 - zeta(500) / zeta(1_000);
        assert!((upper / expected - 1.0).abs() < 0.05, "{upper} for {expected}");
    }
}
