//! The page of a suite: engines side by side, one file, no network, light and dark.

use std::fmt::Write;

use crate::measure::CurvePoint;
use crate::report::{Bar, Curve, STYLE, bars, curves, escape};

use super::report::{READING, SuiteReport};
use super::sample::Phase;
use super::summary::{Class, EngineRow};

/// The whole page.
pub fn page(report: &SuiteReport) -> String {
    let mut out = String::new();
    write(&mut out, report).expect("writing to a string does not fail");
    out
}

fn write(out: &mut String, report: &SuiteReport) -> std::fmt::Result {
    let environment = &report.environment;
    let title = escape(&format!("{}, {}", report.engines.join(", "), environment.started_utc));
    write!(
        out,
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>{title}</title>\
         <style>\n{STYLE}</style></head><body>\n<h1>{title}</h1>\n<p>{} repeats. Memory: {}.</p>\n",
        report.repeats,
        escape(&report.memory)
    )?;
    for doubt in report.doubts() {
        writeln!(out, "<p><strong>Doubt:</strong> {}.</p>", escape(&doubt))?;
    }
    writeln!(out, "<h2>Durability</h2>\n{}", report.durability().html())?;
    writeln!(out, "<p class=\"note\">{}</p>", escape(READING))?;
    for workload in &report.workloads {
        writeln!(out, "<h2>{}</h2>", escape(&workload.title))?;
        for class in &workload.classes {
            write_class(out, report, class)?;
        }
    }
    writeln!(out, "<h2>The harness itself</h2>\n{}", report.harness().html())?;
    writeln!(out, "<h2>Engine settings</h2>\n{}", report.settings().html())?;
    write_environment(out, report)?;
    writeln!(out, "</body></html>")
}

fn write_class(out: &mut String, report: &SuiteReport, class: &Class) -> std::fmt::Result {
    writeln!(out, "<h3>Durability kept: {}. Operations a second, medians</h3>", class.kept.name())?;
    let medians: Vec<(String, f64)> = class
        .rows
        .iter()
        .filter_map(|row| Some((escape(&row.engine), row.measures.first()?.median()?)))
        .collect();
    let all: Vec<Bar<'_>> = medians.iter().map(|(label, value)| Bar { label, value: *value }).collect();
    writeln!(out, "{}\n{}", bars(&all), report.class(class).html())?;
    let Some(operation) = class.rows.iter().find_map(most_frequent) else {
        return Ok(());
    };
    let points: Vec<(String, Vec<CurvePoint>)> = class
        .rows
        .iter()
        .filter_map(|row| Some((escape(&row.engine), curve(row.median_phase()?, &operation)?)))
        .collect();
    let all: Vec<Curve<'_>> = points.iter().map(|(label, points)| Curve { label, points }).collect();
    writeln!(
        out,
        "<h3>{} latency by percentile, of the repeat with the median throughput</h3>\n{}",
        escape(&operation),
        curves(&all)
    )
}

/// The kind of operation that a workload is mostly about.
fn most_frequent(row: &EngineRow) -> Option<String> {
    let phase = row.median_phase()?;
    let most = phase.operations.iter().max_by_key(|(_, operation)| operation.count)?;
    Some(most.0.clone())
}

fn curve(phase: &Phase, operation: &str) -> Option<Vec<CurvePoint>> {
    let points = &phase.operations.get(operation)?.curve;
    Some(points.iter().map(|point| CurvePoint { percentile: point.percentile, us: point.us }).collect())
}

fn write_environment(out: &mut String, report: &SuiteReport) -> std::fmt::Result {
    writeln!(out, "<h2>Environment</h2><table class=\"facts\">")?;
    let versions = ("versions", env!("RABI_BENCH_VERSIONS").to_owned());
    for (name, value) in report.environment.rows().into_iter().chain([versions]) {
        writeln!(out, "<tr><td>{name}</td><td>{}</td></tr>", escape(&value))?;
    }
    let command = escape(&report.environment.command);
    writeln!(out, "<tr><td>command</td><td><code>{command}</code></td></tr></table>")?;
    writeln!(out, "<h2>Runs, in order</h2>")?;
    for run in &report.done {
        writeln!(out, "<p><code>{}</code></p>", escape(&run.command))?;
    }
    Ok(())
}
