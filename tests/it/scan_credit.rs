//! Scans earn the compaction that only scans need.

use std::time::{Duration, Instant};

use rabi::{Db, Options};

use crate::generator::Random;
use crate::scratch::{Scratch, number};

const FILES: u64 = 4;
/// Longer than a database without writes takes to settle by itself.
const WITHOUT_SCANS: Duration = Duration::from_secs(4);

/// A run, and above it files of L2 too few to be compacted.
fn load(db: &Db) {
    let mut random = Random::new(3);
    for round in 0..=FILES {
        for _ in 0..4000 {
            db.put(format!("user{:05}", random.below(50_000)), random.bytes(100)).unwrap();
        }
        db.flush().unwrap();
        if round == 0 {
            db.compact().unwrap();
        }
    }
}

fn put_some(db: &Db) {
    // Nothing settles because nobody writes: somebody does all the time, though little.
    db.put("user", "x").unwrap();
    std::thread::sleep(Duration::from_millis(50));
}

#[test]
fn a_tree_that_is_scanned_much_and_written_little_becomes_one_run() {
    let scratch = Scratch::new();
    let options = Options::new().max_flushed_files(3 * (FILES as usize + 1));
    let db = Db::open(scratch.dir(), options).unwrap();
    let files = || number(&db.stats(), "flushed_files") + number(&db.stats(), "runs");
    load(&db);
    let begin = Instant::now();
    while begin.elapsed() < WITHOUT_SCANS {
        put_some(&db);
    }
    assert_eq!(files(), FILES + 1, "without scans it stays as it is");
    let written = number(&db.stats(), "compaction_bytes_written");
    let (begin, mut scans) = (Instant::now(), 0);
    while files() > 1 {
        assert!(begin.elapsed() < Duration::from_secs(60), "{:?}", db.stats());
        put_some(&db);
        for start in 0..1000 {
            assert_eq!(db.range(format!("user{:05}", start * 40)..).take(50).count(), 50);
            scans += 1;
        }
    }
    let written = number(&db.stats(), "compaction_bytes_written") - written;
    assert!(written < scans * 3000, "{written} bytes for {scans} scans of 50");
    db.close().unwrap();
}
