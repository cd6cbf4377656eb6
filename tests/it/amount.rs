//! Work in amount: what compaction rewrites, what space is given back, how far a reader has to look.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use rabi::{Db, Options, Stats};

use crate::generator::Random;
use crate::scratch::{Scratch, number, small, wait_until};

/// Partitions of about 1 MiB, four flushes to each.
fn medium() -> Options {
    Options::new()
        .cores(1)
        .memtable_size_bytes(256 << 10)
        .max_flushed_files(12)
        .partition_size_bytes(1 << 20)
        .cache_size_bytes(1 << 20)
        .wal_segment_size_bytes(1 << 20)
        .stage_size_bytes(1 << 20)
}

fn put(db: &Db, range: &str, count: usize, random: &mut Random) {
    for number in 0..count {
        db.put(format!("{range}{number:06}"), random.bytes(1000)).unwrap();
    }
}

fn written(stats: &Stats) -> u64 {
    number(stats, "compaction_bytes_written")
}

/// A database with 20 MB in the middle of its key space, all in L3.
fn with_cold_middle(scratch: &Scratch, random: &mut Random) -> Db {
    let db = Db::open(scratch.dir(), medium()).unwrap();
    put(&db, "m", 20_000, random);
    db.compact().unwrap();
    wait_until("partitions have their sizes", || {
        let stats = db.stats();
        number(&stats, "compactions_running") == 0 && stats.flushed.is_empty()
    });
    assert!(number(&db.stats(), "partitions") > 12);
    db
}

#[test]
fn partitions_that_receive_no_key_are_not_rewritten() {
    let (scratch, mut random) = (Scratch::new(), Random::new("two ranges"));
    let db = with_cold_middle(&scratch, &mut random);
    let before = written(&db.stats());
    for _ in 0..21 {
        put(&db, "a", 100, &mut random);
        put(&db, "z", 100, &mut random);
    }
    db.compact().unwrap();
    let cost = written(&db.stats()) - before;
    assert!(cost < 20_000_000, "4.2 MB in two ranges cost {cost} bytes of compaction");
    assert_eq!(db.range::<&str>(..).count(), 20_200);
    db.close().unwrap();
}

#[test]
fn compacting_two_keys_at_the_ends_rewrites_the_partitions_at_the_ends() {
    let (scratch, mut random) = (Scratch::new(), Random::new("two keys"));
    let db = with_cold_middle(&scratch, &mut random);
    db.put("a", "first").unwrap();
    db.put("z", "last").unwrap();
    db.flush().unwrap();
    let before = db.stats();
    db.compact().unwrap();
    let after = db.stats();
    assert!(after.flushed.is_empty());
    let kept = |stats: &Stats| -> Vec<u64> { stats.runs().map(|run| run.id).collect() };
    let rewritten = kept(&before).iter().filter(|id| !kept(&after).contains(id)).count();
    assert!(rewritten <= 2, "{rewritten} of {} partitions were rewritten", kept(&before).len());
    let cost = written(&after) - written(&before);
    assert!(cost < 5 << 20, "two keys cost {cost} bytes of compaction");
    assert_eq!(db.get("a").unwrap().as_deref(), Some(&b"first"[..]));
    assert_eq!(db.get("z").unwrap().as_deref(), Some(&b"last"[..]));
    db.close().unwrap();
}

/// 50 keys with large old values that a snapshot holds, and tiny new ones.
fn with_old_values(scratch: &Scratch) -> (Db, rabi::Snapshot) {
    let (db, mut random) = (Db::open(scratch.dir(), small()).unwrap(), Random::new("old values"));
    for key in 0..50_u8 {
        db.put([key], random.bytes(20_000)).unwrap();
    }
    let snapshot = db.snapshot();
    for key in 0..50_u8 {
        db.put([key], [key]).unwrap();
    }
    db.compact().unwrap();
    assert!(number(&db.stats(), "partition_bytes") > 1_000_000, "the snapshot holds the old values");
    (db, snapshot)
}

#[test]
fn compacting_gives_back_the_space_of_a_dropped_snapshot() {
    let scratch = Scratch::new();
    let (db, snapshot) = with_old_values(&scratch);
    drop(snapshot);
    db.compact().unwrap();
    let bytes = number(&db.stats(), "partition_bytes");
    // Each has a partition of its own still; those are merged in the background.
    assert!(bytes < 50 * 400, "50 tiny values occupy {bytes} bytes");
    wait_until("small partitions are merged", || number(&db.stats(), "partition_bytes") < 4096);
    assert_eq!(db.range::<[u8; 0]>(..).count(), 50);
    db.close().unwrap();
}

/// Snapshots that are dropped in the order in which they were taken, and in the other one.
#[test]
fn values_that_several_snapshots_see_are_not_rewritten_each_time_one_of_them_goes() {
    for oldest_first in [true, false] {
        let (scratch, mut random) = (Scratch::new(), Random::new("several"));
        let db = Db::open(scratch.dir(), medium()).unwrap();
        put(&db, "k", 100, &mut random);
        let mut snapshots: Vec<_> = (0..5_u8)
            .map(|number| {
                let snapshot = db.snapshot();
                db.put([number], [number]).unwrap();
                snapshot
            })
            .collect();
        if oldest_first {
            snapshots.reverse();
        }
        (0..100).for_each(|number| db.put(format!("k{number:06}"), "new").unwrap());
        db.compact().unwrap();
        let before = written(&db.stats());
        while snapshots.len() > 1 {
            snapshots.pop();
            db.compact().unwrap();
        }
        let cost = written(&db.stats()) - before;
        assert_eq!(cost, 0, "{cost} bytes of compaction, although another snapshot sees all of it");
        assert_eq!(snapshots[0].prefix("k").map(|entry| entry.unwrap().1.len()).sum::<usize>(), 100_000);
        snapshots.clear();
        db.compact().unwrap();
        assert!(number(&db.stats(), "partition_bytes") < 5000, "{}", db.stats());
        db.close().unwrap();
    }
}

#[test]
fn compacting_ends_although_others_write() {
    let scratch = Scratch::new();
    // One core, which others keep busy with what they write.
    let db = Db::open(scratch.dir(), small().cores(1).max_flushed_files(12)).unwrap();
    let mut random = Random::new("others");
    for key in 0..50_u8 {
        db.put([b'a', key], random.bytes(2000)).unwrap();
    }
    let snapshot = db.snapshot();
    (0..50_u8).for_each(|key| db.put([b'a', key], [key]).unwrap());
    db.compact().unwrap();
    let compacted = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !compacted.load(Ordering::Relaxed) {
                db.put(format!("z{:06}", random.below(2000)), random.bytes(200)).unwrap();
            }
        });
        wait_until("L2 is never empty", || db.stats().flushed.len() > 3);
        drop(snapshot);
        let (sender, results) = mpsc::channel();
        let compacting = db.clone();
        std::thread::spawn(move || drop(sender.send(compacting.compact())));
        let result = results.recv_timeout(Duration::from_secs(20));
        compacted.store(true, Ordering::Relaxed);
        result.expect("compacting ends while others write").unwrap();
    });
    db.close().unwrap();
}

#[test]
fn the_space_of_a_dropped_snapshot_comes_back_by_itself() {
    let scratch = Scratch::new();
    let (db, snapshot) = with_old_values(&scratch);
    let younger = db.snapshot();
    drop(snapshot);
    wait_until("the old values are gone", || number(&db.stats(), "partition_bytes") < 4096);
    assert_eq!(younger.range::<[u8; 0]>(..).count(), 50);
    drop(younger);
    db.close().unwrap();

    // What a snapshot of an earlier opening held: nobody can see it any more.
    let scratch = Scratch::new();
    let (db, snapshot) = with_old_values(&scratch);
    drop((snapshot, db));
    let db = Db::open(scratch.dir(), small()).unwrap();
    wait_until("the old values are gone", || number(&db.stats(), "partition_bytes") < 4096);
    assert_eq!(db.range::<[u8; 0]>(..).count(), 50);
    db.close().unwrap();
}

/// Blocks looked at by a look at the head of the queue.
fn look_at_head(db: &Db, expected: usize) -> u64 {
    let blocks = |stats: &Stats| number(stats, "cache_hits") + number(stats, "cache_misses");
    let before = blocks(&db.stats());
    let (key, _) = db.range::<&str>(..).next().unwrap().unwrap();
    assert_eq!(key, format!("job{expected:08}").into_bytes());
    blocks(&db.stats()) - before
}

#[test]
fn a_look_at_the_head_of_a_queue_passes_few_deletes() {
    let (scratch, mut random) = (Scratch::new(), Random::new("queue"));
    // Each count of files that would bring compaction about is far away.
    let options =
        small().memtable_size_bytes(64 << 10).max_flushed_files(200).partition_size_bytes(256 << 10);
    let db = Db::open(scratch.dir(), options).unwrap();
    for number in 0..20_000 {
        db.put(format!("job{number:08}"), random.bytes(100)).unwrap();
        if number >= 100 {
            db.delete(format!("job{:08}", number - 100)).unwrap();
        }
        if number % 1000 == 500 {
            look_at_head(&db, number - 99);
        }
        if number % 1000 == 999 {
            db.flush().unwrap();
            // The blocks count whether they are cached or not, so waiting makes none of them cheap:
            // only compaction does.
            wait_until("a look at the head reads few blocks", || look_at_head(&db, number - 99) < 20);
        }
    }
    let stats = db.stats();
    let (entries, deletes) = (number(&stats, "entries_skipped"), number(&stats, "tombstones_skipped"));
    assert!(deletes > 0 && entries >= deletes, "{entries} entries, {deletes} deletes passed");
    db.close().unwrap();
}

#[test]
fn deleting_everything_gives_the_space_back_while_others_write() {
    let (scratch, mut random) = (Scratch::new(), Random::new("everything"));
    let db = Db::open(scratch.dir(), medium().max_flushed_files(200)).unwrap();
    put(&db, "m", 4000, &mut random);
    db.compact().unwrap();
    for number in 0..4000 {
        db.delete(format!("m{number:06}")).unwrap();
    }
    db.flush().unwrap();
    // Never idle.
    let mut beat = 0_u64;
    wait_until("the space is given back", || {
        beat += 1;
        db.put("z", beat.to_be_bytes()).unwrap();
        let stats = db.stats();
        number(&stats, "partition_bytes") + number(&stats, "flushed_bytes") < 4096
    });
    db.close().unwrap();
}
