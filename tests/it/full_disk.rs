//! A device without space: writes say so, reads go on, and writing resumes by itself.
//!
//! Needs the right to mount a file system in memory; without it the tests say so and pass.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use rabi::{Db, Error, Options};

use crate::generator::Random;
use crate::scratch::{Scratch, contents, files, small, wait_until};

/// A small file system that goes when the test ends.
struct Device(PathBuf);

impl Device {
    fn mount(at: &Path, size: &str) -> Option<Self> {
        fs::create_dir(at).unwrap();
        let options = format!("size={size}");
        let done = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "rabi-test"]).arg(at).output();
        match done {
            Ok(done) if done.status.success() => Some(Self(at.to_path_buf())),
            Ok(done) => {
                println!("skipped: no right to mount: {}", String::from_utf8_lossy(&done.stderr).trim());
                None
            }
            Err(error) => {
                println!("skipped: cannot run mount: {error}");
                None
            }
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Takes the rest of the space, but `left` bytes.
    fn fill(&self, left: usize) -> PathBuf {
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

impl Drop for Device {
    fn drop(&mut self) {
        let done = Command::new("umount").arg("-l").arg(&self.0).status();
        assert!(done.is_ok_and(|status| status.success()), "cannot unmount {}", self.0.display());
    }
}

fn options() -> Options {
    small().memtable_size_bytes(64 << 10).partition_size_bytes(64 << 10).max_flushed_files(4)
}

/// What was acknowledged, in order.
struct Writer<'a> {
    db: &'a Db,
    random: Random,
    acknowledged: Vec<(Vec<u8>, Vec<u8>)>,
}

impl<'a> Writer<'a> {
    fn new(db: &'a Db) -> Self {
        Self { db, random: Random::new("full disk"), acknowledged: Vec::new() }
    }

    fn write(&mut self) -> rabi::Result<()> {
        let key = format!("key{:06}", self.acknowledged.len()).into_bytes();
        let value = self.random.bytes(500);
        self.db.put(&key, &value)?;
        self.acknowledged.push((key, value));
        Ok(())
    }

    fn write_until_full(&mut self) -> Error {
        let start = Instant::now();
        loop {
            if let Err(error) = self.write() {
                return error;
            }
            assert!(start.elapsed() < Duration::from_secs(60), "the device never gets full");
        }
    }
}

fn check_text(error: &Error, dir: &Path) {
    assert!(matches!(error, Error::DiskFull { .. }), "{error}");
    let text = error.to_string();
    assert!(text.starts_with("no space left to "), "{text}");
    assert!(text.contains(dir.to_str().unwrap()), "{text}");
    assert!(text.ends_with(": free some space, writing then resumes by itself"), "{text}");
}

#[test]
fn writes_on_a_full_device_fail_clearly_and_resume_when_there_is_room() {
    let scratch = Scratch::new();
    let Some(device) = Device::mount(&scratch.beside("device"), "24m") else { return };
    let dir = device.path("db");
    let db = Db::open(&dir, options()).unwrap();
    let mut writer = Writer::new(&db);
    (0..2000).for_each(|_| writer.write().unwrap());

    for round in 0..3 {
        let filler = device.fill(300 << 10);
        let error = writer.write_until_full();
        check_text(&error, &dir);
        assert!(contents(&db) == writer.acknowledged, "round {round}: reads go on");
        // Attempts meanwhile must not eat up what will be freed.
        std::thread::sleep(Duration::from_millis(700));
        check_text(&writer.write_until_full(), &dir);
        fs::remove_file(filler).unwrap();
        wait_until("writes resume", || writer.write().is_ok());
        // A flush that failed a moment ago may be told to a writer once more before it is repeated.
        (0..300).for_each(|_| wait_until("writes go on", || writer.write().is_ok()));
    }
    assert!(contents(&db) == writer.acknowledged);
    db.compact().unwrap();
    let left_over = || {
        let stats = db.stats();
        let of_partitions = stats.partitions.iter().filter_map(|(_, file)| file.as_ref());
        let live: Vec<_> = stats.flushed.iter().chain(of_partitions).map(|file| file.id).collect();
        let mut paths = files(&dir, "table-");
        paths.retain(|path| !live.iter().any(|id| path.ends_with(format!("table-{id:08}"))));
        paths
    };
    wait_until("no file is left behind by failed attempts", || left_over().is_empty());
    let acknowledged = writer.acknowledged;
    drop(db);

    let db = Db::open(&dir, options()).unwrap();
    assert!(contents(&db) == acknowledged, "nothing acknowledged is lost");
    db.close().unwrap();
}

#[test]
fn a_database_dropped_on_a_full_device_opens_once_there_is_room_and_has_everything() {
    let scratch = Scratch::new();
    let Some(device) = Device::mount(&scratch.beside("device"), "16m") else { return };
    let dir = device.path("db");
    let db = Db::open(&dir, options()).unwrap();
    let mut writer = Writer::new(&db);
    let filler = device.fill(1 << 20);
    check_text(&writer.write_until_full(), &dir);
    let acknowledged = writer.acknowledged;
    drop(db);

    // No room to replay the log: an error, as often as it is tried, and no loss.
    for _ in 0..3 {
        if let Err(error) = Db::open(&dir, options()).map(drop) {
            check_text(&error, &dir);
        }
    }
    fs::remove_file(filler).unwrap();
    let db = Db::open(&dir, options()).unwrap();
    assert!(contents(&db) == acknowledged, "nothing acknowledged is lost");
    db.put("more", "room").unwrap();
    db.close().unwrap();
}
