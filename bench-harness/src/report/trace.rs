//! What a report says about the trace that was replayed.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::trace::{Ending, Replay};

#[derive(Debug, Serialize)]
pub struct TraceReport {
    /// File, format, sample and speed.
    #[serde(flatten)]
    pub replay: Replay,
    /// Operations that were met and cannot be replayed, by kind.
    pub skipped: BTreeMap<&'static str, u64>,
}

impl TraceReport {
    pub fn new(replay: &Replay, ending: &Ending) -> TraceReport {
        TraceReport { replay: replay.clone(), skipped: ending.skipped.iter().copied().collect() }
    }
}
