//! What has to be known beside the numbers of a phase: its drift, settling, cooled caches.

use crate::size::size;

use super::PhaseReport;

/// How long an engine took to settle.
pub fn settling(seconds: f64) -> String {
    format!("{seconds:.1} s")
}

impl PhaseReport {
    /// One sentence for each, if there is something to say.
    pub fn remarks(&self) -> Vec<String> {
        let title = self.title();
        let cooled = self.cooled_bytes.map(|bytes| {
            format!("{title}: {} of the database were dropped from the page cache before it.", size(bytes))
        });
        let drift = self.steady_state.and_then(|state| state.drift());
        let drift = drift.map(|drift| format!("{title}: not steady, {drift}."));
        let settled = self
            .settle_s
            .map(|seconds| format!("{title}: background work settled after it for {}.", settling(seconds)));
        [cooled, drift, settled].into_iter().flatten().collect()
    }
}
