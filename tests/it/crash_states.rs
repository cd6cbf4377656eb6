//! States that a crash may leave behind: each must open, with a prefix of what was written.
//!
//! A crash is a copy of the directory while the database runs on cores that stand still.

use std::fs;
use std::future::Future;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use rabi::sim::Stepper;
use rabi::{Db, Options, WriteBatch, WriteOptions};

use crate::scratch::lose_stage;

fn small() -> Options {
    Options::new().cores(1).stage_size_bytes(64 << 10).wal_segment_size_bytes(256 << 10)
}

fn open_stepped(dir: &Path, options: Options) -> (Stepper, Db) {
    let (mut stepper, mut opening) = Db::open_stepped(dir, options).unwrap();
    loop {
        stepper.turn(0);
        if let Some(opened) = opening.poll() {
            return (stepper, opened.unwrap());
        }
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

/// The files whose names begin so, in order.
fn files(dir: &Path, prefix: &str) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.file_name().unwrap().to_string_lossy().starts_with(prefix));
    paths.sort();
    paths
}

fn overwrite(path: &Path, offset: u64, bytes: &[u8]) {
    fs::OpenOptions::new().write(true).open(path).unwrap().write_all_at(bytes, offset).unwrap();
}

/// Puts while the core makes the room in the log that the write may have to wait for.
fn put(stepper: &mut Stepper, db: &Db, key: &[u8], value: Vec<u8>) {
    let mut batch = WriteBatch::new();
    batch.put(key, value);
    let mut write = pin!(db.write_async(batch, WriteOptions::default()));
    loop {
        if let Poll::Ready(written) = write.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return written.unwrap();
        }
        stepper.turn(0);
    }
}

fn number(db: &Db, name: &str) -> u64 {
    db.stats().get(name).unwrap()
}

#[test]
fn a_batch_larger_than_the_stage_is_lost_as_a_whole_if_killed_half_way() {
    let root = tempfile::tempdir().unwrap();
    let (dir, killed, powerless) =
        (root.path().join("db"), root.path().join("killed"), root.path().join("powerless"));
    let (mut stepper, db) = open_stepped(&dir, small());
    db.put("before", "kept").unwrap();
    let writer = db.clone();
    let thread = std::thread::spawn(move || writer.put("large", vec![7; 1 << 20]));
    while number(&db, "wal_durable_lsn") < 300_000 {
        stepper.turn(0);
    }
    copy(&dir, &killed);
    copy(&dir, &powerless);
    lose_stage(&powerless);
    while !thread.is_finished() {
        stepper.turn(0);
    }
    thread.join().unwrap().unwrap();
    for dir in [killed, powerless] {
        let db = Db::open(dir, small()).unwrap();
        assert_eq!(&db.get("before").unwrap().unwrap()[..], b"kept");
        assert!(db.get("large").unwrap().is_none());
        db.close().unwrap();
    }
}

#[test]
fn a_record_that_is_durable_in_part_is_a_torn_tail() {
    let root = tempfile::tempdir().unwrap();
    let (dir, powerless) = (root.path().join("db"), root.path().join("powerless"));
    let (mut stepper, db) = open_stepped(&dir, small());
    let start = number(&db, "wal_durable_lsn");
    let mut count = 0_u32;
    // Enough for a drain, which ends at a sector; none of these records does.
    while number(&db, "wal_durable_lsn") == start {
        if number(&db, "wal_head_lsn") - start < 16 << 10 {
            db.put(count.to_be_bytes(), vec![5; 1000]).unwrap();
            count += 1;
        }
        stepper.turn(0);
    }
    copy(&dir, &powerless);
    lose_stage(&powerless);
    let db = Db::open(powerless, small()).unwrap();
    let kept = db.range::<[u8; 4]>(..).count() as u32;
    assert!(kept > 0 && kept < count, "{kept} of {count}");
    db.close().unwrap();
}

#[test]
fn a_broken_record_among_durable_ones_is_damage_with_and_without_the_stage() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("db");
    let (mut stepper, db) = open_stepped(&dir, small());
    for count in 0..100_u32 {
        put(&mut stepper, &db, &count.to_be_bytes(), vec![5; 1000]);
        // Each drain leaves its mark in the records that follow.
        while number(&db, "wal_head_lsn") - number(&db, "wal_durable_lsn") > 32 << 10 {
            stepper.turn(0);
        }
    }
    for name in ["with", "without"] {
        let broken = root.path().join(name);
        copy(&dir, &broken);
        overwrite(&files(&broken, "wal-")[0], 8192 + 2000, b"broken");
        if name == "without" {
            lose_stage(&broken);
        }
        let found = Db::open(broken, small()).unwrap_err();
        assert!(matches!(found, rabi::Error::Corruption { what: "log record", .. }), "{name}: {found}");
    }
}

#[test]
fn a_damaged_manifest_is_an_error_and_not_an_empty_database() {
    let root = tempfile::tempdir().unwrap();
    let db = Db::open(root.path(), small()).unwrap();
    db.put("key", "value").unwrap();
    db.flush().unwrap();
    db.close().unwrap();
    overwrite(files(root.path(), "MANIFEST-").last().unwrap(), 50, b"broken");
    let found = Db::open(root.path(), small()).map(|db| db.get("key").unwrap());
    assert!(matches!(found, Err(rabi::Error::Corruption { what: "manifest", .. })), "{found:?}");
}
