//! What the harness itself costs: drawing numbers and recording latencies.
//!
//! `cargo bench -p rabi-bench --bench harness`; with `-- --test` each runs once, as a test.
//! The harness is a binary, so its modules are compiled in here by their paths.

#![allow(dead_code, unused_imports, reason = "only parts of the modules are measured")]
#![allow(missing_docs, reason = "a benchmark has no users of its items")]

#[path = "../src/generator/mod.rs"]
mod generator;
#[path = "../src/measure/mod.rs"]
mod measure;

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};

use generator::{Latest, OpRandom, ScrambledZipfian, Stream, Uniform, Zipfian, fnv_hash_64};
use measure::{Clock, Latency, Outcome, Recorder, Row, Totals, summarize};

const RECORDS: u64 = 1_000_000;

fn generators(c: &mut Criterion) {
    let mut group = c.benchmark_group("generator");
    let stream = Stream::new(1, "bench");
    let mut index = 0;
    group.bench_function("stream of an operation", |b| {
        b.iter(|| {
            index += 1;
            stream.operation(black_box(index)).bits()
        });
    });
    let mut draw = |name: &str, next: &mut dyn FnMut(&mut OpRandom) -> u64| {
        let mut random = stream.operation(0);
        group.bench_function(name, |b| b.iter(|| black_box(next(&mut random)) < RECORDS));
    };
    let uniform = Uniform::new(0, RECORDS - 1);
    draw("uniform", &mut |random| uniform.next(random));
    let zipfian = Zipfian::new(RECORDS);
    draw("zipfian", &mut |random| zipfian.next(random));
    let scrambled = ScrambledZipfian::new(0, RECORDS);
    draw("scrambled zipfian", &mut |random| scrambled.next(random));
    let mut latest = Latest::new(RECORDS);
    draw("latest", &mut |random| latest.next(RECORDS, random));
    group.bench_function("fnv hash", |b| b.iter(|| fnv_hash_64(black_box(123_456_789))));
    group.finish();
}

fn recording(c: &mut Criterion) {
    let mut group = c.benchmark_group("recording");
    let recorder = Recorder::new(true);
    let mut random = Stream::new(2, "bench").operation(0);
    // Latencies over five decades, so that the whole histogram is touched.
    let latencies: Vec<u64> = (0..1024).map(|_| 100 << random.below(17)).collect();
    let latency = |ns| Latency { service_ns: ns, response_ns: 2 * ns };
    let mut place = 0;
    let clock = Clock::of_process();
    group.bench_function("two looks at the clock", |b| b.iter(|| clock.before().ns_since(clock.after())));
    group.bench_function("record a latency", |b| {
        b.iter(|| {
            place = (place + 1) % latencies.len();
            recorder.record(Row::Read, Outcome::Ok, latency(black_box(latencies[place])));
        });
    });
    recorder.record(Row::Read, Outcome::Ok, latency(1_000));
    let recorders = [recorder];
    group.bench_function("summarize a row", |b| {
        b.iter(|| {
            let rows =
                summarize(&Totals::gather(&recorders).since(&Totals::default()), &[50.0, 95.0, 99.0], false);
            assert_eq!(rows.len(), 1);
            rows
        });
    });
    group.finish();
}

criterion_group!(benches, generators, recording);
criterion_main!(benches);
