//! The latency histograms of a phase as an HdrHistogram log, version 1.3: what HistogramLogProcessor
//! and the plotting tools around it read.
//!
//! Each interval of the phase has a histogram for each kind of operation that ended in it, whose
//! name is the tag; response times, where there is a schedule, have the tag `Intended-` and the
//! name. Histograms hold nanoseconds, compressed (V2, deflate); the readable maximum is in
//! milliseconds, as the Java tools write it.

use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, Tag};

use crate::measure::Counts;

use super::PhaseReport;

/// Nanoseconds in the unit of the readable maximum.
const NS_PER_MS: f64 = 1e6;
/// The legend the Java tools write and tables of them expect.
const LEGEND: &str =
    "\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\",\"Interval_Compressed_Histogram\"";

pub fn hdr_log(report: &PhaseReport) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    let mut serializer = V2DeflateSerializer::new();
    let elapsed = Duration::from_secs_f64(report.elapsed_s);
    let mut builder = IntervalLogWriterBuilder::new();
    builder
        .add_comment("[Histogram log format version 1.3]")
        .add_comment(&format!(
            "[rabi-bench: engine {}, {} {}, {} threads; values are nanoseconds]",
            report.info.engine, report.phase, report.workload, report.threads
        ))
        .with_start_time(SystemTime::now().checked_sub(elapsed).unwrap_or(SystemTime::UNIX_EPOCH))
        .with_max_value_divisor(NS_PER_MS);
    let context = "cannot encode the histograms";
    {
        let mut log = builder.begin_log_with(&mut out, &mut serializer).context(context)?;
        for interval in report.along.intervals() {
            for slice in &interval.rows {
                let name = slice.row.name();
                let mut write = |tag: &str, counts: &Counts| {
                    let (start, length) = (interval.start, interval.length);
                    log.write_histogram(&counts.histogram(), start, length, Tag::new(tag))
                };
                write(name, &slice.service).context(context)?;
                if let Some(response) = &slice.response {
                    write(&format!("Intended-{name}"), response).context(context)?;
                }
            }
        }
    }
    Ok(with_legend(out))
}

/// The legend stands between the comments and the first interval, and is no comment.
fn with_legend(log: Vec<u8>) -> Vec<u8> {
    let mut text = Vec::with_capacity(log.len() + LEGEND.len() + 1);
    let mut pending = true;
    for line in log.split_inclusive(|byte| *byte == b'\n') {
        if pending && !line.starts_with(b"#") {
            text.extend_from_slice(LEGEND.as_bytes());
            text.push(b'\n');
            pending = false;
        }
        text.extend_from_slice(line);
    }
    text
}
