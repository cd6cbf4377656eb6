//! Holm's correction for many tests (Holm 1979).

/// The adjusted probabilities, in the order given: comparing each with a level keeps the chance
/// of even one false rejection among all of them below that level, however they depend on
/// each other.
pub fn holm(probabilities: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..probabilities.len()).collect();
    order.sort_by(|a, b| probabilities[*a].total_cmp(&probabilities[*b]));
    let mut adjusted = vec![0.0; probabilities.len()];
    let mut least: f64 = 0.0;
    for (place, index) in order.into_iter().enumerate() {
        let remaining = (probabilities.len() - place) as f64;
        least = least.max(probabilities[index] * remaining).min(1.0);
        adjusted[index] = least;
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_counts_most_and_the_order_is_kept() {
        // By hand: 0.005 * 4, 0.01 * 3, 0.03 * 2, and 0.04 * 1 raised to the 0.06 before it.
        let adjusted = holm(&[0.01, 0.04, 0.03, 0.005]);
        for (seen, expected) in adjusted.iter().zip([0.03, 0.06, 0.06, 0.02]) {
            assert!((seen - expected).abs() < 1e-12, "{adjusted:?}");
        }
    }

    #[test]
    fn one_test_stays_and_none_exceeds_one() {
        assert_eq!(holm(&[0.02]), [0.02]);
        assert_eq!(holm(&[0.6, 0.9, 0.7]), [1.0, 1.0, 1.0]);
        assert!(holm(&[]).is_empty());
    }
}
