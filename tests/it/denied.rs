//! Rings that are denied: by a filter on system calls before the opening, or for want of something after it.
//!
//! A filter holds for a thread and those it starts, so each scene is a thread of its own.

use std::ffi::c_long;

use rabi::{Db, Error, IoBackend};
use rustix::process::{Resource, Rlimit, setrlimit};

use crate::scratch::{Scratch, contents, number, small};
use crate::system::{deny, run_alone};

const CALLS: [(&str, c_long); 3] = [
    ("io_uring_register", libc::SYS_io_uring_register),
    ("io_uring_setup", libc::SYS_io_uring_setup),
    ("io_uring_enter", libc::SYS_io_uring_enter),
];
const REFUSALS: [i32; 3] = [libc::EPERM, libc::ENOSYS, libc::EACCES];

/// Whether this machine permits rings without a filter; says so if not.
fn rings_permitted() -> bool {
    let scratch = Scratch::new();
    let opened = Db::open(scratch.dir(), small().io_backend(IoBackend::Uring));
    if let Err(error) = &opened {
        println!("skipped: {error}");
    }
    opened.is_ok()
}

/// Opens by choice and by demand on a thread to which the call is denied.
fn check(name: &'static str, call: c_long, errno: i32) {
    let scene = move || {
        deny(call, errno);
        let scratch = Scratch::new();
        let db = Db::open(scratch.dir(), small().cache_size_bytes(0)).unwrap();
        let backend = db.stats().backend;
        assert!(backend.starts_with("blocking: ") && backend.contains(name), "{name}, {errno}: {backend}");
        (0..1000).for_each(|key| db.put(format!("{key:04}"), [1; 40]).unwrap());
        db.compact().unwrap();
        assert_eq!(contents(&db).len(), 1000);
        assert_eq!(number(&db.stats(), "ring_enters"), 0);
        db.close().unwrap();
        match Db::open(scratch.dir(), small().io_backend(IoBackend::Uring)) {
            Err(Error::RingDenied { cause, remedy }) => {
                assert!(cause.contains(name), "{name}, {errno}: {cause}");
                assert!(remedy.ends_with("or choose the blocking backend"), "{name}, {errno}: {remedy}");
            }
            other => panic!("{name}, {errno}: {other:?}"),
        }
    };
    std::thread::spawn(scene).join().unwrap();
}

#[test]
fn each_call_that_a_filter_denies_is_found_out_by_the_opening() {
    if !rings_permitted() {
        return;
    }
    for (name, call) in CALLS {
        for errno in REFUSALS {
            check(name, call, errno);
        }
    }
}

#[test]
#[ignore = "runs in a process of its own, by the test below"]
fn scene_of_few_descriptors() {
    let open = |backend| {
        let scratch = Scratch::new();
        let opened = Db::open(scratch.dir(), small().cores(32).io_backend(backend));
        (scratch, opened)
    };
    // Enough for one ring and a database, not for two descriptors for each of 32 cores.
    let limits = Rlimit { current: Some(50), maximum: Some(50) };
    setrlimit(Resource::Nofile, limits).unwrap();
    let (scratch, db) = open(IoBackend::Auto);
    let db = db.unwrap();
    let backend = db.stats().backend;
    assert!(backend.starts_with("blocking: ") && backend.contains("too many files are open"), "{backend}");
    (0..1000).for_each(|key| db.put(format!("{key:04}"), [1; 40]).unwrap());
    db.flush().unwrap();
    assert_eq!(contents(&db).len(), 1000);
    db.close().unwrap();
    drop(scratch);
    let (_, refused) = open(IoBackend::Uring);
    assert!(matches!(refused, Err(Error::RingDenied { .. })), "{refused:?}");
}

#[test]
fn where_one_ring_is_granted_and_not_one_for_each_core_all_do_without() {
    if rings_permitted() {
        run_alone("denied::scene_of_few_descriptors");
    }
}

/// Reads on a thread to which the call is denied once the database is open, before or after its first
/// read. Nothing comes from the page cache without a ring, as on a file system that cannot tell what
/// it would have to wait for.
fn check_reader(db: &Db, call: c_long, errno: i32, has_ring: bool) {
    let read = |db: &Db| assert_eq!(contents(db).len(), 1000);
    let enters = || number(&db.stats(), "ring_enters");
    let scene = || {
        deny(libc::SYS_preadv2, libc::EOPNOTSUPP);
        if has_ring {
            let before = enters();
            // One block each: a scan that knows how far scans go enters the ring but a few times.
            (0..1000).step_by(50).for_each(|key| assert!(db.get(format!("{key:04}")).unwrap().is_some()));
            assert!(enters() > before + 10, "reads go through this thread's ring");
            read(db);
        }
        deny(call, errno);
        read(db);
        assert!(db.get("0500").unwrap().is_some());
    };
    std::thread::scope(|scope| scope.spawn(scene).join().unwrap());
}

#[test]
fn a_thread_that_is_denied_its_ring_later_reads_without() {
    if !rings_permitted() {
        return;
    }
    let scratch = Scratch::new();
    let db = Db::open(scratch.dir(), small().cache_size_bytes(0).io_backend(IoBackend::Uring)).unwrap();
    (0..1000).for_each(|key| db.put(format!("{key:04}"), [1; 100]).unwrap());
    db.compact().unwrap();
    for (_, call) in CALLS {
        for errno in [libc::EPERM, libc::ENOSYS, libc::ENOMEM, libc::EMFILE] {
            for has_ring in [false, true] {
                check_reader(&db, call, errno, has_ring);
            }
        }
    }
    db.close().unwrap();
}
