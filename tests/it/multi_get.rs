//! Several keys read together: the same answers as one by one, at one moment, each block once.

use std::sync::atomic::{AtomicBool, Ordering};

use rabi::{Db, Error, IoBackend, Options, Read, Value};

use crate::generator::Random;
use crate::scratch::{Scratch, files, number, small};

fn key(number: usize) -> Vec<u8> {
    format!("key{number:05}").into_bytes()
}

/// Values and deletes on every level, and nothing for a third of the keys.
fn filled(db: &Db, random: &mut Random) {
    for part in 0..5 {
        for _ in 0..400 {
            let number = random.below(1000) / 3 * 3 + random.below(2);
            if random.below(4) == 0 {
                db.delete(key(number)).unwrap();
            } else {
                let len = random.below(300);
                db.put(key(number), random.bytes(len)).unwrap();
            }
        }
        match part {
            0 => db.compact().unwrap(),
            1..=3 => db.flush().unwrap(),
            _ => {}
        }
    }
}

/// Draws keys, and compares what they have with what single reads say.
fn check(source: &impl Read, random: &mut Random) {
    for len in [0, 1, 2, 15, 16, 17, 100, 256, 257, 700] {
        let keys: Vec<Vec<u8>> = (0..len).map(|_| key(random.below(1100))).collect();
        let found: Vec<Option<Value>> = source.multi_get(&keys).into_iter().map(Result::unwrap).collect();
        let single: Vec<Option<Value>> = keys.iter().map(|key| source.get(key).unwrap()).collect();
        assert!(found == single, "{len} keys");
    }
}

#[test]
fn several_keys_have_what_each_of_them_has() {
    for backend in [IoBackend::Auto, IoBackend::Blocking] {
        // Without a cache each block is read; with a small one, some are.
        for cache_size in [0, 64 << 10, 8 << 20] {
            let (scratch, mut random) = (Scratch::new(), Random::new("several keys"));
            let options = small().io_backend(backend).cache_size_bytes(cache_size).block_size_bytes(2048);
            let db = Db::open(scratch.dir(), options).unwrap();
            filled(&db, &mut random);
            check(&db, &mut random);
            let before = db.snapshot();
            let keys: Vec<Vec<u8>> = (0..1100).map(key).collect();
            let values = |found: Vec<rabi::Result<Option<Value>>>| -> Vec<Option<Value>> {
                found.into_iter().map(Result::unwrap).collect()
            };
            let then = values(before.multi_get(&keys));
            filled(&db, &mut random);
            check(&before, &mut random);
            assert!(values(before.multi_get(&keys)) == then && values(db.multi_get(&keys)) != then);
            db.clone().close().unwrap();
            let closed = db.multi_get(["a", "b"]);
            assert!(matches!(closed[..], [Err(Error::Closed), Err(Error::Closed)]));
        }
    }
}

#[test]
fn each_block_is_read_once() {
    let scratch = Scratch::new();
    let db = Db::open(scratch.dir(), small().cache_size_bytes(0).partition_size_bytes(1 << 20)).unwrap();
    (0..200).for_each(|number| db.put(key(number), [1; 100]).unwrap());
    db.compact().unwrap();
    let reads = || number(&db.stats(), "reads");
    let before = reads();
    (0..200).for_each(|number| assert!(db.get(key(number)).unwrap().is_some()));
    let single = reads() - before;
    let before = reads();
    assert!(db.multi_get((0..200).map(key)).into_iter().all(|found| found.unwrap().is_some()));
    let together = reads() - before;
    assert_eq!(single, 200);
    // Four records of a hundred bytes in a block of 512.
    assert!((40..=67).contains(&together), "{together} reads");
}

#[test]
fn what_cannot_be_read_fails_for_its_keys_only() {
    let scratch = Scratch::new();
    let db = Db::open(scratch.dir(), small().cache_size_bytes(0)).unwrap();
    (0..100).for_each(|number| db.put(key(number), [1; 100]).unwrap());
    db.compact().unwrap();
    let table = files(&scratch.dir(), "table-").pop().unwrap();
    let mut bytes = std::fs::read(&table).unwrap();
    bytes[700] ^= 1;
    std::fs::write(&table, bytes).unwrap();
    db.put(key(200), "in memory").unwrap();
    let found = db.multi_get((0..300).map(key));
    let failed = found.iter().filter(|found| matches!(found, Err(Error::Corruption { .. }))).count();
    assert!((1..=8).contains(&failed), "{failed} keys failed");
    assert_eq!(found.iter().filter(|found| matches!(found, Ok(Some(_)))).count(), 101 - failed);
    assert_eq!(found[200].as_ref().unwrap().as_deref(), Some(&b"in memory"[..]));
}

#[test]
fn all_keys_are_read_at_one_moment() {
    let scratch = Scratch::new();
    let options = Options::new().cores(2).memtable_size_bytes(256 << 10).cache_size_bytes(64 << 10);
    let db = Db::open(scratch.dir(), options).unwrap();
    let write = |round: u64| {
        let mut batch = rabi::WriteBatch::new();
        (0..300).for_each(|number| batch.put(key(number), round.to_le_bytes()));
        db.write(batch, rabi::WriteOptions::new()).unwrap();
    };
    write(0);
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| (1..400).for_each(write));
        let reader = || {
            while !is_over.load(Ordering::Relaxed) {
                for len in [10, 300] {
                    let found = db.multi_get((0..len).map(|number| key(number * 7 % 300)));
                    let rounds: Vec<Value> = found.into_iter().map(|found| found.unwrap().unwrap()).collect();
                    assert!(rounds.iter().all(|round| *round == rounds[0]));
                }
            }
        };
        let readers = [scope.spawn(reader), scope.spawn(reader)];
        while db.get(key(0)).unwrap().unwrap() != 399_u64.to_le_bytes() {
            std::thread::sleep(std::time::Duration::from_millis(1));
            if readers.iter().any(|reader| reader.is_finished()) {
                break;
            }
        }
        is_over.store(true, Ordering::Relaxed);
    });
}
