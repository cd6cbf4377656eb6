//! The summary of a phase in the rows YCSB prints: `[ROW], Name, value`.

use std::fmt::Write;

use crate::measure::{LatencySummary, RowSummary};
use crate::workload::Measured;

use super::PhaseReport;

pub fn text(report: &PhaseReport) -> String {
    let mut out = String::new();
    if let Some(why) = &report.cut_short {
        line(&mut out, "CUT-SHORT", "By", format_args!("{why}"));
    }
    line(&mut out, "OVERALL", "RunTime(ms)", format_args!("{:.0}", report.elapsed_s * 1e3));
    let rate = report.throughput_ops_s;
    line(&mut out, "OVERALL", "Throughput(ops/sec)", format_args!("{rate}"));
    for row in &report.operations {
        if let Some(failed) = &row.failed {
            // YCSB's name for what did not end as it should.
            let (name, count) =
                (format!("{}-FAILED", row.row), row.returns.values().sum::<u64>() - row.count);
            write_latency(&mut out, &name, count, failed);
        }
        match &row.response {
            Some(response) => write_scheduled(&mut out, report.measured, row, response),
            None => {
                write_row(&mut out, row.row, row, &row.service);
                // Without a schedule an operation is intended to start when it does.
                if report.measured == Measured::Both {
                    write_row(&mut out, &format!("Intended-{}", row.row), row, &row.service);
                }
            }
        }
    }
    write_engine(&mut out, report);
    out
}

/// Both kinds of latency, responses first: service times leave out all who waited while the engine, or the whole
/// process, stood still. As in YCSB, what was asked for stands under the name itself; each says what it is.
fn write_scheduled(out: &mut String, measured: Measured, row: &RowSummary, response: &LatencySummary) {
    let name = row.row;
    let (of_response, of_service) = match measured {
        Measured::Response => (name.to_owned(), format!("Service-{name}")),
        Measured::Service | Measured::Both => (format!("Intended-{name}"), name.to_owned()),
    };
    let what = "response time: from when it was due, with the wait for its turn";
    line(out, "SCHEDULE", &of_response, format_args!("{what}"));
    write_row(out, &of_response, row, response);
    line(out, "SCHEDULE", &of_service, format_args!("service time: from the call, without that wait"));
    write_row(out, &of_service, row, &row.service);
}

/// What YCSB does not print: in sections of their own, so that its readers pass over them.
fn write_engine(out: &mut String, report: &PhaseReport) {
    let (info, usage, harness) = (&report.info, &report.resources, &report.harness);
    line(out, "DURABILITY", "Asked", format_args!("{}", info.durability));
    line(out, "DURABILITY", "Kept", format_args!("{}", info.durability_kept.name()));
    line(out, "DURABILITY", "How", format_args!("{}", info.durability_how));
    line(out, "RESOURCES", "CpuTime(us/op)", format_args!("{:.3}", usage.cpu_us_per_operation));
    let mut counter = |name, value: Option<u64>| {
        if let Some(value) = value {
            line(out, "RESOURCES", name, format_args!("{value}"));
        }
    };
    counter("WrittenBytes", usage.write_bytes);
    counter("ReadBytes", usage.read_bytes);
    counter("SpaceBytes", Some(usage.space_bytes));
    counter("PeakResidentBytes", usage.rss_peak_bytes);
    counter("WorstSecond(ops)", usage.worst_second_ops);
    if let Some(group) = &usage.memory_group {
        counter("MemoryLimitBytes", Some(group.limit_bytes));
        counter("MemoryPeakBytes", group.peak_bytes);
        counter("MemoryLimitWasHit", Some(u64::from(group.limit_was_hit)));
        counter("MemoryRefaultBytes", group.refault_bytes);
    }
    if let Some(audit) = &report.audit {
        line(out, "AUDIT", "GoodRecords", format_args!("{}", audit.good));
        line(out, "AUDIT", "BadRecords", format_args!("{}", audit.bad));
    }
    if let Some(steadiness) = &report.steady_state {
        let percent = |share: f64| 100.0 * share;
        line(out, "STEADY", "State", format_args!("{}", steadiness.state()));
        let (rate, latency) = (steadiness.throughput.share, steadiness.median_latency.share);
        line(out, "STEADY", "ThroughputDrift(%)", format_args!("{:.1}", percent(rate)));
        line(out, "STEADY", "MedianLatencyDrift(%)", format_args!("{:.1}", percent(latency)));
        if let Some(response) = &steadiness.response {
            let (drift, usual, worst) =
                (percent(response.median.share), response.usual_p99_us, response.worst_p99_us);
            line(out, "STEADY", "MedianResponseDrift(%)", format_args!("{drift:.1}"));
            line(out, "STEADY", "UsualIntervalResponse99th(us)", format_args!("{usual}"));
            line(out, "STEADY", "WorstIntervalResponse99th(us)", format_args!("{worst}"));
        }
    }
    for (kind, count) in report.trace.iter().flat_map(|trace| &trace.skipped) {
        line(out, "TRACE", &format!("Skipped={kind}"), format_args!("{count}"));
    }
    if let Some(unstarted) = report.unstarted {
        line(out, "SCHEDULE", "Unstarted", format_args!("{unstarted}"));
        let wait_us = report.unstarted_wait_us.unwrap_or(0);
        line(out, "SCHEDULE", "UnstartedWait(us)", format_args!("{wait_us}"));
    }
    let ns = harness.null_ns_per_operation;
    line(out, "HARNESS", "NullEngineTime(ns/op)", format_args!("{ns:.1}"));
    line(out, "HARNESS", "ClientWasBottleneck", format_args!("{}", harness.client_was_bottleneck));
}

fn write_row(out: &mut String, name: &str, row: &RowSummary, latency: &LatencySummary) {
    write_latency(out, name, row.count, latency);
    for (outcome, count) in &row.returns {
        line(out, name, &format!("Return={outcome}"), format_args!("{count}"));
    }
}

fn write_latency(out: &mut String, name: &str, count: u64, latency: &LatencySummary) {
    line(out, name, "Operations", format_args!("{count}"));
    line(out, name, "AverageLatency(us)", format_args!("{}", latency.mean_us));
    line(out, name, "MinLatency(us)", format_args!("{}", latency.min_us));
    line(out, name, "MaxLatency(us)", format_args!("{}", latency.max_us));
    for point in &latency.chosen {
        let label = format!("{}PercentileLatency(us)", ordinal(point.percentile));
        line(out, name, &label, format_args!("{}", point.us));
    }
}

fn line(out: &mut String, row: &str, name: &str, value: std::fmt::Arguments<'_>) {
    writeln!(out, "[{row}], {name}, {value}").expect("writing to a string does not fail");
}

/// `50th`, `91st`; a percentile with decimals stays as it is.
fn ordinal(percentile: f64) -> String {
    if percentile.fract() != 0.0 {
        return format!("{percentile}");
    }
    let number = percentile as u64;
    let ending = match (number % 10, number % 100) {
        (_, 11..=13) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        _ => "th",
    };
    format!("{number}{ending}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_named_as_in_ycsb() {
        let names: Vec<_> =
            [50.0, 91.0, 92.0, 93.0, 11.0, 12.0, 99.9, 100.0].into_iter().map(ordinal).collect();
        assert_eq!(names, ["50th", "91st", "92nd", "93rd", "11th", "12th", "99.9", "100th"]);
    }
}
