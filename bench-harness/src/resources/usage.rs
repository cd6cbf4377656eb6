//! What a phase used, as it is written to JSON.

use serde::{Deserialize, Serialize};

use super::{DeviceUsage, Difference, Work};
use crate::control_group::GroupUsage;

/// What a phase used. Ratios are left out where their denominator is too small to mean anything.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Usage {
    /// Processor time of all threads, the harness's own included.
    pub cpu_us_per_operation: f64,
    /// The same as a number of busy cores.
    pub cpu_cores: f64,
    /// The part of it spent in the kernel, from 0 to 1.
    pub cpu_system_share: f64,
    /// Cores that other processes kept busy meanwhile: more than a little makes the phase doubtful.
    pub cpu_others_cores: Option<f64>,
    /// Cores that the host of a virtual machine withheld meanwhile.
    pub cpu_stolen_cores: Option<f64>,
    pub context_switches_voluntary: u64,
    pub context_switches_involuntary: u64,
    pub major_faults: u64,
    pub read_calls: Option<u64>,
    pub write_calls: Option<u64>,
    pub read_bytes: Option<u64>,
    /// Bytes this process wrote, or made dirty for the kernel to write.
    pub write_bytes: Option<u64>,
    pub device: Option<DeviceUsage>,
    /// Keys and values handed to the engine in acknowledged writes.
    pub user_written_bytes: u64,
    pub user_read_bytes: u64,
    /// Bytes written for each byte the user wrote; what is still to be compacted is not in it.
    pub write_amplification: Option<f64>,
    /// Bytes fetched from storage for each byte the user read; below one where caches help.
    pub read_amplification: Option<f64>,
    /// Bytes allocated on the file system at the end of the phase.
    pub space_bytes: u64,
    /// Keys and values of all records at the end of the phase, if none was deleted.
    pub data_set_bytes: u64,
    pub space_amplification: Option<f64>,
    pub syncs: Option<u64>,
    pub ring_enters: Option<u64>,
    /// Time writes were stopped or slowed, over all threads.
    pub stall_us: Option<u64>,
    pub rss_peak_bytes: Option<u64>,
    /// Whether that is the peak of this phase; else of the process so far.
    pub rss_peak_is_of_phase: bool,
    pub rss_anonymous_bytes: Option<u64>,
    /// What the memory limit did, where one holds.
    #[serde(default)]
    pub memory_group: Option<GroupUsage>,
    /// The fewest operations in a whole second of the phase, if it had one.
    pub worst_second_ops: Option<u64>,
}

impl Usage {
    pub(super) fn new(
        difference: Difference,
        space_bytes: u64,
        rss_peak_is_of_phase: bool,
        work: &Work,
    ) -> Usage {
        let Difference { process, others, device, group, engine } = difference;
        let cpu_us = process.cpu_us() as f64;
        let counter = |name: &str| engine.iter().find(|(known, _)| *known == name).map(|(_, n)| *n);
        let stalls = [counter("stall_us_total"), counter("slowdown_us_total")];
        let (io, elapsed_us) = (process.io, work.elapsed.as_micros() as f64);
        let Work { done, data_set_bytes, worst_second_ops, .. } = *work;
        Usage {
            cpu_us_per_operation: cpu_us / done.operations.max(1) as f64,
            cpu_cores: cpu_us / elapsed_us.max(1.0),
            cpu_system_share: process.system_us as f64 / cpu_us.max(1.0),
            cpu_others_cores: others.map(|(others, _)| others),
            cpu_stolen_cores: others.map(|(_, stolen)| stolen),
            context_switches_voluntary: process.voluntary_switches,
            context_switches_involuntary: process.involuntary_switches,
            major_faults: process.major_faults,
            read_calls: io.map(|io| io.read_calls),
            write_calls: io.map(|io| io.write_calls),
            read_bytes: io.map(|io| io.read_bytes),
            write_bytes: io.map(|io| io.write_bytes),
            device,
            user_written_bytes: done.written_bytes,
            user_read_bytes: done.read_bytes,
            write_amplification: io.and_then(|io| ratio(io.write_bytes, done.written_bytes)),
            read_amplification: io.and_then(|io| ratio(io.read_bytes, done.read_bytes)),
            space_bytes,
            data_set_bytes,
            space_amplification: ratio(space_bytes, data_set_bytes),
            syncs: counter("syncs"),
            ring_enters: counter("ring_enters"),
            stall_us: stalls.iter().any(Option::is_some).then(|| stalls.iter().flatten().sum()),
            rss_peak_bytes: process.rss_peak_bytes,
            rss_peak_is_of_phase,
            rss_anonymous_bytes: process.rss_anonymous_bytes,
            memory_group: group,
            worst_second_ops,
        }
    }
}

/// Others below this many cores are the usual background of a machine.
pub const OTHERS_CORES_MAX: f64 = 0.15;

impl Usage {
    /// What was wrong with the machine meanwhile, if anything was.
    pub fn doubt(&self) -> Option<String> {
        let (others, stolen) = (self.cpu_others_cores.unwrap_or(0.0), self.cpu_stolen_cores.unwrap_or(0.0));
        (others > OTHERS_CORES_MAX || stolen > OTHERS_CORES_MAX).then(|| {
            format!(
                "the machine was not quiet: other processes used {others:.2} cores and the host withheld \
                 {stolen:.2}; repeat it on an idle one"
            )
        })
    }
}

/// Below this a single block would decide the ratio.
const DENOMINATOR_BYTES_MIN: u64 = 64 << 10;

fn ratio(numerator: u64, denominator: u64) -> Option<f64> {
    (denominator >= DENOMINATOR_BYTES_MIN).then(|| numerator as f64 / denominator as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_over_nearly_nothing_is_none() {
        assert_eq!(ratio(4096, 100), None);
        assert_eq!(ratio(3 << 20, 2 << 20), Some(1.5));
    }
}
