//! The upper tail of the normal distribution.

/// The probability that a standard normal variable exceeds `z`.
pub fn upper_tail(z: f64) -> f64 {
    0.5 * libm::erfc(z / std::f64::consts::SQRT_2)
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
}
