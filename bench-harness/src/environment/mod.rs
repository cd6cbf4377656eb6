//! The environment of a measurement: what has to be known to compare two results.
//!
//! Everything is read from `/proc` and `/sys` and from what the build script recorded. What cannot be
//! read is "unknown"; a benchmark does not fail for want of a label.

mod memory_limit;
mod system;

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Serialize;

pub use memory_limit::Hierarchy;

/// Where, when and with what something was measured.
#[derive(Debug, Clone, Serialize)]
pub struct Environment {
    /// UTC, ISO 8601.
    pub started_utc: String,
    /// The name of the machine.
    pub hostname: String,
    /// The release of the kernel.
    pub kernel: String,
    /// The processor as the kernel names it.
    pub cpu_model: String,
    /// Processors this process may use.
    pub cores: usize,
    /// Main memory.
    pub memory_bytes: u64,
    /// The type of the file system the database is on.
    pub file_system: String,
    /// Its mount point, source and options.
    pub mount: String,
    /// The options of the file system itself, such as its journal mode.
    pub file_system_options: String,
    /// The block device below it: name, scheduler, write cache.
    pub device: String,
    /// The directory of the database.
    pub directory: String,
    /// The memory limit of the control group, if there is one.
    pub memory_limit_bytes: Option<u64>,
    /// Resource limits, soft and hard.
    pub limits: String,
    /// Whether io_uring is allowed.
    pub io_uring: String,
    /// Huge pages and governor.
    pub processor_settings: String,
    /// When the kernel writes dirty pages back.
    pub writeback: String,
    /// The commit the harness was built from.
    pub git_commit: String,
    /// The version of the harness.
    pub crate_version: &'static str,
    /// Debug or release.
    pub build_profile: &'static str,
    /// The compiler.
    pub rustc: &'static str,
    /// The command line.
    pub command: String,
}

impl Environment {
    /// Looks around, for a database in `dir`.
    pub fn gather(dir: &Path) -> Environment {
        let Mounted { file_system, mount, options } = mount_of(dir);
        Environment {
            started_utc: utc(SystemTime::now(), '-', ':'),
            hostname: hostname(),
            kernel: line_of("/proc/sys/kernel/osrelease"),
            cpu_model: cpu_model(),
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            memory_bytes: memory_bytes(),
            file_system,
            mount,
            file_system_options: options,
            device: system::device(dir),
            directory: dir.display().to_string(),
            memory_limit_bytes: Hierarchy::of_this_process().and_then(|groups| groups.limit_bytes()),
            limits: system::limits(),
            io_uring: system::io_uring(),
            processor_settings: system::processor_settings(),
            writeback: system::writeback(),
            git_commit: match env!("RABI_BENCH_COMMIT") {
                "" => unknown(),
                commit => commit.to_owned(),
            },
            crate_version: env!("CARGO_PKG_VERSION"),
            build_profile: env!("RABI_BENCH_PROFILE"),
            rustc: env!("RABI_BENCH_RUSTC"),
            command: command_line(std::env::args()),
        }
    }

    /// What makes the numbers doubtful, each with advice.
    pub fn doubts(&self) -> Vec<String> {
        let mut doubts = Vec::new();
        if self.build_profile != "release" {
            doubts.push("this is a debug build; build with --release to measure".to_owned());
        }
        if self.file_system == "tmpfs" {
            doubts.push(format!(
                "{} is on tmpfs, which is memory; name a directory on a disk with --dir",
                self.directory
            ));
        }
        doubts
    }

    /// The memory limit in words.
    fn memory_limit(&self) -> String {
        match self.memory_limit_bytes {
            Some(bytes) => format!("{:.1} MiB by control group", bytes as f64 / f64::from(1 << 20)),
            None => "none; engines may fill the OS cache with all of the memory".to_owned(),
        }
    }

    /// Name and value of everything, for tables.
    pub fn rows(&self) -> Vec<(String, String)> {
        let rows = [
            ("date", self.started_utc.clone()),
            ("machine", self.hostname.clone()),
            ("kernel", self.kernel.clone()),
            ("processor", format!("{} cores, {}", self.cores, self.cpu_model)),
            ("memory", format!("{:.1} GiB", self.memory_bytes as f64 / f64::from(1 << 30))),
            ("memory limit", self.memory_limit()),
            ("file system", format!("{} ({}; {})", self.file_system, self.mount, self.file_system_options)),
            ("device", self.device.clone()),
            ("io_uring", self.io_uring.clone()),
            ("limits", self.limits.clone()),
            ("processor settings", self.processor_settings.clone()),
            ("write-back", self.writeback.clone()),
            ("directory", self.directory.clone()),
            ("version", format!("{} at commit {}", self.crate_version, self.git_commit)),
            ("build", format!("{}, {}", self.build_profile, self.rustc)),
        ];
        rows.map(|(name, value)| (name.to_owned(), value)).to_vec()
    }
}

fn unknown() -> String {
    "unknown".to_owned()
}

fn line_of(path: &str) -> String {
    fs::read_to_string(path).map_or_else(|_| unknown(), |text| text.trim().to_owned())
}

/// The name of the machine, with nothing in it that a path could stumble over.
pub fn hostname() -> String {
    let name = line_of("/proc/sys/kernel/hostname");
    name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).collect()
}

/// The processor's name as the kernel gives it.
pub fn cpu_model() -> String {
    field_of("/proc/cpuinfo", "model name").unwrap_or_else(unknown)
}

fn field_of(path: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn memory_bytes() -> u64 {
    let kib = field_of("/proc/meminfo", "MemTotal")
        .and_then(|value| value.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}

/// What is mounted at a directory.
struct Mounted {
    file_system: String,
    mount: String,
    options: String,
}

/// The mount that holds `dir`: the one with the longest mount point that is an ancestor, and of
/// equals the one mounted last.
fn mount_of(dir: &Path) -> Mounted {
    let dir = dir.canonicalize().unwrap_or_else(|_| dir.to_owned());
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    table
        .lines()
        .filter_map(parse_mount)
        .filter(|(point, _)| dir.starts_with(point))
        .max_by_key(|(point, _)| point.len())
        .map_or_else(
            || Mounted { file_system: unknown(), mount: unknown(), options: unknown() },
            |(_, mounted)| mounted,
        )
}

/// Mount point and description of a line of `/proc/self/mountinfo`.
fn parse_mount(line: &str) -> Option<(String, Mounted)> {
    let (left, right) = line.split_once(" - ")?;
    let mut left = left.split(' ');
    let point = left.nth(4)?.to_owned();
    let options = left.next()?;
    let mut right = right.split(' ');
    let (kind, source) = (right.next()?, right.next()?);
    let mounted = Mounted {
        file_system: kind.to_owned(),
        mount: format!("{source} on {point}, {options}"),
        options: right.next()?.to_owned(),
    };
    Some((point, mounted))
}

/// A time as `2026-01-31T23:59:59Z` with the given separators.
pub fn utc(time: SystemTime, date_separator: char, time_separator: char) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs();
    let (year, month, day) = civil_date(since / 86_400);
    let (hour, minute, second) = (since / 3600 % 24, since / 60 % 60, since % 60);
    let (d, t) = (date_separator, time_separator);
    format!("{year:04}{d}{month:02}{d}{day:02}T{hour:02}{t}{minute:02}{t}{second:02}Z")
}

/// The Gregorian date of a day counted from 1970-01-01. Years are counted from March, so that
/// the leap day is the last of its year; 153 days are five months from any March on.
fn civil_date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468; // from 0000-03-01
    let era = days / 146_097; // days in 400 years
    let day_of_era = days % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

/// The command as another machine would give it: the program by its name alone.
fn command_line(mut words: impl Iterator<Item = String>) -> String {
    let program = words.next().unwrap_or_default();
    let name = program.rsplit('/').next().unwrap_or_default().to_owned();
    std::iter::once(name).chain(words).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_right_around_leap_days_and_centuries() {
        // Expected values from `date -u -d @SECONDS`.
        for (seconds, expected) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_709_251_199, "2024-02-29T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(utc(UNIX_EPOCH + Duration::from_secs(seconds), '-', ':'), expected);
        }
    }

    #[test]
    fn a_mount_line_is_taken_apart() {
        let line = "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext4 /dev/vda1 rw,errors=continue";
        let (point, mounted) = parse_mount(line).unwrap();
        assert_eq!((point.as_str(), mounted.file_system.as_str()), ("/mnt2", "ext4"));
        assert_eq!(mounted.mount, "/dev/vda1 on /mnt2, rw,noatime");
        assert_eq!(mounted.options, "rw,errors=continue");
    }

    #[test]
    fn this_machine_has_a_kernel_memory_and_a_file_system() {
        let environment = Environment::gather(Path::new("/"));
        assert!(environment.memory_bytes > 0);
        assert!(environment.cores > 0);
        assert_ne!(environment.kernel, "unknown");
        assert_ne!(environment.file_system, "unknown");
    }
}
