//! How a number of bytes is written for people: 1 GiB, 1.5 MiB, 512 bytes. Files for programs keep the digits.

const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];

/// Bytes in powers of 1024, with at most two decimals and without zeros at their end.
pub fn size(bytes: u64) -> String {
    let power = (bytes.max(1).ilog2() as usize / 10).min(UNITS.len());
    if power == 0 {
        return format!("{bytes} bytes");
    }
    let number = format!("{:.2}", bytes as f64 / 1024_f64.powi(power as i32));
    format!("{} {}", number.trim_end_matches('0').trim_end_matches('.'), UNITS[power - 1])
}

/// Bytes as people write them: digits alone, or with a unit, of 1024 (2GiB) or of 1000 (2GB). For clap.
pub fn parse_size(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = (&text[..end], text[end..].trim_start());
    let mut letters = unit.strip_suffix('B').unwrap_or(unit).chars();
    let unit_bytes = match (letters.next(), letters.as_str()) {
        (None, _) => Some(1),
        (Some(prefix), "") => "KMGT".find(prefix).map(|power| 1000_u64.pow(power as u32 + 1)),
        (Some(prefix), "i") => "KMGT".find(prefix).map(|power| 1024_u64.pow(power as u32 + 1)),
        _ => None,
    };
    let bytes = number.parse::<f64>().ok().zip(unit_bytes).map(|(number, unit)| number * unit as f64);
    match bytes.filter(|bytes| *bytes >= 1.0 && *bytes < 2_f64.powi(60)) {
        Some(bytes) => Ok(bytes as u64),
        None => Err("expected a size above 0, such as 2GiB, 512MiB or 2147483648".to_owned()),
    }
}

/// The text of a setting, with what must be numbers of bytes as sizes: round ones from a mebibyte on.
pub fn with_sizes(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
        let end =
            rest[start..].find(|c: char| !c.is_ascii_digit()).map_or(rest.len(), |length| start + length);
        let (number, after) = (&rest[start..end], &rest[end..]);
        out += &rest[..start];
        match number.parse::<u64>() {
            Ok(bytes) if bytes >= 1 << 20 && bytes.is_multiple_of(1 << 10) => {
                out += &size(bytes);
                rest = after.strip_prefix(" bytes").unwrap_or(after);
            }
            _ => {
                out += number;
                rest = after;
            }
        }
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_round_where_the_bytes_are() {
        let all = [0, 512, 1 << 10, 64 << 20, 1 << 30, (1 << 30) + (1 << 29), 1 << 40, 3 << 50, 1_000_000];
        let shown = [
            "0 bytes",
            "512 bytes",
            "1 KiB",
            "64 MiB",
            "1 GiB",
            "1.5 GiB",
            "1 TiB",
            "3072 TiB",
            "976.56 KiB",
        ];
        assert_eq!(all.map(size), shown);
    }

    #[test]
    fn sizes_are_read_with_units_of_either_kind() {
        for (text, bytes) in [
            ("2147483648", 2 << 30),
            ("2GiB", 2 << 30),
            ("512 MiB", 512 << 20),
            ("1.5GiB", 3 << 29),
            ("1GB", 1_000_000_000),
            ("7B", 7),
            ("1Ki", 1024),
        ] {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
        for text in ["", "0", "GiB", "-1GiB", "2gb", "2GiBB", "1e9", "2 µB", "1..2MB", "99999999TiB"] {
            assert!(parse_size(text).unwrap_err().contains("such as 2GiB"), "{text}");
        }
    }

    #[test]
    fn only_round_numbers_of_bytes_become_sizes_in_a_text() {
        for (text, shown) in [
            ("335544320", "320 MiB"),
            ("HyperClockCache, 268435456 bytes", "HyperClockCache, 256 MiB"),
            (
                "Options { memtable_size_bytes: 67108864, cores: 2 }",
                "Options { memtable_size_bytes: 64 MiB, cores: 2 }",
            ),
            ("locked memory 8388608/8388608", "locked memory 8 MiB/8 MiB"),
            ("4096, the default", "4096, the default"),
            ("500000000 µs", "500000000 µs"),
            ("99999999999999999999999", "99999999999999999999999"),
            ("none", "none"),
        ] {
            assert_eq!(with_sizes(text), shown);
        }
    }
}
