//! Numbers as people read them.

pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Three significant digits where there are decimals, all digits where there are none.
pub fn microseconds(us: f64) -> String {
    match us {
        us if us < 9.995 => format!("{us:.2}"),
        us if us < 99.95 => format!("{us:.1}"),
        us => grouped(us.round() as u64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_and_rounded_for_reading() {
        assert_eq!(
            ["0", "999", "1,000", "1,234,567"],
            [0, 999, 1_000, 1_234_567].map(grouped).map(|s| s.leak() as &str)
        );
        let shown: Vec<_> = [0.3456, 12.345, 123.45, 45_678.9].into_iter().map(microseconds).collect();
        assert_eq!(shown, ["0.35", "12.3", "123", "45,679"]);
    }
}
