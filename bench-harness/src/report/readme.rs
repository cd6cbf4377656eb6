//! The `README.md` of a result directory: command, table, levels, environment.

use std::fmt::Write;

use crate::size::with_sizes;

use super::{
    JobReport, PhaseReport, RESOURCES_NOTE, Style, durability_matrix, harness_table, resources,
    response_table, table,
};

pub fn readme(report: &JobReport) -> String {
    let mut out = String::new();
    write(&mut out, report).expect("writing to a string does not fail");
    out
}

fn write(out: &mut String, report: &JobReport) -> std::fmt::Result {
    let environment = &report.environment;
    writeln!(out, "# YCSB workloads, {}, {}\n", environment.started_utc, environment.hostname)?;
    writeln!(out, "{}.\n", report.headline())?;
    writeln!(out, "```\n{}\n```\n", environment.command)?;
    if let Some(responses) = response_table(&report.phases) {
        let responses = responses.text(Style::Markdown);
        writeln!(
            out,
            "## Response times\n\nFrom when an operation was due, so that a wait for its turn is in it.\n\n{responses}"
        )?;
        writeln!(out, "## Service times\n")?;
    }
    writeln!(out, "{}", table(&report.phases).text(Style::Markdown))?;
    writeln!(
        out,
        "Latency counts from the call here. In a closed loop a thread begins an operation when its previous one has \
         ended. A read-modify-write is counted as READ, as UPDATE and as a whole; \
         ops/s counts it once. Records are those of YCSB, 10 fields of 100 bytes unless the \
         command says otherwise.\n"
    )?;
    for remark in report.phases.iter().flat_map(PhaseReport::remarks) {
        writeln!(out, "- {remark}")?;
    }
    let matrix = durability_matrix(&report.durability_rows()).text(Style::Markdown);
    writeln!(out, "\n## Durability\n\n{matrix}")?;
    writeln!(out, "## Resources\n\n{}", resources(&report.phases).text(Style::Markdown))?;
    writeln!(out, "{RESOURCES_NOTE}\n")?;
    writeln!(out, "## What the harness cost\n\n{}", harness_table(&report.phases).text(Style::Markdown))?;
    for doubt in report.warnings() {
        writeln!(out, "**Doubt:** {doubt}\n")?;
    }
    writeln!(out, "## Levels\n")?;
    for sentence in report.level_sentences() {
        writeln!(out, "- {sentence}")?;
    }
    writeln!(out, "\n## Environment\n\n| | |\n| --- | --- |")?;
    for (name, value) in environment.rows() {
        writeln!(out, "| {name} | {} |", value.replace('|', "\\|"))?;
    }
    let options = report.phases.first().map_or(&[][..], |phase| &phase.info.engine_options);
    for (name, value) in options {
        writeln!(out, "| option {name} | {value} |")?;
    }
    let settings = report.phases.first().map_or(&[][..], |phase| &phase.info.engine_settings);
    for (name, value) in settings {
        writeln!(out, "| setting {name} | {} |", with_sizes(value))?;
    }
    writeln!(out, "\nAll numbers: `results.json`. Charts: `report.html`.")
}
