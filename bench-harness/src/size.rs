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
