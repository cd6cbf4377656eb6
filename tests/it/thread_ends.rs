//! Calls from the destructors of thread-locals: they work, or give an error.
//!
//! A thread's locals are destroyed in an order that nobody chooses. One that uses a database may
//! be destroyed after those that the engine keeps for the thread; a panic there would end the
//! process, so each scene has one of its own.

use std::cell::RefCell;

use rabi::{Db, Durability, IoBackend, Options, Range, Snapshot, WriteBatch, WriteOptions};

use crate::scratch::{Scratch, contents, small};
use crate::system::{at_the_very_end, run_alone};

/// Does something when it is dropped.
struct Last(Option<Box<dyn FnOnce() + Send>>);

impl Drop for Last {
    fn drop(&mut self) {
        if let Some(act) = self.0.take() {
            act();
        }
    }
}

thread_local! {
    static LAST: RefCell<Last> = const { RefCell::new(Last(None)) };
}

/// When the thread's local is made, which decides when it is destroyed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Made {
    /// Before the engine has any for the thread.
    Before,
    /// After it has them all.
    After,
    /// Never in Rust: it is the C library that calls at the end, when Rust's locals are all gone.
    ByTheSystem,
}

/// Runs `act` in a destructor at the end of a thread that has used the database in every way.
fn at_the_end_of_a_thread(db: &Db, made: Made, act: impl FnOnce() + Send + 'static) {
    let db = db.clone();
    let thread = std::thread::spawn(move || {
        let act = Last(Some(Box::new(act)));
        let act = match made {
            Made::Before => {
                LAST.set(act);
                None
            }
            Made::After | Made::ByTheSystem => Some(act),
        };
        use_all(&db);
        match act {
            Some(act) if made == Made::After => LAST.set(act),
            Some(act) => at_the_very_end(Box::new(move || drop(act))),
            None => {}
        }
    });
    thread.join().unwrap();
}

fn use_all(db: &Db) {
    let mut batch = WriteBatch::new();
    batch.put("batch", "");
    db.put("key", "value").unwrap();
    db.write(batch, WriteOptions::new().durability(Durability::Power)).unwrap();
    db.flush().unwrap();
    // Without a cache: read from a file.
    assert_eq!(db.get("key").unwrap().as_deref(), Some(&b"value"[..]));
    assert!(contents(db).len() >= 2);
}

fn open(scratch: &Scratch, backend: IoBackend, durability: Durability) -> Db {
    let options: Options = small().cache_size_bytes(0).io_backend(backend).durability(durability);
    Db::open(scratch.dir(), options).unwrap()
}

/// Runs `scene` for each backend, each moment, each durability.
fn check(scene: impl Fn(&Scratch, Db, Made)) {
    for backend in [IoBackend::Auto, IoBackend::Blocking] {
        for made in [Made::Before, Made::After, Made::ByTheSystem] {
            for durability in [Durability::Process, Durability::Power] {
                let scratch = Scratch::new();
                scene(&scratch, open(&scratch, backend, durability), made);
            }
        }
    }
}

#[test]
#[ignore = "runs in a process of its own, by the test below"]
fn scene_of_calls() {
    check(|scratch, db, made| {
        let inner = db.clone();
        at_the_end_of_a_thread(&db, made, move || {
            use_all(&inner);
            inner.put("last", "words").unwrap();
            inner.delete("key").unwrap();
            inner.compact().unwrap();
            let snapshot = inner.snapshot();
            assert!(snapshot.get("last").unwrap().is_some());
            assert!(inner.stats().get("last_seqno").is_some());
        });
        db.close().unwrap();
        let db = open(scratch, IoBackend::Auto, Durability::Process);
        let keys: Vec<_> = contents(&db).into_iter().map(|(key, _)| key).collect();
        assert_eq!(keys, [b"batch".to_vec(), b"last".to_vec()]);
        db.close().unwrap();
    });
}

#[test]
fn every_call_works_in_a_threads_last_moment() {
    run_alone("thread_ends::scene_of_calls");
}

#[test]
#[ignore = "runs in a process of its own, by the test below"]
fn scene_of_ends() {
    check(|scratch, db, made| {
        let inner = db.clone();
        at_the_end_of_a_thread(&db, made, move || inner.close().unwrap());
        drop(db);
        // The last of all handles, a range and a snapshot go at the end of a thread.
        let db = open(scratch, IoBackend::Auto, Durability::Process);
        let (inner, snapshot) = (db.clone(), db.snapshot());
        let mut range = db.range::<&str>(..);
        range.next().unwrap().unwrap();
        let all: (Range, Snapshot, Db) = (range, snapshot, inner);
        let moved = db.clone();
        drop(db);
        let handle = moved.clone();
        at_the_end_of_a_thread(&handle, made, {
            drop(moved);
            move || drop(all)
        });
        drop(handle);
        let db = open(scratch, IoBackend::Auto, Durability::Process);
        assert_eq!(contents(&db).len(), 2);
        drop_at_the_end(db, made);
        open(scratch, IoBackend::Auto, Durability::Process).close().unwrap();
    });
}

/// Drops the only handle in a destructor.
fn drop_at_the_end(db: Db, made: Made) {
    let act = Last(Some(Box::new(move || drop(db))));
    let thread = std::thread::spawn(move || match made {
        Made::ByTheSystem => at_the_very_end(Box::new(move || drop(act))),
        Made::Before | Made::After => LAST.set(act),
    });
    thread.join().unwrap();
}

#[test]
fn a_database_is_closed_and_dropped_in_a_threads_last_moment() {
    run_alone("thread_ends::scene_of_ends");
}
