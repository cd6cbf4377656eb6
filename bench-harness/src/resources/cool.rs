//! Cool caches: what the page cache holds of a closed database is dropped.
//!
//! The files are synced first, for the kernel keeps dirty pages. No privilege is needed, and nothing
//! else on the machine loses its pages; the device's own cache, and a host's below a virtual machine,
//! stay as they are.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use rustix::fs::{Advice, fadvise};

/// Drops the pages of all files below `dir`; returns how many bytes those files have.
pub fn cool(dir: &Path) -> io::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(dir)? {
        let (entry, path) = entry.map(|entry| (entry.file_type(), entry.path()))?;
        let kind = entry?;
        if kind.is_dir() {
            bytes += cool(&path)?;
        } else if kind.is_file() {
            let file = File::open(&path)?;
            file.sync_all()?;
            // A length of none is the whole file.
            fadvise(&file, 0, None, Advice::DontNeed)?;
            bytes += file.metadata()?.len();
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_files_below_a_directory_are_dropped_and_stay_what_they_were() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("below")).unwrap();
        fs::write(dir.path().join("below/a"), vec![7; 100_000]).unwrap();
        fs::write(dir.path().join("b"), vec![8; 50]).unwrap();
        assert_eq!(cool(dir.path()).unwrap(), 100_050);
        assert_eq!(fs::read(dir.path().join("below/a")).unwrap(), vec![7; 100_000]);
        let error = cool(&dir.path().join("none")).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
