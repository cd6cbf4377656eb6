//! Small file systems, in memory and on loop devices, for tests that may mount.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::scratch::Scratch;

/// What a device is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// tmpfs.
    Memory,
    /// ext4 with the kernel's own settings.
    Ext4,
    /// ext4 that brings data through its journal.
    Ext4Journalled,
    /// ext4 whose superblock turns delayed allocation off, which a list of mounts does not show.
    Ext4Undelayed,
    /// The format of ext3, which has no `fallocate`.
    Ext3,
    /// XFS as `mkfs.xfs` makes it.
    Xfs,
    /// btrfs as `mkfs.btrfs` makes it.
    Btrfs,
}

/// A small file system that goes when the test ends.
pub struct Device(PathBuf);

impl Device {
    /// Makes and mounts one; `None`, with the reason on the screen, where that cannot be done.
    pub fn mount(kind: Kind, scratch: &Scratch, size_mib: u64) -> Option<Self> {
        let at = scratch.beside("device");
        fs::create_dir(&at).unwrap();
        let mut mount = Command::new("mount");
        let make: &[&str] = match kind {
            Kind::Memory => &[],
            // Without blocks kept for root, who runs these tests.
            Kind::Ext4 | Kind::Ext4Journalled | Kind::Ext4Undelayed => &["mkfs.ext4", "-q", "-F", "-m", "0"],
            Kind::Ext3 => &["mkfs.ext3", "-q", "-F", "-m", "0"],
            Kind::Xfs => &["mkfs.xfs", "-q", "-f"],
            Kind::Btrfs => &["mkfs.btrfs", "-q", "-f"],
        };
        if let Some((program, arguments)) = make.split_first() {
            let image = scratch.beside("image");
            fs::File::create(&image).unwrap().set_len(size_mib << 20).unwrap();
            if !succeeds(Command::new(program).args(arguments).arg(&image)) {
                return None;
            }
            let mut tune = Command::new("tune2fs");
            if kind == Kind::Ext4Undelayed && !succeeds(tune.args(["-o", "nodelalloc"]).arg(&image)) {
                return None;
            }
            let how = if kind == Kind::Ext4Journalled { "loop,data=journal" } else { "loop" };
            mount.args(["-o", how]).arg(image);
        } else {
            mount.args(["-t", "tmpfs", "-o", &format!("size={size_mib}m"), "rabi-test"]);
        }
        succeeds(mount.arg(&at)).then_some(Self(at))
    }

    /// Where it is mounted.
    pub fn root(&self) -> &Path {
        &self.0
    }

    /// A path on it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Takes the rest of the space, but `left` bytes.
    pub fn fill(&self, left: usize) -> PathBuf {
        let path = self.path("filler");
        let mut len = 0_usize;
        let mut step = 1 << 20;
        let mut file = fs::File::create(&path).unwrap();
        while step >= 4096 {
            match std::io::Write::write(&mut file, &vec![1; step]) {
                Ok(written) if written > 0 => len += written,
                _ => step /= 2,
            }
        }
        file.set_len(len.saturating_sub(left) as u64).unwrap();
        path
    }
}

/// Runs a command; if it cannot do its work here, says so and that the test is skipped.
pub fn succeeds(command: &mut Command) -> bool {
    match command.output() {
        Ok(done) if done.status.success() => return true,
        Ok(done) => println!("SKIPPED: {command:?}: {}", String::from_utf8_lossy(&done.stderr).trim()),
        Err(error) => println!("SKIPPED: cannot run {command:?}: {error}"),
    }
    false
}

impl Drop for Device {
    fn drop(&mut self) {
        let done = Command::new("umount").arg("-l").arg(&self.0).status();
        assert!(done.is_ok_and(|status| status.success()), "cannot unmount {}", self.0.display());
    }
}
