//! The page of a suite: engines side by side, one file, no network, light and dark.

use crate::report::page::{Bar, Document, Line, bars, facts, palette, percentiles};
use crate::report::{escape, grouped};

use super::over_time::over_time;
use super::report::{READING, SUMMARY_NOTE, SuiteReport};
use super::sample::Phase;
use super::summary::{Class, EngineRow, WorkloadSummary};

/// The whole page.
pub fn page(report: &SuiteReport) -> String {
    let title = format!("{}, {}", report.engines.join(", "), report.environment.started_utc);
    let mut page = Document::new(&title, &report.headline());
    page.warnings(&report.doubts());
    page.section("Summary: operations a second");
    for (kept, grid) in report.summary() {
        page.heading(&format!("Durability kept: {}", kept.name()));
        page.html(&grid.html());
    }
    page.note(SUMMARY_NOTE);
    let behind = report.behind().into_iter().map(|text| format!("<li>{}</li>", escape(&text)));
    page.html(&format!("<ul>{}</ul>\n", behind.collect::<String>()));
    page.section("Durability");
    page.html(&report.durability().html());
    for workload in &report.workloads {
        page.section(&workload.title);
        write_workload(&mut page, report, workload);
    }
    page.section("How to read this");
    page.note(READING);
    page.section("What the harness cost");
    page.html(&report.harness().html());
    write_environment(&mut page, report);
    page.end()
}

fn write_workload(page: &mut Document, report: &SuiteReport, workload: &WorkloadSummary) {
    for class in &workload.classes {
        page.heading(&format!("Durability kept: {}", class.kept.name()));
        page.html(&throughput(class));
        page.html(&report.class(class).html());
    }
    let rows: Vec<&EngineRow> = workload.classes.iter().flat_map(|class| &class.rows).collect();
    let charts = operations(&rows).into_iter().map(|operation| latency(&rows, &operation));
    page.beside(&charts.collect::<Vec<_>>());
    page.html(&over_time(&rows));
}

/// The medians of one class, with whiskers over all repeats.
fn throughput(class: &Class) -> String {
    let bar = |row: &EngineRow| {
        let measure = row.measures.first()?;
        let median = measure.median()?;
        let spread =
            measure.spread().map_or(String::new(), |share| format!(", spread {:.1} %", 100.0 * share));
        Some(Bar {
            label: row.engine.clone(),
            class: palette::class(&row.engine),
            value: median,
            range: (measure.values.len() > 1).then(|| (measure.min(), measure.max())),
            text: format!(
                "{}{}{spread}",
                grouped(median.round() as u64),
                if measure.best { " ★" } else { "" }
            ),
            best: measure.best,
        })
    };
    bars(&class.rows.iter().filter_map(bar).collect::<Vec<_>>())
}

/// All kinds of operations of a workload, the most frequent first.
fn operations(rows: &[&EngineRow]) -> Vec<String> {
    let Some(phase) = rows.iter().find_map(|row| row.median_phase()) else { return Vec::new() };
    let mut kinds: Vec<_> = phase.operations.iter().collect();
    kinds.sort_by_key(|(_, operation)| std::cmp::Reverse(operation.count));
    kinds.into_iter().map(|(name, _)| name.clone()).collect()
}

/// The distributions of one kind of operation: the line of an engine that keeps less than others is
/// dashed, because its writes do less work.
fn latency(rows: &[&EngineRow], operation: &str) -> String {
    let most = rows.iter().filter_map(|row| Some(row.median_phase()?.durability_kept)).max();
    let line = |row: &&EngineRow| {
        let phase = row.median_phase()?;
        let weaker = Some(phase.durability_kept) != most;
        let label = match weaker {
            true => format!("{} (keeps: {})", row.engine, phase.durability_kept.name()),
            false => row.engine.clone(),
        };
        let class = palette::class(&row.engine);
        Some(Line { label, class, pattern: usize::from(weaker), points: points(phase, operation)? })
    };
    let lines = rows.iter().filter_map(line).collect();
    percentiles(&format!("{operation} latency by percentile"), lines).html()
}

fn points(phase: &Phase, operation: &str) -> Option<Vec<(f64, f64)>> {
    let curve = &phase.operations.get(operation)?.service.curve;
    Some(curve.iter().map(|point| (point.percentile, point.us)).collect())
}

fn write_environment(page: &mut Document, report: &SuiteReport) {
    page.section("Command, versions, environment");
    page.code(&report.environment.command);
    let mut rows = report.environment.rows();
    rows.push(("versions".to_owned(), env!("RABI_BENCH_VERSIONS").to_owned()));
    page.html(&facts(&rows));
    page.folded("Settings of all engines", &report.settings().html());
    let commands: String = report.done.iter().map(|run| command(&run.command)).collect();
    page.folded("Every run, in order", &commands);
}

/// A command as it can be repeated.
fn command(text: &str) -> String {
    format!("<pre><code>{}</code></pre>\n", escape(text))
}
