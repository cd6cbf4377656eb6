//! The `README.md` of a suite: tables, durability, commands, versions, environment.

use std::fmt::Write;

use crate::report::Style;

use super::remarks::remarks;
use super::report::{CLIFFS_NOTE, READING, SUMMARY_NOTE, SuiteReport};

pub fn readme(report: &SuiteReport) -> String {
    let mut out = String::new();
    write(&mut out, report).expect("writing to a string does not fail");
    out
}

fn write(out: &mut String, report: &SuiteReport) -> std::fmt::Result {
    let environment = &report.environment;
    writeln!(
        out,
        "# {}, {}, {}\n",
        report.engines.join(", "),
        environment.started_utc,
        environment.hostname
    )?;
    writeln!(out, "```\n{}\n```\n\n{}\n", environment.command, report.headline())?;
    for doubt in report.doubts() {
        writeln!(out, "**Doubt:** {doubt}\n")?;
    }
    writeln!(out, "## Summary: operations a second\n")?;
    for (kept, grid) in report.summary() {
        writeln!(out, "Durability kept: {}\n\n{}", kept.name(), grid.text(Style::Markdown))?;
    }
    writeln!(out, "{SUMMARY_NOTE}\n")?;
    if let Some((summary, workloads)) = report.behind() {
        writeln!(out, "{summary}\n")?;
        for behind in workloads {
            writeln!(out, "- {}", behind.headline())?;
            behind.lines.iter().try_for_each(|line| writeln!(out, "  - {}", line.text))?;
        }
    }
    if let Some(cliffs) = report.cliffs() {
        writeln!(out, "\n## Cliffs\n\n{CLIFFS_NOTE}\n\n{}", cliffs.text(Style::Markdown))?;
    }
    writeln!(out, "\n## Durability\n\n{}", report.durability().text(Style::Markdown))?;
    for workload in &report.workloads {
        writeln!(out, "## {}\n", workload.title)?;
        for class in &workload.classes {
            writeln!(out, "Durability kept: {}\n", class.kept.name())?;
            writeln!(out, "{}", report.class(class).text(Style::Markdown))?;
            for remark in remarks(&class.rows) {
                writeln!(out, "{remark}\n")?;
            }
        }
    }
    writeln!(out, "{READING}\n\n## The harness itself\n")?;
    writeln!(out, "{}", report.harness().text(Style::Markdown))?;
    writeln!(out, "## Runs, in order\n")?;
    for run in &report.done {
        let file = run.file.as_ref().map_or("no numbers".to_owned(), |file| file.display().to_string());
        writeln!(out, "```\n{}\n```\n{file}\n", run.command)?;
    }
    writeln!(out, "## Engine settings\n\n{}", report.settings().text(Style::Markdown))?;
    writeln!(out, "## Environment\n\n| | |\n| --- | --- |")?;
    for (name, value) in environment.rows() {
        writeln!(out, "| {name} | {} |", value.replace('|', "\\|"))?;
    }
    writeln!(out, "| versions | {} |", env!("RABI_BENCH_VERSIONS"))?;
    writeln!(
        out,
        "\nAll numbers: `raw/`, one file per run. Charts: `report.html`; for documents, `throughput.svg` and `tail-latency.svg`."
    )
}
