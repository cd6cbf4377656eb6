//! One operation of a trace.

use super::error::TraceError;

/// The longest key a trace may have: the longest that Rabi takes.
pub const KEY_BYTES_MAX: u64 = 65_535;
/// The longest value a trace may state: the longest field of a workload.
pub const VALUE_BYTES_MAX: u64 = 16 << 20;
/// The most keys or records of one operation.
pub const PARTS_MAX: u64 = 65_536;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// When it began, in nanoseconds since the trace did.
    pub time_ns: u64,
    pub action: Action,
}

/// What an operation does. Lengths of values are in bytes; the values themselves are in no trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    Read {
        key: Vec<u8>,
        /// The length of what was read, where the trace says it.
        value_bytes: Option<u64>,
    },
    Insert(Record),
    Update(Record),
    /// A read of a record, and its overwriting if it is there.
    ReadModifyWrite(Record),
    Delete {
        key: Vec<u8>,
    },
    /// A range read towards larger keys.
    Scan {
        start: Vec<u8>,
        limit: u64,
    },
    /// A range read towards smaller keys.
    ReverseScan {
        start: Vec<u8>,
        limit: u64,
    },
    MultiRead {
        keys: Vec<Vec<u8>>,
    },
    /// Writes of several records, all or none.
    Batch {
        records: Vec<Record>,
    },
}

/// A record as far as a trace knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    pub key: Vec<u8>,
    pub value_bytes: u64,
}

impl Record {
    pub fn new(key: &[u8], value_bytes: u64) -> Record {
        Record { key: key.to_vec(), value_bytes }
    }
}

/// Operations in the order in which they are to be replayed.
pub trait Source: Send {
    /// The next one; none at the end.
    fn next(&mut self) -> Result<Option<Step>, TraceError>;

    /// What was met and cannot be replayed, each kind with its count.
    fn skipped(&self) -> Vec<(&'static str, u64)> {
        Vec::new()
    }
}

/// For tests: all steps, what was skipped, and the error behind them.
#[cfg(test)]
pub fn drain(
    source: Result<impl Source, TraceError>,
) -> (Vec<Step>, Vec<(&'static str, u64)>, Option<String>) {
    let mut steps = Vec::new();
    let mut source = match source {
        Ok(source) => source,
        Err(error) => return (steps, Vec::new(), Some(error.to_string())),
    };
    loop {
        match source.next() {
            Ok(Some(step)) => steps.push(step),
            Ok(None) => return (steps, source.skipped(), None),
            Err(error) => return (steps, source.skipped(), Some(error.to_string())),
        }
    }
}
