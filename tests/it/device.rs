//! Small file systems, in memory and on loop devices, for tests that may mount.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::scratch::Scratch;

/// What a device is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A file system in memory.
    Memory,
    Ext4,
    /// The format of ext3, which has no `fallocate`.
    Ext3,
}

/// A small file system that goes when the test ends.
pub struct Device(PathBuf);

impl Device {
    /// Makes and mounts one; `None`, with the reason on the screen, where that cannot be done.
    pub fn mount(kind: Kind, scratch: &Scratch, size_mib: u64) -> Option<Self> {
        let at = scratch.beside("device");
        fs::create_dir(&at).unwrap();
        let mut mount = Command::new("mount");
        let program = match kind {
            Kind::Memory => {
                mount.args(["-t", "tmpfs", "-o", &format!("size={size_mib}m"), "rabi-test"]);
                return succeeds(mount.arg(&at)).then_some(Self(at));
            }
            Kind::Ext4 => "mkfs.ext4",
            Kind::Ext3 => "mkfs.ext3",
        };
        let image = scratch.beside("image");
        fs::File::create(&image).unwrap().set_len(size_mib << 20).unwrap();
        // Without blocks kept for root, who runs these tests.
        if !succeeds(Command::new(program).args(["-q", "-F", "-m", "0"]).arg(&image)) {
            return None;
        }
        mount.args(["-o", "loop"]).arg(image);
        succeeds(mount.arg(&at)).then_some(Self(at))
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
fn succeeds(command: &mut Command) -> bool {
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
