//! A phase as OpenMetrics text (version 1.0.0), in base units: seconds and ratios.
//!
//! Latencies are summaries with quantiles; counters end in `_total`; the text ends with `# EOF`,
//! without which a reader takes it for cut off.

use std::fmt::Write;

use crate::measure::{LatencySummary, RowSummary};

use super::PhaseReport;

pub fn openmetrics(report: &PhaseReport) -> String {
    let mut out = String::new();
    write(&mut out, report).expect("writing to a string does not fail");
    out
}

fn write(out: &mut String, report: &PhaseReport) -> std::fmt::Result {
    let common = format!(
        "engine=\"{}\",durability=\"{}\",phase=\"{}\",workload=\"{}\",threads=\"{}\"",
        escape(&report.info.engine),
        report.info.durability,
        report.phase,
        escape(&report.workload),
        report.threads
    );
    head(out, "rabi_bench_throughput", "gauge", "Operations a second.")?;
    writeln!(out, "rabi_bench_throughput{{{common}}} {}", report.throughput_ops_s)?;
    head(out, "rabi_bench_elapsed_seconds", "gauge", "Duration of the phase.")?;
    writeln!(out, "rabi_bench_elapsed_seconds{{{common}}} {}", report.elapsed_s)?;
    head(out, "rabi_bench_records", "gauge", "Records in the data set after the phase.")?;
    writeln!(out, "rabi_bench_records{{{common}}} {}", report.records)?;
    head(out, "rabi_bench_outcomes", "counter", "Calls by their outcome.")?;
    for row in &report.operations {
        for (outcome, count) in &row.returns {
            let labels = format!("{common},operation=\"{}\",outcome=\"{outcome}\"", row.row);
            writeln!(out, "rabi_bench_outcomes_total{{{labels}}} {count}")?;
        }
    }
    let help = "From the actual start of calls that ended as they should.";
    head(out, "rabi_bench_latency_seconds", "summary", help)?;
    for row in &report.operations {
        write_latency(out, "rabi_bench_latency_seconds", &common, row, &row.service)?;
    }
    if report.mode != "closed" {
        let help = "From the intended start of calls that ended as they should.";
        head(out, "rabi_bench_response_seconds", "summary", help)?;
        for row in &report.operations {
            if let Some(response) = &row.response {
                write_latency(out, "rabi_bench_response_seconds", &common, row, response)?;
            }
        }
    }
    head(out, "rabi_bench_engine", "gauge", "The engine's counters and gauges after the phase.")?;
    for (name, value) in &report.engine_stats.values {
        writeln!(out, "rabi_bench_engine{{{common},name=\"{}\"}} {value}", escape(name))?;
    }
    writeln!(out, "# EOF")
}

fn head(out: &mut String, name: &str, kind: &str, help: &str) -> std::fmt::Result {
    writeln!(out, "# TYPE {name} {kind}")?;
    if let Some(unit) = name.ends_with("_seconds").then_some("seconds") {
        writeln!(out, "# UNIT {name} {unit}")?;
    }
    writeln!(out, "# HELP {name} {help}")
}

fn write_latency(
    out: &mut String,
    family: &str,
    common: &str,
    row: &RowSummary,
    latency: &LatencySummary,
) -> std::fmt::Result {
    let labels = format!("{common},operation=\"{}\"", row.row);
    let quantiles = [
        ("0.5", latency.p50_us),
        ("0.95", latency.p95_us),
        ("0.99", latency.p99_us),
        ("0.999", latency.p999_us),
    ];
    for (quantile, us) in quantiles {
        writeln!(out, "{family}{{{labels},quantile=\"{quantile}\"}} {}", us / 1e6)?;
    }
    let sum = latency.mean_us * row.count as f64 / 1e6;
    writeln!(out, "{family}_sum{{{labels}}} {sum}")?;
    writeln!(out, "{family}_count{{{labels}}} {}", row.count)
}

/// A label's value as it has to be written.
fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_escaped_and_units_named() {
        assert_eq!(escape("a\"b\\c\nd"), "a\\\"b\\\\c\\nd");
        let mut out = String::new();
        head(&mut out, "x_seconds", "gauge", "X.").unwrap();
        assert_eq!(out, "# TYPE x_seconds gauge\n# UNIT x_seconds seconds\n# HELP x_seconds X.\n");
    }
}
