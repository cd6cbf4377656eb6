//! Watches which of the four levels hold something while the main job runs.
//!
//! The engine's gauges are sampled; a level that fills and drains between two samples is
//! missed, so "never seen" means what it says. Engines without these gauges have no levels.

use std::time::Instant;

use serde::Serialize;

use crate::engine::EngineStats;

/// One of the four levels, and the engine's number that says what it holds.
#[derive(Debug)]
pub struct Level {
    name: &'static str,
    pub gauge: &'static str,
    what: &'static str,
}

impl Level {
    /// For charts.
    pub fn title(&self) -> String {
        format!("{}: {}", self.name, self.what)
    }
}

/// Of the first the gauge is in bytes.
pub const LEVELS: [Level; 4] = [
    Level { name: "L0", gauge: "memtable_bytes", what: "bytes in the memtable" },
    Level { name: "L1", gauge: "frozen_memtables", what: "frozen memtables" },
    Level { name: "L2", gauge: "flushed_files", what: "flushed files" },
    Level { name: "L3", gauge: "partitions", what: "partitions" },
];

/// How often a level was seen filled during one phase.
#[derive(Debug, Clone, Serialize)]
pub struct PhaseShare {
    pub phase: String,
    pub filled: u64,
    pub samples: u64,
    pub max: u64,
}

#[derive(Debug, Clone, Serialize)]
pub struct LevelSeen {
    pub level: &'static str,
    pub gauge: &'static str,
    pub what: &'static str,
    pub max: u64,
    pub first_s: Option<f64>,
    pub first_phase: Option<String>,
    pub phases: Vec<PhaseShare>,
}

#[derive(Debug)]
pub struct LevelWatch {
    start: Instant,
    levels: Vec<LevelSeen>,
    reported: bool,
}

impl LevelWatch {
    pub fn new() -> LevelWatch {
        let levels = LEVELS.iter().map(|level| LevelSeen {
            level: level.name,
            gauge: level.gauge,
            what: level.what,
            max: 0,
            first_s: None,
            first_phase: None,
            phases: Vec::new(),
        });
        LevelWatch { start: Instant::now(), levels: levels.collect(), reported: false }
    }

    pub fn begin(&mut self, phase: &str) {
        for seen in &mut self.levels {
            let phase = phase.to_owned();
            seen.phases.push(PhaseShare { phase, filled: 0, samples: 0, max: 0 });
        }
    }

    /// Takes one sample in the phase that was begun last.
    pub fn sample(&mut self, stats: &EngineStats) {
        let now_s = self.start.elapsed().as_secs_f64();
        for seen in &mut self.levels {
            let Some(value) = stats.value(seen.gauge) else {
                continue;
            };
            self.reported = true;
            seen.max = seen.max.max(value);
            let Some(share) = seen.phases.last_mut() else {
                continue;
            };
            share.samples += 1;
            share.max = share.max.max(value);
            if value > 0 {
                share.filled += 1;
                if seen.first_s.is_none() {
                    seen.first_s = Some(now_s);
                    seen.first_phase = Some(share.phase.clone());
                }
            }
        }
    }

    /// What was seen, from L0 to L3; nothing if the engine has no such gauges.
    pub fn seen(&self) -> Option<&[LevelSeen]> {
        self.reported.then_some(&self.levels[..])
    }
}

/// The levels that were never seen filled.
pub fn missing(levels: &[LevelSeen]) -> Vec<&'static str> {
    levels.iter().filter(|seen| seen.max == 0).map(|seen| seen.level).collect()
}

impl LevelSeen {
    pub fn sentence(&self) -> String {
        let (Some(first_s), Some(phase)) = (self.first_s, &self.first_phase) else {
            return format!("{} was never seen filled ({})", self.level, self.what);
        };
        let shares: Vec<String> = self
            .phases
            .iter()
            .filter(|share| share.filled > 0)
            .map(|share| {
                let phase = short(&share.phase);
                let percent = 100.0 * share.filled as f64 / share.samples as f64;
                format!("{phase} {percent:.0} %")
            })
            .collect();
        format!(
            "{} first seen filled at {first_s:.2} s ({}), at most {} {}; in samples of: {}",
            self.level,
            short(phase),
            self.max,
            self.what,
            shares.join(", ")
        )
    }
}

/// The letter of a core workload; other phases by their full name.
fn short(phase: &str) -> String {
    match phase.strip_prefix("workload") {
        Some(letter) => letter.to_ascii_uppercase(),
        None => phase.to_owned(),
    }
}

/// The gauges as a short text for the live status.
pub fn live_text(stats: &EngineStats) -> String {
    let parts = LEVELS.iter().filter_map(|level| {
        let value = stats.value(level.gauge)?;
        Some(match level.name {
            "L0" => format!("  L0 {:.1} MiB", value as f64 / f64::from(1 << 20)),
            name => format!("  {name} {value}"),
        })
    });
    parts.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stats(values: [u64; 4]) -> EngineStats {
        let names = LEVELS.iter().map(|level| level.gauge.to_owned());
        EngineStats { values: names.zip(values).collect(), notes: Vec::new() }
    }

    #[test]
    fn each_level_has_its_first_moment_its_maximum_and_its_share_of_samples() {
        let mut watch = LevelWatch::new();
        watch.begin("load");
        watch.sample(&stats([5, 0, 0, 0]));
        watch.sample(&stats([9, 2, 0, 0]));
        watch.begin("workloada");
        watch.sample(&stats([1, 1, 3, 0]));
        let seen = watch.seen().unwrap();
        assert_eq!(missing(seen), ["L3"]);
        assert_eq!((seen[0].max, seen[1].max, seen[2].max), (9, 2, 3));
        assert_eq!(seen[2].first_phase.as_deref(), Some("workloada"));
        let sentence = seen[1].sentence();
        assert!(sentence.ends_with("at most 2 frozen memtables; in samples of: load 50 %, A 100 %"));
        assert_eq!(seen[3].sentence(), "L3 was never seen filled (partitions)");
    }

    #[test]
    fn an_engine_without_gauges_has_no_levels_to_miss() {
        let mut watch = LevelWatch::new();
        watch.begin("load");
        watch.sample(&EngineStats::default());
        assert!(watch.seen().is_none());
    }
}
