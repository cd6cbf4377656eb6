//! The block device under a directory: what `/sys/dev/block` says of it.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{major, minor};
use serde::{Deserialize, Serialize};

/// The unit of `/sys/.../stat`, whatever the device's own sectors are.
const SECTOR_BYTES: u64 = 512;

#[derive(Debug, Clone)]
pub struct Device {
    sys: PathBuf,
}

/// Its counters since it was attached, or their difference.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceCounters {
    /// Read requests.
    pub reads: u64,
    pub read_bytes: u64,
    /// Write requests.
    pub writes: u64,
    pub write_bytes: u64,
    /// Flushes of its write cache; nothing where the kernel does not count them.
    pub flushes: Option<u64>,
}

/// What went on at the device during a phase, whoever caused it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DeviceUsage {
    /// Its name, such as `vda`.
    pub name: String,
    #[serde(flatten)]
    pub counters: DeviceCounters,
}

impl Device {
    /// The device that holds `dir`, if a file system lies directly on one.
    pub fn of(dir: &Path) -> Option<Device> {
        let number = fs::metadata(dir).ok()?.dev();
        let sys = format!("/sys/dev/block/{}:{}", major(number), minor(number));
        // A link into the tree of devices, where a partition lies below its disk.
        Some(Device { sys: fs::canonicalize(sys).ok()? })
    }

    /// Its name, such as `vda`.
    pub fn name(&self) -> String {
        self.sys.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
    }

    /// A file in its request queue, which a partition shares with its disk.
    pub fn queue(&self, name: &str) -> Option<String> {
        let own = self.sys.join("queue");
        let queue = if own.is_dir() { own } else { self.sys.parent()?.join("queue") };
        Some(fs::read_to_string(queue.join(name)).ok()?.trim().to_owned())
    }

    pub fn counters(&self) -> Option<DeviceCounters> {
        parse_stat(&fs::read_to_string(self.sys.join("stat")).ok()?)
    }
}

impl DeviceCounters {
    /// The difference to an earlier reading.
    pub fn since(&self, before: &DeviceCounters) -> DeviceCounters {
        DeviceCounters {
            reads: self.reads.saturating_sub(before.reads),
            read_bytes: self.read_bytes.saturating_sub(before.read_bytes),
            writes: self.writes.saturating_sub(before.writes),
            write_bytes: self.write_bytes.saturating_sub(before.write_bytes),
            flushes: self.flushes.zip(before.flushes).map(|(a, b)| a.saturating_sub(b)),
        }
    }
}

/// The fields are described in the kernel's `Documentation/block/stat.rst`: reads, merged reads,
/// sectors read, ms; the same for writes; three of queueing; four of discards; flushes, ms.
fn parse_stat(text: &str) -> Option<DeviceCounters> {
    let fields: Vec<u64> = text.split_whitespace().map_while(|field| field.parse().ok()).collect();
    Some(DeviceCounters {
        reads: *fields.first()?,
        read_bytes: fields.get(2)? * SECTOR_BYTES,
        writes: *fields.get(4)?,
        write_bytes: fields.get(6)? * SECTOR_BYTES,
        flushes: fields.get(15).copied(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stat_line_is_taken_apart_with_and_without_flushes() {
        let old = " 173898 39608 32869010 192946 139618 52849 249797208 665075 0 92232 887965\n";
        let expected = DeviceCounters {
            reads: 173_898,
            read_bytes: 32_869_010 * 512,
            writes: 139_618,
            write_bytes: 249_797_208 * 512,
            flushes: None,
        };
        assert_eq!(parse_stat(old), Some(expected));
        let new = format!("{} 19258 38 213975632 24992 35004 4951", old.trim());
        assert_eq!(parse_stat(&new), Some(DeviceCounters { flushes: Some(35_004), ..expected }));
        assert_eq!(parse_stat("1 2 3"), None);
    }
}
