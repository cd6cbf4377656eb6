//! The engine against a `BTreeMap`: random operations, tiny levels, the same answers.
//!
//! `RABI_MODEL_SEEDS=n` runs that many seeds, `RABI_MODEL_FIRST_SEED=n` begins with another one.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use rabi::{Db, Durability, IoBackend, Options, Range, Snapshot, WriteBatch, WriteOptions};

use crate::generator::Random;
use crate::scratch::{Scratch, contents, number};

const SEEDS: u64 = 8;
const OPERATIONS: usize = 800;

/// Values are shared by the copies that stand for snapshots.
type Map = BTreeMap<Vec<u8>, Rc<[u8]>>;
type Bounds = (Bound<Vec<u8>>, Bound<Vec<u8>>);

/// What a range has still to show.
type Expected = VecDeque<(Vec<u8>, Rc<[u8]>)>;

/// What all seeds together must have brought about.
#[derive(Debug, Default)]
struct Seen {
    operations: usize,
    frozen_max: u64,
    flushed_max: u64,
    partitions_max: usize,
    flushes: u64,
    compactions: u64,
    splits: usize,
    merges: usize,
    replays: usize,
    large_batches: usize,
    pinned_ranges: usize,
}

struct Case<'a> {
    random: Random,
    scratch: Scratch,
    db: Option<Db>,
    model: Map,
    snapshots: Vec<(Snapshot, Map)>,
    /// Ranges half read, with what they still have to show.
    ranges: Vec<(Range, Expected)>,
    partitions: usize,
    /// Deletes outnumber puts for a while, so that partitions shrink.
    shrinking: bool,
    seen: &'a mut Seen,
}

fn options(random: &mut Random) -> Options {
    Options::new()
        .cores(random.between(1, 3))
        .io_backend(*random.pick(&[IoBackend::Uring, IoBackend::Blocking]))
        .durability(*random.pick(&[Durability::Process, Durability::Process, Durability::Power]))
        .memtable_size_bytes(*random.pick(&[4 << 10, 8 << 10, 16 << 10, 64 << 10]))
        .max_frozen_memtables(random.between(1, 3))
        .max_flushed_files(random.between(2, 6))
        .partition_size_bytes(16 << 10)
        .block_size_bytes(*random.pick(&[512, 512, 1024]))
        .filter_bits_per_key(*random.pick(&[0, 1, 10]))
        .cache_size_bytes(*random.pick(&[0, 4 << 10, 64 << 10]))
        .direct_reads(*random.pick(&[false, false, true]))
        .wal_segment_size_bytes(*random.pick(&[64 << 10, 64 << 10, 128 << 10]))
        .stage_size_bytes(*random.pick(&[64 << 10, 64 << 10, 128 << 10]))
}

/// A hot space of keys: the empty one, shared prefixes, prefixes of each other, full bytes.
pub fn key(random: &mut Random) -> Vec<u8> {
    match random.below(12) {
        0 => Vec::new(),
        1 => vec![0xff; random.between(1, 3)],
        2 => vec![b'a'; random.between(1, 40)],
        3 => random.below(200).to_be_bytes()[6..].to_vec(),
        4..=6 => format!("user{:03}/name", random.below(120)).into_bytes(),
        _ => format!("user{:03}", random.below(300)).into_bytes(),
    }
}

pub fn value(random: &mut Random) -> Vec<u8> {
    let len = match random.below(200) {
        0 => random.between(4 << 10, 40 << 10),
        1..=10 => 0,
        11..=40 => random.between(300, 900),
        _ => random.between(1, 250),
    };
    random.bytes(len)
}

fn bounds(random: &mut Random) -> Bounds {
    let mut bound = || match random.below(5) {
        0 => Bound::Unbounded,
        1 | 2 => Bound::Excluded(key(random)),
        _ => Bound::Included(key(random)),
    };
    (bound(), bound())
}

/// The same part of a map. `BTreeMap::range` panics where bounds cross; a database shows nothing.
fn part(map: &Map, (lower, upper): &Bounds) -> VecDeque<(Vec<u8>, Rc<[u8]>)> {
    let above = |key: &Vec<u8>| match lower {
        Bound::Included(lower) => key >= lower,
        Bound::Excluded(lower) => key > lower,
        Bound::Unbounded => true,
    };
    let below = |key: &Vec<u8>| match upper {
        Bound::Included(upper) => key <= upper,
        Bound::Excluded(upper) => key < upper,
        Bound::Unbounded => true,
    };
    let within = map.iter().filter(|(key, _)| above(key) && below(key));
    within.map(|(key, value)| (key.clone(), Rc::clone(value))).collect()
}

fn with_prefix(map: &Map, prefix: &[u8]) -> VecDeque<(Vec<u8>, Rc<[u8]>)> {
    let within = map.iter().filter(|(key, _)| key.starts_with(prefix));
    within.map(|(key, value)| (key.clone(), Rc::clone(value))).collect()
}

/// How a range is read.
#[derive(Clone, Copy, Debug)]
enum Way {
    Forward,
    Backward,
    BothEnds,
}

/// Takes up to `count` entries from a range and compares each with what is expected at that end;
/// at the end of the range nothing must be left.
fn read(range: &mut Range, expected: &mut VecDeque<(Vec<u8>, Rc<[u8]>)>, way: Way, count: usize) {
    for step in 0..count {
        let backward = match way {
            Way::Forward => false,
            Way::Backward => true,
            Way::BothEnds => step % 2 == 1,
        };
        let found = if backward { range.next_back() } else { range.next() };
        let found = found.transpose().unwrap();
        let wanted = if backward { expected.pop_back() } else { expected.pop_front() };
        match (found, wanted) {
            (None, None) => return,
            (Some((key, value)), Some((wanted_key, wanted_value))) => {
                assert_eq!(key.escape_ascii().to_string(), wanted_key.escape_ascii().to_string(), "{way:?}");
                assert!(value[..] == wanted_value[..], "value of {} {way:?}", key.escape_ascii());
            }
            (found, wanted) => panic!("{way:?}: found {found:?}, expected {wanted:?}"),
        }
    }
}

fn check_get(found: rabi::Result<Option<rabi::Value>>, model: &Map, key: &[u8]) {
    let found = found.unwrap();
    let expected = model.get(key);
    assert_eq!(
        found.as_deref().map(<[u8]>::escape_ascii).map(|text| text.to_string()),
        expected.map(|value| value.escape_ascii().to_string()),
        "get {}",
        key.escape_ascii()
    );
}

impl Case<'_> {
    fn db(&self) -> &Db {
        self.db.as_ref().unwrap()
    }

    fn way(&mut self) -> Way {
        *self.random.pick(&[Way::Forward, Way::Backward, Way::BothEnds])
    }

    fn key(&mut self) -> Vec<u8> {
        key(&mut self.random)
    }

    fn step(&mut self) {
        match self.random.below(1000) {
            0..=449 => self.write_one(),
            450..=529 => self.write_batch(20),
            530..=534 => self.write_large_batch(),
            535..=749 => self.get(),
            750..=849 => self.scan(),
            850..=874 => self.take_snapshot(),
            875..=919 => self.read_snapshot(),
            920..=934 => self.drop_snapshot(),
            935..=954 => self.pin_range(),
            955..=974 => self.read_pinned_range(),
            975..=982 => self.db().flush().unwrap(),
            983..=989 => self.db().compact().unwrap(),
            990..=992 => self.shrinking = !self.shrinking,
            993..=996 => self.reopen(true),
            _ => self.reopen(false),
        }
        self.look();
    }

    fn write_one(&mut self) {
        let key = self.key();
        if self.random.chance(if self.shrinking { 80 } else { 20 }) {
            self.db().delete(&key).unwrap();
            self.model.remove(&key);
        } else {
            let value = value(&mut self.random);
            self.db().put(&key, &value).unwrap();
            self.model.insert(key, value.into());
        }
    }

    fn write_batch(&mut self, len_max: usize) {
        let mut batch = WriteBatch::new();
        for _ in 0..self.random.below(len_max + 1) {
            let key = self.key();
            if self.random.chance(if self.shrinking { 90 } else { 25 }) {
                batch.delete(&key);
                self.model.remove(&key);
            } else {
                let value = value(&mut self.random);
                batch.put(&key, &value);
                self.model.insert(key, value.into());
            }
        }
        let durability = *self.random.pick(&[Durability::Process, Durability::Process, Durability::Power]);
        self.db().write(batch, WriteOptions::new().durability(durability)).unwrap();
    }

    /// Larger than half the stage, at times than all of it: it enters the log in pieces.
    fn write_large_batch(&mut self) {
        let mut batch = WriteBatch::new();
        let len = self.random.between(66 << 10, 200 << 10);
        while batch.len_bytes() < len {
            let key = self.key();
            let value_len = self.random.between(1 << 10, 9 << 10);
            let value = self.random.bytes(value_len);
            batch.put(&key, &value);
            self.model.insert(key, value.into());
        }
        self.db().write(batch, WriteOptions::default()).unwrap();
        self.seen.large_batches += 1;
    }

    fn get(&mut self) {
        let key = self.key();
        check_get(self.db().get(&key), &self.model, &key);
    }

    fn scan(&mut self) {
        let way = self.way();
        if self.random.chance(30) {
            let mut prefix = self.key();
            prefix.truncate(self.random.below(6));
            read(&mut self.db().prefix(&prefix), &mut with_prefix(&self.model, &prefix), way, usize::MAX);
        } else {
            let bounds = bounds(&mut self.random);
            let mut expected = part(&self.model, &bounds);
            read(&mut self.db().range(bounds), &mut expected, way, usize::MAX);
        }
    }

    fn take_snapshot(&mut self) {
        if self.snapshots.len() < 4 {
            self.snapshots.push((self.db().snapshot(), self.model.clone()));
        }
    }

    fn read_snapshot(&mut self) {
        if self.snapshots.is_empty() {
            return;
        }
        let (way, key, bounds) = (self.way(), self.key(), bounds(&mut self.random));
        let (snapshot, model) = &self.snapshots[self.random.below(self.snapshots.len())];
        check_get(snapshot.get(&key), model, &key);
        read(&mut snapshot.range(bounds.clone()), &mut part(model, &bounds), way, usize::MAX);
        read(&mut snapshot.prefix(&key), &mut with_prefix(model, &key), way, usize::MAX);
    }

    fn drop_snapshot(&mut self) {
        if !self.snapshots.is_empty() {
            let at = self.random.below(self.snapshots.len());
            drop(self.snapshots.swap_remove(at));
        }
    }

    fn pin_range(&mut self) {
        if self.ranges.len() < 3 {
            let bounds = bounds(&mut self.random);
            self.ranges.push((self.db().range(bounds.clone()), part(&self.model, &bounds)));
            self.seen.pinned_ranges += 1;
        }
    }

    fn read_pinned_range(&mut self) {
        if self.ranges.is_empty() {
            return;
        }
        let way = self.way();
        let at = self.random.below(self.ranges.len());
        let count = self.random.between(1, 150);
        let (range, expected) = &mut self.ranges[at];
        read(range, expected, way, count);
        if expected.is_empty() {
            drop(self.ranges.swap_remove(at));
        }
    }

    /// Closes, or lets the log tell the next opening what there was; then opens with other options.
    fn reopen(&mut self, close: bool) {
        self.snapshots.clear();
        self.ranges.clear();
        self.count();
        let db = self.db.take().unwrap();
        if close {
            db.close().unwrap();
        } else {
            drop(db);
        }
        self.open();
        self.check_everything();
    }

    fn open(&mut self) {
        let db = Db::open(self.scratch.dir(), options(&mut self.random)).unwrap();
        let stats = db.stats();
        self.seen.replays += usize::from(number(&stats, "replayed_bytes") > 0);
        self.partitions = stats.partitions.len();
        self.db = Some(db);
    }

    fn check_everything(&mut self) {
        let found = contents(self.db());
        let expected: Vec<_> = self.model.iter().map(|(key, value)| (key.clone(), value.to_vec())).collect();
        assert!(found == expected, "contents differ: {} entries, expected {}", found.len(), expected.len());
    }

    /// Notes how far the levels are filled.
    fn look(&mut self) {
        let stats = self.db().stats();
        let seen = &mut *self.seen;
        seen.operations += 1;
        seen.frozen_max = seen.frozen_max.max(number(&stats, "frozen_memtables"));
        seen.flushed_max = seen.flushed_max.max(number(&stats, "flushed_files"));
        seen.partitions_max = seen.partitions_max.max(stats.partitions.len());
        seen.splits += usize::from(stats.partitions.len() > self.partitions);
        seen.merges += usize::from(stats.partitions.len() < self.partitions);
        self.partitions = stats.partitions.len();
    }

    fn count(&mut self) {
        let stats = self.db().stats();
        self.seen.flushes += number(&stats, "flushes");
        self.seen.compactions += number(&stats, "compactions");
    }
}

fn run(seed: u64, seen: &mut Seen) {
    let (random, scratch) = (Random::new(seed), Scratch::new());
    let mut case = Case {
        random,
        scratch,
        db: None,
        model: Map::new(),
        snapshots: Vec::new(),
        ranges: Vec::new(),
        partitions: 0,
        shrinking: false,
        seen,
    };
    case.open();
    for _ in 0..OPERATIONS {
        case.step();
    }
    case.reopen(true);
    case.count();
}

fn from_environment(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| text.parse().unwrap())
}

#[test]
fn random_operations_have_the_same_results_as_on_a_map() {
    let first = from_environment("RABI_MODEL_FIRST_SEED", 1);
    let count = from_environment("RABI_MODEL_SEEDS", SEEDS);
    let mut seen = Seen::default();
    for seed in first..first + count {
        if let Err(cause) = catch_unwind(AssertUnwindSafe(|| run(seed, &mut seen))) {
            let text = cause.downcast_ref::<String>().map(String::as_str);
            let text = text.or(cause.downcast_ref::<&str>().copied()).unwrap_or("no text");
            panic!("seed {seed} (RABI_MODEL_FIRST_SEED={seed} RABI_MODEL_SEEDS=1): {text}");
        }
    }
    println!("{seen:?}");
    assert!(seen.operations >= OPERATIONS);
    if count >= SEEDS {
        assert!(seen.frozen_max >= 1 && seen.flushed_max >= 2 && seen.partitions_max >= 3, "{seen:?}");
        assert!(seen.flushes > 50 && seen.compactions > 20, "{seen:?}");
        assert!(seen.splits > 5 && seen.merges > 5, "{seen:?}");
        assert!(seen.replays > 5 && seen.large_batches > 5 && seen.pinned_ranges > 20, "{seen:?}");
    }
}
