//! A database without threads: nothing happens unless a core is stepped, in any order.

use std::future::Future;
use std::ops::Bound;
use std::path::Path;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use rabi::sim::Stepper;
use rabi::{Db, Error, FileStats, IoBackend, Options, SlowdownReason, WriteBatch, WriteOptions};

use crate::generator::Random;
use crate::scratch::{Scratch, contents, files, number, small};

const CORES: usize = 3;

fn options() -> Options {
    // The blocking backend ends each operation within the step, so that the same order of steps is
    // the same run.
    small().cores(CORES).io_backend(IoBackend::Blocking).max_frozen_memtables(3)
}

fn open(dir: &Path, random: &mut Random) -> (Stepper, Db) {
    let (mut stepper, mut opening) = Db::open_stepped(dir, options()).unwrap();
    assert_eq!(stepper.cores(), CORES);
    loop {
        if let Some(opened) = opening.poll() {
            return (stepper, opened.unwrap());
        }
        stepper.turn(random.below(CORES));
    }
}

/// Steps cores at random until none has found anything to do for a while.
fn settle(stepper: &mut Stepper, random: &mut Random) {
    let mut idle = 0;
    while idle < 20 * CORES {
        idle = if stepper.turn(random.below(CORES)) { 0 } else { idle + 1 };
    }
}

#[test]
fn nothing_happens_in_the_background_unless_a_core_is_stepped() {
    let (scratch, mut random) = (Scratch::new(), Random::new("still"));
    let (mut stepper, db) = open(&scratch.dir(), &mut random);
    settle(&mut stepper, &mut random);
    let tables = files(&scratch.dir(), "table-").len();
    let before = db.stats();
    let mut written = 0;
    while number(&db.stats(), "frozen_memtables") < 2 {
        db.put(format!("key{written:04}"), [7; 100]).unwrap();
        written += 1;
    }
    std::thread::sleep(std::time::Duration::from_millis(50));
    let after = db.stats();
    for name in ["flushes", "compactions", "writes", "reads", "wal_groups", "wal_durable_lsn"] {
        assert_eq!(number(&after, name), number(&before, name), "{name} moved without a step");
    }
    assert_eq!(files(&scratch.dir(), "table-").len(), tables);
    // Reads of what is in memory need no core.
    assert_eq!(contents(&db).len(), written);

    settle(&mut stepper, &mut random);
    let stats = db.stats();
    assert_eq!(number(&stats, "frozen_memtables"), 0);
    assert_eq!(number(&stats, "flushes"), 2);
    assert!(number(&stats, "wal_durable_lsn") > number(&before, "wal_durable_lsn"));
    assert_eq!(contents(&db).len(), written);
}

#[test]
fn opening_waits_for_steps_and_the_lock_is_held_from_the_start() {
    let scratch = Scratch::new();
    let (stepper, mut opening) = Db::open_stepped(scratch.dir(), options()).unwrap();
    for _ in 0..100 {
        assert!(opening.poll().is_none());
    }
    assert!(matches!(Db::open(scratch.dir(), options()), Err(Error::Locked { .. })));
    drop((stepper, opening));
    Db::open(scratch.dir(), options()).unwrap().close().unwrap();
}

/// Writes the same under one order of steps; drops without close and opens again.
fn run(seed: u64) -> Vec<(Vec<u8>, Vec<u8>)> {
    let (scratch, mut order, mut writes) = (Scratch::new(), Random::new(seed), Random::new("writes"));
    let (mut stepper, db) = open(&scratch.dir(), &mut order);
    for _ in 0..1500 {
        let key = format!("key{:03}", writes.below(400));
        if writes.chance(25) {
            db.delete(key).unwrap();
        } else {
            let value = writes.bytes(120);
            db.put(key, value).unwrap();
        }
        for _ in 0..order.below(8) {
            stepper.turn(order.below(CORES));
        }
        // A write that finds L1 or the stage full would wait for ever.
        while number(&db.stats(), "frozen_memtables") >= 2 {
            stepper.turn(order.below(CORES));
        }
    }
    let stats = db.stats();
    assert!(number(&stats, "flushes") >= 3 && number(&stats, "compactions") >= 1, "{stats}");
    let before = contents(&db);
    drop((db, stepper));
    let (stepper, db) = open(&scratch.dir(), &mut order);
    let after = contents(&db);
    assert!(before == after, "seed {seed}: the reopened database holds something else");
    drop((db, stepper));
    after
}

#[test]
fn different_orders_of_steps_give_the_same_data() {
    let first = run(1);
    assert!(first.len() > 100);
    for seed in 2..5 {
        assert!(run(seed) == first, "seed {seed} gives other data than seed 1");
    }
}

/// What was compacted from an L2 file is counted where it is now, and not twice.
#[test]
fn the_size_of_a_range_leaves_out_what_has_gone_down() {
    let (scratch, mut random) = (Scratch::new(), Random::new("sizes"));
    let (mut stepper, db) = open(&scratch.dir(), &mut random);
    let mut at = 0;
    let mut put = |db: &Db| {
        db.put(format!("key{:04}", at * 7919 % 1000), [7; 100]).unwrap();
        at += 1;
    };
    let (mut checked, mut rounds) = (0, 0);
    // Which core is first to compact, and how much it finds, is up to the turns: as many rounds as it takes.
    while rounds < 10 || (checked == 0 && rounds < 200) {
        rounds += 1;
        // Until L1 is full, so that L0 holds next to nothing.
        while number(&db.stats(), "frozen_memtables") < 2 {
            put(&db);
        }
        // Flushes run on the first core, compactions on the others: L1 goes down before these go on.
        (0..1000).for_each(|_| _ = stepper.turn(0));
        let before = db.stats();
        let mut idle = 0;
        while number(&db.stats(), "compactions") == number(&before, "compactions") && idle < 20 * CORES {
            idle = if stepper.turn(random.below(CORES)) { 0 } else { idle + 1 };
        }
        let after = db.stats();
        if number(&after, "flushes") != number(&before, "flushes") {
            // What was flushed meanwhile is in L2, and rightly counted there.
            settle(&mut stepper, &mut random);
            continue;
        }
        let left: u64 = after.flushed.iter().map(|file| file.bytes).sum();
        let memory = number(&after, "memtable_bytes") + number(&after, "frozen_bytes");
        for (index, partition) in after.partitions.iter().enumerate() {
            let is_new = |run: &&FileStats| !before.runs().any(|old| old == *run);
            let Some(file) = partition.runs.first().filter(is_new) else { continue };
            let next = after.partitions.get(index + 1);
            let upper = next.map_or(Bound::Unbounded, |next| Bound::Excluded(&next.lower_bound));
            let range = (Bound::Included(&partition.lower_bound), upper);
            let in_runs: u64 = partition.runs.iter().map(|run| run.bytes).sum();
            let size = db.approximate_size::<Vec<u8>>(range).unwrap();
            assert!(
                size <= in_runs + memory,
                "{size} bytes, of which {in_runs} in the partition, {memory} in memory"
            );
            checked += usize::from(left > 2 * file.bytes / 3 && memory < file.bytes / 10);
        }
        settle(&mut stepper, &mut random);
    }
    assert!(checked >= 1, "no compaction left anything in L2");
}

/// A writer whose thread does not run while another one closes the database and opens it again.
#[test]
fn a_large_batch_that_a_close_overtakes_is_refused_or_there() {
    let (scratch, mut random) = (Scratch::new(), Random::new("overtaken"));
    let (mut stepper, db) = open(&scratch.dir(), &mut random);
    let mut context = Context::from_waker(Waker::noop());
    let mut batch = WriteBatch::new();
    // More than the stage holds, less than twice as much.
    batch.put("large", vec![7; 100 << 10]);
    let mut write = pin!(db.write_async(batch, WriteOptions::new()));
    let before = number(&db.stats(), "wal_head_lsn");
    while number(&db.stats(), "wal_head_lsn") == before {
        assert!(write.as_mut().poll(&mut context).is_pending(), "the stage does not hold all of it");
        stepper.turn(random.below(CORES));
    }
    let mut close = Box::pin(db.close_async());
    while close.as_mut().poll(&mut context).is_pending() {
        stepper.turn(random.below(CORES));
    }
    drop((close, stepper));
    let (stepper, db) = open(&scratch.dir(), &mut random);
    let Poll::Ready(written) = write.as_mut().poll(&mut context) else {
        panic!("the batch still waits for a database that is closed")
    };
    assert_eq!(db.contains_key("large").unwrap(), written.is_ok(), "{written:?}");
    drop((db, stepper));
}

#[test]
fn who_asks_is_told_what_stops_writers_and_for_how_long() {
    let (scratch, mut random) = (Scratch::new(), Random::new("stopped"));
    let (mut stepper, db) = open(&scratch.dir(), &mut random);
    assert_eq!(db.stats().slowdown, None);
    let mut context = Context::from_waker(Waker::noop());
    let mut stopped = loop {
        let mut put = Box::pin(db.put_async(b"key", &[7; 100]));
        if put.as_mut().poll(&mut context).is_pending() {
            break put;
        }
    };
    let reason = |db: &Db| db.stats().slowdown.map(|slowdown| slowdown.reason);
    // The stage or the memtables, whichever is full first.
    assert!(matches!(reason(&db), Some(SlowdownReason::LogFull | SlowdownReason::MemtablesFull)));
    assert!(db.stats().to_string().contains("writers: stopped: "));
    std::thread::sleep(std::time::Duration::from_millis(20));
    assert!(db.stats().slowdown.unwrap().lasts.as_millis() >= 20);
    while stopped.as_mut().poll(&mut context).is_pending() {
        settle(&mut stepper, &mut random);
    }
    assert!(number(&db.stats(), "stalls") > 0);
    assert!(number(&db.stats(), "stall_us_total") >= 20_000);
    settle(&mut stepper, &mut random);
    assert!(!matches!(reason(&db), Some(SlowdownReason::LogFull | SlowdownReason::MemtablesFull)));
}
