//! Readers and scanners beside writers, flushes and compaction: never half a batch, never back.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rabi::{Db, WriteBatch, WriteOptions};

use crate::generator::Random;
use crate::scratch::{Scratch, contents, number, small};

/// Keys that each batch sets to one number.
const TOGETHER: usize = 12;
const RUN: Duration = Duration::from_millis(2500);

fn together(key: usize) -> String {
    // Spread over the key space, so that a batch's keys lie in different partitions.
    format!("{:02}/together", key * 8)
}

fn as_number(value: &[u8]) -> u64 {
    u64::from_le_bytes(value[..8].try_into().unwrap())
}

/// Sets all keys of the group to 1, 2, 3, ...; other keys keep flushes and compaction busy.
fn write_batches(db: &Db, acknowledged: &AtomicU64, stop: &AtomicBool) {
    let mut random = Random::new("batches");
    for number in 1_u64.. {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let mut batch = WriteBatch::new();
        for key in 0..TOGETHER {
            let mut value = number.to_le_bytes().to_vec();
            value.resize(8 + random.below(60), 0);
            batch.put(together(key), value);
            batch.put(format!("{:02}/filler{:03}", random.below(99), random.below(20)), [1; 80]);
        }
        batch.delete(format!("{:02}/filler{:03}", random.below(99), random.below(20)));
        db.write(batch, WriteOptions::default()).unwrap();
        acknowledged.store(number, Ordering::Release);
    }
}

/// The group as a view shows it: all of one number, which is returned; 0 before the first batch.
fn number_of(values: &[u64]) -> u64 {
    assert!(values.is_empty() || values.len() == TOGETHER, "half a batch: {values:?}");
    assert!(values.iter().all(|value| *value == values[0]), "parts of several batches: {values:?}");
    values.first().copied().unwrap_or(0)
}

fn read_snapshots(db: &Db, acknowledged: &AtomicU64, stop: &AtomicBool) -> usize {
    let (mut newest, mut rounds) = (0, 0);
    while !stop.load(Ordering::Relaxed) {
        let written = acknowledged.load(Ordering::Acquire);
        let snapshot = db.snapshot();
        let values: Vec<u64> =
            (0..TOGETHER).filter_map(|key| Some(as_number(&snapshot.get(together(key)).unwrap()?))).collect();
        let number = number_of(&values);
        assert!(number >= written, "batch {written} was acknowledged, but {number} is seen");
        assert!(number >= newest, "time went back from {newest} to {number}");
        newest = number;
        rounds += 1;
    }
    rounds
}

/// Full scans, alternating directions, at times with long pauses that pin old files.
fn scan(db: &Db, acknowledged: &AtomicU64, stop: &AtomicBool) -> usize {
    let (mut newest, mut rounds) = (0, 0);
    while !stop.load(Ordering::Relaxed) {
        let written = acknowledged.load(Ordering::Acquire);
        let mut range = db.range::<&str>(..);
        let (mut values, mut keys) = (Vec::new(), Vec::new());
        loop {
            let entry = if rounds % 2 == 0 { range.next() } else { range.next_back() };
            let Some(entry) = entry else { break };
            let (key, value) = entry.unwrap();
            if key.ends_with(b"together") {
                values.push(as_number(&value));
            }
            keys.push(key);
            if rounds % 4 < 2 && keys.len() % 100 == 0 {
                thread::sleep(Duration::from_millis(10));
            }
        }
        let ordered =
            if rounds % 2 == 0 { keys.is_sorted_by(|a, b| a < b) } else { keys.is_sorted_by(|a, b| a > b) };
        assert!(ordered, "a scan shows keys in order, each once");
        let number = number_of(&values);
        assert!(number >= written.max(newest), "{number} after {written} and {newest}");
        newest = number;
        rounds += 1;
    }
    rounds
}

/// A counter that only its writer raises, read without snapshots: it never goes back.
fn read_counter(db: &Db, stop: &AtomicBool) -> usize {
    let (mut newest, mut rounds) = (0, 0);
    while !stop.load(Ordering::Relaxed) {
        let number = db.get("50/counter").unwrap().map_or(0, |value| as_number(&value));
        assert!(number >= newest, "the counter went back from {newest} to {number}");
        newest = number;
        rounds += 1;
    }
    rounds
}

fn write_counter(db: &Db, stop: &AtomicBool) -> u64 {
    let mut number = 0_u64;
    while !stop.load(Ordering::Relaxed) {
        number += 1;
        db.put("50/counter", number.to_le_bytes()).unwrap();
        assert_eq!(db.get("50/counter").unwrap().map(|value| as_number(&value)), Some(number));
        thread::sleep(Duration::from_micros(100));
    }
    number
}

#[test]
fn readers_see_whole_batches_and_never_go_back_while_all_levels_move() {
    let scratch = Scratch::new();
    let db = Db::open(scratch.dir(), small().memtable_size_bytes(32 << 10)).unwrap();
    let (stop, acknowledged) = (AtomicBool::new(false), AtomicU64::new(0));
    let (db, stop, acknowledged) = (&db, &stop, &acknowledged);
    thread::scope(|scope| {
        scope.spawn(move || {
            let start = Instant::now();
            while start.elapsed() < RUN {
                thread::sleep(Duration::from_millis(50));
            }
            stop.store(true, Ordering::Relaxed);
        });
        // A thread that panics must not leave the others running for ever.
        let guarded = |work: Box<dyn FnOnce() -> usize + Send>| {
            scope.spawn(move || {
                let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
                if result.is_err() {
                    stop.store(true, Ordering::Relaxed);
                }
                assert!(result.unwrap() > 0, "a thread had no turn");
            });
        };
        guarded(Box::new(move || {
            write_batches(db, acknowledged, stop);
            acknowledged.load(Ordering::Relaxed) as usize
        }));
        guarded(Box::new(move || read_snapshots(db, acknowledged, stop)));
        guarded(Box::new(move || scan(db, acknowledged, stop)));
        guarded(Box::new(move || read_counter(db, stop)));
        guarded(Box::new(move || write_counter(db, stop) as usize));
    });
    let stats = db.stats();
    assert!(number(&stats, "flushes") > 5 && number(&stats, "compactions") > 5, "{stats}");
    assert!(number(&stats, "partitions") >= 3, "{stats}");
}

#[test]
fn a_range_shows_the_moment_of_its_creation_however_long_it_is_kept() {
    let scratch = Scratch::new();
    let db = Db::open(scratch.dir(), small()).unwrap();
    (0..1000).for_each(|key| db.put(format!("{key:04}"), "old").unwrap());
    let mut kept = db.range::<&str>(..);
    let mut seen: Vec<_> = kept.by_ref().take(10).map(Result::unwrap).collect();
    for round in 0..3 {
        (0..1000).for_each(|key| db.put(format!("{key:04}"), format!("new{round}")).unwrap());
        (0..1000).step_by(2).for_each(|key| db.delete(format!("{key:04}")).unwrap());
        db.compact().unwrap();
        seen.extend(kept.by_ref().take(200).map(Result::unwrap));
    }
    seen.extend(kept.map(Result::unwrap));
    assert_eq!(seen.len(), 1000);
    for (position, (key, value)) in seen.iter().enumerate() {
        assert_eq!((key.as_slice(), &value[..]), (format!("{position:04}").as_bytes(), &b"old"[..]));
    }
    assert_eq!(contents(&db).len(), 500);
    db.close().unwrap();
}

/// Each value fills a memtable: the next writer freezes it while this one may still copy its value there.
#[test]
fn a_memtable_that_is_frozen_during_an_insertion_is_flushed_with_it() {
    let scratch = Scratch::new();
    let options = small().stage_size_bytes(8 << 20).max_frozen_memtables(8);
    let db = Db::open(scratch.dir(), options).unwrap();
    thread::scope(|scope| {
        for writer in 0..4_u8 {
            let db = &db;
            scope.spawn(move || {
                for round in 0..60_u8 {
                    db.put([writer, round], vec![round; 300_000]).unwrap();
                }
            });
        }
    });
    db.flush().unwrap();
    for writer in 0..4 {
        for round in 0..60 {
            let value = db.get([writer, round]).unwrap();
            assert!(value.is_some_and(|value| *value == [round; 300_000]), "{writer}, {round}");
        }
    }
    db.close().unwrap();
}

#[test]
fn writers_on_many_threads_lose_nothing() {
    let scratch = Scratch::new();
    let db = Db::open(scratch.dir(), small()).unwrap();
    thread::scope(|scope| {
        for writer in 0..6 {
            let db = &db;
            scope.spawn(move || {
                for round in 0..300_u64 {
                    db.put(format!("{writer}/{round:03}"), round.to_le_bytes()).unwrap();
                    if round % 50 == 0 {
                        db.flush().unwrap();
                    }
                }
            });
        }
    });
    assert_eq!(number(&db.stats(), "last_seqno"), 6 * 300);
    for (position, (key, value)) in contents(&db).iter().enumerate() {
        let (writer, round) = (position / 300, position % 300);
        assert_eq!(*key, format!("{writer}/{round:03}").into_bytes());
        assert_eq!(as_number(value), round as u64);
    }
    db.close().unwrap();
}
