//! The table at the end of the main job: one line per phase and kind of operation.

use crate::measure::{LatencySummary, RowSummary};

use super::{Grid, PhaseReport};

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

/// The table of all phases, with service times: from the actual start of each operation.
pub fn table(phases: &[PhaseReport]) -> Grid {
    latency_table(phases.iter(), |row| Some(&row.service))
}

/// The table of the phases with a schedule, with response times: from the intended start of each
/// operation. None if no phase had one.
pub fn response_table(phases: &[PhaseReport]) -> Option<Grid> {
    let scheduled = phases.iter().filter(|phase| phase.mode != "closed");
    let grid = latency_table(scheduled, |row| row.response.as_ref());
    (!grid.lines.is_empty()).then_some(grid)
}

fn latency_table<'a>(
    phases: impl Iterator<Item = &'a PhaseReport>,
    latency: impl Fn(&RowSummary) -> Option<&LatencySummary>,
) -> Grid {
    let mut grid = Grid::new(&COLUMNS, &[0, 3]);
    for phase in phases {
        let mut head = [
            phase.title().to_owned(),
            grouped(phase.throughput_ops_s.round() as u64),
            format!("{:.1}", phase.elapsed_s),
        ];
        for row in &phase.operations {
            let Some(latency) = latency(row) else {
                continue;
            };
            let mut line = head.to_vec();
            let failed = if row.errors > 0 { format!(" ({} FAILED)", row.errors) } else { String::new() };
            line.extend([row.row.to_owned(), grouped(row.count) + &failed]);
            let latencies = [
                latency.mean_us,
                latency.p50_us,
                latency.p95_us,
                latency.p99_us,
                latency.p999_us,
                latency.max_us,
            ];
            line.extend(latencies.map(microseconds));
            grid.lines.push(line);
            // What is true of the whole phase is said on its first line only.
            head = Default::default();
        }
    }
    grid
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
