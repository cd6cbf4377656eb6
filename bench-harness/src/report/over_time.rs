//! The job over time: throughput, latency and the engine's numbers, all phases on one axis.
//!
//! The axis is time spent in phases: what lies between two of them is not on it.

use crate::levels::LEVELS;

use super::page::{Band, Line, Panel, Unit, palette, timeline};
use super::sampled::{Points, QUANTILES, Since};
use super::{JobReport, SeriesReport};

/// A phase where it lies on the axis.
struct Placed<'a> {
    from_s: f64,
    sampled: &'a SeriesReport,
}

/// The panels of all phases, one after another, and what is left of the engine's numbers, folded.
pub fn over_time(report: &JobReport) -> (String, String) {
    let mut bands: Vec<Band> = Vec::new();
    let mut phases = Vec::new();
    for phase in &report.phases {
        let from_s = bands.last().map_or(0.0, |band| band.to);
        bands.push(Band { label: phase.title().to_owned(), from: from_s, to: from_s + phase.elapsed_s });
        phases.push(Placed { from_s, sampled: &phase.series });
    }
    let duration_s = bands.last().map_or(0.0, |band| band.to);
    let class = report.phases.first().map_or("e-other", |phase| palette::class(&phase.info.engine));
    let panels = timeline(panels(&phases, class), duration_s, &bands);
    let others = timeline(others(&phases, class), duration_s, &bands);
    (panels, others)
}

/// One line for each phase, all with the same label: between two phases nothing is drawn.
fn lines(
    phases: &[Placed<'_>],
    class: &'static str,
    (label, pattern): (&str, usize),
    points: impl Fn(&Placed<'_>) -> Points,
) -> Vec<Line> {
    let line = |phase| Line { label: label.to_owned(), class, pattern, points: points(phase) };
    phases.iter().map(line).collect()
}

fn panels(phases: &[Placed<'_>], class: &'static str) -> Vec<Panel> {
    let panel = |title: &str, unit, lines| Panel { title: title.to_owned(), unit, lines };
    let latencies = |since| {
        let quantiles = QUANTILES.iter().enumerate();
        let all = quantiles.flat_map(|(pattern, (name, quantile))| {
            lines(phases, class, (name, pattern), |phase| {
                phase.sampled.latency(phase.from_s, since, *quantile)
            })
        });
        all.collect()
    };
    let gauge = |name: &'static str| move |phase: &Placed<'_>| phase.sampled.engine(phase.from_s, name);
    // The first of them is in bytes, and has a panel of its own.
    let [memtable, counted @ ..] = &LEVELS;
    let levels = counted
        .iter()
        .enumerate()
        .flat_map(|(pattern, level)| lines(phases, class, (&level.title(), pattern), gauge(level.gauge)));
    vec![
        panel(
            "Throughput",
            Unit::Amount,
            lines(phases, class, ("operations a second", 0), |phase| phase.sampled.throughput(phase.from_s)),
        ),
        panel("Response time of all operations", Unit::Latency, latencies(Since::Due)),
        panel("Service time of all operations", Unit::Latency, latencies(Since::Call)),
        panel(
            "Writes stopped or slowed",
            Unit::Amount,
            lines(phases, class, ("ms in each interval, all threads", 0), |phase| {
                phase.sampled.stalls_ms(phase.from_s)
            }),
        ),
        panel("Memtable", Unit::Bytes, lines(phases, class, (&memtable.title(), 0), gauge(memtable.gauge))),
        panel("Levels", Unit::Amount, levels.collect()),
    ]
}

fn others(phases: &[Placed<'_>], class: &'static str) -> Vec<Panel> {
    let mut names: Vec<&str> = phases.iter().flat_map(|phase| phase.sampled.changing()).collect();
    names.sort_unstable();
    names.dedup();
    names.retain(|name| LEVELS.iter().all(|level| level.gauge != *name));
    let panel = |name: &str| Panel {
        title: name.to_owned(),
        unit: if name.contains("bytes") && !name.contains("per") { Unit::Bytes } else { Unit::Amount },
        lines: lines(phases, class, (name, 0), |phase| phase.sampled.engine(phase.from_s, name)),
    };
    names.into_iter().map(panel).collect()
}
