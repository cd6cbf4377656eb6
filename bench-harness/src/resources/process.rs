//! The counters of this process: `/proc/self/io`, `/proc/self/status` and `getrusage`, which counts
//! threads that have ended, too.

use std::fs;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;

/// What this process has used since it began, all its threads included. The kernel counts the
/// workers of its rings among them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ProcessCounters {
    pub user_us: u64,
    pub system_us: u64,
    /// Times a thread gave the processor away, because it had to wait.
    pub voluntary_switches: u64,
    /// Times a thread was made to give it away.
    pub involuntary_switches: u64,
    /// Page faults that needed a read from storage.
    pub major_faults: u64,
    /// `/proc/self/io`; nothing where the kernel does not account for I/O.
    pub io: Option<ProcessIo>,
    /// The largest resident set: since the last reset, not a difference.
    pub rss_peak_bytes: Option<u64>,
    /// The resident set now that is not backed by files.
    pub rss_anonymous_bytes: Option<u64>,
}

/// `/proc/self/io`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ProcessIo {
    pub read_calls: u64,
    pub write_calls: u64,
    /// Bytes this process caused to be fetched from storage.
    pub read_bytes: u64,
    /// Bytes this process wrote directly, or made dirty in the page cache and did not take back by
    /// removing or truncating the file.
    pub write_bytes: u64,
}

impl ProcessCounters {
    pub fn now() -> ProcessCounters {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let used = getrusage(UsageWho::RUSAGE_SELF).expect("a process may always ask for its own usage");
        let count = |number: i64| u64::try_from(number).unwrap_or(0);
        ProcessCounters {
            user_us: microseconds(used.user_time()),
            system_us: microseconds(used.system_time()),
            voluntary_switches: count(used.voluntary_context_switches()),
            involuntary_switches: count(used.involuntary_context_switches()),
            major_faults: count(used.major_page_faults()),
            io: fs::read_to_string("/proc/self/io").ok().as_deref().and_then(parse_io),
            rss_peak_bytes: status_bytes(&status, "VmHWM"),
            rss_anonymous_bytes: status_bytes(&status, "RssAnon"),
        }
    }

    /// The difference to an earlier reading; resident sets stay what they are now.
    pub fn since(&self, before: &ProcessCounters) -> ProcessCounters {
        let io = self.io.zip(before.io).map(|(now, before)| ProcessIo {
            read_calls: now.read_calls.saturating_sub(before.read_calls),
            write_calls: now.write_calls.saturating_sub(before.write_calls),
            read_bytes: now.read_bytes.saturating_sub(before.read_bytes),
            write_bytes: now.write_bytes.saturating_sub(before.write_bytes),
        });
        ProcessCounters {
            // The kernel scales both to their exact sum, so that one alone may seem to go back.
            user_us: self.user_us.saturating_sub(before.user_us),
            system_us: self.system_us.saturating_sub(before.system_us),
            voluntary_switches: self.voluntary_switches - before.voluntary_switches,
            involuntary_switches: self.involuntary_switches - before.involuntary_switches,
            major_faults: self.major_faults - before.major_faults,
            io,
            ..*self
        }
    }

    pub fn cpu_us(&self) -> u64 {
        self.user_us + self.system_us
    }
}

fn microseconds(time: TimeVal) -> u64 {
    time.tv_sec() as u64 * 1_000_000 + time.tv_usec() as u64
}

/// Makes the peak of the resident set begin anew. False if the kernel does not do that.
pub fn reset_peak() -> bool {
    fs::write("/proc/self/clear_refs", "5").is_ok()
}

fn parse_io(text: &str) -> Option<ProcessIo> {
    let value = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        line?.trim().parse::<u64>().ok()
    };
    Some(ProcessIo {
        read_calls: value("syscr")?,
        write_calls: value("syscw")?,
        read_bytes: value("read_bytes")?,
        write_bytes: value("write_bytes")?.saturating_sub(value("cancelled_write_bytes")?),
    })
}

/// A size in `/proc/self/status`, which writes it as `VmHWM:     1234 kB`.
fn status_bytes(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_io_file_is_taken_apart_and_cancelled_writes_are_no_writes() {
        let text = "rchar: 323934931\nwchar: 323929600\nsyscr: 632687\nsyscw: 632675\n\
                    read_bytes: 4096\nwrite_bytes: 323932160\ncancelled_write_bytes: 932160\n";
        let expected = ProcessIo {
            read_calls: 632_687,
            write_calls: 632_675,
            read_bytes: 4096,
            write_bytes: 323_000_000,
        };
        assert_eq!(parse_io(text), Some(expected));
        assert_eq!(parse_io("rchar: 1\n"), None);
    }

    #[test]
    fn sizes_in_the_status_file_are_kibibytes() {
        let status = "Name:\trabi-bench\nVmPeak:\t 5000 kB\nVmHWM:\t   1234 kB\nVmRSS:\t 99 kB\n";
        assert_eq!(status_bytes(status, "VmHWM"), Some(1234 * 1024));
        assert_eq!(status_bytes(status, "Vm"), None);
    }

    #[test]
    fn work_takes_processor_time_and_memory() {
        let before = ProcessCounters::now();
        let sum: u64 = std::hint::black_box((0..20_000_000_u64).map(std::hint::black_box).sum());
        let used = ProcessCounters::now().since(&before);
        assert!(sum > 0 && used.cpu_us() > 0, "{used:?}");
        assert!(used.rss_peak_bytes.is_some_and(|bytes| bytes > 100_000), "{used:?}");
    }

    #[test]
    fn threads_that_have_ended_are_counted_with_each_time_they_waited() {
        let before = ProcessCounters::now();
        let sleeper = || (0..50).for_each(|_| std::thread::sleep(std::time::Duration::from_micros(100)));
        std::thread::spawn(sleeper).join().unwrap();
        let used = ProcessCounters::now().since(&before);
        assert!(used.voluntary_switches >= 50, "{used:?}");
    }

    #[test]
    fn what_is_written_is_counted_once() {
        const BYTES: u64 = 8 << 20;
        let file = tempfile::NamedTempFile::new().unwrap();
        let before = ProcessCounters::now();
        fs::write(file.path(), vec![1; BYTES as usize]).unwrap();
        fs::File::open(file.path()).unwrap().sync_all().unwrap();
        let used = ProcessCounters::now().since(&before);
        // Other tests of this process may write meanwhile. In memory alone nothing is written.
        let on_tmpfs = rustix::fs::statfs(file.path()).unwrap().f_type == 0x0102_1994;
        let written = used.io.map_or(0, |io| io.write_bytes);
        assert!(on_tmpfs || written >= BYTES, "{used:?}");
    }
}
