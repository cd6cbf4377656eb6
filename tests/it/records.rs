//! Records in the cache are never older than what was written.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rabi::Db;

use crate::generator::Random;
use crate::scratch::{Scratch, number, small};

const KEYS: usize = 200;
const WRITERS: usize = 2;
const READERS: usize = 3;
const TIME: Duration = Duration::from_secs(4);

fn key(number: usize) -> String {
    format!("user{number:05}")
}

/// Long enough to become a record.
fn value(count: u64) -> Vec<u8> {
    count.to_le_bytes().repeat(80)
}

fn count_of(value: &[u8]) -> u64 {
    let (counts, rest) = value.as_chunks::<8>();
    assert!(rest.is_empty() && counts.iter().all(|count| *count == counts[0]), "a value is torn");
    u64::from_le_bytes(counts[0])
}

/// Each of the keys has a count that its writer raises, and sometimes deletes before.
fn write(db: &Db, writer: usize, written: &[AtomicU64], ended: &AtomicBool) {
    let mut random = Random::new(("writer", writer));
    let mut count = 0;
    while !ended.load(Ordering::Relaxed) {
        let number = random.below(KEYS / WRITERS) * WRITERS + writer;
        count += 1;
        if random.below(10) == 0 {
            db.delete(key(number)).unwrap();
        }
        db.put(key(number), value(count)).unwrap();
        written[number].store(count, Ordering::Release);
        if random.below(8) == 0 {
            // Readers are to find most keys in files.
            std::thread::sleep(Duration::from_micros(200));
        }
    }
}

fn read(db: &Db, reader: usize, written: &[AtomicU64], ended: &AtomicBool) {
    let mut random = Random::new(("reader", reader));
    while !ended.load(Ordering::Relaxed) {
        let number = random.below(KEYS);
        let before = written[number].load(Ordering::Acquire);
        let found = match random.below(3) {
            0 => db.multi_get([key(number)]).pop().expect("one answer").unwrap(),
            _ => db.get(key(number)).unwrap(),
        };
        // A delete is followed by a put.
        let Some(found) = found else { continue };
        assert!(count_of(&found) >= before, "{number}: {} after {before}", count_of(&found));
        if random.below(50) == 0 {
            let snapshot = db.snapshot();
            let first = snapshot.get(key(number)).unwrap();
            std::thread::sleep(Duration::from_millis(2));
            assert!(snapshot.get(key(number)).unwrap() == first, "{number}: a snapshot has changed");
        }
    }
}

#[test]
fn what_is_read_again_and_again_is_never_older_than_what_was_written() {
    let scratch = Scratch::new();
    let db = Db::open(scratch.dir(), small().cache_size_bytes(4 << 20)).unwrap();
    let written: Vec<AtomicU64> = (0..KEYS).map(|_| AtomicU64::new(0)).collect();
    let ended = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (db, written, ended) = (&db, &written, &ended);
            scope.spawn(move || write(db, writer, written, ended));
        }
        let readers: Vec<_> = (0..READERS)
            .map(|reader| {
                let (db, written, ended) = (&db, &written, &ended);
                scope.spawn(move || read(db, reader, written, ended))
            })
            .collect();
        let begin = Instant::now();
        while begin.elapsed() < TIME && !readers.iter().any(|reader| reader.is_finished()) {
            std::thread::sleep(Duration::from_millis(20));
        }
        ended.store(true, Ordering::Relaxed);
    });
    let stats = db.stats();
    let (hits, flushes) = (number(&stats, "cache_record_hits"), number(&stats, "flushes"));
    assert!(hits > 1000 && flushes > 20, "{hits} records were found, {flushes} memtables flushed");
    for (number, count) in written.iter().enumerate() {
        let found = db.get(key(number)).unwrap();
        assert_eq!(found.map_or(0, |found| count_of(&found)), count.load(Ordering::Relaxed), "{number}");
    }
    db.close().unwrap();
}
