//! Memtables by themselves: the engine's and other structures with the same operations, on the same keys.
//!
//! `cargo bench -p rabi-bench --bench memtable`; `cargo test --bench` runs each once. Goal: to choose the
//! structure, and to show what a change of it does. Not a goal: threads, whose order the write path decides. Figures are in
//! `benches/README.md`.

#![allow(missing_docs, reason = "a benchmark has no users of its items")]

mod btree;
mod skip_map;

use std::hint::black_box;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};

/// What a memtable must be able to do.
trait Candidate: Sized {
    const NAME: &str;
    /// An empty one that may grow to about this size.
    fn new(size_bytes: u64) -> Self;
    /// Writes a version of a key; seqnos rise, and nobody reads at an earlier one.
    fn insert(&self, key: &[u8], seqno: u64, value: &[u8]);
    /// Hands over the newest value of a key; returns whether there is one.
    fn get(&self, key: &[u8], found: impl FnOnce(&[u8])) -> bool;
    /// Hands over the newest value of up to `count` keys from `from` on.
    fn scan(&self, from: &[u8], count: usize, each: impl FnMut(&[u8], &[u8])) -> usize;
}

impl Candidate for rabi::bench::Memtable {
    const NAME: &str = "rabi";

    fn new(size_bytes: u64) -> Self {
        rabi::bench::Memtable::new(size_bytes)
    }

    fn insert(&self, key: &[u8], seqno: u64, value: &[u8]) {
        self.insert(key, seqno, value);
    }

    fn get(&self, key: &[u8], found: impl FnOnce(&[u8])) -> bool {
        self.get(key, found).is_some()
    }

    fn scan(&self, from: &[u8], count: usize, each: impl FnMut(&[u8], &[u8])) -> usize {
        self.scan(from, count, each)
    }
}

/// As many 100-byte records as a memtable of 64 MiB takes with what they cost beside: 216 bytes each.
const RECORDS: u64 = 300_000;
/// In a test, where time counts and figures do not.
const RECORDS_OF_A_TEST: u64 = 2_000;
const SIZE_BYTES: u64 = 64 << 20;
const VALUE: [u8; 100] = [b'v'; 100];
const SCAN: usize = 50;

fn records() -> u64 {
    // What `cargo bench` says and `cargo test` does not. Looked at once: calls that are measured ask for it.
    static RECORDS_HERE: LazyLock<u64> = LazyLock::new(|| {
        let is_measured = std::env::args().any(|argument| argument == "--bench");
        if is_measured { RECORDS } else { RECORDS_OF_A_TEST }
    });
    *RECORDS_HERE
}

/// The finaliser of SplitMix64: numbers that follow each other lie anywhere.
fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// A key as YCSB's: a prefix that all have, and the digits of a hash.
fn key(number: u64) -> [u8; 20] {
    let (mut key, hash) = (*b"user0000000000000000", mix(number));
    for (place, digit) in key[4..].iter_mut().enumerate() {
        *digit = b"0123456789abcdef"[(hash >> (60 - 4 * place)) as usize & 15];
    }
    key
}

/// Record numbers with a Zipf distribution of exponent one, by inverting its integral.
fn zipfian(draw: u64, count: u64) -> u64 {
    let unit = (mix(draw) >> 11) as f64 / (1_u64 << 53) as f64;
    ((count as f64).powf(unit) as u64 - 1).min(count - 1)
}

fn filled<C: Candidate>() -> C {
    let memtable = C::new(SIZE_BYTES);
    (0..records()).for_each(|number| memtable.insert(&key(number), number + 1, &VALUE));
    memtable
}

/// The time of as many passes, each of one call for each record on what `made` gives anew; making and freeing that
/// is not counted.
fn passes<C>(iterations: u64, made: impl Fn() -> C, call: impl Fn(&C, u64)) -> Duration {
    let pass = |_| {
        let memtable = made();
        let start = Instant::now();
        (0..records()).for_each(|number| call(&memtable, number));
        start.elapsed()
    };
    (0..iterations).map(pass).sum()
}

fn writes<C: Candidate>(group: &mut BenchmarkGroup<'_, WallTime>) {
    group.throughput(Throughput::Elements(records()));
    group.bench_function("insert all", |b| {
        let insert = |memtable: &C, n| memtable.insert(&key(n), n + 1, &VALUE);
        b.iter_custom(|iterations| passes(iterations, || C::new(SIZE_BYTES), insert));
    });
    group.bench_function("overwrite as many, zipfian", |b| {
        let overwrite =
            |memtable: &C, n| memtable.insert(&key(zipfian(n, records())), records() + n + 1, &VALUE);
        b.iter_custom(|iterations| passes(iterations, filled::<C>, overwrite));
    });
    group.bench_function("free all", |b| {
        b.iter_custom(|iterations| {
            let free = |_| {
                let memtable = filled::<C>();
                let start = Instant::now();
                drop(memtable);
                start.elapsed()
            };
            (0..iterations).map(free).sum()
        });
    });
}

/// A scan of everything sees each record once, in order.
fn is_in_order<C: Candidate>(memtable: &C) {
    let mut keys = Vec::new();
    memtable.scan(b"", usize::MAX, |key, value| {
        assert_eq!(value, VALUE);
        keys.push(key.to_vec());
    });
    assert_eq!(keys.len() as u64, records());
    assert!(keys.is_sorted_by(|one, other| one < other));
}

fn reads<C: Candidate>(group: &mut BenchmarkGroup<'_, WallTime>) {
    let memtable = filled::<C>();
    let mut number = 0;
    let mut next = move || {
        number += 1;
        mix(number) % records()
    };
    is_in_order(&memtable);
    let length = |value: &[u8]| assert_eq!(value.len(), VALUE.len());
    group.throughput(Throughput::Elements(1));
    group.bench_function("get hit", |b| b.iter(|| assert!(memtable.get(&key(next()), length))));
    group.bench_function("get miss", |b| {
        b.iter(|| assert!(!memtable.get(&key(records() + next()), length)));
    });
    let scan = |memtable: &C, from: u64| {
        let seen = memtable.scan(&key(from), SCAN, |key, value| {
            black_box((key, value[value.len() - 1]));
        });
        assert!((1..=SCAN).contains(&seen));
    };
    group.throughput(Throughput::Elements(SCAN as u64));
    group.bench_function("scan 50", |b| b.iter(|| scan(&memtable, next())));
    for draw in 0..2 * records() {
        memtable.insert(&key(zipfian(draw, records())), records() + draw + 1, &VALUE);
    }
    group.bench_function("scan 50 after overwrites", |b| b.iter(|| scan(&memtable, next())));
    let mut draw = 0;
    group.bench_function("scan 50 after overwrites, zipfian", |b| {
        b.iter(|| {
            draw += 1;
            scan(&memtable, zipfian(draw, records()));
        });
    });
}

fn candidate<C: Candidate>(c: &mut Criterion) {
    let mut group = c.benchmark_group(format!("memtable/{}", C::NAME));
    group.sample_size(10);
    writes::<C>(&mut group);
    reads::<C>(&mut group);
    group.finish();
}

fn candidates(c: &mut Criterion) {
    candidate::<rabi::bench::Memtable>(c);
    candidate::<btree::Tree>(c);
    candidate::<crossbeam_skiplist::SkipMap<skip_map::Record, ()>>(c);
}

criterion_group!(benches, candidates);
criterion_main!(benches);
