//! Where a shared mapping may be promised: on file systems where a store into a page that was there a moment
//! ago cannot fail.
//!
//! A store cannot return an error: where the file system has to refuse it, the kernel ends the process with
//! SIGBUS. After each write-back the first store into a page asks the file system again, so that a page which
//! took a store before is no promise either. What was found on Linux 6.18, with pages populated, written back,
//! and the file system then shut down or filled (tests/it/file_systems.rs repeats the most of it):
//!
//! | file system | shut down | full |
//! | --- | --- | --- |
//! | tmpfs | has no device | stores go on |
//! | ext4 with delayed allocation | stores go on, also into pages that were evicted | stores go on |
//! | ext4 without it, ext3 | SIGBUS if the page was evicted | - |
//! | ext4 with `data=journal` | SIGBUS | - |
//! | XFS | SIGBUS | stores go on |
//! | btrfs | - | SIGBUS: it writes elsewhere |
//!
//! What no file system can promise: a page that was evicted has to be read again before a store. If its device
//! can no longer be read (seen with ext4 on a loop device whose image was cut off), that is a SIGBUS as well,
//! unless the page is asked for first, which is done again each second.
//!
//! Everything else counts as unsafe: copy-on-write, network and FUSE file systems, and overlays, which do not
//! say what is below them.

use std::fs;

use super::File;

const EXT4: i64 = 0xef53;
const TMPFS: i64 = 0x0102_1994;

/// Whether stores into a mapping of this file can be relied upon; if not, why.
pub(super) fn may_map(file: &File) -> Result<(), String> {
    let stat = rustix::fs::fstatfs(file).map_err(|e| format!("the file system cannot be told ({e})"))?;
    #[allow(clippy::unnecessary_cast, reason = "the type differs between architectures")]
    match stat.f_type as i64 {
        TMPFS => Ok(()),
        EXT4 => {
            let device =
                rustix::fs::fstat(file).map_err(|e| format!("the device cannot be told ({e})"))?.st_dev;
            let mounts = fs::read_to_string("/proc/self/mountinfo")
                .map_err(|e| format!("how it is mounted cannot be told ({e})"))?;
            judge_ext4(&mounts, (rustix::fs::major(device), rustix::fs::minor(device)))
        }
        other => Err(format!("a store into a mapping may fail on this file system (type {other:#x})")),
    }
}

/// Looks for the mount of a device of the ext4 driver in the text of `mountinfo`.
fn judge_ext4(mounts: &str, (major, minor): (u32, u32)) -> Result<(), String> {
    let device = format!("{major}:{minor}");
    let mount = mounts.lines().find(|line| line.split(' ').nth(2) == Some(&device));
    let Some((_, end)) = mount.and_then(|line| line.split_once(" - ")) else {
        return Err("how it is mounted cannot be told".to_owned());
    };
    let mut fields = end.split(' ');
    let (kind, options) = (fields.next().unwrap_or_default(), fields.nth(1).unwrap_or_default());
    if kind != "ext4" {
        return Err(format!("a store into a mapping may fail on {kind}"));
    }
    match options.split(',').find(|option| ["data=journal", "nodelalloc"].contains(option)) {
        Some(option) => Err(format!("a store into a mapping may fail on ext4 mounted with {option}")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw,discard\n\
30 22 7:0 / /mnt/a rw - ext4 /dev/loop0 rw,data=journal\n\
31 22 7:1 / /mnt/b rw - ext3 /dev/loop1 rw\n\
32 22 7:2 / /mnt/c rw - ext4 /dev/loop2 rw,nodelalloc,stripe=4\n";

    #[test]
    fn only_ext4_with_delayed_allocation_is_relied_upon() {
        assert_eq!(judge_ext4(MOUNTS, (254, 0)), Ok(()));
        for (minor, word) in [(0, "data=journal"), (1, "ext3"), (2, "nodelalloc"), (3, "cannot be told")] {
            let why = judge_ext4(MOUNTS, (7, minor)).unwrap_err();
            assert!(why.contains(word), "{why}");
        }
    }
}
