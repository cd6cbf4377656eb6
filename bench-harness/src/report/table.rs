//! The table at the end of the main job: one line per phase and kind of operation.

use crate::measure::{LatencySummary, RowSummary};

use super::number::{grouped, microseconds};
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
