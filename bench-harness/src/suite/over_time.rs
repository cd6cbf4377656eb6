//! One workload over time, engines side by side: of each the repeat with the median throughput.

use crate::levels::LEVELS;
use crate::report::SeriesReport;
use crate::report::page::{Line, Panel, Unit, palette, timeline};
use crate::report::sampled::{Points, QUANTILES, Since};

use super::sample::Phase;
use super::summary::EngineRow;

/// The panels of one class of durability of a workload.
pub fn over_time(rows: &[EngineRow]) -> String {
    let phases: Vec<&Phase> = rows.iter().filter_map(|row| row.median_phase()).collect();
    let duration_s = phases.iter().map(|phase| phase.elapsed_s).fold(0.0, f64::max);
    let panel = |title: &str, unit, points: &dyn Fn(&SeriesReport) -> Points| {
        let line = |phase: &&Phase| {
            let points = points(&phase.series);
            let drawn = !points.is_empty();
            let class = palette::class(&phase.engine);
            drawn.then(|| Line { label: phase.engine.clone(), class, pattern: 0, points })
        };
        Panel { title: title.to_owned(), unit, lines: phases.iter().filter_map(line).collect() }
    };
    let mut panels = vec![panel("Operations a second", Unit::Amount, &|sampled| sampled.throughput(0.0))];
    for (kind, since) in [("Response", Since::Due), ("Service", Since::Call)] {
        for (name, quantile) in [QUANTILES[1], QUANTILES[3]] {
            let title = format!("{kind} time of all operations, {name}");
            panels.push(panel(&title, Unit::Latency, &|sampled| sampled.latency(0.0, since, quantile)));
        }
    }
    let stalls = "Writes stopped or slowed, ms in each interval, all threads";
    panels.push(panel(stalls, Unit::Amount, &|sampled| sampled.stalls_ms(0.0)));
    for (index, level) in LEVELS.iter().enumerate() {
        let unit = if index == 0 { Unit::Bytes } else { Unit::Amount };
        panels.push(panel(&level.title(), unit, &|sampled| sampled.engine(0.0, level.gauge)));
    }
    timeline(panels, duration_s, &[])
}
