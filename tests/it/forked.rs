//! A process that forks and goes on in the child: the child can do nothing to the database, and hears so.
//!
//! A fork copies memory and descriptors and none of the other threads: no core runs in the child, any
//! lock may be held there for ever, and the stage is the parent's own, shared. Each scene runs in a
//! process of its own, since a fork copies what other tests have open.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use rabi::{
    AsyncSnapshot, Cursor, Db, Error, IoBackend, Options, Range, Snapshot, Ticket, WriteBatch, WriteOptions,
};
use rustix::process::{Signal, getpid, kill_process};

use crate::scratch::{Scratch, contents, small, wait_until};
use crate::system::{deny, fork, output_alone, run_alone};

const BACKENDS: [IoBackend; 2] = [IoBackend::Auto, IoBackend::Blocking];

fn open(dir: &Path, backend: IoBackend) -> Db {
    Db::open(dir, small().io_backend(backend).cache_size_bytes(0)).unwrap()
}

/// What a process holds of a database when it forks.
struct Held {
    db: Db,
    snapshot: Snapshot,
    fresh: Range,
    half_read: Range,
    cursor: Cursor,
    ticket: Ticket,
}

impl Held {
    fn of(db: &Db) -> Self {
        let mut half_read = db.prefix("1");
        half_read.next().unwrap().unwrap();
        half_read.next_back().unwrap().unwrap();
        let (snapshot, mut cursor) = (db.snapshot(), db.cursor());
        assert!(cursor.seek("1").unwrap());
        let ticket = now(db.to_async().submit(WriteBatch::new())).unwrap();
        Self { db: db.clone(), ticket, fresh: snapshot.range::<&str>(..), snapshot, half_read, cursor }
    }

    /// Makes every call there is, as a child does, and drops all.
    fn use_all(self) {
        let check = |result: rabi::Result<()>| {
            let error = result.expect_err("a child is refused");
            assert!(matches!(error, Error::Forked), "{error}");
        };
        let Self { db, snapshot, mut fresh, mut half_read, mut cursor, ticket } = self;
        let mut batch = WriteBatch::new();
        batch.put("k", "v");
        check(db.put("k", "v"));
        check(db.put_with("k", "v", WriteOptions::new()));
        check(db.delete("k"));
        check(db.delete_with("k", WriteOptions::new()));
        check(db.write(batch, WriteOptions::default()));
        check(db.write(WriteBatch::new(), WriteOptions::default()));
        check(db.get("0001").map(drop));
        check(db.get_into("0001", &mut Vec::new()).map(drop));
        check(db.get_with("0001", <[u8]>::len).map(drop));
        check(db.contains_key("0001").map(drop));
        db.multi_get(["0001", "0002"]).into_iter().for_each(|found| check(found.map(drop)));
        check(db.approximate_size::<&str>(..).map(drop));
        check(db.approximate_size("b".."a").map(drop));
        check(db.sync());
        check(db.flush());
        check(db.compact());
        let clone = snapshot.clone();
        check(snapshot.get("0001").map(drop));
        check(clone.get("0001").map(drop));
        check(clone.get_into("0001", &mut Vec::new()).map(drop));
        check(clone.get_with("0001", <[u8]>::len).map(drop));
        check(clone.contains_key("0001").map(drop));
        clone.multi_get(["0001"]).into_iter().for_each(|found| check(found.map(drop)));
        check(clone.keys().next().expect("an error first").map(drop));
        check(db.iter().into_keys().next_back().expect("an error first").map(drop));
        check(clone.iter().next().expect("an error first").map(drop));
        check(cursor.prev().map(drop));
        check(cursor.next().map(drop));
        check(cursor.seek("0001").map(drop));
        check(cursor.seek_for_prev("0001").map(drop));
        check(cursor.seek_to_first().map(drop));
        check(clone.cursor().seek_to_last().map(drop));
        assert!(!cursor.is_on_entry());
        assert_eq!((cursor.entry(), cursor.key(), cursor.value()), (None, None, None));
        check(db.snapshot().get("0001").map(drop));
        for range in [&mut fresh, &mut half_read, &mut db.range::<&str>(..), &mut clone.prefix("1")] {
            check(range.next().expect("an error first").map(drop));
            assert!(range.next_back().is_none(), "then the end");
        }
        check(db.iter().next_with(|_, _| ()).expect("an error first"));
        check(db.iter().next_back_with(|_, _| ()).expect("an error first"));
        check(db.prefix("2").next_back().expect("an error first").map(drop));
        assert!(db.stats().get("last_seqno").is_some() && db.cores() == 2);
        let task = db.spawn_on(1, |db| async move { db.get("0001").await });
        assert!(task.is_finished());
        let error = task.join().unwrap_err();
        assert!(matches!(error.ended_by(), Some(Error::Forked)) && !error.is_panic());
        assert!(error.into_panic().is_none());
        assert!(format!("{db:?}").starts_with("Db("));
        Self::await_all(&db, &clone, &check);
        check(now(ticket.durable()));
        let _either = ticket.is_durable();
        assert!(ticket.seqno() > 0);
        check(db.clone().close());
        drop((db, snapshot, clone, fresh, half_read, cursor, ticket));
    }
}

impl Held {
    /// The same for calls that are awaited: each is refused in its first poll.
    fn await_all(db: &Db, snapshot: &Snapshot, check: &impl Fn(rabi::Result<()>)) {
        let (db, snapshot) = (db.to_async(), AsyncSnapshot::from(snapshot.clone()));
        let batch = || {
            let mut batch = WriteBatch::new();
            batch.put("k", "v");
            batch
        };
        check(now(db.put("k", "v")));
        check(now(db.put_with("k", "v", WriteOptions::new())));
        check(now(db.delete("k")));
        check(now(db.delete_with("k", WriteOptions::new())));
        check(now(db.write(batch(), WriteOptions::new())));
        check(now(db.submit(batch())).map(drop));
        check(now(db.submit(WriteBatch::new())).map(drop));
        check(now(db.get("0001")).map(drop));
        check(now(db.contains_key("0001")).map(drop));
        now(db.multi_get(["0001"])).into_iter().for_each(|found| check(found.map(drop)));
        check(now(db.sync()));
        check(now(db.flush()));
        check(now(db.compact()));
        check(now(snapshot.get("0001")).map(drop));
        check(now(snapshot.contains_key("0001")).map(drop));
        now(snapshot.multi_get(["0001"])).into_iter().for_each(|found| check(found.map(drop)));
        let ranges = [db.range::<&str>(..), db.prefix("1").rev(), db.iter(), db.snapshot().iter()];
        for mut range in ranges.into_iter().chain([snapshot.range::<&str>(..), snapshot.prefix("1")]) {
            check(now(range.next()).expect("an error first").map(drop));
            let mut context = Context::from_waker(Waker::noop());
            assert!(range.poll_next(&mut context).is_ready(), "then the end");
        }
        #[cfg(feature = "tokio-uring")]
        check(now(db.on_tokio_uring().get("0001")).map(drop));
        assert!(db.as_blocking().stats().get("last_seqno").is_some());
        assert!(snapshot.as_blocking().iter().next().expect("an error first").is_err());
        check(now(db.close()));
    }
}

/// What a future that needs no second poll comes to.
fn now<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("it waits"),
    }
}

fn fill(db: &Db, from: u32, to: u32) {
    (from..to).for_each(|key| db.put(format!("{key:04}"), [7; 50]).unwrap());
}

/// Forks many times, at whatever moment of the cores' and of a writing thread's work.
fn fork_at_work(backend: IoBackend) {
    let scratch = Scratch::new();
    let db = open(&scratch.dir(), backend);
    fill(&db, 0, 2000);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                fill(&db, 0, 2000);
                drop(db.snapshot());
            }
        });
        for round in 0..40 {
            let held = Held::of(&db);
            // Makes this thread's own ring, if it has any.
            assert!(held.snapshot.get("0003").unwrap().is_some());
            if let Err(wrong) = fork(|| held.use_all()).wait() {
                stop.store(true, Ordering::Relaxed);
                panic!("round {round}: {wrong}");
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
    fill(&db, 0, 3000);
    let expected = contents(&db);
    assert_eq!(expected.len(), 3000);
    db.compact().unwrap();
    db.close().unwrap();
    let db = open(&scratch.dir(), backend);
    assert!(contents(&db) == expected);
    db.close().unwrap();
}

#[test]
#[ignore = "runs in a process of its own, by the test below"]
fn scene_of_every_call() {
    BACKENDS.into_iter().for_each(fork_at_work);
}

#[test]
fn every_call_in_a_child_says_so_and_every_drop_does_nothing() {
    run_alone("forked::scene_of_every_call");
}

#[test]
#[ignore = "runs in a process of its own, by the test below"]
fn scene_without_advice() {
    deny(libc::SYS_madvise, libc::EINVAL);
    fork_at_work(IoBackend::Auto);
}

#[test]
fn a_kernel_that_does_not_wipe_memory_at_a_fork_is_asked_for_the_process_number() {
    run_alone("forked::scene_without_advice");
}

const DIR: &str = "RABI_FORKED_DIR";
const BACKEND: &str = "RABI_FORKED_BACKEND";

#[test]
#[ignore = "runs in a process of its own, by the test below"]
fn scene_of_a_killed_parent() {
    let Some(dir) = std::env::var_os(DIR).map(PathBuf::from) else { return };
    let blocking = std::env::var(BACKEND).unwrap() == "blocking";
    let backend = if blocking { IoBackend::Blocking } else { IoBackend::Auto };
    let db = Db::open(&dir, Options::new().cores(2).io_backend(backend)).unwrap();
    fill(&db, 0, 200);
    let written = dir.with_extension("written");
    let child = fork(|| {
        let nonsense = || (0..20).for_each(|key| drop(db.put(format!("child {key}"), "nonsense")));
        nonsense();
        wait_until("the parent goes on", || written.exists());
        nonsense();
    });
    fill(&db, 200, 400);
    std::fs::write(&written, "").unwrap();
    child.wait().unwrap();
    println!("\nacknowledged");
    std::io::stdout().flush().unwrap();
    kill_process(getpid(), Signal::KILL).unwrap();
}

#[test]
fn what_a_child_tries_to_write_harms_nothing_of_a_parent_that_is_killed() {
    for backend in ["auto", "blocking"] {
        let scratch = Scratch::new();
        let dir = scratch.dir();
        let variables = [(DIR, dir.to_str().unwrap()), (BACKEND, backend)];
        let output = output_alone("forked::scene_of_a_killed_parent", &variables);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(said.contains("\nacknowledged\n"), "{said}{}", String::from_utf8_lossy(&output.stderr));
        let db = Db::open(&dir, Options::new()).unwrap();
        let keys: Vec<_> = db.range::<&str>(..).map(|entry| entry.unwrap().0).collect();
        let expected: Vec<_> = (0..400).map(|key| format!("{key:04}").into_bytes()).collect();
        assert!(keys == expected, "{backend}: {} of 400 keys", keys.len());
        db.close().unwrap();
    }
}

#[test]
#[ignore = "runs in a process of its own, by the test below"]
fn scene_of_the_lock() {
    let scratch = Scratch::new();
    let dir = scratch.dir();
    for backend in BACKENDS {
        let db = open(&dir, backend);
        fill(&db, 0, 100);
        // It has a copy of every descriptor, and neither uses nor drops the database.
        let child = fork(|| std::thread::sleep(Duration::from_secs(60)));
        db.close().unwrap();
        open(&dir, backend).close().unwrap();
        drop(open(&dir, backend));
        open(&dir, backend).close().unwrap();
        child.kill();

        // Nor does a child take the lock from its parent that drops every handle there is.
        let db = open(&dir, backend);
        fill(&db, 0, 2000);
        let (all, mut held) = (Held::of(&db), Some(db));
        for _ in 0..10 {
            let all = (all.db.clone(), all.snapshot.clone(), all.db.range::<&str>(..));
            let child = fork(|| drop((all, held.take())));
            child.wait().unwrap();
        }
        let mut all = Some(all);
        fork(|| drop((all.take(), held.take()))).wait().unwrap();
        assert!(matches!(Db::open(&dir, small()), Err(Error::Locked { .. })));
        drop(all);
        let db = held.unwrap();
        fill(&db, 0, 200);
        db.close().unwrap();
    }
}

#[test]
fn a_child_keeps_no_directory_locked_that_its_parent_has_closed() {
    run_alone("forked::scene_of_the_lock");
}

#[test]
#[ignore = "runs in a process of its own, by the test below"]
fn scene_of_an_orphan() {
    let scratch = Scratch::new();
    let (dir, go_on) = (scratch.dir(), scratch.beside("go on"));
    let parent = fork(|| {
        let db = open(&dir, IoBackend::Auto);
        fill(&db, 0, 100);
        let _orphan = fork(|| wait_until("the parent has ended", || go_on.exists()));
        kill_process(getpid(), Signal::KILL).unwrap();
    });
    let number = parent.number();
    assert_eq!(parent.wait(), Err("the child was ended by signal 9".to_owned()));
    let Err(Error::Locked { holder, .. }) = Db::open(&dir, small()) else {
        panic!("the orphan has the lock")
    };
    assert!(holder.starts_with(&format!("what process {number} (")), "{holder}");
    assert!(holder.ends_with(") has left behind (a child it forked, or requests)"), "{holder}");
    std::fs::write(&go_on, "").unwrap();
    let mut opened = None;
    wait_until("the orphan has ended", || {
        opened = Db::open(&dir, small()).ok();
        opened.is_some()
    });
    assert_eq!(contents(&opened.unwrap()).len(), 100);
}

#[test]
fn a_child_that_survives_its_parent_is_named_as_the_holder_of_the_lock() {
    run_alone("forked::scene_of_an_orphan");
}

#[test]
#[ignore = "runs in a process of its own, by the test below"]
fn scene_of_a_childs_own() {
    for backend in BACKENDS {
        let (scratch, own) = (Scratch::new(), Scratch::new());
        let db = open(&scratch.dir(), backend);
        fill(&db, 0, 1500);
        db.compact().unwrap();
        assert_eq!(contents(&db).len(), 1500);
        let held = Held::of(&db);
        let child = fork(|| {
            let here = open(&own.dir(), backend);
            fill(&here, 0, 1500);
            here.compact().unwrap();
            assert_eq!(contents(&here).len(), 1500);
            let grandchild = fork(|| {
                assert!(matches!(here.get("0001"), Err(Error::Forked)));
                assert!(matches!(db.get("0001"), Err(Error::Forked)));
            });
            grandchild.wait().unwrap();
            assert!(here.get("0001").unwrap().is_some());
            here.close().unwrap();
            held.use_all();
        });
        child.wait().unwrap();
        assert_eq!(contents(&db).len(), 1500);
        db.close().unwrap();
        let db = open(&own.dir(), backend);
        assert_eq!(contents(&db).len(), 1500);
        db.close().unwrap();
    }
}

#[test]
fn a_child_may_open_a_database_of_its_own() {
    run_alone("forked::scene_of_a_childs_own");
}

#[cfg(feature = "sim")]
#[test]
#[ignore = "runs in a process of its own, by the test below"]
fn scene_of_a_stepped_one() {
    for backend in BACKENDS {
        let scratch = Scratch::new();
        let options = || small().io_backend(backend);
        let (mut stepper, mut opening) = Db::open_stepped(scratch.dir(), options()).unwrap();
        let db = loop {
            if let Some(db) = opening.poll() {
                break db.unwrap();
            }
            for core in 0..stepper.cores() {
                stepper.turn(core);
            }
        };
        db.put("key", "value").unwrap();
        let child = fork(|| {
            let (mut stepper, db) = (stepper, db.clone());
            assert!(!stepper.turn(0));
            assert!(matches!(db.put("key", "value"), Err(Error::Forked)));
            drop((db, stepper));
        });
        child.wait().unwrap();
    }
}

#[cfg(feature = "sim")]
#[test]
fn cores_that_are_stepped_stand_still_in_a_child() {
    run_alone("forked::scene_of_a_stepped_one");
}

#[test]
fn the_refusal_says_what_to_do() {
    assert_eq!(
        Error::Forked.to_string(),
        "this process was forked from the one that opened the database: use it there, or open it here once it \
         is closed there"
    );
}

#[test]
#[ignore = "runs in a process of its own, by the test below"]
fn scene_of_readers() {
    let scratch = Scratch::new();
    let db = Db::open(scratch.dir(), Options::new().cores(2).cache_size_bytes(0)).unwrap();
    fill(&db, 0, 5000);
    db.compact().unwrap();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for reader in 0..3 {
            let (db, stop) = (&db, &stop);
            scope.spawn(move || {
                let numbers = (0..).map(|step: u32| (reader * 977 + step * 7) % 5000);
                for number in numbers.take_while(|_| !stop.load(Ordering::Relaxed)) {
                    db.get(format!("{number:04}")).unwrap();
                }
            });
        }
        for _ in 0..150 {
            let mut range = db.prefix("0");
            range.next().unwrap().unwrap();
            // The block that it is in is nobody else's.
            fork(move || drop(range)).wait().unwrap();
        }
        stop.store(true, Ordering::Relaxed);
    });
}

#[test]
fn a_child_drops_what_it_has_of_blocks_while_the_parent_reads() {
    run_alone("forked::scene_of_readers");
}
