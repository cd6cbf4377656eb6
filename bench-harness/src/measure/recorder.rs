//! One thread's histograms, in nanoseconds.

use std::time::Duration;

use hdrhistogram::Histogram;

/// The rows of a report, named as YCSB names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Row {
    /// A point read.
    Read,
    /// An overwrite.
    Update,
    /// A new record.
    Insert,
    /// A range read.
    Scan,
    /// A read and an update of the same record, from the start of one to the end of the other.
    /// Both are also counted in their own rows.
    ReadModifyWrite,
    /// A removal.
    Delete,
}

impl Row {
    /// All rows in the order of reports.
    pub const ALL: [Row; 6] =
        [Row::Read, Row::Update, Row::Insert, Row::Scan, Row::ReadModifyWrite, Row::Delete];

    /// The name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Row::Read => "READ",
            Row::Update => "UPDATE",
            Row::Insert => "INSERT",
            Row::Scan => "SCAN",
            Row::ReadModifyWrite => "READ-MODIFY-WRITE",
            Row::Delete => "DELETE",
        }
    }
}

/// How an operation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// As it should.
    Ok,
    /// The record is not there.
    NotFound,
    /// The engine returned an error.
    Error,
    /// The record is there with bytes that were never written under its key.
    Corrupt,
}

impl Outcome {
    /// All outcomes.
    pub const ALL: [Outcome; 4] = [Outcome::Ok, Outcome::NotFound, Outcome::Error, Outcome::Corrupt];

    /// The name in reports, where there is one the name YCSB uses.
    pub fn name(self) -> &'static str {
        match self {
            Outcome::Ok => "OK",
            Outcome::NotFound => "NOT_FOUND",
            Outcome::Error => "ERROR",
            Outcome::Corrupt => "UNEXPECTED_STATE",
        }
    }
}

/// An hour in nanoseconds; what takes longer is recorded as this.
const LATENCY_NS_MAX: u64 = 3_600_000_000_000;
/// Three digits: a value is off by at most one part in a thousand.
const DIGITS: u8 = 3;

/// An empty latency histogram.
pub fn empty_histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LATENCY_NS_MAX, DIGITS)
        .expect("the bounds and digits are constants within what the crate documents")
}

/// The latencies and outcomes of one row.
#[derive(Debug, Clone)]
pub struct RowRecord {
    /// Latencies of the operations that ended as they should.
    pub latency_ns: Histogram<u64>,
    /// How often each outcome occurred, in the order of `Outcome::ALL`.
    pub outcomes: [u64; 4],
}

/// What one thread measures.
#[derive(Debug, Default)]
pub struct Recorder {
    rows: [Option<Box<RowRecord>>; 6],
}

impl Recorder {
    /// Records one operation. Latency counts only if it ended as it should; a row's memory is
    /// taken when it first occurs.
    pub fn record(&mut self, row: Row, outcome: Outcome, latency: Duration) {
        let record = self.rows[row as usize]
            .get_or_insert_with(|| Box::new(RowRecord { latency_ns: empty_histogram(), outcomes: [0; 4] }));
        record.outcomes[outcome as usize] += 1;
        if outcome == Outcome::Ok {
            record.latency_ns.saturating_record(latency.as_nanos() as u64);
        }
    }

    /// What was recorded in a row, if it occurred.
    pub fn row(&self, row: Row) -> Option<&RowRecord> {
        self.rows[row as usize].as_deref()
    }
}
