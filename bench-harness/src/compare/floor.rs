//! The noise floor: how far two sets of runs of the *same* build lie apart, metric by metric.
//!
//! All runs of an A/A calibration are thrown together and split into two halves at random, many
//! times. The floor is the relative difference of medians that one split in twenty exceeds; no
//! smaller difference is worth an alarm. A comparison with fewer repeats than a half had is
//! noisier by the square root of the ratio, and the floor is raised accordingly.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use crate::generator::{OpRandom, Stream};
use crate::output_file;
use crate::stats::{median, quantile_sorted};

use super::judge::relative;
use super::matching::Matched;
use super::run::Key;

/// The word that tells a calibration from other JSON files.
const KIND: &str = "rabi-bench calibration";
/// Splits behind a floor, and the share of them below it.
const SPLITS: usize = 2_000;
const SHARE: f64 = 0.95;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Floor {
    #[serde(flatten)]
    pub key: Key,
    pub metric: String,
    /// Runs in each half of a split.
    pub repeats: usize,
    /// The relative difference that one split in twenty exceeds.
    pub floor: f64,
}

/// All floors of a machine, with the conditions they hold under.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Calibration {
    pub kind: String,
    pub conditions: BTreeMap<String, String>,
    /// One entry per workload and metric.
    pub floors: Vec<Floor>,
}

impl Calibration {
    pub fn of(matched: &[Matched<'_>], seed: u64) -> Calibration {
        let mut random = Stream::new(seed, "calibration").operation(0);
        let mut floors = Vec::new();
        for group in matched {
            for metric in group.metrics() {
                let (mut all, more) = group.values(metric);
                all.extend(more);
                floors.push(Floor {
                    key: group.key.clone(),
                    metric: metric.to_owned(),
                    repeats: all.len() / 2,
                    floor: floor_of(&mut all, &mut random),
                });
            }
        }
        let conditions =
            matched.first().and_then(|group| group.base.first()).map(|run| run.conditions.clone());
        Calibration { kind: KIND.to_owned(), conditions: conditions.unwrap_or_default(), floors }
    }

    pub fn read(path: &Path) -> Result<Calibration> {
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let read: Calibration = serde_json::from_str(&text).with_context(|| {
            format!(
                "{}: this is not a calibration; make one with rabi-bench compare --calibrate",
                path.display()
            )
        })?;
        if read.kind != KIND {
            bail!(
                "{}: this is not a calibration; make one with rabi-bench compare --calibrate",
                path.display()
            );
        }
        Ok(read)
    }

    pub fn write(&self, path: &Path) -> Result<()> {
        output_file::write_json(path, self)
    }

    /// The floor of a metric for a comparison with this many repeats a side, if there is one.
    pub fn floor(&self, key: &Key, metric: &str, repeats: usize) -> Option<f64> {
        let found = self.floors.iter().find(|floor| floor.key == *key && floor.metric == metric)?;
        let fewer = (found.repeats as f64 / repeats.max(1) as f64).max(1.0);
        Some(found.floor * fewer.sqrt())
    }
}

fn floor_of(all: &mut [f64], random: &mut OpRandom) -> f64 {
    let half = all.len() / 2;
    if half == 0 {
        return f64::MAX;
    }
    let mut apart: Vec<f64> = (0..SPLITS)
        .map(|_| {
            // Fisher and Yates, as far as the first half needs it.
            for place in 0..half {
                let from = place + random.below((all.len() - place) as u64) as usize;
                all.swap(place, from);
            }
            relative(median(&all[..half]), median(&all[half..2 * half])).abs()
        })
        .collect();
    apart.sort_by(f64::total_cmp);
    // From zero to something is infinitely far, which JSON cannot hold.
    quantile_sorted(&apart, SHARE).min(f64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_floor_is_twice_the_standard_error_of_a_difference_of_medians() {
        // The median of n normal values has the standard error 1.2533 s / sqrt(n) for large n; the
        // difference of two sqrt(2) times that; 95 % lie within 1.96 of them. With s = 0.02 and
        // n = 50: 1.96 * 1.4142 * 1.2533 * 0.02 / 7.071 = 0.0098.
        let mut random = Stream::new(9, "floor").operation(0);
        let mut floors: Vec<f64> = (0..20)
            .map(|_| {
                let mut all: Vec<f64> = (0..100).map(|_| 100.0 * (1.0 + 0.02 * random.normal())).collect();
                floor_of(&mut all, &mut random)
            })
            .collect();
        floors.sort_by(f64::total_cmp);
        let middle = quantile_sorted(&floors, 0.5);
        assert!((middle / 0.0098 - 1.0).abs() < 0.25, "{middle}");
    }

    #[test]
    fn fewer_repeats_raise_the_floor_and_more_do_not_lower_it() {
        let key = Key { engine: "x".into(), phase: "run".into(), workload: "a".into() };
        let floor = Floor { key: key.clone(), metric: "m".into(), repeats: 20, floor: 0.01 };
        let calibration = Calibration { kind: KIND.into(), conditions: BTreeMap::new(), floors: vec![floor] };
        // sqrt(20 / 5) = 2.
        assert_eq!(calibration.floor(&key, "m", 5), Some(0.02));
        assert_eq!(calibration.floor(&key, "m", 80), Some(0.01));
        assert_eq!(calibration.floor(&key, "other", 5), None);
    }

    #[test]
    fn equal_runs_have_no_floor() {
        let mut random = Stream::new(1, "floor").operation(0);
        assert_eq!(floor_of(&mut [5.0; 10], &mut random), 0.0);
    }
}
