//! Holds counters against a baseline: pure.
//!
//! Counters repeat almost exactly, so each kind has a fixed limit, which lies well above its
//! measured spread and well below what matters. Where repeats lie on both sides of the limit
//! the answer is that it cannot be told.

use std::collections::BTreeMap;

use serde::Serialize;

/// How far a counter of a kind may rise.
#[derive(Debug, Clone, Copy)]
pub struct Limit {
    pub kind: &'static str,
    /// Relative to the baseline.
    pub relative: f64,
    /// In addition, for counters near zero.
    pub absolute: f64,
}

/// The limits, also printed by `ci --help`; the first that fits applies. Spread and reason of
/// each are in METHODOLOGY.md.
pub const LIMITS: [Limit; 9] = [
    // How much an insertion cuts off hangs on when other threads' guards end.
    Limit { kind: "insert instructions_per_op", relative: 0.04, absolute: 2.0 },
    Limit { kind: "update instructions_per_op", relative: 0.04, absolute: 2.0 },
    Limit { kind: "instructions_per_op", relative: 0.015, absolute: 2.0 },
    Limit { kind: "allocations_per_op", relative: 0.005, absolute: 0.01 },
    Limit { kind: "power write_bytes_per_write", relative: 0.01, absolute: 1.0 },
    Limit { kind: "power syncs_per_write", relative: 0.01, absolute: 0.002 },
    // Spare segments are made ahead, as time permits: one of up to 2 MiB more or less, over 10,000 writes.
    Limit { kind: "write_bytes_per_write", relative: 0.15, absolute: 210.0 },
    Limit { kind: "syncs_per_write", relative: 0.05, absolute: 0.005 },
    Limit { kind: "ring_enters_per_write", relative: 0.30, absolute: 0.02 },
];

/// What is known about one counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Call {
    /// Above the limit in every repeat.
    Regression,
    /// Below the mirrored limit in every repeat: the baseline should be renewed.
    Improvement,
    /// Within the limit in every repeat.
    Same,
    /// Repeats lie on both sides of the limit.
    Inconclusive,
    /// The baseline has it, this run does not.
    Missing,
    /// The baseline was recorded under conditions that this counter depends on and that are others here.
    Unlike,
    /// This run has it, the baseline does not.
    New,
    /// Shown, not judged.
    Information,
}

/// One counter held against the baseline.
#[derive(Debug, Clone, Serialize)]
pub struct Gated {
    pub metric: String,
    pub baseline: Option<f64>,
    /// The smallest of this run's repeats.
    pub low: Option<f64>,
    /// The largest of this run's repeats.
    pub high: Option<f64>,
    /// The highest value allowed.
    pub limit: Option<f64>,
    pub call: Call,
}

impl Gated {
    /// Takes a judgement back, where baseline and run are of unlike conditions.
    pub fn excuse(&mut self) {
        if [Call::Regression, Call::Improvement, Call::Same, Call::Inconclusive].contains(&self.call) {
            self.call = Call::Unlike;
        }
    }
}

pub type Counters = BTreeMap<String, Vec<f64>>;

pub fn gate(baseline: &BTreeMap<String, f64>, now: &Counters) -> Vec<Gated> {
    let mut names: Vec<&String> = baseline.keys().chain(now.keys()).collect();
    names.sort();
    names.dedup();
    names.into_iter().map(|name| gate_one(name, baseline.get(name).copied(), now.get(name))).collect()
}

fn gate_one(name: &str, baseline: Option<f64>, repeats: Option<&Vec<f64>>) -> Gated {
    let fold = |pick: fn(f64, f64) -> f64| repeats.and_then(|all| all.iter().copied().reduce(pick));
    let (low, high) = (fold(f64::min), fold(f64::max));
    let limit = LIMITS.iter().find(|limit| name.contains(limit.kind));
    let room = limit.zip(baseline).map(|(limit, base)| base * limit.relative + limit.absolute);
    let call = match (baseline, low.zip(high), room) {
        (_, None, _) => Call::Missing,
        (None, ..) => Call::New,
        (_, _, None) => Call::Information,
        (Some(base), Some((low, high)), Some(room)) => judge(base, low, high, room),
    };
    Gated {
        metric: name.to_owned(),
        baseline,
        low,
        high,
        limit: baseline.zip(room).map(|(b, r)| b + r),
        call,
    }
}

fn judge(base: f64, low: f64, high: f64, room: f64) -> Call {
    if low > base + room {
        Call::Regression
    } else if high > base + room {
        Call::Inconclusive
    } else if high < base - room {
        Call::Improvement
    } else {
        Call::Same
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(name: &str, base: Option<f64>, repeats: Option<&[f64]>) -> Call {
        let baseline = base.map(|value| (name.to_owned(), value)).into_iter().collect();
        let now = repeats.map(|all| (name.to_owned(), all.to_vec())).into_iter().collect();
        gate(&baseline, &now)[0].call
    }

    #[test]
    fn three_percent_more_instructions_are_a_regression_and_one_percent_is_not() {
        let name = "read-table instructions_per_op";
        assert_eq!(call(name, Some(1_000.0), Some(&[1_030.0])), Call::Regression);
        assert_eq!(call(name, Some(1_000.0), Some(&[1_010.0])), Call::Same);
        assert_eq!(call(name, Some(1_000.0), Some(&[970.0])), Call::Improvement);
    }

    #[test]
    fn repeats_on_both_sides_of_the_limit_cannot_be_told() {
        let name = "power syncs_per_write";
        assert_eq!(call(name, Some(1.0), Some(&[1.0, 1.2, 1.1])), Call::Inconclusive);
        assert_eq!(call(name, Some(1.0), Some(&[1.1, 1.2])), Call::Regression);
    }

    #[test]
    fn what_is_on_one_side_only_is_said_and_time_is_not_judged() {
        let name = "insert allocations_per_op";
        assert_eq!(call(name, Some(1.0), None), Call::Missing);
        assert_eq!(call(name, None, Some(&[1.0])), Call::New);
        assert_eq!(call("insert ns_per_op", Some(1.0), Some(&[100.0])), Call::Information);
    }

    #[test]
    fn a_counter_at_zero_has_room_for_rounding_only() {
        let name = "insert allocations_per_op";
        assert_eq!(call(name, Some(0.0), Some(&[0.005])), Call::Same);
        assert_eq!(call(name, Some(0.0), Some(&[1.0])), Call::Regression);
    }
}
