//! For tests: how far a sample may lie from the distribution it claims to follow.
//!
//! Every test draws under a fixed seed, so that it passes or fails for ever. Limits are those a
//! true sample exceeds once in a thousand times.

use super::{OpRandom, Stream};

/// How often each cell is drawn by so many operations of a stream.
pub fn counted(
    cells: usize,
    draws: u64,
    stream: Stream,
    mut cell: impl FnMut(&mut OpRandom) -> usize,
) -> Vec<u64> {
    let mut counts = vec![0; cells];
    (0..draws).for_each(|index| counts[cell(&mut stream.operation(index))] += 1);
    counts
}

/// Upper 0.1 % points of the chi-square distribution by degrees of freedom, from the table
/// "Upper-tail critical values of chi-square distribution" in the NIST/SEMATECH e-Handbook of
/// Statistical Methods, section 1.3.6.7.4.
const CHI_SQUARE_LIMITS: [(usize, f64); 6] =
    [(5, 20.515), (9, 27.877), (19, 43.820), (29, 58.301), (49, 85.351), (99, 148.230)];

/// Fails unless counts of cells agree with their probabilities by Pearson's test.
pub fn assert_chi_square(what: &str, counts: &[u64], probabilities: &[f64]) {
    assert_eq!(counts.len(), probabilities.len());
    let sum: f64 = probabilities.iter().sum();
    assert!((sum - 1.0).abs() < 1e-9, "{what}: the probabilities add up to {sum}");
    let draws = counts.iter().sum::<u64>() as f64;
    let statistic: f64 = counts
        .iter()
        .zip(probabilities)
        .map(|(count, probability)| {
            let expected = draws * probability;
            assert!(expected >= 5.0, "{what}: a cell expects {expected} draws, too few for the test");
            (*count as f64 - expected).powi(2) / expected
        })
        .sum();
    let freedom = counts.len() - 1;
    let limit = CHI_SQUARE_LIMITS.iter().find(|(known, _)| *known == freedom);
    let (_, limit) = limit.expect("the table has the number of cells this test uses");
    assert!(statistic < *limit, "{what}: chi square {statistic:.1}, limit {limit}");
}

/// Fails unless a sample agrees with a continuous distribution function by the test of
/// Kolmogorov and Smirnov. The limit is the asymptotic one, sqrt(-ln(0.001 / 2) / 2) = 1.949 over
/// the root of the sample's size (Massey 1951 has 1.63 for 1 % by the same formula).
pub fn assert_kolmogorov_smirnov(what: &str, sample: &mut [f64], distribution: impl Fn(f64) -> f64) {
    sample.sort_unstable_by(f64::total_cmp);
    let draws = sample.len() as f64;
    let distance = sample
        .iter()
        .enumerate()
        .map(|(index, value)| {
            let theory = distribution(*value);
            let (below, above) = (index as f64 / draws, (index + 1) as f64 / draws);
            (theory - below).abs().max((above - theory).abs())
        })
        .fold(0.0, f64::max);
    let limit = 1.949 / draws.sqrt();
    assert!(distance < limit, "{what}: distance {distance:.5}, limit {limit:.5}");
}
