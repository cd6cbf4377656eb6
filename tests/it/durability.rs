//! What each durability promises, and that writers share the price of it.

use std::future::Future;
use std::task::{Context, Waker};
use std::thread;
use std::time::Duration;

use rabi::{Db, Durability, IoBackend, Options, WriteBatch, WriteOptions};

use crate::scratch::{Scratch, contents, number, small, wait_until};

const POWER: WriteOptions = WriteOptions::new().durability(Durability::Power);

fn batch(key: &str, value: &str) -> WriteBatch {
    let mut batch = WriteBatch::new();
    batch.put(key, value);
    batch
}

#[test]
fn a_power_write_returns_with_its_record_on_the_device() {
    let scratch = Scratch::new();
    let db = Db::open(scratch.dir(), small().durability(Durability::Power)).unwrap();
    for round in 0..20 {
        db.put(format!("key{round}"), "value").unwrap();
        let stats = db.stats();
        assert_eq!(number(&stats, "wal_durable_lsn"), number(&stats, "wal_head_lsn"), "after put {round}");
    }
    db.delete("key3").unwrap();
    let before = number(&db.stats(), "wal_durable_lsn");
    db.write(batch("last", "value"), POWER).unwrap();
    let stats = db.stats();
    assert!(number(&stats, "wal_durable_lsn") > before);
    assert!(number(&stats, "syncs") >= 22, "{stats}");
    db.close().unwrap();
}

/// A batch that names no durability has the database's, as a put has.
#[test]
fn the_durability_of_the_database_counts_for_batches_too() {
    let scratch = Scratch::new();
    let db = Db::open(scratch.dir(), small().durability(Durability::Power)).unwrap();
    for round in 0..20 {
        db.write(batch(&format!("key{round}"), "value"), WriteOptions::default()).unwrap();
        let stats = db.stats();
        assert_eq!(number(&stats, "wal_durable_lsn"), number(&stats, "wal_head_lsn"), "after batch {round}");
    }
    db.close().unwrap();
}

/// A write that names its durability has that one, whatever the options say.
#[test]
fn a_single_write_may_name_its_durability() {
    let scratch = Scratch::new();
    let process = WriteOptions::new().durability(Durability::Process);
    assert_eq!(process.durability, Some(Durability::Process));
    let db = Db::open(scratch.dir(), small()).unwrap();
    let is_durable = || {
        let stats = db.stats();
        number(&stats, "wal_durable_lsn") == number(&stats, "wal_head_lsn")
    };
    for round in 0..20 {
        db.put_with(format!("key{round}"), "value", POWER).unwrap();
        assert!(is_durable(), "after put {round}");
        db.delete_with(format!("key{round}"), POWER).unwrap();
        assert!(is_durable(), "after delete {round}");
    }
    db.close().unwrap();

    let db = Db::open(scratch.dir(), small().durability(Durability::Power)).unwrap();
    let syncs = number(&db.stats(), "wal_groups");
    (0..50).for_each(|key| db.put_with([key], "value", process).unwrap());
    (0..50).for_each(|key| db.delete_with([key], process).unwrap());
    let shared = number(&db.stats(), "wal_groups") - syncs;
    assert!(shared < 50, "{shared} groups for 100 writes that wait for none");
    db.close().unwrap();
}

#[test]
fn a_process_write_does_not_wait_for_the_device() {
    let scratch = Scratch::new();
    let db = Db::open(scratch.dir(), Options::new().cores(1)).unwrap();
    let before = number(&db.stats(), "wal_head_lsn");
    db.put("key", "value").unwrap();
    assert!(number(&db.stats(), "wal_head_lsn") > before);
    // A later power write takes everything before it along.
    db.write(batch("other", "value"), POWER).unwrap();
    let stats = db.stats();
    assert_eq!(number(&stats, "wal_durable_lsn"), number(&stats, "wal_head_lsn"));
    db.close().unwrap();
}

#[test]
fn power_writers_share_device_flushes() {
    let scratch = Scratch::new();
    let db = Db::open(scratch.dir(), Options::new().cores(1)).unwrap();
    let before = number(&db.stats(), "wal_groups");
    thread::scope(|scope| {
        for writer in 0..8 {
            let db = &db;
            scope.spawn(move || {
                for round in 0..40 {
                    db.write(batch(&format!("{writer}/{round}"), "value"), POWER).unwrap();
                }
            });
        }
    });
    let groups = number(&db.stats(), "wal_groups") - before;
    assert!(groups < 8 * 40, "{groups} groups for {} writes", 8 * 40);
    assert_eq!(contents(&db).len(), 8 * 40);
    db.close().unwrap();
}

/// One client pays the device's flush, and no other thread is woken for it; what is large is left to the writer task.
#[test]
fn a_power_writer_brings_its_record_to_the_device_itself() {
    let scratch = Scratch::new();
    for backend in [IoBackend::Auto, IoBackend::Blocking] {
        let db = Db::open(scratch.dir(), Options::new().cores(1).io_backend(backend)).unwrap();
        (0..50).for_each(|round| db.write(batch(&format!("{round}"), "value"), POWER).unwrap());
        let led = number(&db.stats(), "wal_groups_led");
        assert!(led >= 40, "{led} groups were led for 50 writes");
        db.write(batch("large", &"v".repeat(3 << 20)), POWER).unwrap();
        db.sync().unwrap();
        assert_eq!(contents(&db).len(), 51);
        db.close().unwrap();
    }
}

/// What waits on other threads' behalf follows callers who lead, and the other way round.
#[test]
fn blocking_and_awaited_power_writers_take_turns() {
    let scratch = Scratch::new();
    let db = Db::open(scratch.dir(), Options::new().cores(1)).unwrap();
    thread::scope(|scope| {
        for writer in 0..6 {
            let db = &db;
            scope.spawn(move || {
                let awaited = db.to_async();
                for round in 0..60 {
                    let batch = batch(&format!("{writer}/{round}"), "value");
                    match writer % 2 {
                        0 => db.write(batch, POWER).unwrap(),
                        _ => smol::block_on(awaited.write(batch, POWER)).unwrap(),
                    }
                }
            });
        }
    });
    assert_eq!(contents(&db).len(), 360);
    db.close().unwrap();
}

#[test]
fn process_writes_survive_a_drop_without_close() {
    let scratch = Scratch::new();
    for round in 0..5 {
        let db = Db::open(scratch.dir(), small()).unwrap();
        assert_eq!(contents(&db).len(), round * 50);
        if round > 0 {
            assert!(number(&db.stats(), "replayed_bytes") > 0);
        }
        (0..50).for_each(|key| db.put(format!("{round}/{key:02}"), "value").unwrap());
    }
    let db = Db::open(scratch.dir(), small()).unwrap();
    assert_eq!(contents(&db).len(), 250);
    db.close().unwrap();

    let db = Db::open(scratch.dir(), small()).unwrap();
    assert_eq!(number(&db.stats(), "replayed_bytes"), 0, "after a close there is nothing to replay");
    assert_eq!(contents(&db).len(), 250);
    db.close().unwrap();
}

#[test]
fn seqnos_go_on_after_every_kind_of_opening() {
    let scratch = Scratch::new();
    for round in 0..6_u64 {
        let db = Db::open(scratch.dir(), small()).unwrap();
        assert_eq!(number(&db.stats(), "last_seqno"), round * 3);
        db.put("a", "1").unwrap();
        let mut two = batch("b", "2");
        two.delete("a");
        db.write(two, WriteOptions::default()).unwrap();
        if round % 2 == 0 {
            db.close().unwrap();
        }
    }
}

#[test]
fn what_was_written_follows_to_the_device_although_who_waited_for_it_has_gone() {
    let scratch = Scratch::new();
    let db = Db::open(scratch.dir(), small().durability(Durability::Power)).unwrap();
    let on_tasks = db.to_async();
    for round in 0..20_u64 {
        thread::scope(|scope| {
            scope.spawn(|| db.put("led", "by its caller").unwrap());
            thread::sleep(Duration::from_micros(20 + 15 * round));
            let mut follows = Box::pin(on_tasks.put("follows", "and goes"));
            let _pending = follows.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        });
        wait_until("all is on the device", || {
            let stats = db.stats();
            number(&stats, "wal_durable_lsn") == number(&stats, "wal_head_lsn")
        });
    }
    db.close().unwrap();
}
