//! A device without space: writes say so, reads go on, and writing resumes by itself.
//!
//! On a file system in memory, and on ext4 in a file: there space runs out for direct writes, for
//! buffered ones and for names each in its own way. Needs the right to mount; without it the tests
//! say so and pass.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use rabi::{Db, Error, Options};

use crate::device::{Device, Kind};
use crate::generator::Random;
use crate::scratch::{Scratch, contents, files, small, wait_until};

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
    assert!(
        text.ends_with(": free some space; a database that is open then resumes writing by itself"),
        "{text}"
    );
}

/// Reads for as long as it lives, on a thread of its own.
struct Reader {
    stop: Arc<AtomicBool>,
    reads: Arc<AtomicU64>,
    thread: std::thread::JoinHandle<()>,
}

impl Reader {
    /// Reads the first `keys` keys of a [`Writer`], which must be there.
    fn start(db: &Db, keys: usize) -> Self {
        let (stop, reads) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (db, stopped, counted) = (db.clone(), Arc::clone(&stop), Arc::clone(&reads));
        let mut random = Random::new("reader");
        let thread = std::thread::spawn(move || {
            while !stopped.load(Relaxed) {
                let start = Instant::now();
                let found = db.get(format!("key{:06}", random.below(keys))).unwrap();
                assert_eq!(found.expect("it was acknowledged").len(), 500);
                assert!(start.elapsed() < Duration::from_secs(5), "a read waits for the full device");
                counted.fetch_add(1, Relaxed);
            }
        });
        Self { stop, reads, thread }
    }

    fn reads(&self) -> u64 {
        self.reads.load(Relaxed)
    }

    fn end(self) {
        self.stop.store(true, Relaxed);
        self.thread.join().unwrap();
    }
}

#[test]
fn writes_on_a_full_device_fail_clearly_and_resume_when_there_is_room() {
    fill_and_make_room(Kind::Memory, 24);
}

#[test]
fn writes_on_a_full_ext4_fail_clearly_and_resume_when_there_is_room() {
    fill_and_make_room(Kind::Ext4, 32);
}

fn fill_and_make_room(kind: Kind, size_mib: u64) {
    let scratch = Scratch::new();
    let Some(device) = Device::mount(kind, &scratch, size_mib) else { return };
    let dir = device.path("db");
    let db = Db::open(&dir, options()).unwrap();
    let mut writer = Writer::new(&db);
    (0..2000).for_each(|_| writer.write().unwrap());
    let reader = Reader::start(&db, 2000);

    for round in 0..3 {
        let filler = device.fill(300 << 10);
        let error = writer.write_until_full();
        check_text(&error, &dir);
        assert!(contents(&db) == writer.acknowledged, "round {round}: reads go on");
        let reads = reader.reads();
        // Attempts meanwhile must not eat up what will be freed.
        std::thread::sleep(Duration::from_millis(700));
        check_text(&writer.write_until_full(), &dir);
        assert!(reader.reads() > reads + 100, "round {round}: reads go on while the device is full");
        fs::remove_file(filler).unwrap();
        wait_until("writes resume", || writer.write().is_ok());
        // A flush that failed a moment ago may be told to a writer once more before it is repeated.
        (0..300).for_each(|_| wait_until("writes go on", || writer.write().is_ok()));
    }
    reader.end();
    assert!(contents(&db) == writer.acknowledged);
    db.compact().unwrap();
    let left_over = || {
        let stats = db.stats();
        let live: Vec<_> = stats.flushed.iter().chain(stats.runs()).map(|file| file.id).collect();
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
    drop_and_make_room(Kind::Memory, 16);
}

#[test]
fn a_database_dropped_on_a_full_ext4_opens_once_there_is_room_and_has_everything() {
    drop_and_make_room(Kind::Ext4, 24);
}

fn drop_and_make_room(kind: Kind, size_mib: u64) {
    let scratch = Scratch::new();
    let Some(device) = Device::mount(kind, &scratch, size_mib) else { return };
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
