//! The environment of a measurement: what has to be known to compare two results.
//!
//! Everything is read from `/proc` and `/sys` and from what the build script recorded. What cannot be
//! read is "unknown"; a benchmark does not fail for want of a label.

mod container;
mod fingerprint;
mod mount;
mod ring;
mod system;

use std::fs;
use std::path::Path;
use std::time::SystemTime;

use serde::Serialize;

use crate::control_group::{Hierarchy, JOIN_GROUP};
use crate::size::{size, with_sizes};

pub use fingerprint::FREE;

use mount::{Mounted, mount_of};

/// Where, when and with what something was measured.
#[derive(Debug, Clone, Serialize)]
pub struct Environment {
    /// A hash of all that must be equal for two results to be compared; see `FREE` for the rest.
    pub fingerprint: String,
    /// UTC, ISO 8601.
    pub started_utc: String,
    pub hostname: String,
    pub kernel: String,
    pub cpu_model: String,
    /// Processors this process may use.
    pub cores: usize,
    pub memory_bytes: u64,
    pub file_system: String,
    pub mount: String,
    pub file_system_options: String,
    /// The block device below it: name, scheduler, write cache.
    pub device: String,
    pub directory: String,
    pub memory_limit_bytes: Option<u64>,
    pub cpu_limit_cores: Option<f64>,
    /// The kind of container or virtual machine, as far as it shows.
    pub container: String,
    pub limits: String,
    /// Whether io_uring is allowed, and what came of making a ring.
    pub io_uring: String,
    /// Huge pages, governor, threads per core, clock, microcode.
    pub processor_settings: String,
    /// The frequency governor of the first processor.
    pub governor: String,
    /// When the kernel writes dirty pages back.
    pub writeback: String,
    pub git_commit: String,
    pub crate_version: &'static str,
    pub build_profile: &'static str,
    /// Optimisation, target, flags and cargo features of the build.
    pub build_flags: &'static str,
    pub rustc: &'static str,
    pub command: String,
}

impl Environment {
    /// Looks around, for a database in `dir`.
    pub fn gather(dir: &Path) -> Environment {
        let Mounted { file_system, mount, options } = mount_of(dir);
        let mut environment = Environment {
            fingerprint: String::new(),
            started_utc: utc_now(),
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
            cpu_limit_cores: container::cpu_limit_cores(),
            container: container::kind(),
            limits: system::limits(),
            io_uring: ring::status(),
            processor_settings: system::processor_settings(),
            governor: system::governor(),
            writeback: system::writeback(),
            git_commit: match env!("RABI_BENCH_COMMIT") {
                "" => unknown(),
                commit => commit.to_owned(),
            },
            crate_version: env!("CARGO_PKG_VERSION"),
            build_profile: env!("RABI_BENCH_PROFILE"),
            build_flags: env!("RABI_BENCH_BUILD"),
            rustc: env!("RABI_BENCH_RUSTC"),
            command: command_line(std::env::args()),
        };
        environment.fingerprint = fingerprint::of(&environment);
        environment
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
        if self.git_commit.ends_with("-dirty") {
            doubts.push(
                "this was built from changes that are in no commit, so that nobody can repeat it; commit them"
                    .to_owned(),
            );
        }
        if !["performance", "unknown"].contains(&self.governor.as_str()) {
            doubts.push(format!(
                "the frequency governor is {}; set it to performance, with: cpupower frequency-set -g performance",
                self.governor
            ));
        }
        if let Some(why) = self.io_uring.split_once(ring::DENIED).map(|(_, why)| why) {
            doubts.push(format!(
                "a ring cannot be made here ({why}), and engines that use io_uring run on system calls; see \
                 kernel.io_uring_disabled and the container's seccomp profile"
            ));
        }
        doubts
    }

    fn memory_limit(&self) -> String {
        match self.memory_limit_bytes {
            Some(bytes) => format!("{} by control group", size(bytes)),
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
            ("memory", size(self.memory_bytes)),
            ("memory limit", self.memory_limit()),
            (
                "processor limit",
                match self.cpu_limit_cores {
                    Some(cores) => format!("{cores:.2} cores by control group"),
                    None => "none".to_owned(),
                },
            ),
            ("container", self.container.clone()),
            ("file system", format!("{} ({}; {})", self.file_system, self.mount, self.file_system_options)),
            ("device", self.device.clone()),
            ("io_uring", self.io_uring.clone()),
            ("limits", with_sizes(&self.limits)),
            ("processor settings", format!("governor {}, {}", self.governor, self.processor_settings)),
            ("write-back", self.writeback.clone()),
            ("directory", self.directory.clone()),
            ("version", format!("{} at commit {}", self.crate_version, self.git_commit)),
            ("build", format!("{}, {}, {}", self.build_profile, self.build_flags, self.rustc)),
            ("fingerprint", self.fingerprint.clone()),
        ];
        rows.map(|(name, value)| (name.to_owned(), value)).to_vec()
    }
}

/// The time in UTC, as `2026-01-31T23:59:59Z`.
pub fn utc_now() -> String {
    humantime::format_rfc3339_seconds(SystemTime::now()).to_string()
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

/// The command as another machine would give it: the program by its name alone, and without the group that a limit
/// in the same command has made for it.
fn command_line(mut words: impl Iterator<Item = String>) -> String {
    let program = words.next().unwrap_or_default();
    let mut shown = vec![program.rsplit('/').next().unwrap_or_default().to_owned()];
    let words: Vec<String> = words.collect();
    let has_limit = words.iter().any(|word| word.starts_with("--memory-limit"));
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        match has_limit && word == JOIN_GROUP {
            true => drop(words.next()),
            false => shown.push(word),
        }
    }
    shown.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_group_that_a_limit_made_is_no_part_of_the_command() {
        let shown = |text: &str| command_line(text.split(' ').map(str::to_owned));
        assert_eq!(shown("/x/bench --memory-limit 1GiB --join-group /g -s"), "bench --memory-limit 1GiB -s");
        assert_eq!(shown("bench --join-group /g"), "bench --join-group /g");
    }

    #[test]
    fn this_machine_is_described_and_as_proc_says() {
        let environment = Environment::gather(Path::new("/"));
        let from = |path: &str| fs::read_to_string(path).unwrap().trim().to_owned();
        assert_eq!(environment.kernel, from("/proc/sys/kernel/osrelease"));
        assert!(environment.cores > 0 && environment.memory_bytes > 1 << 20);
        assert!(from("/proc/meminfo").contains(&format!(" {} kB", environment.memory_bytes / 1024)));
        let soft = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
        let soft = soft.map_or("unlimited".to_owned(), |files| files.to_string());
        assert!(environment.limits.starts_with(&format!("open files {soft}/")), "{}", environment.limits);
        let mounted = " on /, ";
        assert!(environment.mount.contains(mounted), "{}", environment.mount);
        let kind = format!(" - {} ", environment.file_system);
        assert!(from("/proc/self/mountinfo").contains(&kind), "{kind}");
        for (name, value) in environment.rows() {
            assert!(!value.is_empty(), "{name} is empty");
        }
    }
}
