//! The table of what each phase used besides time.

use crate::resources::Usage;

use super::number::grouped;
use super::{Grid, PhaseReport};

const COLUMNS: [&str; 16] = [
    "workload",
    "CPU us/op",
    "cores",
    "others' cores",
    "switches/op",
    "worst second",
    "stalled ms",
    "written",
    "read",
    "device wrote",
    "w-amp",
    "r-amp",
    "space",
    "s-amp",
    "syncs",
    "RSS peak",
];

pub fn resources(phases: &[PhaseReport]) -> Grid {
    let mut grid = Grid::new(&COLUMNS, &[0]);
    for phase in phases {
        let mut line = vec![phase.title().to_owned()];
        line.extend(usage_cells(&phase.resources, phase.operations_total));
        grid.lines.push(line);
    }
    grid
}

fn usage_cells(usage: &Usage, operations: u64) -> Vec<String> {
    let device = usage.device.as_ref().map(|device| device.counters.write_bytes);
    let switches = usage.context_switches_voluntary + usage.context_switches_involuntary;
    vec![
        format!("{:.2}", usage.cpu_us_per_operation),
        format!("{:.2}", usage.cpu_cores),
        or_dash(usage.cpu_others_cores, ratio),
        format!("{:.3}", switches as f64 / operations.max(1) as f64),
        or_dash(usage.worst_second_ops, grouped),
        or_dash(usage.stall_us, |us| grouped(us / 1000)),
        or_dash(usage.write_bytes, mebibytes),
        or_dash(usage.read_bytes, mebibytes),
        or_dash(device, mebibytes),
        or_dash(usage.write_amplification, ratio),
        or_dash(usage.read_amplification, ratio),
        mebibytes(usage.space_bytes),
        or_dash(usage.space_amplification, ratio),
        or_dash(usage.syncs, grouped),
        or_dash(usage.rss_peak_bytes, mebibytes),
    ]
}

fn or_dash<T>(value: Option<T>, show: impl FnOnce(T) -> String) -> String {
    value.map_or_else(|| "-".to_owned(), show)
}

fn ratio(value: f64) -> String {
    format!("{value:.2}")
}

fn mebibytes(bytes: u64) -> String {
    let mebibytes = bytes as f64 / f64::from(1 << 20);
    match mebibytes {
        small if small < 9.95 => format!("{small:.1} MiB"),
        large => format!("{} MiB", grouped(large.round() as u64)),
    }
}

/// What the columns mean, for the foot of the table.
pub const RESOURCES_NOTE: &str = "\
CPU is of all threads of the process, the harness's included; others' cores are those that other processes \
kept busy meanwhile, and should be near zero. Switches are context switches of all threads. Written and \
read are this process's own bytes to and from storage (/proc/self/io: direct writes and pages made dirty, \
again only after write-back; the file system is synced before each phase); what the device wrote includes \
other processes and late write-back. w-amp is bytes written for each byte of keys and values written, \
without what is still to be compacted; r-amp bytes fetched from storage for each byte the user read; s-amp \
space allocated over the data set. Worst second is the fewest operations in a whole second. Stalled is the \
time writes were stopped or slowed, over all threads. Syncs and stalls are counted by the engine, where it \
does.";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_shown_as_mebibytes() {
        let shown = [0, 5 << 20, 2_000 << 20].map(mebibytes);
        assert_eq!(shown, ["0.0 MiB", "5.0 MiB", "2,000 MiB"]);
    }
}
