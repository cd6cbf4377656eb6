//! The engine's hot parts through its public interface, on a data set that fits in its caches.
//!
//! `cargo bench -p rabi-bench --bench engine`; with `-- --test` each runs once, as a test. Goal:
//! to show where a change of one part shows. Not a goal: throughput, which the workloads
//! measure. The database lies in the directory for temporary files (`TMPDIR`).

#![allow(missing_docs, reason = "a benchmark has no users of its items")]

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use rabi::{Db, Options, WriteBatch, WriteOptions};
use tempfile::TempDir;

const RECORDS: u64 = 50_000;
const VALUE: [u8; 100] = [b'v'; 100];
const BATCH: u64 = 32;
const SCAN: usize = 50;
/// Odd and not a factor of the number of records: its multiples visit every record.
const STRIDE: u64 = 7_919;

/// A database and the directory that goes with it.
struct Bench {
    db: Db,
    _dir: TempDir,
}

fn open() -> Bench {
    let dir = tempfile::tempdir().expect("the directory for temporary files can be written");
    let db = Db::open(dir.path(), Options::new().cores(1)).expect("a new database can be opened");
    Bench { db, _dir: dir }
}

fn loaded() -> Bench {
    let bench = open();
    for number in 0..RECORDS {
        bench.db.put(key(number), VALUE).expect("a record can be written");
    }
    bench
}

fn key(number: u64) -> [u8; 20] {
    let mut key = *b"user0000000000000000";
    key[12..].copy_from_slice(&(number.wrapping_mul(STRIDE) % RECORDS).to_be_bytes());
    key
}

/// Keys in an order without locality.
fn keys() -> impl FnMut() -> [u8; 20] {
    let mut number = 0;
    move || {
        number += 1;
        key(number)
    }
}

fn writes(c: &mut Criterion) {
    let mut group = c.benchmark_group("write");
    let (bench, mut next) = (open(), keys());
    group.bench_function("put 100 B", |b| {
        b.iter(|| bench.db.put(next(), VALUE).expect("a record can be written"));
    });
    let (bench, mut next) = (open(), keys());
    group.bench_function("put 1 KB", |b| {
        b.iter(|| bench.db.put(next(), [b'v'; 1000]).expect("a record can be written"));
    });
    let (bench, mut next) = (open(), keys());
    group.throughput(Throughput::Elements(BATCH));
    group.bench_function("batch of 32", |b| {
        let batch = || {
            let mut batch = WriteBatch::new();
            for _ in 0..BATCH {
                batch.put(next(), VALUE);
            }
            batch
        };
        let write = |batch| {
            bench.db.write(batch, WriteOptions::default()).expect("a batch can be written");
        };
        b.iter_batched(batch, write, BatchSize::SmallInput);
    });
    group.finish();
}

fn reads(c: &mut Criterion, place: &str, bench: &Bench) {
    let mut group = c.benchmark_group(place);
    let mut next = keys();
    let get = |key: [u8; 20]| bench.db.get(key).expect("a record can be read");
    group.bench_function("get", |b| {
        b.iter(|| assert!(get(next()).is_some_and(|value| value.len() == VALUE.len())));
    });
    group.bench_function("get an absent key", |b| {
        b.iter(|| {
            let mut absent = next();
            absent[11] = b'1';
            assert!(get(absent).is_none());
        });
    });
    group.bench_function("seek", |b| {
        b.iter(|| {
            let entry = bench.db.range(next()..).next().expect("there is a record at or after each");
            black_box(entry.expect("a record can be read"));
        });
    });
    let mut range = bench.db.range::<[u8; 20]>(..);
    group.bench_function("next", |b| {
        b.iter(|| {
            let entry = range.next().or_else(|| {
                range = bench.db.range::<[u8; 20]>(..);
                range.next()
            });
            black_box(entry.expect("there are records").expect("a record can be read"));
        });
    });
    group.throughput(Throughput::Elements(SCAN as u64));
    // From the first half of the keys on, so that there always are fifty.
    let mut number = 0;
    group.bench_function("seek and 50 records", |b| {
        b.iter(|| {
            number = (number + STRIDE) % (RECORDS / 2);
            let mut start = *b"user0000000000000000";
            start[12..].copy_from_slice(&number.to_be_bytes());
            let mut seen = 0;
            for entry in bench.db.range(start..).take(SCAN) {
                black_box(entry.expect("a record can be read"));
                seen += 1;
            }
            assert_eq!(seen, SCAN);
        });
    });
    group.finish();
}

fn memtable(c: &mut Criterion) {
    let bench = loaded();
    assert_eq!(bench.db.stats().get("flushed_files"), Some(0), "the data set is in the memtable");
    reads(c, "memtable", &bench);
}

fn cached_blocks(c: &mut Criterion) {
    let bench = loaded();
    bench.db.compact().expect("the database can be compacted");
    for entry in bench.db.range::<[u8; 20]>(..) {
        black_box(entry.expect("a record can be read"));
    }
    reads(c, "cached blocks", &bench);
    assert_eq!(bench.db.stats().get("cache_evictions"), Some(0), "the data set fits in the cache");
}

criterion_group!(benches, writes, memtable, cached_blocks);
criterion_main!(benches);
