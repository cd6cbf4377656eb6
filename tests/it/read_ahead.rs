//! Scans of blocks that are not cached: adjacent ones are read together, and a block that was only read ahead can do
//! no harm.

use std::path::Path;
use std::{fs, thread};

use rabi::{AsyncDb, Db, IoBackend, Options};

use crate::awaited::block_on;
use crate::scratch::{Scratch, contents, files, forget_pages, number, wait_until};

const KEYS: u64 = 4000;
const BLOCK_LEN: u64 = 512;

type Entries = Vec<(Vec<u8>, Vec<u8>)>;

fn options(backend: IoBackend, cache_size_bytes: u64) -> Options {
    Options::new()
        .cores(1)
        .io_backend(backend)
        .block_size_bytes(BLOCK_LEN as usize)
        .cache_size_bytes(cache_size_bytes)
}

fn entries() -> Entries {
    (0..KEYS).map(|n| (format!("key{n:05}").into_bytes(), vec![n as u8; 90])).collect()
}

/// A database whose entries are in one table, closed.
fn one_table(dir: &Path) {
    let db = Db::open(dir, options(IoBackend::Auto, 0)).unwrap();
    for (key, value) in entries() {
        db.put(key, value).unwrap();
    }
    db.compact().unwrap();
    assert_eq!((number(&db.stats(), "flushed_files"), number(&db.stats(), "runs")), (0, 1));
    // Closed before, it would leave the flushed file to the next opening.
    wait_until("no other file is left", || files(dir, "table-").len() == 1);
    db.close().unwrap();
}

fn reads(db: &Db) -> u64 {
    number(&db.stats(), "reads")
}

/// How many reads it takes.
fn count_reads(db: &Db, scan: impl FnOnce() -> Entries, expected: &Entries) -> u64 {
    let before = reads(db);
    assert!(scan() == *expected);
    reads(db) - before
}

fn collect<'a>(found: impl Iterator<Item = rabi::Result<(Vec<u8>, rabi::Value)>> + 'a) -> Entries {
    found.map(|entry| entry.map(|(key, value)| (key, value.into_vec())).unwrap()).collect()
}

fn awaited(db: &AsyncDb, is_reversed: bool) -> Entries {
    block_on(async {
        let range = db.range::<&str>(..);
        let mut range = if is_reversed { range.rev() } else { range };
        let mut found = Entries::new();
        while let Some(entry) = range.next().await {
            let (key, value) = entry.unwrap();
            found.push((key, value.into_vec()));
        }
        found
    })
}

#[test]
fn a_scan_of_cold_blocks_makes_fewer_reads_than_there_are_blocks() {
    let scratch = Scratch::new();
    one_table(&scratch.dir());
    let blocks = KEYS * 90 / BLOCK_LEN;
    let forward = entries();
    let backward: Entries = forward.iter().rev().cloned().collect();
    for backend in [IoBackend::Auto, IoBackend::Blocking] {
        for cache_size_bytes in [0, 4 << 10, 64 << 10, 16 << 20] {
            let open = || {
                forget_pages(&scratch.dir());
                Db::open(scratch.dir(), options(backend, cache_size_bytes)).unwrap()
            };
            let db = open();
            let made =
                [count_reads(&db, || contents(&db), &forward), count_reads(&db, || contents(&db), &forward)];
            assert!(made[0] * 8 < blocks, "{} reads of {blocks} blocks", made[0]);
            assert!(made[1] * 8 < blocks && (made[1] == 0 || cache_size_bytes < 16 << 20), "{made:?}");
            drop(db);
            let db = open();
            let made = count_reads(&db, || collect(db.range::<&str>(..).rev()), &backward);
            assert!(made * 8 < blocks, "{made} reads of {blocks} blocks, backward");
            drop(db);
            for is_reversed in [false, true] {
                let db = open();
                let expected = if is_reversed { &backward } else { &forward };
                let made = count_reads(&db, || awaited(&db.to_async(), is_reversed), expected);
                assert!(made * 8 < blocks, "{made} reads of {blocks} blocks, awaited");
            }
        }
    }
}

#[test]
fn a_short_scan_reads_little_more_than_it_uses() {
    let scratch = Scratch::new();
    one_table(&scratch.dir());
    let db = Db::open(scratch.dir(), options(IoBackend::Auto, 0)).unwrap();
    let all = entries();
    let read_bytes = || number(&db.stats(), "read_bytes");
    for count in [1, 5, 10, 40, 100, 300] {
        for from in (0..KEYS as usize - count).step_by(371) {
            let before = read_bytes();
            let found = collect(db.range(all[from].0.clone()..).take(count));
            assert!(found == all[from..from + count]);
            let used = (count as u64 * 110).next_multiple_of(BLOCK_LEN) + 2 * BLOCK_LEN;
            let read = read_bytes() - before;
            assert!(read <= 3 * used, "{read} bytes for {count} entries");
            // And with a bound, nothing behind it but the block that tells of its end.
            let before = read_bytes();
            let upper = all[from + count].0.clone();
            assert!(collect(db.range(all[from].0.clone()..upper)) == all[from..from + count]);
            let read = read_bytes() - before;
            assert!(read <= used + 2 * BLOCK_LEN, "{read} bytes for {count} entries up to a bound");
        }
    }
}

/// Threads scan from everywhere in both directions while others look keys up: what one reads ahead is cached for all.
#[test]
fn what_was_read_ahead_is_found_under_its_own_keys() {
    let scratch = Scratch::new();
    one_table(&scratch.dir());
    let all = entries();
    for cache_size_bytes in [32 << 10, 16 << 20] {
        let db = Db::open(scratch.dir(), options(IoBackend::Auto, cache_size_bytes)).unwrap();
        thread::scope(|scope| {
            let (db, all) = (&db, &all);
            for step in [37, 91] {
                scope.spawn(move || {
                    for from in (0..all.len() - 60).step_by(step) {
                        assert!(collect(db.range(all[from].0.clone()..).take(60)) == all[from..from + 60]);
                        let mut back = collect(db.range(..all[from + 60].0.clone()).rev().take(60));
                        back.reverse();
                        assert!(back == all[from..from + 60]);
                    }
                });
            }
            scope.spawn(move || {
                for (key, value) in all {
                    assert_eq!(db.get(key).unwrap().as_deref(), Some(&value[..]));
                }
            });
        });
        for (key, value) in &all {
            assert_eq!(db.get(key).unwrap().as_deref(), Some(&value[..]));
        }
    }
}

#[test]
fn a_damaged_block_fails_the_scans_that_come_to_it_and_no_others() {
    let scratch = Scratch::new();
    one_table(&scratch.dir());
    let table = &files(&scratch.dir(), "table-")[0];
    let mut bytes = fs::read(table).unwrap();
    bytes[KEYS as usize * 45] ^= 4;
    fs::write(table, bytes).unwrap();
    let db = Db::open(scratch.dir(), options(IoBackend::Auto, 0)).unwrap();
    let all = entries();
    let is_good: Vec<bool> = all.iter().map(|(key, _)| db.get(key).is_ok()).collect();
    let first_bad = is_good.iter().position(|is_good| !is_good).expect("a block is damaged");
    let last_bad = is_good.iter().rposition(|is_good| !is_good).unwrap();
    assert!(last_bad - first_bad < 10 && is_good[first_bad..=last_bad].iter().all(|is_good| !is_good));
    let expected = db.get(&all[first_bad].0).unwrap_err().to_string();
    let good = |entry: rabi::Result<(Vec<u8>, rabi::Value)>| entry.map(|(key, _)| key);
    for from in [0, first_bad - 200, first_bad - 30, first_bad - 1] {
        let mut range = db.range(all[from].0.clone()..).map(good);
        for (key, _) in &all[from..first_bad] {
            assert_eq!(range.next().unwrap().unwrap(), *key);
        }
        assert_eq!(range.next().unwrap().unwrap_err().to_string(), expected);
    }
    for behind in [last_bad + 2, last_bad + 30, last_bad + 200, all.len()] {
        let mut range = db.range(all[0].0.clone()..=all[behind - 1].0.clone()).rev().map(good);
        for (key, _) in all[last_bad + 1..behind].iter().rev() {
            assert_eq!(range.next().unwrap().unwrap(), *key);
        }
        assert_eq!(range.next().unwrap().unwrap_err().to_string(), expected);
    }
    block_on(async {
        let mut range = db.to_async().range::<&str>(..);
        for (key, _) in &all[..first_bad] {
            assert_eq!(range.next().await.unwrap().unwrap().0, *key);
        }
        assert_eq!(range.next().await.unwrap().unwrap_err().to_string(), expected);
    });
}
