//! Ranks of a sample, with ties sharing the mean of the ranks they cover.

/// Ranks doubled, so that the halves of shared ranks stay whole numbers, and the sizes of the
/// groups of equal values.
pub struct Ranked {
    /// Twice the rank of each value, in the order of the values; ranks count from one.
    pub doubled: Vec<usize>,
    /// The size of each group of equal values, single values included.
    pub groups: Vec<usize>,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_share_the_mean_of_their_ranks() {
        // Sorted 1 2 2 5: ranks 1, (2 + 3) / 2 = 2.5 twice, 4.
        let ranked = rank(&[5.0, 2.0, 1.0, 2.0]);
        assert_eq!(ranked.doubled, [8, 5, 2, 5]);
        assert_eq!(ranked.groups, [1, 2, 1]);
    }
}
