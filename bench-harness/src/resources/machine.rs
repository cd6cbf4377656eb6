//! What others did on this machine meanwhile: the processor time of all, from `/proc/stat`.

use std::fs;

/// The kernel counts in hundredths of a second, whatever its own clock is.
const TICKS_PER_S: f64 = 100.0;

/// Processor time of all processors since the machine started, in hundredths of a second.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MachineCounters {
    /// Of all processes and of the kernel, guests included.
    busy: u64,
    /// Withheld by the host of a virtual machine.
    stolen: u64,
}

impl MachineCounters {
    /// Reads them; none where there is no such file.
    pub fn now() -> Option<MachineCounters> {
        parse(&fs::read_to_string("/proc/stat").ok()?)
    }

    /// Cores that others kept busy in `elapsed_s`, besides the `own_us` of this process, and cores
    /// that the host withheld.
    pub fn others_since(&self, before: &MachineCounters, own_us: u64, elapsed_s: f64) -> (f64, f64) {
        let seconds = |after: u64, before: u64| after.saturating_sub(before) as f64 / TICKS_PER_S;
        let busy_s = seconds(self.busy, before.busy) - own_us as f64 / 1e6;
        let elapsed_s = elapsed_s.max(1e-9);
        (busy_s.max(0.0) / elapsed_s, seconds(self.stolen, before.stolen) / elapsed_s)
    }
}

/// The line of all processors: user, nice, system, idle, iowait, irq, softirq, steal, and guests,
/// whose time is in user and nice already.
fn parse(text: &str) -> Option<MachineCounters> {
    let line = text.lines().find_map(|line| line.strip_prefix("cpu "))?;
    let fields: Vec<u64> = line.split_whitespace().map_while(|field| field.parse().ok()).collect();
    let at = |index: usize| fields.get(index).copied().unwrap_or(0);
    Some(MachineCounters { busy: at(0) + at(1) + at(2) + at(5) + at(6), stolen: at(7) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_and_waiting_are_not_busy_and_the_own_share_is_taken_off() {
        let before = parse("cpu  100 0 50 1000 20 0 5 10 0 0\ncpu0 1 2 3\n").unwrap();
        let after = parse("cpu  300 0 100 1500 90 5 5 30 0 0\n").unwrap();
        // 2.55 s busy in one second, of which 2 s are our own.
        let (others, stolen) = after.others_since(&before, 2_000_000, 1.0);
        assert!((others - 0.55).abs() < 1e-9 && (stolen - 0.2).abs() < 1e-9);
        assert_eq!(after.others_since(&before, 9_000_000, 1.0).0, 0.0);
        assert_eq!(parse("intr 1\n"), None);
    }

    #[test]
    fn the_busy_time_of_this_machine_is_at_least_that_of_this_process() {
        let before = MachineCounters::now().unwrap();
        let start = std::time::Instant::now();
        while start.elapsed().as_millis() < 100 {
            std::hint::black_box(0);
        }
        let (busy, _) =
            MachineCounters::now().unwrap().others_since(&before, 0, start.elapsed().as_secs_f64());
        assert!(busy >= 0.5, "{busy}");
    }
}
