//! Indexes of L3 that are read in parts, since the cache has no room for them.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::Path;

use rabi::{AsyncDb, Db, Error, IoBackend, Options};

use crate::awaited::block_on;
use crate::scratch::{Scratch, contents, files, number};

const KEYS: u64 = 6000;

/// Half of this has no room for the index of so many blocks. Values of one block have.
const SMALL_CACHE: u64 = 16 << 10;

fn key(n: u64) -> Vec<u8> {
    format!("key{n:05}").into_bytes()
}

fn value(n: u64) -> Vec<u8> {
    vec![n as u8; 90]
}

fn options(backend: IoBackend, cache_size_bytes: u64) -> Options {
    Options::new().cores(1).io_backend(backend).block_size_bytes(512).cache_size_bytes(cache_size_bytes)
}

/// A database whose even keys are in one run, closed.
fn one_run(dir: &Path) {
    let db = Db::open(dir, options(IoBackend::Auto, SMALL_CACHE)).unwrap();
    for n in (0..KEYS).step_by(2) {
        db.put(key(n), value(n)).unwrap();
    }
    db.compact().unwrap();
    assert!(parts(&db) > 0 && number(&db.stats(), "runs") == 1);
    assert_eq!(contents(&db).len() as u64, KEYS / 2);
    db.close().unwrap();
}

fn parts(db: &Db) -> u64 {
    number(&db.stats(), "index_parts")
}

/// Where memory is stated exactly: bytes of all indexes, filters and slots when everything is whole.
fn whole_bytes(dir: &Path) -> u64 {
    let db = Db::open(dir, options(IoBackend::Auto, 64 << 20)).unwrap();
    assert_eq!(parts(&db), 0);
    number(&db.stats(), "index_filter_bytes")
}

fn expected(n: u64) -> Option<Vec<u8>> {
    (n < KEYS && n.is_multiple_of(2)).then(|| value(n))
}

#[test]
fn all_ways_to_read_find_what_is_there() {
    let scratch = Scratch::new();
    one_run(&scratch.dir());
    for backend in [IoBackend::Auto, IoBackend::Blocking] {
        for (cache, direct) in
            [(SMALL_CACHE, false), (SMALL_CACHE, true), (64, false), (0, false), (8 << 20, true)]
        {
            let db = Db::open(scratch.dir(), options(backend, cache).direct_reads(direct)).unwrap();
            assert_eq!(parts(&db) > 0, cache > 0 && cache <= SMALL_CACHE, "cache of {cache}");
            let asked: Vec<u64> = (0..KEYS + 10).step_by(13).collect();
            for n in &asked {
                assert_eq!(db.get(key(*n)).unwrap().map(rabi::Value::into_vec), expected(*n), "{n}");
            }
            let keys: Vec<_> = asked.iter().map(|n| key(*n)).collect();
            for (n, found) in asked.iter().zip(db.multi_get(&keys)) {
                assert_eq!(found.unwrap().map(rabi::Value::into_vec), expected(*n), "{n}");
            }
            check_ranges(&db);
            check_awaited(&AsyncDb::from(db.clone()), &asked);
            db.close().unwrap();
        }
    }
}

fn check_ranges(db: &Db) {
    for start in (0..KEYS + 10).step_by(601) {
        let from: Vec<_> = db.range(key(start)..).take(40).map(|entry| entry.unwrap().0).collect();
        let first = start.next_multiple_of(2);
        let wanted: Vec<_> = (first..KEYS).step_by(2).take(40).map(key).collect();
        assert_eq!(from, wanted, "from {start}");
        let below: Vec<_> = db.range(..key(start)).rev().take(40).map(|entry| entry.unwrap().0).collect();
        let wanted: Vec<_> = (0..KEYS.min(start)).rev().filter(|n| n % 2 == 0).take(40).map(key).collect();
        assert_eq!(below, wanted, "below {start}");
    }
}

fn check_awaited(db: &AsyncDb, asked: &[u64]) {
    block_on(async {
        for n in asked {
            assert_eq!(db.get(key(*n)).await.unwrap().map(rabi::Value::into_vec), expected(*n), "{n}");
        }
        let keys: Vec<_> = asked.iter().map(|n| key(*n)).collect();
        for (n, found) in asked.iter().zip(db.multi_get(&keys).await) {
            assert_eq!(found.unwrap().map(rabi::Value::into_vec), expected(*n), "{n}");
        }
        let mut range = db.range(key(999)..);
        for n in (1000..1200).step_by(2) {
            assert_eq!(range.next().await.unwrap().unwrap().0, key(n));
        }
    });
}

#[test]
fn a_part_is_read_once_for_the_blocks_that_it_leads_to() {
    let scratch = Scratch::new();
    one_run(&scratch.dir());
    let db = Db::open(scratch.dir(), options(IoBackend::Auto, SMALL_CACHE)).unwrap();
    let reads = |n: u64| {
        let before = number(&db.stats(), "reads");
        assert_eq!(db.get(key(n)).unwrap().map(rabi::Value::into_vec), expected(n));
        number(&db.stats(), "reads") - before
    };
    // The part, and the block; both are cached then. A few keys on is the next block, or the one after.
    assert_eq!((reads(10), reads(10)), (2, 0));
    assert_eq!((reads(24), reads(24)), (1, 0));
    // What a whole index would take is not there.
    let bytes = number(&db.stats(), "index_filter_bytes");
    drop(db);
    let db = Db::open(scratch.dir(), options(IoBackend::Auto, 8 << 20)).unwrap();
    let (whole, filter) = (number(&db.stats(), "index_filter_bytes"), KEYS / 2 * 10 / 8);
    assert!(3 * bytes.saturating_sub(filter) < 2 * (whole - filter), "{bytes} of {whole}");
}

#[test]
fn a_part_that_has_changed_is_an_error_that_says_where() {
    let scratch = Scratch::new();
    one_run(&scratch.dir());
    let db = Db::open(scratch.dir(), options(IoBackend::Auto, SMALL_CACHE)).unwrap();
    let path = &files(&scratch.dir(), "table-")[0];
    let file = OpenOptions::new().read(true).write(true).open(path).unwrap();
    let mut footer = [0; 104];
    file.read_exact_at(&mut footer, file.metadata().unwrap().len() - 104).unwrap();
    let [start, len] = [24, 32].map(|at| u64::from_le_bytes(*footer[at..].first_chunk().unwrap()));
    let middle = start + len / 2;
    let mut bytes = [0; 8];
    file.read_exact_at(&mut bytes, middle).unwrap();
    file.write_all_at(&bytes.map(|byte| !byte), middle).unwrap();
    let failed: Vec<_> = (0..KEYS).step_by(2).filter_map(|n| db.get(key(n)).err()).collect();
    assert!(!failed.is_empty() && failed.len() < KEYS as usize / 4, "{}", failed.len());
    for error in failed {
        let Error::Corruption { offset, .. } = &error else { panic!("{error}") };
        assert!(
            (start..=middle).contains(offset) && error.to_string().contains("table index part"),
            "{error}"
        );
    }
    // Once the bytes are right again, so are the answers.
    file.write_all_at(&bytes, middle).unwrap();
    for n in 0..KEYS {
        assert_eq!(db.get(key(n)).unwrap().map(rabi::Value::into_vec), expected(n));
    }
}

/// Found: the inputs of a compaction counted beside what it wrote, so that indexes came in parts although half of the cache
/// had room for them.
#[test]
fn indexes_that_have_room_are_whole_also_after_a_compaction_of_everything() {
    let scratch = Scratch::new();
    one_run(&scratch.dir());
    let needed = whole_bytes(&scratch.dir());
    for (cache, is_whole) in [(2 * needed + 2 * needed / 20, true), (2 * needed - 2 * needed / 20, false)] {
        let db = Db::open(scratch.dir(), options(IoBackend::Auto, cache)).unwrap();
        assert_eq!(parts(&db) == 0, is_whole, "opened with a cache of {cache}");
        for round in 0..3 {
            (0..KEYS).step_by(2).for_each(|n| db.put(key(n), value(n)).unwrap());
            db.compact().unwrap();
            assert_eq!(parts(&db) == 0, is_whole, "compacted with a cache of {cache}, round {round}");
        }
        assert_eq!(contents(&db).len() as u64, KEYS / 2);
    }
}

/// Keys whose separators are long: in the file they take little, since each begins as the one before.
#[test]
fn indexes_of_long_separators_keep_to_the_budget() {
    let scratch = Scratch::new();
    let long_key = |n: u64| {
        let group = xorshift(n / 50 + 1).to_be_bytes();
        [&group.repeat(100)[..], format!("{n:06}").as_bytes()].concat()
    };
    let db = Db::open(scratch.dir(), options(IoBackend::Auto, 0)).unwrap();
    (0..1000).for_each(|n| db.put(long_key(n), value(n)).unwrap());
    db.compact().unwrap();
    db.close().unwrap();
    let needed = whole_bytes(&scratch.dir());
    assert!(needed > 200 << 10, "{needed}");
    for (cache, is_whole) in [(2 * needed + 2 * needed / 20, true), (2 * needed - 2 * needed / 20, false)] {
        let db = Db::open(scratch.dir(), options(IoBackend::Auto, cache)).unwrap();
        assert_eq!(parts(&db) == 0, is_whole);
        assert!(number(&db.stats(), "index_filter_bytes") <= cache / 2);
        // No part is so long that it has no room in the cache: each is read once, and so is each block.
        for round in 0..3 {
            let before = number(&db.stats(), "reads");
            for n in (0..1000).step_by(201) {
                assert_eq!(db.get(long_key(n)).unwrap().map(rabi::Value::into_vec), Some(value(n)));
            }
            let reads = number(&db.stats(), "reads") - before;
            assert_eq!(reads, if round == 0 { 5 * (1 + u64::from(!is_whole)) } else { 0 });
        }
    }
}

fn xorshift(mut n: u64) -> u64 {
    n = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    n ^= n >> 31;
    n.wrapping_mul(0xbf58_476d_1ce4_e5b9)
}

/// Found: blocks that shared a slot pushed each other out, however empty the cache was.
#[test]
fn what_is_read_again_and_again_stays_while_there_is_room() {
    let scratch = Scratch::new();
    one_run(&scratch.dir());
    let cache = 2 * whole_bytes(&scratch.dir()) / 20 * 19;
    let db = Db::open(scratch.dir(), options(IoBackend::Auto, cache)).unwrap();
    assert!(parts(&db) > 0);
    // With the parts that lead to them these take less than half of what the cache has room for.
    for first in 0..300 {
        let hot = (0..6).map(|n| (first * 2 + n * 997 * (first + 1)) % KEYS);
        let reads_of_all = || {
            let before = number(&db.stats(), "reads");
            for n in hot.clone() {
                assert_eq!(db.get(key(n)).unwrap().map(rabi::Value::into_vec), expected(n));
            }
            number(&db.stats(), "reads") - before
        };
        // What others use the epoch for may keep evicted blocks in memory for a while, and new ones out.
        assert!(
            (0..1000).any(|_| reads_of_all() == 0),
            "they push each other out: {:?}",
            hot.collect::<Vec<_>>()
        );
    }
}

/// Found: the slots that were made for a shortage counted for ever after.
#[test]
fn a_shortage_that_is_over_leaves_nothing_in_parts() {
    let scratch = Scratch::new();
    one_run(&scratch.dir());
    let cache = whole_bytes(&scratch.dir()) * 2 / 10 * 11;
    let db = Db::open(scratch.dir(), options(IoBackend::Auto, cache)).unwrap();
    let overwrite = || {
        (0..KEYS).step_by(2).for_each(|n| db.put(key(n), value(n)).unwrap());
        db.compact().unwrap();
    };
    overwrite();
    assert_eq!(parts(&db), 0);
    // As long as a range reads what was replaced, both are in memory.
    let range = db.range::<&[u8]>(..);
    overwrite();
    overwrite();
    assert!(parts(&db) > 0);
    drop(range);
    overwrite();
    overwrite();
    assert_eq!(parts(&db), 0, "the shortage is over");
}
