//! The table of what each phase used besides time.

use crate::resources::Usage;

use super::table::grouped;
use super::{Grid, PhaseReport};

const COLUMNS: [&str; 13] = [
    "workload",
    "CPU us/op",
    "cores",
    "worst second",
    "written",
    "read",
    "device wrote",
    "w-amp",
    "space",
    "s-amp",
    "syncs",
    "RSS peak",
    "harness ns/op",
];

/// One line per phase.
pub fn resources(phases: &[PhaseReport]) -> Grid {
    let mut grid = Grid::new(&COLUMNS, &[0]);
    for phase in phases {
        let mut line = vec![phase.title().to_owned()];
        line.extend(usage_cells(&phase.resources));
        let bottleneck = if phase.harness.client_was_bottleneck { " (client-bound)" } else { "" };
        line.push(format!("{:.0}{bottleneck}", phase.harness.null_ns_per_operation));
        grid.lines.push(line);
    }
    grid
}

fn usage_cells(usage: &Usage) -> Vec<String> {
    let device = usage.device.as_ref().map(|device| device.write_bytes);
    vec![
        format!("{:.2}", usage.cpu_us_per_operation),
        format!("{:.2}", usage.cpu_cores),
        or_dash(usage.worst_second_ops, grouped),
        or_dash(usage.write_bytes, mebibytes),
        or_dash(usage.read_bytes, mebibytes),
        or_dash(device, mebibytes),
        or_dash(usage.write_amplification, ratio),
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

/// Bytes for reading.
fn mebibytes(bytes: u64) -> String {
    let mebibytes = bytes as f64 / f64::from(1 << 20);
    match mebibytes {
        small if small < 9.95 => format!("{small:.1} MiB"),
        large => format!("{} MiB", grouped(large.round() as u64)),
    }
}

/// What the columns mean, for the foot of the table.
pub const RESOURCES_NOTE: &str = "\
CPU is of all threads of the process, the harness's included. Written and read are this process's \
own bytes to and from storage (/proc/self/io: direct writes and pages made dirty, again only after \
write-back; the file system is synced before each phase); what the device \
wrote includes other processes and late write-back. w-amp is bytes written for each byte of keys and \
values written, without what is still to be compacted; s-amp is space allocated over the data set. \
Worst second is the fewest operations in a whole second. Syncs are counted by the engine, where it \
does. Harness is an operation of the same workload on the engine that does nothing, on one thread \
with histograms on; \"client-bound\" means that half of the clients' time or more went there.";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_shown_as_mebibytes() {
        let shown = [0, 5 << 20, 2_000 << 20].map(mebibytes);
        assert_eq!(shown, ["0.0 MiB", "5.0 MiB", "2,000 MiB"]);
    }
}
