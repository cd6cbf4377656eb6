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
//! | ext4 without it (`nodelalloc`), ext3 | SIGBUS if the page was evicted | - |
//! | ext4 with `data=journal`, or `chattr +j` | SIGBUS | - |
//! | XFS | SIGBUS | stores go on |
//! | btrfs | - | SIGBUS: it writes elsewhere |
//!
//! How ext4 works is told by `/proc/fs/ext4/<device>/options`: `mountinfo` leaves out what the superblock has for
//! its defaults, which may be `nodelalloc` (`tune2fs -o`). And a single file may have its data journalled
//! (`chattr +j`, which a new file takes over from its directory).
//!
//! What no file system can promise: a page that was evicted has to be read again before a store. If its device
//! can no longer be read (seen with ext4 on a loop device whose image was cut off), that is a SIGBUS as well,
//! unless the page is asked for first, which is done again each second.
//!
//! Everything else counts as unsafe: copy-on-write, network and FUSE file systems, and overlays, which do not
//! say what is below them.

use std::fs;

use rustix::fs::IFlags;

use super::File;

const EXT4: i64 = 0xef53;
const TMPFS: i64 = 0x0102_1994;

/// Whether stores into a mapping of this file can be relied upon; if not, why.
pub(super) fn may_map(file: &File) -> Result<(), String> {
    let stat = rustix::fs::fstatfs(file).map_err(|e| format!("the file system cannot be told ({e})"))?;
    #[allow(clippy::unnecessary_cast, reason = "the type differs between architectures")]
    match stat.f_type as i64 {
        TMPFS => Ok(()),
        EXT4 => may_map_on_ext4(file),
        other => Err(format!("a store into a mapping may fail on this file system (type {other:#x})")),
    }
}

/// Asks the kernel what [`judge_driver`], [`judge_options`] and [`judge_flags`] need.
fn may_map_on_ext4(file: &File) -> Result<(), String> {
    let unknown = |what: &str, error: &dyn std::fmt::Display| format!("{what} cannot be told ({error})");
    let device = rustix::fs::fstat(file).map_err(|e| unknown("the device", &e))?.st_dev;
    let device = format!("{}:{}", rustix::fs::major(device), rustix::fs::minor(device));
    let mounts = fs::read_to_string("/proc/self/mountinfo").map_err(|e| unknown("how it is mounted", &e))?;
    judge_driver(&mounts, &device)?;
    // The name is the last part of what this link leads to; ext4 has its directories by the same names.
    let link =
        fs::read_link(format!("/sys/dev/block/{device}")).map_err(|e| unknown("the device's name", &e))?;
    let name = link.file_name().ok_or("the device's name cannot be told")?;
    let path = std::path::Path::new("/proc/fs/ext4").join(name).join("options");
    let options = fs::read_to_string(&path).map_err(|e| unknown("with which options ext4 works", &e))?;
    judge_options(&options)?;
    judge_flags(rustix::fs::ioctl_getflags(file).map_err(|e| unknown("the flags of the file", &e))?)
}

/// Looks for the mount of a device of the ext4 driver in the text of `mountinfo`: whether its format is ext4's.
fn judge_driver(mounts: &str, device: &str) -> Result<(), String> {
    let mount = mounts.lines().find(|line| line.split(' ').nth(2) == Some(device));
    match mount.and_then(|line| line.split_once(" - ")).and_then(|(_, end)| end.split(' ').next()) {
        Some("ext4") => Ok(()),
        Some(kind) => Err(format!("a store into a mapping may fail on {kind}")),
        None => Err("how it is mounted cannot be told".to_owned()),
    }
}

/// Judges all options of an ext4, one a line. Without a journal there is none that begins with `data=`.
fn judge_options(options: &str) -> Result<(), String> {
    let is_unsafe = |option: &&str| match option.split_once('=') {
        Some(("data", mode)) => !["ordered", "writeback"].contains(&mode),
        _ => ["nodelalloc", "dax", "dax=always"].contains(option),
    };
    // The last one: `data=journal` comes after `nodelalloc`, which it implies.
    if let Some(option) = options.lines().rfind(is_unsafe) {
        return Err(format!("a store into a mapping may fail on ext4 with {option}"));
    }
    if options.lines().any(|option| option == "delalloc") {
        return Ok(());
    }
    Err("ext4 does not say that it delays allocation".to_owned())
}

/// Judges the flags of the file itself.
fn judge_flags(flags: IFlags) -> Result<(), String> {
    if flags.contains(IFlags::JOURNALING) {
        return Err("a store into a mapping may fail on ext4 if the file's data is journalled".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw,discard\n\
31 22 7:1 / /mnt/b rw - ext3 /dev/loop1 rw\n";

    #[test]
    fn only_the_format_of_ext4_is_relied_upon() {
        assert_eq!(judge_driver(MOUNTS, "254:0"), Ok(()));
        for (device, word) in [("7:1", "ext3"), ("7:3", "cannot be told"), ("54:0", "cannot be told")] {
            let why = judge_driver(MOUNTS, device).unwrap_err();
            assert!(why.contains(word), "{why}");
        }
    }

    #[test]
    fn only_ext4_with_delayed_allocation_and_no_data_in_the_journal_is_relied_upon() {
        for safe in
            ["rw\ndelalloc\ncommit=5\n", "delalloc\ndata=ordered\n", "data=writeback\ndelalloc\ndax=never\n"]
        {
            assert_eq!(judge_options(safe), Ok(()), "{safe}");
        }
        for (options, word) in [
            ("rw\nnodelalloc\ndata=ordered\n", "nodelalloc"),
            ("rw\nnodelalloc\ndata=journal\n", "data=journal"),
            ("delalloc\ndata=other\n", "data=other"),
            ("delalloc\ndata=ordered\ndax=always\n", "dax=always"),
            ("rw\ndata=ordered\nauto_da_alloc\n", "does not say"),
            ("", "does not say"),
        ] {
            let why = judge_options(options).unwrap_err();
            assert!(why.contains(word), "{options}: {why}");
        }
    }

    #[test]
    fn a_file_whose_data_is_journalled_is_not_relied_upon() {
        assert_eq!(judge_flags(IFlags::empty()), Ok(()));
        assert!(judge_flags(IFlags::from_bits_retain(0x4000)).unwrap_err().contains("journalled"));
    }
}
