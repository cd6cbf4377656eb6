//! What two single runs tell from within: an interval of the difference in throughput from the
//! samples taken along each run, whose neighbours depend on each other.
//!
//! It says nothing about how far two runs of one build lie apart, so no verdict is built on it.

use serde::Serialize;

use crate::stats::{Resampling, block_interval, effective_size, lag1};

use super::judge::relative;
use super::matching::Matched;
use super::run::Key;

/// Fewer samples along a run give no usable interval.
const SAMPLES_MIN: usize = 20;

/// The difference of one workload between two single runs.
#[derive(Debug, Serialize)]
pub struct WithinRun {
    #[serde(flatten)]
    pub key: Key,
    /// Lower end of the relative change of the median rate.
    pub low: f64,
    pub high: f64,
    /// The correlation of neighbouring samples, the larger of both runs.
    pub lag1: f64,
    /// How many independent samples the poorer of both runs is worth.
    pub effective_samples: f64,
}

/// The workloads with one run a side and enough samples along both.
pub fn of(matched: &[Matched<'_>], resampling: Resampling) -> Vec<WithinRun> {
    matched.iter().filter_map(|group| of_group(group, resampling)).collect()
}

fn of_group(group: &Matched<'_>, resampling: Resampling) -> Option<WithinRun> {
    let ([base], [new]) = (&group.base[..], &group.new[..]) else {
        return None;
    };
    let (a, b) = (&base.intervals_ops_s, &new.intervals_ops_s);
    if a.len().min(b.len()) < SAMPLES_MIN {
        return None;
    }
    let interval = block_interval(a, b, resampling, relative);
    Some(WithinRun {
        key: group.key.clone(),
        low: interval.low,
        high: interval.high,
        lag1: lag1(a).max(lag1(b)),
        effective_samples: effective_size(a).min(effective_size(b)),
    })
}
