//! What the command line's arguments have in common: how numbers are read.

use std::str::FromStr;

/// A whole number, for clap.
pub fn count<T: FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| "expected a whole number in digits alone, such as 1000".to_owned())
}

/// A number, for clap.
pub fn number(text: &str) -> Result<f64, String> {
    text.parse().map_err(|_| "expected a number without a unit, such as 10 or 0.5".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_with_a_unit_is_answered_with_an_example() {
        assert_eq!(count::<u64>("12"), Ok(12));
        assert_eq!(number("0.5"), Ok(0.5));
        assert!(count::<u32>("-1").unwrap_err().contains("such as 1000"));
        assert!(number("10s").unwrap_err().contains("such as 10 or 0.5"));
    }
}
