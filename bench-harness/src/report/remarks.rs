//! What has to be known beside the numbers of a phase: its drift, settling, cooled caches, the limit of memory.

use crate::size::size;

use super::PhaseReport;

/// How long an engine took to settle.
pub fn settling(seconds: f64) -> String {
    format!("{seconds:.1} s")
}

/// How near memory came to its limit, and what that cost: of one phase, or of several the medians.
pub fn memory(peak_bytes: Option<u64>, limit_was_hit: bool, refault_bytes: Option<u64>) -> String {
    let peak = peak_bytes.map_or("an unknown part".to_owned(), size);
    if !limit_was_hit {
        return format!("{peak}, never all of it");
    }
    let again = refault_bytes.filter(|bytes| *bytes > 0);
    let again =
        again.map(|bytes| format!(", and {} were cached again after they had been dropped", size(bytes)));
    format!("{peak}: the limit was hit{}", again.unwrap_or_default())
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
        let memory = self.resources.memory_group.as_ref().map(|group| {
            let so_far = if group.peak_is_of_phase { "" } else { " until its end" };
            let reached = memory(group.peak_bytes, group.limit_was_hit, group.refault_bytes);
            format!("{title}: of {} of memory it used{so_far} {reached}.", size(group.limit_bytes))
        });
        [cooled, drift, settled, memory].into_iter().flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_that_was_hit_is_said_with_what_it_cost() {
        assert_eq!(memory(Some(1 << 30), false, Some(4096)), "1 GiB, never all of it");
        assert_eq!(memory(Some(3 << 29), true, None), "1.5 GiB: the limit was hit");
        let costly =
            "an unknown part: the limit was hit, and 3 MiB were cached again after they had been dropped";
        assert_eq!(memory(None, true, Some(3 << 20)), costly);
    }
}
