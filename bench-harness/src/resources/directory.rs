//! The space a database takes, and its dirty pages.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Writes back everything dirty on the file system of `dir`. Where that fails, the counters are
/// a little less exact, which is no reason not to measure.
pub fn write_back(dir: &Path) {
    if let Ok(file) = fs::File::open(dir) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holes_take_no_space_and_directories_are_descended_into() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("below")).unwrap();
        fs::write(dir.path().join("below/full"), vec![1; 100_000]).unwrap();
        let sparse = fs::File::create(dir.path().join("sparse")).unwrap();
        sparse.set_len(1 << 40).unwrap();
        fs::File::open(dir.path().join("below/full")).unwrap().sync_all().unwrap();
        let bytes = allocated_bytes(dir.path());
        assert!((100_000..1_000_000).contains(&bytes), "{bytes}");
    }
}
