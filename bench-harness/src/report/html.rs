//! The page of a job: one file without outside references, readable in light and dark.

use crate::measure::{CurvePoint, RowSummary};
use crate::size::with_sizes;

use super::page::axis::amount;
use super::page::{Bar, Document, Line, bars, escape, facts, palette, percentiles};
use super::{
    JobReport, PhaseReport, RESOURCES_NOTE, durability_matrix, harness_table, over_time, resources,
    response_table, table,
};

pub fn html(report: &JobReport) -> String {
    let environment = &report.environment;
    let engine = report.phases.first().map_or("", |phase| phase.info.engine.as_str());
    let title = format!("{engine}, YCSB workloads, {}", environment.started_utc);
    let mut page = Document::new(&title, &report.headline());
    page.warnings(&report.warnings());
    page.section("Throughput");
    page.html(&throughput(&report.phases));
    page.note(
        "Operations a second over the whole phase, all threads together. A read-modify-write counts once.",
    );
    let responses = response_table(&report.phases);
    if let Some(responses) = &responses {
        page.section("Response times");
        page.html(&responses.html());
        page.note("Latency counts from when the operation was due, so that a wait for its turn is in it.");
    }
    page.section(if responses.is_some() { "Service times" } else { "All numbers" });
    page.html(&table(&report.phases).html());
    page.note(
        "Service times: latency counts from the call. In a closed loop a thread begins an operation when its \
         previous one has ended. A read-modify-write is counted as READ, as UPDATE and as a whole.",
    );
    report.phases.iter().flat_map(PhaseReport::remarks).for_each(|remark| page.note(&remark));
    page.section("Over time");
    let (panels, others) = over_time(report);
    page.html(&panels);
    if !others.is_empty() {
        page.folded("All other numbers of the engine", &others);
    }
    page.section("Latency by percentile");
    page.note("Both axes are logarithmic: each nine of the percentile has the same room.");
    let charts: Vec<String> = report.phases.iter().map(|phase| curves(phase).html()).collect();
    page.beside(&charts);
    page.section("Durability");
    page.html(&durability_matrix(&report.durability_rows()).html());
    page.section("Resources");
    page.html(&resources(&report.phases).html());
    page.note(RESOURCES_NOTE);
    page.section("What the harness cost");
    page.html(&harness_table(&report.phases).html());
    page.section("Levels");
    let sentences = report.level_sentences();
    let items: String = sentences.iter().map(|text| format!("<li>{}</li>", escape(text))).collect();
    page.html(&format!("<ul>{items}</ul>\n"));
    write_environment(&mut page, report);
    page.end()
}

fn throughput(phases: &[PhaseReport]) -> String {
    let bar = |phase: &PhaseReport| Bar {
        label: phase.title().to_owned(),
        class: palette::class(&phase.info.engine),
        value: phase.throughput_ops_s,
        range: None,
        text: format!("{} ops/s", super::grouped(phase.throughput_ops_s.round() as u64)),
        best: false,
    };
    bars(&phases.iter().map(bar).collect::<Vec<_>>())
}

fn curves(phase: &PhaseReport) -> super::page::Plot {
    let class = palette::class(&phase.info.engine);
    let line = |(pattern, row): (usize, &RowSummary)| Line {
        label: format!("{} ({})", row.row, amount(row.count as f64)),
        class,
        pattern,
        points: row
            .response
            .as_ref()
            .unwrap_or(&row.service)
            .curve
            .iter()
            .map(|point: &CurvePoint| (point.percentile, point.us))
            .collect(),
    };
    let scheduled = phase.operations.iter().any(|row| row.response.is_some());
    let title =
        if scheduled { format!("{}, response times", phase.title()) } else { phase.title().to_owned() };
    percentiles(&title, phase.operations.iter().enumerate().map(line).collect())
}

fn write_environment(page: &mut Document, report: &JobReport) {
    page.section("Command and environment");
    page.code(&report.environment.command);
    page.html(&facts(&report.environment.rows()));
    let rows = |prefix: &str, pairs: &mut dyn Iterator<Item = (String, String)>| -> Vec<(String, String)> {
        pairs.map(|(name, value)| (format!("{prefix} {name}"), value)).collect()
    };
    let Some(info) = report.phases.first().map(|phase| &phase.info) else { return };
    let mut settings = rows("option", &mut info.engine_options.iter().cloned());
    settings.extend(rows(
        "setting",
        &mut info.engine_settings.iter().map(|(name, value)| ((*name).to_owned(), with_sizes(value))),
    ));
    page.folded("Engine options and settings", &facts(&settings));
}
