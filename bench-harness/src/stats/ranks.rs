//! Ranks of a sample, with ties sharing the mean of the ranks they cover, and the exact distribution of
//! a sum of ranks drawn at random: how often each sum occurs.
//!
//! Ranks are doubled, so that the halves of shared ranks stay whole numbers. Counts are kept as `f64`, exact up to 2^53, which is more
//! than the number of ways to take 25 of 50.

/// The ranks of values, and the sizes of the groups of equal ones.
pub struct Ranked {
    /// Twice the rank of each value, in the order of the values; ranks count from one.
    pub doubled: Vec<usize>,
    /// The size of each group of equal values, single values included.
    pub groups: Vec<usize>,
}

impl Ranked {
    /// What ties take from the variance of a rank sum, times a constant: the sum of t^3 - t.
    pub fn ties(&self) -> f64 {
        self.groups.iter().map(|size| *size as f64).map(|t| t * t * t - t).sum()
    }
}

/// Ranks values from the smallest on.
pub fn rank(values: &[f64]) -> Ranked {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut doubled = vec![0; values.len()];
    let mut groups = Vec::new();
    let mut first = 0;
    while first < order.len() {
        let value = values[order[first]];
        let size = order[first..].iter().take_while(|index| values[**index] == value).count();
        // The ranks first + 1 to first + size have the mean first + (size + 1) / 2.
        for index in &order[first..first + size] {
            doubled[*index] = 2 * first + size + 1;
        }
        groups.push(size);
        first += size;
    }
    Ranked { doubled, groups }
}

/// The number of ways in which `take` of the ranks add up to each sum.
pub fn of_fixed_size(doubled: &[usize], take: usize) -> Vec<f64> {
    let most: usize = doubled.iter().sum();
    // ways[k][s]: subsets of k of the ranks seen so far with the sum s.
    let mut ways = vec![vec![0.0; most + 1]; take + 1];
    ways[0][0] = 1.0;
    for (seen, rank) in doubled.iter().enumerate() {
        for size in (1..=take.min(seen + 1)).rev() {
            let (smaller, larger) = ways.split_at_mut(size);
            add_shifted(&mut larger[0], &smaller[size - 1], *rank);
        }
    }
    ways.swap_remove(take)
}

/// The number of ways in which any of the ranks add up to each sum.
pub fn of_any_size(doubled: &[usize]) -> Vec<f64> {
    let most: usize = doubled.iter().sum();
    let mut ways = vec![0.0; most + 1];
    ways[0] = 1.0;
    for rank in doubled {
        let before = ways.clone();
        add_shifted(&mut ways, &before, *rank);
    }
    ways
}

fn add_shifted(ways: &mut [f64], from: &[f64], shift: usize) {
    for (way, more) in ways[shift..].iter_mut().zip(from) {
        *way += more;
    }
}

/// The share of all ways with a sum at least as far from the centre as `sum`, on both sides.
/// The distribution of a rank sum is symmetric only without ties; with them the smaller side
/// is doubled, as is usual.
pub fn two_sided(ways: &[f64], sum: usize) -> f64 {
    let all: f64 = ways.iter().sum();
    let below: f64 = ways[..=sum].iter().sum();
    let above: f64 = ways[sum..].iter().sum();
    (2.0 * below.min(above) / all).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_share_the_mean_of_their_ranks() {
        // Sorted 1 2 2 5: ranks 1, (2 + 3) / 2 = 2.5 twice, 4.
        let ranked = rank(&[5.0, 2.0, 1.0, 2.0]);
        assert_eq!(ranked.doubled, [8, 5, 2, 5]);
        assert_eq!(ranked.groups, [1, 2, 1]);
        // One pair: 2^3 - 2.
        assert_eq!(ranked.ties(), 6.0);
    }

    #[test]
    fn small_cases_are_counted_by_hand() {
        // Two of the ranks 1, 2, 3 (doubled 2, 4, 6): sums 6, 8, 10, once each.
        let ways = of_fixed_size(&[2, 4, 6], 2);
        assert_eq!([ways[6], ways[8], ways[10]], [1.0; 3]);
        assert_eq!(ways.iter().sum::<f64>(), 3.0);
        // Any of 1, 2, 3: the sum 3 arises as 3 and as 1 + 2; 2^3 subsets in all.
        let ways = of_any_size(&[2, 4, 6]);
        assert_eq!(ways[6], 2.0);
        assert_eq!(ways.iter().sum::<f64>(), 8.0);
    }

    #[test]
    fn the_largest_exact_case_keeps_every_count() {
        let doubled: Vec<usize> = (1..=50).map(|rank| 2 * rank).collect();
        // 50 over 25, OEIS A000984(25).
        assert_eq!(of_fixed_size(&doubled, 25).iter().sum::<f64>(), 126_410_606_437_752.0);
    }
}
