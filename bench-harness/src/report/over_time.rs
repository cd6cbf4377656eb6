//! The job over time: throughput, and what else was sampled, all phases on one axis.
//!
//! The axis is time spent in phases: what lies between two of them is not on it.

use super::page::{Band, Line, Panel, Unit, palette, timeline};
use super::{JobReport, PhaseReport};

/// The panels of all phases, one after another.
pub fn over_time(report: &JobReport) -> String {
    let mut bands: Vec<Band> = Vec::new();
    for phase in &report.phases {
        let from = bands.last().map_or(0.0, |band| band.to);
        bands.push(Band { label: phase.title().to_owned(), from, to: from + phase.elapsed_s });
    }
    let duration_s = bands.last().map_or(0.0, |band| band.to);
    let class = report.phases.first().map_or("e-other", |phase| palette::class(&phase.info.engine));
    let mut points = Vec::new();
    for (phase, band) in report.phases.iter().zip(&bands) {
        points.extend(throughput(phase, band.from));
    }
    let line = Line { label: "operations a second".to_owned(), class, pattern: 0, points };
    let panel = Panel { title: "Throughput".to_owned(), unit: Unit::Amount, lines: vec![line] };
    let html = timeline(vec![panel], duration_s, &bands);
    if html.is_empty() { "<p class=\"note\">No phase lasted a second.</p>\n".to_owned() } else { html }
}

fn throughput(phase: &PhaseReport, from_s: f64) -> impl Iterator<Item = (f64, f64)> {
    let seconds = phase.operations_by_second.iter().enumerate();
    seconds.map(move |(second, operations)| (from_s + second as f64 + 1.0, *operations as f64))
}
