//! The file system a directory lies on.

use std::fs;
use std::path::Path;

use super::unknown;

pub struct Mounted {
    pub file_system: String,
    /// Source, mount point, options of the mount.
    pub mount: String,
    pub options: String,
}

/// The mount that holds `dir`: the one with the longest mount point that is an ancestor, and of
/// equals the one mounted last.
pub fn mount_of(dir: &Path) -> Mounted {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_line_is_taken_apart() {
        let line = "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext4 /dev/vda1 rw,errors=continue";
        let (point, mounted) = parse_mount(line).unwrap();
        assert_eq!((point.as_str(), mounted.file_system.as_str()), ("/mnt2", "ext4"));
        assert_eq!(mounted.mount, "/dev/vda1 on /mnt2, rw,noatime");
        assert_eq!(mounted.options, "rw,errors=continue");
    }
}
