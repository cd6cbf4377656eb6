//! Rings and system calls: which is used, what is counted, and that files are the same.

use std::path::Path;

use rabi::{Db, Error, IoBackend, Options, Stats};
use rustix::fs::{Advice, fadvise, statfs};

use crate::generator::Random;
use crate::scratch::{Scratch, contents, files, number, small};
use crate::system::deny;

fn with(backend: IoBackend) -> Options {
    // Without a cache every read of a block is a cold one.
    small().io_backend(backend).cache_size_bytes(0)
}

/// Whether this machine permits rings; says so if not.
pub fn rings_permitted() -> bool {
    let scratch = Scratch::new();
    match Db::open(scratch.dir(), with(IoBackend::Uring)) {
        Ok(db) => {
            db.close().unwrap();
            true
        }
        Err(Error::RingDenied { cause, remedy }) => {
            println!("skipped: rings are denied here: {cause}; {remedy}");
            false
        }
        Err(error) => panic!("{error}"),
    }
}

fn fill(db: &Db, random: &mut Random, count: usize) {
    for _ in 0..count {
        let value = random.bytes(100);
        db.put(format!("key{:04}", random.below(2000)), value).unwrap();
    }
}

/// Takes the tables out of the page cache, whose reads need no ring. A file system in memory has
/// nothing else; returns whether there is anything to read from a device.
pub fn make_cold(dir: &Path) -> bool {
    const TMPFS_MAGIC: i64 = 0x0102_1994;
    for path in files(dir, "table-") {
        // One that compaction has replaced may go at any moment.
        if let Ok(file) = std::fs::File::open(path) {
            fadvise(file, 0, None, Advice::DontNeed).unwrap();
        }
    }
    statfs(dir).unwrap().f_type as i64 != TMPFS_MAGIC
}

fn ring_numbers(stats: &Stats) -> (u64, u64) {
    (number(stats, "ring_ops"), number(stats, "ring_enters"))
}

#[test]
fn auto_uses_rings_or_says_why_not() {
    let scratch = Scratch::new();
    let db = Db::open(scratch.dir(), with(IoBackend::Auto)).unwrap();
    let backend = db.stats().backend;
    if rings_permitted() {
        assert_eq!(backend, "uring");
    } else {
        let why = backend.strip_prefix("blocking: ").unwrap();
        assert!(!why.is_empty());
    }
    db.close().unwrap();
}

#[test]
fn everything_goes_through_rings_when_they_are_used() {
    if !rings_permitted() {
        return;
    }
    let (scratch, mut random) = (Scratch::new(), Random::new("rings"));
    let db = Db::open(scratch.dir(), with(IoBackend::Uring)).unwrap();
    let grows = |what: &str, act: &mut dyn FnMut()| {
        let before = ring_numbers(&db.stats());
        act();
        let after = ring_numbers(&db.stats());
        assert!(after.0 > before.0 && after.1 > before.1, "{what}: from {before:?} to {after:?}");
    };
    grows("writing the log", &mut || fill(&db, &mut random, 3000));
    db.put("last", "one").unwrap();
    grows("a flush", &mut || db.flush().unwrap());
    grows("compaction", &mut || db.compact().unwrap());
    if make_cold(&scratch.dir()) {
        // The system need not have forgotten pages that were in use: what it still has is not to be copied.
        deny(libc::SYS_preadv2, libc::EAGAIN);
        grows("a cold read", &mut || assert!(db.get("last").unwrap().is_some()));
        grows("a cold scan", &mut || assert!(db.range::<&str>(..).count() > 100));
    } else {
        println!("skipped cold reads: the file system is in memory");
    }
    let stats = db.stats();
    assert!(number(&stats, "reads") > 0 && number(&stats, "writes") > 0 && number(&stats, "syncs") > 0);
    db.close().unwrap();
}

#[test]
fn nothing_goes_through_rings_when_system_calls_are_chosen() {
    let (scratch, mut random) = (Scratch::new(), Random::new("calls"));
    let db = Db::open(scratch.dir(), with(IoBackend::Blocking)).unwrap();
    fill(&db, &mut random, 1500);
    db.compact().unwrap();
    assert!(db.range::<&str>(..).count() > 100);
    let stats = db.stats();
    assert_eq!(stats.backend, "blocking: chosen by option");
    assert_eq!(ring_numbers(&stats), (0, 0));
    assert!(number(&stats, "reads") > 0 && number(&stats, "writes") > 0 && number(&stats, "syncs") > 0);
    db.close().unwrap();
}

#[test]
fn a_directory_written_by_one_backend_opens_with_the_other() {
    let (scratch, mut random) = (Scratch::new(), Random::new("both"));
    let mut expected = Vec::new();
    for round in 0..6 {
        let backend = if round % 2 == 0 { IoBackend::Auto } else { IoBackend::Blocking };
        let db = Db::open(scratch.dir(), with(backend)).unwrap();
        assert!(contents(&db) == expected, "round {round}");
        fill(&db, &mut random, 400);
        expected = contents(&db);
        if round % 3 == 0 {
            db.close().unwrap();
        }
    }
}
