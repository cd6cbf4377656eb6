//! The table of what the harness itself cost in each phase.

use super::{Grid, PhaseReport};

pub fn harness_table(phases: &[PhaseReport]) -> Grid {
    let mut grid =
        Grid::new(&["workload", "harness ns/op", "share of the clients' time", "client-bound"], &[0, 3]);
    for phase in phases {
        let cost = &phase.harness;
        grid.lines.push(vec![
            phase.title().to_owned(),
            format!("{:.0}", cost.null_ns_per_operation),
            format!("{:.1} %", 100.0 * cost.client_share),
            if cost.client_was_bottleneck { "yes" } else { "no" }.to_owned(),
        ]);
    }
    grid
}
