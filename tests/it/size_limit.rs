//! A limit of file sizes (`RLIMIT_FSIZE`), whose signal the process ignores: like a full device.
//!
//! It can be lowered below what the log has reserved. So it stands here also for file systems on which
//! overwriting takes space and a log that has room cannot be drained all the same.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use rabi::{Db, Durability, Error, IoBackend, Options, Result, WriteOptions};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::scratch::{Scratch, contents, wait_until};
use crate::system::{ignore, run_alone};

/// `EFBIG`.
const TOO_LARGE: Option<i32> = Some(libc::EFBIG);

fn limit(bytes: Option<u64>) {
    let maximum = getrlimit(Resource::Fsize).maximum;
    setrlimit(Resource::Fsize, Rlimit { current: bytes, maximum }).unwrap();
}

fn options(backend: IoBackend) -> Options {
    Options::new()
        .cores(2)
        .io_backend(backend)
        .memtable_size_bytes(4 << 20)
        .wal_segment_size_bytes(1 << 20)
        .stage_size_bytes(64 << 10)
}

/// A write on a thread of its own, which must come to an end.
fn put(db: &Db, number: u32, durability: Durability) -> Result<()> {
    let (db, (sender, results)) = (db.clone(), mpsc::channel());
    let options = WriteOptions::new().durability(durability);
    thread::spawn(move || drop(sender.send(db.put_with(number.to_be_bytes(), vec![b'x'; 10_000], options))));
    results.recv_timeout(Duration::from_secs(20)).expect("a write does not wait for the limit to rise")
}

fn is_limit(error: &Error) -> bool {
    matches!(error, Error::Io { source, .. } if source.raw_os_error() == TOO_LARGE)
}

/// The limit is too low for another segment.
fn check_segments(backend: IoBackend) {
    let scratch = Scratch::new();
    let db = Db::open(scratch.dir(), options(backend)).unwrap();
    limit(Some(128 << 10));
    let (mut count, error) = (0..1000)
        .find_map(|number| put(&db, number, Durability::Process).err().map(|error| (number, error)))
        .expect("no segment can be made");
    assert!(is_limit(&error), "{error}");
    assert!(db.get(0_u32.to_be_bytes()).unwrap().is_some(), "reads go on");
    limit(None);
    wait_until("writes resume", || put(&db, count, Durability::Power).is_ok());
    count += 1;
    db.flush().unwrap();
    db.close().unwrap();
    let db = Db::open(scratch.dir(), options(backend)).unwrap();
    assert_eq!(contents(&db).len(), count as usize);
    db.close().unwrap();
}

/// The limit is too low for what has room in the log already.
fn check_drain(backend: IoBackend) {
    let scratch = Scratch::new();
    let db = Db::open(scratch.dir(), options(backend)).unwrap();
    put(&db, 0, Durability::Power).unwrap();
    limit(Some(4096));
    let error = put(&db, 1, Durability::Power).unwrap_err();
    assert!(is_limit(&error), "{error}");
    limit(None);
    wait_until("writes resume", || put(&db, 2, Durability::Power).is_ok());
    db.close().unwrap();
    let db = Db::open(scratch.dir(), options(backend)).unwrap();
    assert_eq!(contents(&db).len(), 3, "what waits for the limit has its place and is durable after it");
    db.close().unwrap();
}

#[test]
#[ignore = "runs in a process of its own, by the test below"]
fn scene_of_small_files() {
    ignore(libc::SIGXFSZ);
    for backend in [IoBackend::Auto, IoBackend::Blocking] {
        check_segments(backend);
        check_drain(backend);
    }
}

#[test]
fn at_the_limit_of_file_sizes_writes_are_refused_and_resume_when_it_rises() {
    run_alone("size_limit::scene_of_small_files");
}
