//! Memory: what a process with a database takes is what the options say, and little more.
//!
//! Counted is what belongs to the process alone (`RssAnon` in `/proc/self/status`), at its peak, in a process of its own,
//! with four threads that write, overwrite, read and scan several times the budget. Not counted is the page cache, of
//! which the mapped part of the stage is one page after the other (`RssFile`): the kernel takes that back.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use rabi::{Db, Options};

use crate::generator::Random;
use crate::scratch::Scratch;
use crate::system::run_alone;

const MIB: u64 = 1 << 20;

/// On top of a quarter of the budgets: data of the program and of libraries, stacks, and the arenas of the allocator, with
/// what callers have of it.
const ALLOWANCE: u64 = 24 * MIB;

fn anonymous_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    1024 * line.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap()
}

/// Runs `work`, and returns the greatest number of bytes seen meanwhile.
fn peak_during(work: impl FnOnce()) -> u64 {
    let (done, peak) = (AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                peak.fetch_max(anonymous_bytes(), Ordering::Relaxed);
                thread::sleep(Duration::from_millis(2));
            }
        });
        work();
        done.store(true, Ordering::Relaxed);
    });
    peak.load(Ordering::Relaxed)
}

fn use_it(db: &Db, thread: u64, keys: usize, steps: u64) {
    let mut random = Random::new(thread);
    let mut value = vec![0_u8; 1000];
    for step in 0..steps {
        let mut key =
            || format!("user{:020}", (random.below(keys) as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        value[..8].copy_from_slice(&step.to_le_bytes());
        match step % 8 {
            0..4 => db.put(key(), &value).unwrap(),
            4..7 => drop(db.get(key()).unwrap()),
            _ if step % 64 == 7 => assert!(db.range(key()..).take(50).all(|entry| entry.is_ok())),
            _ => db.put(key(), &value).unwrap(),
        }
    }
}

fn check(memtable_mib: u64, cache_mib: u64, keys: usize, steps: u64) {
    let scratch = Scratch::new();
    let options = Options::new().memtable_size_bytes(memtable_mib * MIB).cache_size_bytes(cache_mib * MIB);
    let stated = 4 * memtable_mib * MIB + cache_mib * MIB;
    let db = Db::open(scratch.dir(), options).unwrap();
    let peak = peak_during(|| {
        thread::scope(|scope| {
            let db = &db;
            (0..4).for_each(|thread| drop(scope.spawn(move || use_it(db, thread, keys, steps))));
        });
    });
    let stats = db.stats();
    let part = |name: &str| stats.get(name).unwrap();
    let parts = ["memtable_memory_bytes", "cache_memory_bytes", "index_filter_bytes", "buffer_bytes"];
    assert_eq!(part("memory_bytes"), parts.iter().map(|name| part(name)).sum::<u64>());
    println!(
        "stated {} MiB, at most {} MiB, at the end {} MiB",
        stated / MIB,
        peak / MIB,
        anonymous_bytes() / MIB
    );
    parts.iter().for_each(|name| println!("{name}: {} MiB", part(name) / MIB));
    assert!(peak <= stated + stated / 4 + ALLOWANCE, "{peak} bytes where {stated} were stated\n{stats}");
    db.close().unwrap();
}

#[test]
#[ignore = "runs in a process of its own, by a test below"]
fn scene_with_little() {
    check(8, 32, 100_000, 60_000);
}

#[test]
#[ignore = "takes a minute, optimised"]
fn scene_with_defaults() {
    check(64, 256, 2_000_000, 2_000_000);
}

#[test]
fn a_process_takes_what_the_options_say() {
    println!("{}", run_alone("memory::scene_with_little"));
}
