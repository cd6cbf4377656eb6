//! Directories for one test, small options, and looks at what lies on disk.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rabi::{Db, Options, Stats};

/// A directory that goes when the test ends.
pub struct Scratch(tempfile::TempDir);

impl Scratch {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// Where the database lies.
    pub fn dir(&self) -> PathBuf {
        self.0.path().join("db")
    }

    /// Another place in the same directory.
    pub fn beside(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}

/// Options so small that a few hundred writes go through all levels.
pub fn small() -> Options {
    Options::new()
        .cores(2)
        .memtable_size_bytes(16 << 10)
        .max_flushed_files(6)
        .partition_size_bytes(16 << 10)
        .block_size_bytes(512)
        .cache_size_bytes(64 << 10)
        .wal_segment_size_bytes(64 << 10)
        .stage_size_bytes(64 << 10)
}

/// A number of `stats()`, which must be there.
pub fn number(stats: &Stats, name: &str) -> u64 {
    stats.get(name).unwrap_or_else(|| panic!("stats have no `{name}`"))
}

/// Everything the database holds, in order.
pub fn contents(db: &Db) -> Vec<(Vec<u8>, Vec<u8>)> {
    db.range::<[u8; 0]>(..)
        .map(|entry| entry.map(|(key, value)| (key, value.into_vec())))
        .collect::<rabi::Result<_>>()
        .unwrap()
}

/// Leaves of the stage what a loss of power leaves of it that wrote nothing back: header and length.
/// The system has been started anew since.
pub fn lose_stage(dir: &Path) {
    let stage = &files(dir, "stage-")[0];
    let mut bytes = fs::read(stage).unwrap();
    bytes[32..48].fill(0x55);
    let check = xxhash_rust::xxh3::xxh3_64(&bytes[..48]);
    bytes[48..56].copy_from_slice(&check.to_le_bytes());
    bytes[64..].fill(0);
    fs::write(stage, bytes).unwrap();
}

/// Names in a directory that begin with `prefix`, sorted.
pub fn files(dir: &Path, prefix: &str) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.file_name().unwrap().to_string_lossy().starts_with(prefix));
    paths.sort();
    paths
}

/// Waits until `reached`, or fails after a time that no healthy machine needs.
pub fn wait_until(what: &str, mut reached: impl FnMut() -> bool) {
    let start = Instant::now();
    while !reached() {
        assert!(start.elapsed() < Duration::from_secs(30), "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Has the system forget what it keeps of the files, so that reads go to the device.
pub fn forget_pages(dir: &Path) {
    for file in fs::read_dir(dir).unwrap() {
        // Some are removed meanwhile.
        let Ok(file) = fs::File::open(file.unwrap().path()) else { continue };
        file.sync_all().unwrap();
        rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed).unwrap();
    }
}

/// Copies the files of a closed database.
pub fn copy_dir(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}
