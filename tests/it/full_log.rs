//! A log without room: no call waits for ever, a batch that does not fit leaves nothing behind, and
//! the log goes on.
//!
//! On small file systems as in [`crate::full_disk`]; each with rings and with plain system calls.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use rabi::{Db, Durability, Error, IoBackend, Options, Result, WriteBatch, WriteOptions};

use crate::device::{Device, Kind};
use crate::scratch::{Scratch, wait_until};

const BACKENDS: [IoBackend; 2] = [IoBackend::Auto, IoBackend::Blocking];

/// What a call comes to, if it returns at all.
fn returns<T: Send + 'static>(what: &str, call: impl FnOnce() -> T + Send + 'static) -> T {
    let (sender, results) = mpsc::channel();
    thread::spawn(move || drop(sender.send(call())));
    let result = results.recv_timeout(Duration::from_secs(60));
    result.unwrap_or_else(|_| panic!("{what} does not return"))
}

fn large(len: usize) -> WriteBatch {
    let mut batch = WriteBatch::new();
    for number in 0..len / 4096 {
        batch.put(format!("large{number:06}"), vec![b'x'; 4096]);
    }
    batch
}

fn write(db: &Db, batch: WriteBatch, durability: Durability) -> Result<()> {
    let db = db.clone();
    returns("a write", move || db.write(batch, WriteOptions::new().durability(durability)))
}

fn options(backend: IoBackend) -> Options {
    Options::new()
        .cores(2)
        .io_backend(backend)
        .memtable_size_bytes(1 << 20)
        .wal_segment_size_bytes(1 << 20)
        .stage_size_bytes(256 << 10)
}

#[test]
fn a_batch_larger_than_the_device_leaves_nothing_and_others_go_on() {
    for backend in BACKENDS {
        let scratch = Scratch::new();
        let Some(device) = Device::mount(Kind::Memory, &scratch, 16) else { return };
        let dir = device.path("db");
        let db = Db::open(&dir, options(backend)).unwrap();
        db.put("before", "large").unwrap();
        for durability in [Durability::Process, Durability::Power] {
            let error = write(&db, large(40 << 20), durability).unwrap_err();
            assert!(matches!(error, Error::DiskFull { .. }), "{error}");
        }
        wait_until("writes go on", || write(&db, large(0), Durability::Power).is_ok());
        db.put("after", "large").unwrap();
        let flushing = db.clone();
        returns("a flush", move || flushing.flush()).unwrap();
        returns("a close", move || db.close()).unwrap();
        let db = Db::open(&dir, options(backend)).unwrap();
        let keys: Vec<_> = db.range::<[u8; 0]>(..).map(|entry| entry.unwrap().0).collect();
        assert_eq!(keys, [b"after".to_vec(), b"before".to_vec()]);
        db.close().unwrap();
    }
}

#[test]
fn a_batch_that_was_refused_fits_once_there_is_room() {
    for backend in BACKENDS {
        let scratch = Scratch::new();
        let Some(device) = Device::mount(Kind::Ext4, &scratch, 48) else { return };
        let dir = device.path("db");
        let db = Db::open(&dir, options(backend)).unwrap();
        let filler = device.fill(2 << 20);
        let error = write(&db, large(6 << 20), Durability::Power).unwrap_err();
        assert!(matches!(error, Error::DiskFull { .. }), "{error}");
        std::fs::remove_file(filler).unwrap();
        wait_until("it fits", || write(&db, large(6 << 20), Durability::Power).is_ok());
        returns("a drop", move || drop(db));
        let db = Db::open(&dir, options(backend)).unwrap();
        assert_eq!(db.prefix("large").count(), (6 << 20) / 4096);
        db.close().unwrap();
    }
}

#[test]
fn a_power_write_on_a_device_that_fills_is_acknowledged_or_told() {
    for backend in BACKENDS {
        let scratch = Scratch::new();
        let Some(device) = Device::mount(Kind::Ext4, &scratch, 48) else { return };
        let dir = device.path("db");
        // Segments of two records, so that some record needs the segment for which there is no room.
        let options = options(backend).memtable_size_bytes(64 << 20);
        let options = options.wal_segment_size_bytes(64 << 10).stage_size_bytes(64 << 10);
        let db = Db::open(&dir, options).unwrap();
        let mut acknowledged = 0_u64;
        let error = loop {
            let mut batch = WriteBatch::new();
            batch.put(acknowledged.to_be_bytes(), vec![b'x'; 30_000]);
            match write(&db, batch, Durability::Power) {
                Ok(()) => acknowledged += 1,
                Err(error) => break error,
            }
        };
        assert!(matches!(error, Error::DiskFull { .. }), "{error}");
        let closing = returns("a close", move || db.close());
        drop(closing);
        assert!(acknowledged > 10);
    }
}
