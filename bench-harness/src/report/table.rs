//! The table at the end of the main job: one line per phase and kind of operation.

use std::fmt::Write;

use super::PhaseReport;

/// How the table is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Aligned with spaces.
    Plain,
    /// As Markdown.
    Markdown,
}

const COLUMNS: [&str; 11] = [
    "workload",
    "ops/s",
    "seconds",
    "operation",
    "count",
    "mean us",
    "p50 us",
    "p95 us",
    "p99 us",
    "p99.9 us",
    "max us",
];
/// The columns of words, which are aligned to the left.
const WORDS: [usize; 2] = [0, 3];

/// The cells of the table without its head; also used by the page with charts.
pub fn cells(phases: &[PhaseReport]) -> Vec<Vec<String>> {
    let mut lines = Vec::new();
    for phase in phases {
        let mut head = [
            phase.title().to_owned(),
            grouped(phase.throughput_ops_s.round() as u64),
            format!("{:.1}", phase.elapsed_s),
        ];
        for row in &phase.operations {
            let mut line = head.to_vec();
            let failed = if row.errors > 0 { format!(" ({} FAILED)", row.errors) } else { String::new() };
            line.extend([row.row.to_owned(), grouped(row.count) + &failed]);
            let latencies = [row.mean_us, row.p50_us, row.p95_us, row.p99_us, row.p999_us, row.max_us];
            line.extend(latencies.map(microseconds));
            lines.push(line);
            // What is true of the whole phase is said on its first line only.
            head = Default::default();
        }
    }
    lines
}

/// The head of the table.
pub fn columns() -> &'static [&'static str] {
    &COLUMNS
}

/// Whether a column holds words, not numbers.
pub fn is_words(column: usize) -> bool {
    WORDS.contains(&column)
}

/// The table as text.
pub fn table(phases: &[PhaseReport], style: Style) -> String {
    let lines = cells(phases);
    let widths: Vec<usize> = (0..COLUMNS.len())
        .map(|column| {
            let cells = lines.iter().map(|line| line[column].len());
            cells.chain([COLUMNS[column].len()]).max().unwrap_or(0)
        })
        .collect();
    let mut out = String::new();
    draw(&mut out, &COLUMNS.map(str::to_owned), &widths, style);
    if style == Style::Markdown {
        let rule: Vec<String> = (0..COLUMNS.len())
            .map(|column| if is_words(column) { ":--".to_owned() } else { "--:".to_owned() })
            .collect();
        draw(&mut out, &rule, &widths, style);
    }
    for line in &lines {
        draw(&mut out, line, &widths, style);
    }
    out
}

fn draw(out: &mut String, cells: &[String], widths: &[usize], style: Style) {
    let aligned = cells.iter().zip(widths).enumerate().map(|(column, (cell, width))| {
        if is_words(column) { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
    });
    let aligned: Vec<String> = aligned.collect();
    let written = match style {
        Style::Plain => writeln!(out, "{}", aligned.join("  ").trim_end()),
        Style::Markdown => writeln!(out, "| {} |", aligned.join(" | ")),
    };
    written.expect("writing to a string does not fail");
}

/// A number with its thousands apart.
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
