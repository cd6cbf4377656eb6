//! The page of a suite: engines side by side, one file, no network, light and dark.

use crate::engine::Kept;
use crate::report::grouped;
use crate::report::page::{Bar, Document, Line, bars, escape, facts, multiples, palette, percentiles};

use super::over_time::over_time;
use super::remarks::remarks;
use super::report::{CLIFFS_NOTE, READING, SUMMARY_NOTE, SuiteReport};
use super::sample::Phase;
use super::summary::{Class, EngineRow, Measure, WorkloadSummary};

pub fn page(report: &SuiteReport) -> String {
    let title = format!("{}, {}", report.engines.join(", "), report.environment.started_utc);
    let mut page = Document::new(&title, &report.headline());
    page.warnings(&report.doubts());
    page.section("Summary: operations a second");
    let summary = report.summary();
    for (kept, _) in &summary {
        page.heading(&format!("Durability kept: {}", kept.name()));
        page.html(&chart(report, *kept));
    }
    page.note(CHART_NOTE);
    for (kept, grid) in &summary {
        page.heading(&format!("In numbers, durability kept: {}", kept.name()));
        page.html(&grid.html());
    }
    page.note(SUMMARY_NOTE);
    write_behind(&mut page, report);
    if let Some(cliffs) = report.cliffs() {
        page.section("Cliffs");
        page.html(&cliffs.html());
        page.note(CLIFFS_NOTE);
    }
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

/// What every reader should know, and behind each workload's line what few will read.
fn write_behind(page: &mut Document, report: &SuiteReport) {
    let Some((summary, workloads)) = report.behind() else { return };
    page.html(&format!("<p><strong>{}</strong></p>\n", escape(&summary)));
    for behind in workloads {
        let lines: String =
            behind.lines.iter().map(|line| format!("<li>{}</li>", escape(&line.text))).collect();
        if lines.is_empty() {
            page.html(&format!("<p>{}</p>\n", escape(&behind.headline())));
        } else {
            page.folded(&behind.headline(), &format!("<ul>{lines}</ul>\n"));
        }
    }
}

/// Each class of durability by itself: engines that keep less do less work for a write.
fn write_workload(page: &mut Document, report: &SuiteReport, workload: &WorkloadSummary) {
    for class in &workload.classes {
        page.heading(&format!("{}, durability kept: {}", workload.title, class.kept.name()));
        page.html(&throughput(class));
        page.html(&report.class(class).html());
        remarks(&class.rows).iter().for_each(|remark| page.note(remark));
        let charts = operations(&class.rows).into_iter().map(|operation| latency(&class.rows, &operation));
        page.beside(&charts.collect::<Vec<_>>());
        page.html(&over_time(&class.rows));
    }
}

const CHART_NOTE: &str = "\
Operations a second: the median of the repeats, with a whisker from the smallest to the largest. The longest bar or \
whisker of each workload fills its width.";

/// The whole of one class at a glance: a small chart for each workload, or one chart of all where a single engine would
/// be compared with nothing.
fn chart(report: &SuiteReport, kept: Kept) -> String {
    let classes = report.workloads.iter().filter_map(|workload| {
        let class = workload.classes.iter().find(|class| class.kept == kept)?;
        Some((workload.title.as_str(), class))
    });
    let classes: Vec<(&str, &Class)> = classes.collect();
    // The spread is in the whisker; small charts have no room for it in words.
    let rows = |class: &Class| -> Vec<Bar> {
        class.rows.iter().filter_map(|row| bar(row, |_| String::new())).collect()
    };
    if classes.iter().any(|(_, class)| class.rows.len() > 1) {
        let small = |(title, class): &(&str, &Class)| ((*title).to_owned(), bars(&rows(class)));
        return multiples(&classes.iter().map(small).collect::<Vec<_>>());
    }
    let engine = classes.first().map_or("", |(_, class)| class.rows[0].engine.as_str());
    let of = |(title, class): &(&str, &Class)| {
        let label = (*title).to_owned();
        rows(class).into_iter().map(move |bar| Bar { label: label.clone(), ..bar })
    };
    multiples(&[(engine.to_owned(), bars(&classes.iter().flat_map(of).collect::<Vec<_>>()))])
}

/// The medians of one class, with whiskers over all repeats.
fn throughput(class: &Class) -> String {
    let spread = |share: f64| format!(", spread {:.1} %", 100.0 * share);
    let bar = |row| bar(row, |measure| measure.spread().map_or(String::new(), spread));
    bars(&class.rows.iter().filter_map(bar).collect::<Vec<_>>())
}

/// One engine's median, and what else is said of it.
fn bar(row: &EngineRow, more: impl Fn(&Measure) -> String) -> Option<Bar> {
    let measure = row.measures.first()?;
    let median = measure.median()?;
    let star = if measure.best { " ★" } else { "" };
    Some(Bar {
        label: row.engine.clone(),
        class: palette::class(&row.engine),
        value: median,
        range: (measure.values.len() > 1).then(|| (measure.min(), measure.max())),
        text: format!("{}{star}{}", grouped(median.round() as u64), more(measure)),
        best: measure.best,
    })
}

/// All kinds of operations of a workload, the most frequent first.
fn operations(rows: &[EngineRow]) -> Vec<String> {
    let Some(phase) = rows.iter().find_map(|row| row.median_phase()) else { return Vec::new() };
    let mut kinds: Vec<_> = phase.operations.iter().collect();
    kinds.sort_by_key(|(_, operation)| std::cmp::Reverse(operation.count));
    kinds.into_iter().map(|(name, _)| name.clone()).collect()
}

fn latency(rows: &[EngineRow], operation: &str) -> String {
    let line = |row: &EngineRow| {
        let (label, class) = (row.engine.clone(), palette::class(&row.engine));
        Some(Line { label, class, pattern: 0, points: points(row.median_phase()?, operation)? })
    };
    let lines = rows.iter().filter_map(line).collect();
    let kind =
        rows.iter().find_map(|row| Some(row.median_phase()?.operations.get(operation)?.latencies()[0].0));
    percentiles(&format!("{operation} {}latency by percentile", kind.unwrap_or("")), lines).html()
}

fn points(phase: &Phase, operation: &str) -> Option<Vec<(f64, f64)>> {
    let curve = &phase.operations.get(operation)?.latencies()[0].1.curve;
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

fn command(text: &str) -> String {
    format!("<pre><code>{}</code></pre>\n", escape(text))
}
