//! The four levels: how they fill, cover the key space, give back space and keep old versions.

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use rabi::{Db, Options, Stats};

use crate::generator::Random;
use crate::scratch::{Scratch, contents, files, number, small, wait_until};

/// Puts `count` keys drawn from `keys`, with values of about 100 bytes.
fn load(db: &Db, model: &mut BTreeMap<Vec<u8>, Vec<u8>>, random: &mut Random, count: usize, keys: usize) {
    for _ in 0..count {
        let key = format!("user{:05}", random.below(keys)).into_bytes();
        let value = random.bytes(100);
        db.put(&key, &value).unwrap();
        model.insert(key, value);
    }
}

fn check(db: &Db, model: &BTreeMap<Vec<u8>, Vec<u8>>) {
    let expected: Vec<_> = model.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
    assert!(contents(db) == expected, "a scan shows something else than what was written");
    for (key, value) in model {
        let found = db.get(key).unwrap();
        assert!(found.as_deref() == Some(value), "get {}", key.escape_ascii());
    }
    assert_eq!(db.get("user").unwrap(), None);
    assert_eq!(db.get("zzz").unwrap(), None);
}

/// Partitions are sorted, begin at the empty key, and each file lies within its partition.
fn check_partitions(stats: &Stats) {
    assert_eq!(stats.partitions[0].lower_bound, b"", "the first partition begins at the empty key");
    assert!(
        stats.partitions.is_sorted_by(|a, b| a.lower_bound < b.lower_bound),
        "partitions are sorted and disjoint"
    );
    for (index, partition) in stats.partitions.iter().enumerate() {
        let upper = stats.partitions.get(index + 1).map(|next| &next.lower_bound);
        assert!(partition.runs.len() <= 8, "partition {index} has more runs than it may have");
        for run in &partition.runs {
            assert!(run.min_key >= partition.lower_bound, "partition {index} holds a key below its bound");
            assert!(
                upper.is_none_or(|upper| run.max_key < *upper),
                "partition {index} holds a key of the next one"
            );
        }
    }
}

/// What compaction leaves alone: so many L2 files that none is ever due.
fn without_compaction() -> Options {
    small().max_flushed_files(256).compact_garbage_percent(0)
}

#[test]
fn a_load_fills_l2_and_l3_and_reads_back_also_after_reopening() {
    let (scratch, mut random, mut model) = (Scratch::new(), Random::new("levels"), BTreeMap::new());
    let db = Db::open(scratch.dir(), small()).unwrap();
    let (mut flushed_max, mut partitions_max) = (0, 0);
    for _ in 0..40 {
        load(&db, &mut model, &mut random, 100, 2000);
        let stats = db.stats();
        check_partitions(&stats);
        flushed_max = flushed_max.max(stats.flushed.len());
        partitions_max = partitions_max.max(number(&stats, "partitions"));
    }
    assert!(flushed_max >= 2, "L2 never held two files: {flushed_max}");
    assert!(partitions_max >= 4, "L3 never held four files: {partitions_max}");
    check(&db, &model);
    db.close().unwrap();

    let db = Db::open(scratch.dir(), small()).unwrap();
    check_partitions(&db.stats());
    check(&db, &model);
    db.close().unwrap();
}

#[test]
fn flushed_files_are_named_newest_first_and_hold_what_was_written() {
    let scratch = Scratch::new();
    let db = Db::open(scratch.dir(), without_compaction()).unwrap();
    // Something for the deletes to hide.
    (0..3).for_each(|round| db.put(format!("gone{round}"), "x").unwrap());
    db.flush().unwrap();
    for round in 0..3_u8 {
        db.put("same", [round]).unwrap();
        db.put(format!("own{round}"), [round]).unwrap();
        db.delete(format!("gone{round}")).unwrap();
        db.flush().unwrap();
    }
    let stats = db.stats();
    assert_eq!((stats.flushed.len(), number(&stats, "memtable_bytes")), (4, 0));
    assert!(stats.flushed.is_sorted_by(|newer, older| newer.id > older.id));
    for (file, round) in stats.flushed.iter().zip([2, 1, 0]) {
        assert_eq!((file.entries, file.deletes), (3, 1));
        assert_eq!(file.min_key, format!("gone{round}").into_bytes());
        assert_eq!(file.max_key, b"same");
    }
    assert_eq!(db.get("same").unwrap().as_deref(), Some(&[2][..]));
    db.close().unwrap();
}

#[test]
fn compact_leaves_no_l2_and_drops_deletes_and_old_versions() {
    let (scratch, mut random, mut model) = (Scratch::new(), Random::new("compact"), BTreeMap::new());
    let db = Db::open(scratch.dir(), small()).unwrap();
    load(&db, &mut model, &mut random, 2000, 800);
    for number in (0..800).step_by(3) {
        let key = format!("user{number:05}").into_bytes();
        db.delete(&key).unwrap();
        model.remove(&key);
    }
    db.compact().unwrap();
    let stats = db.stats();
    check_partitions(&stats);
    assert_eq!((stats.flushed.len(), number(&stats, "frozen_memtables")), (0, 0));
    let of_files = stats.runs();
    let (entries, deletes) =
        of_files.fold((0, 0), |(entries, deletes), file| (entries + file.entries, deletes + file.deletes));
    assert_eq!((entries, deletes), (model.len() as u64, 0));
    check(&db, &model);

    for key in model.keys() {
        db.delete(key).unwrap();
    }
    db.compact().unwrap();
    let stats = db.stats();
    assert_eq!(number(&stats, "partition_bytes"), 0, "an empty database holds no file: {stats}");
    assert_eq!(contents(&db), []);
    db.close().unwrap();
}

#[test]
fn a_snapshot_keeps_its_versions_across_flush_and_compaction_and_no_longer() {
    let scratch = Scratch::new();
    let db = Db::open(scratch.dir(), small()).unwrap();
    let put_all = |round: u8| (0..200_u8).for_each(|key| db.put([key], [round; 50]).unwrap());
    put_all(1);
    let first = db.snapshot();
    put_all(2);
    db.delete([7]).unwrap();
    let second = db.snapshot();
    db.flush().unwrap();
    put_all(3);
    db.compact().unwrap();

    let entries = || {
        let stats = db.stats();
        stats.runs().map(|run| run.entries).sum::<u64>()
    };
    assert_eq!(entries(), 600, "three versions of each key, one of them a delete");
    for key in 0..200_u8 {
        assert_eq!(first.get([key]).unwrap().as_deref(), Some(&[1; 50][..]));
        assert_eq!(second.get([key]).unwrap().as_deref(), (key != 7).then_some(&[2; 50][..]));
        assert_eq!(db.get([key]).unwrap().as_deref(), Some(&[3; 50][..]));
    }
    assert_eq!(first.range::<[u8; 1]>(..).rev().count(), 200);
    assert_eq!(second.range::<[u8; 1]>(..).count(), 199);

    drop((first, second));
    put_all(4);
    db.compact().unwrap();
    assert_eq!(entries(), 200, "versions that nobody sees are dropped by the next step");
    db.close().unwrap();
}

#[test]
fn an_idle_database_settles_and_gives_back_space() {
    let (scratch, mut random, mut model) = (Scratch::new(), Random::new("space"), BTreeMap::new());
    let db = Db::open(scratch.dir(), small()).unwrap();
    load(&db, &mut model, &mut random, 2500, 600);
    let pinned = db.range::<[u8; 0]>(..);
    load(&db, &mut model, &mut random, 500, 600);
    db.flush().unwrap();
    wait_until("an idle database has compacted L2", || db.stats().flushed.is_empty());
    drop(pinned);
    wait_until("files on disk are those of the levels", || {
        let stats = db.stats();
        let live: HashSet<u64> = stats.runs().map(|run| run.id).collect();
        let on_disk = files(&scratch.dir(), "table-").len();
        on_disk == live.len() && stats.flushed.is_empty()
    });
    let stats = db.stats();
    let bytes: u64 = files(&scratch.dir(), "table-").iter().map(|path| path.metadata().unwrap().len()).sum();
    assert_eq!(bytes, number(&stats, "partition_bytes"));
    let segments = files(&scratch.dir(), "wal-").len();
    assert!(segments <= 8, "segments are recycled, not piled up: {segments}");
    check(&db, &model);
    db.close().unwrap();
}

/// Writers that use room as fast as it was made once had new segments made for seconds, of which a hundred lay there at the
/// end, while those that were released waited. That takes a device that is busy: elsewhere this says only what the bound is.
#[test]
fn segments_serve_again_while_writers_do_not_pause() {
    let scratch = Scratch::new();
    let options = Options::new()
        .memtable_size_bytes(1 << 20)
        .stage_size_bytes(4 << 20)
        .wal_segment_size_bytes(256 << 10);
    let db = Db::open(scratch.dir(), options).unwrap();
    let mut most = 0;
    std::thread::scope(|scope| {
        let write = |from: u64| {
            (from..from + 40_000).for_each(|n| db.put((n % 3000).to_be_bytes(), [1; 1000]).unwrap());
        };
        let writers = [scope.spawn(move || write(0)), scope.spawn(move || write(1500))];
        while writers.iter().any(|writer| !writer.is_finished()) {
            most = most.max(files(&scratch.dir(), "wal-").len());
            std::thread::sleep(Duration::from_millis(5));
        }
    });
    // What memtables and the stage may hold, and twice the stage in spares.
    assert!(most <= (4 + 4 + 8) * 4, "{most} segments for a log of 80 MB");
    db.close().unwrap();
}

/// A view that a freezing writer replaced once stayed in that thread's epoch bag, and with it the
/// files and memtables it named, for as long as the thread did nothing more.
#[test]
fn a_writer_that_falls_idle_keeps_no_files_alive() {
    let scratch = Scratch::new();
    let db = Db::open(scratch.dir(), small()).unwrap();
    let (idle, resume) = std::sync::mpsc::channel::<()>();
    std::thread::scope(|scope| {
        let writer = db.clone();
        scope.spawn(move || {
            (0..1500).for_each(|key| writer.put(format!("{:03}", key % 500), [1; 100]).unwrap());
            resume.recv().unwrap_err();
        });
        wait_until("the writer is done", || number(&db.stats(), "last_seqno") == 1500);
        db.compact().unwrap();
        wait_until("files on disk are those of L3", || {
            let stats = db.stats();
            stats.flushed.is_empty()
                && files(&scratch.dir(), "table-").len() as u64 == number(&stats, "partitions")
        });
        drop(idle);
    });
    db.close().unwrap();
}

#[test]
fn partitions_are_merged_again_when_most_keys_are_gone() {
    let (scratch, mut random, mut model) = (Scratch::new(), Random::new("merge"), BTreeMap::new());
    let db = Db::open(scratch.dir(), small()).unwrap();
    load(&db, &mut model, &mut random, 3000, 2250);
    db.compact().unwrap();
    let before = db.stats().partitions.len();
    assert!(before >= 6, "{before} partitions");
    let keys: Vec<_> = model.keys().cloned().collect();
    for (position, key) in keys.into_iter().enumerate() {
        if position % 20 != 0 {
            db.delete(&key).unwrap();
            model.remove(&key);
        }
    }
    db.compact().unwrap();
    wait_until("small partitions are merged", || db.stats().partitions.len() <= 2);
    check_partitions(&db.stats());
    check(&db, &model);
    db.close().unwrap();
}

#[test]
fn compacting_ends_although_writes_go_on() {
    let scratch = Scratch::new();
    let db = Db::open(scratch.dir(), small()).unwrap();
    let (stop, mut random) = (AtomicBool::new(false), Random::new("before"));
    let mut model = BTreeMap::new();
    load(&db, &mut model, &mut random, 1000, 500);
    std::thread::scope(|scope| {
        let (writing, stop) = (&db, &stop);
        scope.spawn(move || {
            let mut random = Random::new("meanwhile");
            while !stop.load(Relaxed) {
                let value = random.bytes(1000);
                writing.put(format!("other{:05}", random.below(2000)), value).unwrap();
            }
        });
        for _ in 0..3 {
            let before: Vec<u64> = db.stats().flushed.iter().map(|file| file.id).collect();
            let (compacting, start) = (db.clone(), Instant::now());
            let compacting = std::thread::spawn(move || compacting.compact());
            while !compacting.is_finished() {
                if start.elapsed() > Duration::from_secs(20) {
                    stop.store(true, Relaxed);
                    panic!("compacting waits for writes to pause");
                }
                std::thread::sleep(Duration::from_millis(5));
            }
            compacting.join().unwrap().unwrap();
            let after = db.stats();
            assert!(!after.flushed.iter().any(|file| before.contains(&file.id)), "a file of L2 was left");
        }
        stop.store(true, Relaxed);
    });
    for (key, value) in &model {
        assert!(db.get(key).unwrap().as_deref() == Some(value), "get {}", key.escape_ascii());
    }
}

#[test]
fn what_is_written_and_deleted_within_one_memtable_leaves_no_trace() {
    let (scratch, key) = (Scratch::new(), |number: usize| format!("{number:06}").into_bytes());
    let db = Db::open(scratch.dir(), without_compaction().memtable_size_bytes(16 << 20)).unwrap();
    // A queue of ten.
    (0..10).for_each(|number| db.put(key(number), "x").unwrap());
    for number in 0..1000 {
        db.put(key(number + 10), "x").unwrap();
        assert_eq!(db.iter().next().unwrap().unwrap().0, key(number));
        db.delete(key(number)).unwrap();
    }
    db.flush().unwrap();
    let entries =
        |db: &Db| -> Vec<_> { db.stats().flushed.iter().map(|file| (file.entries, file.deletes)).collect() };
    assert_eq!(entries(&db), [(10, 0)]);
    // Nothing is left at all, and no file.
    db.put("a", "x").unwrap();
    db.delete("a").unwrap();
    db.flush().unwrap();
    assert_eq!(entries(&db), [(10, 0)]);
    // What a snapshot sees is kept, and hidden from all others.
    db.put("b", "x").unwrap();
    let snapshot = db.snapshot();
    db.delete("b").unwrap();
    // What an older file has is hidden.
    db.delete(key(1005)).unwrap();
    db.flush().unwrap();
    assert_eq!(entries(&db), [(3, 2), (10, 0)]);
    assert_eq!(snapshot.get("b").unwrap().as_deref(), Some(&b"x"[..]));
    assert_eq!(snapshot.iter().count(), 11);
    drop(snapshot);
    assert_eq!(contents(&db).len(), 9);
    db.close().unwrap();
    let db = Db::open(scratch.dir(), without_compaction()).unwrap();
    assert_eq!(contents(&db).len(), 9);
    assert_eq!(db.get("b").unwrap(), None);
    db.close().unwrap();
}

/// What readers have in the cache stays there when a compaction writes it anew. All that a compaction writes comes in where
/// the cache has room for the whole tree.
#[test]
fn blocks_stay_in_the_cache_while_their_tables_are_replaced() {
    let scratch = Scratch::new();
    let db = Db::open(scratch.dir(), Options::new().max_runs(1)).unwrap();
    let (mut random, mut model) = (Random::new(7), BTreeMap::new());
    let number = |name| db.stats().get(name).expect("a number of that name");
    for round in 0..3 {
        load(&db, &mut model, &mut random, 2000, 3000);
        db.flush().unwrap();
        if round > 0 {
            check(&db, &model);
        }
        let (misses, used) = (number("cache_misses"), number("cache_used_bytes"));
        db.compact().unwrap();
        assert!(number("compactions") > 0);
        if round == 0 {
            assert_eq!(used, 0, "nobody has read anything");
        }
        assert!(number("cache_used_bytes") > 140_000, "all is in the cache");
        check(&db, &model);
        assert_eq!(number("cache_misses"), misses, "in round {round}");
    }
    db.close().unwrap();
}

#[test]
fn what_nobody_has_read_stays_out_of_a_cache_that_is_smaller_than_the_tree() {
    let scratch = Scratch::new();
    let db = Db::open(scratch.dir(), Options::new().max_runs(1).cache_size_bytes(100 << 10)).unwrap();
    let number = |name| db.stats().get(name).expect("a number of that name");
    for round in 1..=2 {
        load(&db, &mut BTreeMap::new(), &mut Random::new(round), 2000, 3000);
        db.compact().unwrap();
        assert_eq!((number("compactions") > 0, number("cache_used_bytes")), (true, 0));
    }
    db.close().unwrap();
}
