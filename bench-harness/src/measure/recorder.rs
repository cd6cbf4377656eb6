//! What one client thread records: outcomes and latencies of each kind of operation.

use std::sync::OnceLock;
use std::sync::atomic::AtomicU64;

use super::latencies::{Latencies, increment};

/// The rows of a report, named as YCSB names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Row {
    Read,
    Update,
    Insert,
    Scan,
    /// A read and an update of the same record, from the start of one to the end of the other.
    /// Both are also counted in their own rows.
    ReadModifyWrite,
    Delete,
    MultiRead,
    /// A range read towards smaller keys.
    ReverseScan,
    Batch,
    /// A batch until it was visible.
    Submit,
    /// The same batch, from the same beginning, until it survived loss of power.
    Durable,
    /// The check of a record that was read. It calls no engine.
    Verify,
}

impl Row {
    pub const ALL: [Row; 12] = [
        Row::Read,
        Row::Update,
        Row::Insert,
        Row::Scan,
        Row::ReadModifyWrite,
        Row::Delete,
        Row::MultiRead,
        Row::ReverseScan,
        Row::Batch,
        Row::Submit,
        Row::Durable,
        Row::Verify,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Row::Read => "READ",
            Row::Update => "UPDATE",
            Row::Insert => "INSERT",
            Row::Scan => "SCAN",
            Row::ReadModifyWrite => "READ-MODIFY-WRITE",
            Row::Delete => "DELETE",
            Row::MultiRead => "MULTI-READ",
            Row::ReverseScan => "REVERSE-SCAN",
            Row::Batch => "BATCH",
            Row::Submit => "SUBMIT",
            Row::Durable => "DURABLE",
            Row::Verify => "VERIFY",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Ok,
    NotFound,
    Error,
    /// The record is there with bytes that were never written under its key.
    Corrupt,
}

impl Outcome {
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

#[derive(Debug)]
pub struct RowRecord {
    /// How often each outcome occurred, in the order of `Outcome::ALL`.
    pub outcomes: [AtomicU64; Outcome::ALL.len()],
    /// From the actual start, of the operations that ended as they should.
    pub service: Latencies,
    /// From the intended start, of the same operations, where there is a schedule.
    pub response: Option<Latencies>,
    /// From the actual start, of the operations that ended otherwise; made when the first one does.
    pub failed: OnceLock<Latencies>,
}

/// What one thread measures. That thread alone records; anybody may read.
#[derive(Debug)]
pub struct Recorder {
    rows: [OnceLock<Box<RowRecord>>; Row::ALL.len()],
    scheduled: bool,
}

impl Recorder {
    /// With a schedule, response times are recorded as well as service times.
    pub fn new(scheduled: bool) -> Recorder {
        Recorder { rows: Default::default(), scheduled }
    }

    /// Records one operation. The latency of one that did not end as it should is kept apart; a
    /// row's memory is taken when it first occurs, and when it first fails, and never after.
    #[inline]
    pub fn record(&self, row: Row, outcome: Outcome, latency: Latency) {
        let record = self.rows[row as usize].get_or_init(|| {
            let response = self.scheduled.then(Latencies::new);
            Box::new(RowRecord {
                outcomes: Default::default(),
                service: Latencies::new(),
                response,
                failed: OnceLock::new(),
            })
        });
        increment(&record.outcomes[outcome as usize]);
        if outcome != Outcome::Ok {
            return record.failed.get_or_init(Latencies::new).record(latency.service_ns);
        }
        record.service.record(latency.service_ns);
        if let Some(response) = &record.response {
            response.record(latency.response_ns);
        }
    }

    /// What was recorded in a row, if it occurred.
    pub fn row(&self, row: Row) -> Option<&RowRecord> {
        self.rows[row as usize].get().map(|record| &**record)
    }
}

#[derive(Debug, Clone, Copy)]
pub struct Latency {
    /// From its actual start.
    pub service_ns: u64,
    /// From its intended start; of no meaning without a schedule.
    pub response_ns: u64,
}
