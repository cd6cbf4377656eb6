//! The page of a result: one file without outside references, readable in light and dark.

use std::fmt::Write;

use super::chart::{Bar, Curve, bars, curves};
use super::{JobReport, PhaseReport, RESOURCES_NOTE, durability_matrix, resources, table};

/// The style of all pages, light and dark.
pub const STYLE: &str = "\
:root { color-scheme: light dark; --ink: #1b1f24; --paper: #fff; --faint: #d8dee4; --soft: #57606a;
  --bar: #3b7dd8; --c0: #1f6feb; --c1: #d1570a; --c2: #1a7f37; --c3: #8250df; --c4: #bf3989;
  --c5: #7d6608; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --paper: #0d1117; --faint: #30363d;
  --soft: #9198a1; --bar: #4493f8; --c0: #58a6ff; --c1: #f0883e; --c2: #3fb950; --c3: #bc8cff;
  --c4: #f778ba; --c5: #d4b72c; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
  max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2.2rem; }
p.note { color: var(--soft); } code { font: 13px ui-monospace, monospace; overflow-wrap: anywhere; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: 13px; }
th, td { padding: .25rem .6rem; text-align: right; border-bottom: 1px solid var(--faint);
  white-space: nowrap; }
th.w, td.w { text-align: left; } table.facts td { white-space: normal; text-align: left; }
svg { width: 100%; height: auto; max-width: 46rem; font: 12px system-ui, sans-serif; }
svg text { fill: var(--ink); } .end { text-anchor: end; } .middle { text-anchor: middle; }
.bar { fill: var(--bar); } .grid { stroke: var(--faint); } .curve { fill: none; stroke-width: 2; }
.c0 { stroke: var(--c0); } .c1 { stroke: var(--c1); } .c2 { stroke: var(--c2); }
.c3 { stroke: var(--c3); } .c4 { stroke: var(--c4); } .c5 { stroke: var(--c5); }
.dot { stroke-width: 0; } .dot.c0 { fill: var(--c0); } .dot.c1 { fill: var(--c1); }
.dot.c2 { fill: var(--c2); } .dot.c3 { fill: var(--c3); } .dot.c4 { fill: var(--c4); }
.dot.c5 { fill: var(--c5); }
";

/// The whole page.
pub fn html(report: &JobReport) -> String {
    let mut page = String::new();
    write(&mut page, report).expect("writing to a string does not fail");
    page
}

fn write(page: &mut String, report: &JobReport) -> std::fmt::Result {
    let environment = &report.environment;
    let title = format!("YCSB workloads, {}", escape(&environment.started_utc));
    write!(
        page,
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>{title}</title>\
         <style>\n{STYLE}</style></head><body>\n<h1>{title}</h1>\n<p>{}.</p>\n",
        escape(&report.headline())
    )?;
    for doubt in environment.doubts() {
        writeln!(page, "<p><strong>Doubt:</strong> {}.</p>", escape(&doubt))?;
    }
    writeln!(page, "<h2>Throughput, operations a second</h2>\n{}", throughput(&report.phases))?;
    writeln!(page, "<h2>All numbers</h2>\n{}", table(&report.phases).html())?;
    writeln!(
        page,
        "<p class=\"note\">Closed loop; latency counts from the call. A read-modify-write is \
         counted as READ, as UPDATE and as a whole; ops/s counts it once.</p>"
    )?;
    let matrix = durability_matrix(&report.durability_rows());
    writeln!(page, "<h2>Durability</h2>\n{}", matrix.html())?;
    writeln!(page, "<h2>Resources</h2>\n{}", resources(&report.phases).html())?;
    writeln!(page, "<p class=\"note\">{}</p>\n<h2>Levels</h2><ul>", escape(RESOURCES_NOTE))?;
    for sentence in report.level_sentences() {
        writeln!(page, "<li>{}</li>", escape(&sentence))?;
    }
    writeln!(page, "</ul>")?;
    for phase in &report.phases {
        let curve = |row| Curve { label: row_label(row), points: row_points(row) };
        let all: Vec<_> = phase.operations.iter().map(curve).collect();
        let title = escape(phase.title());
        writeln!(page, "<h2>Latency by percentile: {title}</h2>\n{}", curves(&all))?;
    }
    write_facts(page, report)?;
    writeln!(page, "</body></html>")
}

fn row_label(row: &crate::measure::RowSummary) -> &str {
    row.row
}

fn row_points(row: &crate::measure::RowSummary) -> &[crate::measure::CurvePoint] {
    &row.curve
}

fn throughput(phases: &[PhaseReport]) -> String {
    let bar = |phase: &PhaseReport| (escape(phase.title()), phase.throughput_ops_s);
    let all: Vec<_> = phases.iter().map(bar).collect();
    let all: Vec<_> = all.iter().map(|(label, value)| Bar { label, value: *value }).collect();
    bars(&all)
}

fn write_facts(page: &mut String, report: &JobReport) -> std::fmt::Result {
    writeln!(page, "<h2>Environment</h2><table class=\"facts\">")?;
    let options = report.phases.first().map_or(&[][..], |phase| &phase.info.engine_options);
    let options = options.iter().map(|(name, value)| (format!("option {name}"), value.clone()));
    let settings = report.phases.first().map_or(&[][..], |phase| &phase.info.engine_settings);
    let settings = settings.iter().map(|(name, value)| (format!("setting {name}"), value.clone()));
    let options = options.chain(settings);
    let facts = report.environment.rows().into_iter().map(|(name, v)| (name.to_owned(), v));
    for (name, value) in facts.chain(options) {
        writeln!(page, "<tr><td>{}</td><td>{}</td></tr>", escape(&name), escape(&value))?;
    }
    let command = escape(&report.environment.command);
    writeln!(page, "<tr><td>command</td><td><code>{command}</code></td></tr></table>")
}

/// A text as it has to stand in markup.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_outside_cannot_become_markup() {
        assert_eq!(escape("<a href=\"x\">&"), "&lt;a href=&quot;x&quot;&gt;&amp;");
    }
}
