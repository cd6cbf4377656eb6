//! What a phase cost besides time: processor, bytes, syncs, memory, space.
//!
//! A `Meter` is started before a phase and stopped after it; the difference is a `Usage`. The
//! process's own counters come from `/proc/self` and are this run's alone; those of the device
//! come from `/sys` and hold everybody's requests, and whatever the kernel wrote back late.
//! Every amplification is of the process's counters. What cannot be read is left out.

mod device;
mod directory;
mod machine;
mod process;
mod usage;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::control_group::{GroupUsage, GroupWatch};
use crate::engine::{Engine, EngineStats};
use crate::measure::Done;

pub use device::{Device, DeviceUsage};
pub use directory::{allocated_bytes, cool};
pub use usage::{OTHERS_CORES_MAX, Usage};

use device::DeviceCounters;
use machine::MachineCounters;
use process::ProcessCounters;

#[derive(Debug)]
struct Reading {
    at: Instant,
    process: ProcessCounters,
    machine: Option<MachineCounters>,
    device: Option<DeviceCounters>,
    engine: EngineStats,
}

impl Reading {
    fn now(device: Option<&Device>, engine: &dyn Engine) -> Reading {
        Reading {
            device: device.and_then(Device::counters),
            engine: engine.stats(),
            machine: MachineCounters::now(),
            process: ProcessCounters::now(),
            at: Instant::now(),
        }
    }
}

/// What lies between two readings.
struct Difference {
    process: ProcessCounters,
    /// Cores that others kept busy, and cores that the host withheld.
    others: Option<(f64, f64)>,
    device: Option<DeviceUsage>,
    group: Option<GroupUsage>,
    engine: Vec<(&'static str, u64)>,
}

/// What a phase did, which its cost is related to.
#[derive(Debug)]
pub struct Work {
    /// Operations, and keys and values written and read.
    pub done: Done,
    pub elapsed: Duration,
    /// Keys and values of all records at its end, if none was deleted.
    pub data_set_bytes: u64,
    /// The fewest operations in a whole second, if it had one.
    pub worst_second_ops: Option<u64>,
}

#[derive(Debug)]
pub struct Meter {
    dir: PathBuf,
    device: Option<Device>,
    before: Reading,
    peak_is_of_phase: bool,
    group: Option<GroupWatch>,
}

impl Meter {
    /// Reads all counters, for an engine whose files are in `dir`. Before that, what earlier phases
    /// left dirty in the page cache is written back: a page that is dirty already can be changed
    /// again without being counted, and its write-back would be charged to the wrong phase.
    pub fn start(engine: &dyn Engine, dir: &Path) -> Meter {
        directory::write_back(dir);
        let device = Device::of(dir);
        let peak_is_of_phase = process::reset_peak();
        let before = Reading::now(device.as_ref(), engine);
        Meter { dir: dir.to_owned(), device, before, peak_is_of_phase, group: GroupWatch::begin() }
    }

    /// Reads all counters again, as the phase begins to count only now. What its warm-up left dirty is
    /// not written back, so as not to disturb it.
    pub fn restart(&mut self, engine: &dyn Engine) {
        self.peak_is_of_phase = process::reset_peak();
        self.group = GroupWatch::begin();
        self.before = Reading::now(self.device.as_ref(), engine);
    }

    /// Reads all counters again, right after the phase.
    pub fn stop(self, engine: &dyn Engine, work: &Work) -> Usage {
        let after = Reading::now(self.device.as_ref(), engine);
        let before = &self.before;
        let process = after.process.since(&before.process);
        let elapsed_s = (after.at - before.at).as_secs_f64();
        let difference = Difference {
            others: after
                .machine
                .zip(before.machine)
                .map(|(after, before)| after.others_since(&before, process.cpu_us(), elapsed_s)),
            device: self.device.as_ref().and_then(|device| {
                Some(DeviceUsage { name: device.name(), counters: after.device?.since(&before.device?) })
            }),
            group: self.group.map(GroupWatch::end),
            engine: counted(&before.engine, &after.engine),
            process,
        };
        let space_bytes = directory::allocated_bytes(&self.dir);
        Usage::new(difference, space_bytes, self.peak_is_of_phase, work)
    }
}

/// The engine's counters that belong in every report, as far as it has them.
const COUNTED: [&str; 4] = ["syncs", "ring_enters", "stall_us_total", "slowdown_us_total"];

fn counted(before: &EngineStats, after: &EngineStats) -> Vec<(&'static str, u64)> {
    let difference = |name: &'static str| {
        let after = after.value(name)?;
        Some((name, after.saturating_sub(before.value(name).unwrap_or(0))))
    };
    COUNTED.into_iter().filter_map(difference).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_of_the_engine_are_those_of_the_phase_alone() {
        let stats = |syncs, enters| EngineStats {
            values: vec![("syncs".to_owned(), syncs), ("ring_enters".to_owned(), enters)],
            notes: Vec::new(),
        };
        let usage = counted(&stats(3, 10), &stats(5, 10));
        assert_eq!(usage, [("syncs", 2), ("ring_enters", 0)]);
    }
}
