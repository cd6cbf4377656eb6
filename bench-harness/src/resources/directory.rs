//! The files of a database: their space, their dirty pages, and what the page cache holds of them.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::{Advice, fadvise};

/// Writes back everything dirty on the file system of `dir`. Where that fails, the counters are
/// a little less exact, which is no reason not to measure.
pub fn write_back(dir: &Path) {
    if let Ok(file) = File::open(dir) {
        let _ = rustix::fs::syncfs(file);
    }
}

/// Bytes allocated to all files below `dir`: not their lengths, because some engines make sparse
/// files as large as their address space. A file removed meanwhile counts nothing.
pub fn allocated_bytes(dir: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(dir) else {
        return 0;
    };
    let bytes = |entry: fs::DirEntry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => allocated_bytes(&entry.path()),
        // The unit of `st_blocks` is fixed, whatever the file system's is.
        Ok(metadata) => metadata.blocks() * 512,
        Err(_) => 0,
    };
    entries.flatten().map(bytes).sum()
}

/// Drops the pages of all files below `dir`, those of a closed database; returns how many bytes the files
/// have. They are synced first, for the kernel keeps dirty pages. No privilege is needed, and nothing else
/// on the machine loses its pages; the device's own cache, and a host's below a virtual machine, stay.
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
    fn holes_take_no_space_and_directories_are_descended_into() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("below")).unwrap();
        fs::write(dir.path().join("below/full"), vec![1; 100_000]).unwrap();
        let sparse = File::create(dir.path().join("sparse")).unwrap();
        sparse.set_len(1 << 40).unwrap();
        File::open(dir.path().join("below/full")).unwrap().sync_all().unwrap();
        let bytes = allocated_bytes(dir.path());
        assert!((100_000..1_000_000).contains(&bytes), "{bytes}");
    }

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
