//! Files that a command would write over each other, or over what it reads, are refused before anything runs.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use crate::output_file::directory;

/// What two spellings of one file have in common.
#[derive(Debug, PartialEq, Eq)]
enum Identity {
    /// Device and inode of a file that is there.
    There(u64, u64),
    /// Where one will be: its directory without links, and its name.
    ToBe(PathBuf),
}

#[derive(Debug, Default)]
pub struct Outputs {
    known: Vec<(&'static str, Identity)>,
}

impl Outputs {
    /// Of a command that reads these property files. Standard output, if it goes to a file, is written.
    pub fn of_reading(files: &[PathBuf]) -> Outputs {
        let stdout = fs::metadata("/proc/self/fd/1").ok().filter(fs::Metadata::is_file);
        let known = stdout.map(|file| ("standard output", Identity::There(file.dev(), file.ino())));
        let mut outputs = Outputs { known: known.into_iter().collect() };
        files.iter().for_each(|file| outputs.reads("-P", Some(file)));
        outputs
    }

    /// A file that is read; it may be named more than once.
    pub fn reads(&mut self, argument: &'static str, path: Option<&Path>) {
        self.known.extend(path.and_then(|path| Some((argument, identity(path)?))));
    }

    /// A file that will be written: no other argument may name it.
    pub fn writes(&mut self, argument: &'static str, path: Option<&Path>) -> Result<()> {
        let Some((path, identity)) = path.and_then(|path| Some((path, identity(path)?))) else {
            return Ok(());
        };
        if let Some((other, _)) = self.known.iter().find(|(_, known)| *known == identity) {
            bail!(
                "{argument} would overwrite {}, which is the file of {other} as well; name another file",
                path.display()
            );
        }
        self.known.push((argument, identity));
        Ok(())
    }
}

/// Nothing for what may be written more than once, such as /dev/null.
fn identity(path: &Path) -> Option<Identity> {
    if let Ok(found) = fs::metadata(path) {
        return found.is_file().then(|| Identity::There(found.dev(), found.ino()));
    }
    // A link that leads nowhere yet leads to the file to be.
    let target = fs::read_link(path).map(|target| directory(path).join(target));
    let path = target.as_deref().unwrap_or(path);
    Some(Identity::ToBe(directory(path).canonicalize().ok()?.join(path.file_name()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_file_is_recognised_under_all_its_names_and_devices_may_be_shared() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        fs::create_dir(path("sub")).unwrap();
        fs::write(path("there"), "").unwrap();
        fs::hard_link(path("there"), path("hard")).unwrap();
        std::os::unix::fs::symlink("there", path("soft")).unwrap();
        std::os::unix::fs::symlink("to-be", path("ahead")).unwrap();
        let clash = |first: &str, second: &str| {
            let mut outputs = Outputs::default();
            outputs.writes("--csv", Some(&path(first))).unwrap();
            outputs.writes("--json", Some(&path(second))).is_err()
        };
        for (first, second) in [
            ("there", "sub/../there"),
            ("there", "hard"),
            ("soft", "there"),
            ("to-be", "sub/../to-be"),
            ("ahead", "to-be"),
        ] {
            assert!(clash(first, second) && clash(second, first), "{first} {second}");
        }
        assert!(!clash("there", "to-be") && !clash("to-be", "sub/to-be"));
        let mut outputs = Outputs::default();
        outputs.writes("--csv", Some(Path::new("/dev/null"))).unwrap();
        outputs.writes("--json", Some(Path::new("/dev/null"))).unwrap();
    }
}
