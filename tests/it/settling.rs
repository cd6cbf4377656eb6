//! A database that nobody writes settles, but not at the cost of readers.

use std::time::{Duration, Instant};

use rabi::{Db, Options};

use crate::generator::Random;
use crate::scratch::{Scratch, number, wait_until};

const KEYS: usize = 4000;
/// Longer than a database without writes takes to begin to settle.
const UNWRITTEN: Duration = Duration::from_secs(4);

/// Some files of L2, too few to be compacted while somebody writes.
fn load(db: &Db) {
    let mut random = Random::new("settling");
    for _ in 0..4 {
        (0..KEYS).for_each(|key| db.put(format!("user{key:05}"), random.bytes(100)).unwrap());
        db.flush().unwrap();
    }
}

#[test]
fn a_database_settles_when_its_readers_no_longer_miss() {
    let scratch = Scratch::new();
    let db = Db::open(scratch.dir(), Options::new().max_flushed_files(30).cache_size_bytes(0)).unwrap();
    load(&db);
    let begin = Instant::now();
    let mut key = 0;
    while begin.elapsed() < UNWRITTEN {
        key = (key + 1) % KEYS;
        assert!(db.get(format!("user{key:05}")).unwrap().is_some());
    }
    let stats = db.stats();
    let misses_each_second = number(&stats, "cache_misses") / UNWRITTEN.as_secs();
    assert!(misses_each_second > 1000, "too slow to be left alone: {misses_each_second}");
    assert_eq!(number(&stats, "flushed_files"), 4, "compacted although readers miss");
    wait_until("the database has settled", || number(&db.stats(), "flushed_files") == 0);
    db.close().unwrap();
}
