//! The upper tail of the normal distribution.

use std::f64::consts::{PI, SQRT_2};

/// The probability that a standard normal variable exceeds `z`, for `z >= 0`.
///
/// Near zero by the series erf(x) = 2/sqrt(pi) exp(-x^2) sum (2^n x^(2n+1) / (2n+1)!!), whose
/// terms are all positive (Abramowitz and Stegun 7.1.6); further out by the continued fraction
/// of erfc (7.1.14), which keeps the relative precision of small probabilities.
pub fn upper_tail(z: f64) -> f64 {
    assert!(z >= 0.0);
    let x = z / SQRT_2;
    if x < 2.5 { 0.5 * (1.0 - erf_series(x)) } else { 0.5 * erfc_fraction(x) }
}

fn erf_series(x: f64) -> f64 {
    let mut term = x;
    let mut sum = x;
    for n in 1..200 {
        term *= 2.0 * x * x / f64::from(2 * n + 1);
        sum += term;
        if term < sum * 1e-17 {
            break;
        }
    }
    2.0 / PI.sqrt() * (-x * x).exp() * sum
}

/// Evaluated from its end; sixty levels are far more than `x >= 2.5` needs.
fn erfc_fraction(x: f64) -> f64 {
    let mut tail = x;
    for level in (1..=60).rev() {
        tail = x + f64::from(level) / 2.0 / tail;
    }
    (-x * x).exp() / (PI.sqrt() * tail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tail_agrees_with_tables() {
        // Abramowitz and Stegun, tables 26.1 and 26.2: P(z) at z = 1, 2, 3 and
        // Q(1.959964) = 0.025, and -log10 Q(z) = 9.00586 at 6, 23.11805 at 10.
        for (z, expected) in
            [(0.0, 0.5), (1.0, 0.158655253931457), (2.0, 0.022750131948179), (3.0, 0.001349898031630)]
        {
            assert!((upper_tail(z) - expected).abs() < 1e-14, "{z}: {}", upper_tail(z));
        }
        assert!((upper_tail(1.959963984540054) - 0.025).abs() < 1e-14);
        assert!((-upper_tail(6.0).log10() - 9.00586).abs() < 1e-5);
        assert!((-upper_tail(10.0).log10() - 23.11805).abs() < 1e-5);
    }

    #[test]
    fn both_ways_of_computing_meet() {
        let x = 2.5;
        let (series, fraction) = (1.0 - erf_series(x), erfc_fraction(x));
        assert!((series / fraction - 1.0).abs() < 1e-10, "{series} {fraction}");
    }
}
