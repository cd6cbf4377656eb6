//! Scans over all levels at once: what is consumed of L2, and what is opened when.

use std::collections::BTreeMap;

use super::gaps::Gaps;
use super::ranges::RangeSet;
use super::records::TreeRecords;
use super::scan_length::ScanLength;
use super::view::{Files, Flushed, Partition, Run, View};
use super::view_cursor::{ViewCursor, scan};
use crate::base::direction::Direction;
use crate::base::ids::MemtableId;
use crate::base::key::{Kind, SeqNo, Tag};
use crate::base::key_range::KeyRange;
use crate::base::keyspace::KeyspaceId;
use crate::base::lsn::Lsn;
use crate::base::sync::Arc;
use crate::cache::Cache;
use crate::cursor::Moved;
use crate::memtable::{Memtable, Pool};
use crate::table::tests::{Entries, Random, build, open, random_entries, read_block};
use crate::table::{BlockCache, Table, TableOptions};

/// No entry is newer.
const NEWEST: SeqNo = SeqNo(6000);

/// A view with the bytes of its tables, and how many blocks were read of them.
struct World {
    view: View,
    gaps: Arc<Gaps>,
    tables: Vec<(Arc<Table>, Vec<u8>)>,
    reads: usize,
}

impl World {
    /// What the parts hold: L0, files of L2 with what is consumed of them, and partitions from their bounds on.
    fn new(
        cache: &Arc<BlockCache>,
        memtable: &Entries,
        flushed: Vec<(Entries, RangeSet)>,
        partitions: Vec<(Vec<u8>, Vec<Entries>)>,
    ) -> Self {
        let l0 = Arc::new(Memtable::new(&Pool::of_size(64 << 10), MemtableId::FIRST, Lsn::ZERO, SeqNo::ZERO));
        let mut by_age = memtable.clone();
        by_age.sort_by_key(|(_, tag, _)| tag.seqno());
        by_age.iter().for_each(|(key, tag, value)| l0.insert(key, *tag, value, SeqNo::ZERO));
        let mut tables = Vec::new();
        let mut table_of = |entries: &Entries| {
            let bytes = build(entries, TableOptions { block_size_bytes: 200, filter_bits_per_key: 10 });
            let table = Arc::new(open(&bytes, cache).expect("intact"));
            tables.push((Arc::clone(&table), bytes));
            table
        };
        let flushed = flushed.into_iter().filter(|(entries, _)| !entries.is_empty());
        let flushed =
            flushed.map(|(entries, consumed)| Flushed { table: table_of(&entries), consumed }).collect();
        let mut runs_of = |runs: Vec<Entries>| -> Vec<Run> {
            let runs = runs.iter().filter(|entries| !entries.is_empty());
            runs.map(|entries| Run { table: table_of(entries) }).collect()
        };
        let partitions =
            partitions.into_iter().map(|(lower, runs)| Partition { lower, runs: runs_of(runs) }).collect();
        let files = Arc::new(Files::new(flushed, partitions));
        let gaps = Arc::new(Gaps::default());
        gaps.give(NEWEST);
        let records = TreeRecords::new(&Arc::new(Cache::new(0)), KeyspaceId::DEFAULT);
        Self { view: View { memtable: l0, frozen: Vec::new(), files, records }, gaps, tables, reads: 0 }
    }

    fn finish(&mut self, cursor: &mut ViewCursor, mut moved: Moved) {
        while let Err(needed) = moved {
            self.reads += 1;
            let is_it = |(table, _): &&(Arc<Table>, Vec<u8>)| Arc::ptr_eq(table, &needed.table);
            let (table, bytes) = self.tables.iter().find(is_it).expect("a table of this world");
            moved = cursor.supply(read_block(table, bytes, needed.block_no).expect("intact"));
        }
    }

    /// Up to so many keys from `bound` on, with their values.
    fn scan(
        &mut self,
        reader: SeqNo,
        direction: Direction,
        bound: Option<&[u8]>,
        limit: usize,
    ) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut cursor = scan(&self.view, (&self.gaps, &ScanLength::default()), reader, direction, true);
        let moved = cursor.seek(bound);
        self.finish(&mut cursor, moved);
        let mut found = Vec::new();
        while found.len() < limit {
            match cursor.next() {
                Ok(true) => found.push((cursor.key().unwrap().to_vec(), cursor.value().to_vec())),
                Ok(false) => break,
                Err(needed) => self.finish(&mut cursor, Err(needed)),
            }
        }
        found
    }
}

/// What a reader sees in the direction from the bound on.
fn expected(
    entries: &Entries,
    reader: SeqNo,
    direction: Direction,
    bound: Option<&[u8]>,
) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut newest: BTreeMap<&[u8], (Tag, &[u8])> = BTreeMap::new();
    for (key, tag, value) in entries.iter().filter(|(_, tag, _)| tag.seqno() <= reader) {
        let found = newest.entry(key).or_insert((*tag, value));
        if found.0.seqno() < tag.seqno() {
            *found = (*tag, value);
        }
    }
    let is_ahead = |key: &[u8]| bound.is_none_or(|bound| (key >= bound) == (direction == Direction::Forward));
    let shown = newest.into_iter().filter(|(key, (tag, _))| tag.kind() == Kind::Put && is_ahead(key));
    let mut shown: Vec<_> = shown.map(|(key, (_, value))| (key.to_vec(), value.to_vec())).collect();
    if direction == Direction::Backward {
        shown.reverse();
    }
    shown
}

/// Up to three ranges, with keys of `entries` and others as bounds, now and then without an upper one.
fn random_set(entries: &Entries, random: &mut Random) -> RangeSet {
    let mut set = RangeSet::default();
    for _ in 0..random.below(4) {
        let mut key = || match random.below(3) {
            0 => random.key(4),
            _ => entries[random.below(entries.len())].0.clone(),
        };
        let (a, b) = (key(), key());
        let (lower, upper) = if a < b { (a, b) } else { (b, a) };
        match random.below(8) {
            0 => set.insert(&KeyRange { lower, upper: None }),
            _ if lower < upper => set.insert(&KeyRange { lower, upper: Some(upper) }),
            _ => {}
        }
    }
    set
}

#[test]
fn a_scan_is_all_levels_without_what_is_consumed() {
    for seed in 0..60 {
        let mut random = Random(seed);
        let mut entries = random_entries(seed, 60, 3, 4);
        entries.sort_by(|a, b| a.0.cmp(&b.0).then(b.1.seqno().cmp(&a.1.seqno())));
        let consumed: Vec<RangeSet> = (0..3).map(|_| random_set(&entries, &mut random)).collect();
        let bound = entries[random.below(entries.len())].0.clone();
        let mut memtable = Entries::new();
        let (mut flushed, mut runs) = (vec![Entries::new(); 3], vec![vec![Entries::new(); 2]; 2]);
        // Each file may lie in a part of the keys only.
        let windows: Vec<_> = (0..3).map(|_| (random.key(2), random.key(2))).collect();
        let mut kept = Entries::new();
        let mut number = 0;
        for entry in entries {
            // Of some, one has many entries in a row, so that cursors walk along its blocks.
            if seed % 3 == 0 || random.below(12) == 0 {
                number = random.below(6);
            }
            let is_consumed = number < 3 && consumed[number].find(&entry.0).is_some();
            let (a, b) = &windows[number % 3];
            let is_within = a.min(b) <= &entry.0 && &entry.0 <= a.max(b);
            if !is_consumed {
                kept.push(entry.clone());
            }
            match number {
                0..3 if is_within || is_consumed || seed % 2 == 0 => flushed[number].push(entry),
                5 => memtable.push(entry),
                _ => runs[usize::from(entry.0 >= bound)][random.below(2)].push(entry),
            }
        }
        let cache = Arc::new(Cache::new(0));
        let partitions = [Vec::new(), bound].into_iter().zip(runs).collect();
        let flushed = flushed.into_iter().zip(consumed).collect();
        let mut world = World::new(&cache, &memtable, flushed, partitions);
        for round in 0..60 {
            for direction in [Direction::Forward, Direction::Backward] {
                // Gaps are known to the newest readers alone.
                let reader = [SeqNo(random.below(1100) as u64), NEWEST][random.below(2)];
                let bound = match round % 3 {
                    0 => None,
                    1 => Some(random.key(4)),
                    _ => Some(kept[random.below(kept.len())].0.clone()),
                };
                let bound = bound.as_deref();
                let found = world.scan(reader, direction, bound, usize::MAX);
                assert_eq!(
                    found,
                    expected(&kept, reader, direction, bound),
                    "seed {seed} {direction:?} {bound:?}"
                );
            }
        }
    }
}

fn number(number: u64) -> Vec<u8> {
    number.to_be_bytes().to_vec()
}

fn numbers(numbers: std::ops::Range<u64>, seqno_at: u64) -> Entries {
    numbers.map(|n| (number(n), Tag::new(SeqNo(seqno_at + n), Kind::Put), vec![7; 40])).collect()
}

#[test]
fn tables_are_opened_when_the_scan_comes_to_them() {
    let parts = [numbers(0..100, 1), numbers(100..200, 1), numbers(200..300, 1)];
    let [first, second, third] = parts.clone();
    let flushed = vec![(third, RangeSet::default()), (second, RangeSet::default())];
    let mut world = World::new(
        &Arc::new(Cache::new(0)),
        &Entries::new(),
        flushed,
        vec![(Vec::new(), vec![first]), (number(300), vec![numbers(300..400, 1)])],
    );
    for (direction, bound, key) in [
        (Direction::Forward, None, 0),
        (Direction::Forward, Some(150), 150),
        (Direction::Backward, None, 399),
    ] {
        world.reads = 0;
        let found = world.scan(SeqNo(1000), direction, bound.map(number).as_deref(), 1);
        assert_eq!((found[0].0.clone(), world.reads), (number(key), 1), "{direction:?} {bound:?}");
    }
    let all: Entries = parts.concat().into_iter().chain(numbers(300..400, 1)).collect();
    for direction in [Direction::Forward, Direction::Backward] {
        let found = world.scan(SeqNo(1000), direction, None, usize::MAX);
        assert_eq!(found, expected(&all, SeqNo(1000), direction, None));
    }
}

#[test]
fn a_walk_along_a_block_ends_at_what_is_consumed() {
    let short = |numbers: std::ops::Range<u64>| -> Entries {
        numbers.map(|n| (number(n), Tag::new(SeqNo(1 + n), Kind::Put), vec![7])).collect()
    };
    let mut consumed = RangeSet::default();
    consumed.insert(&KeyRange { lower: number(5), upper: Some(number(8)) });
    let partitions = vec![(Vec::new(), vec![])];
    let mut world =
        World::new(&Arc::new(Cache::new(0)), &Entries::new(), vec![(short(0..12), consumed)], partitions);
    let shown: Entries = short(0..5).into_iter().chain(short(8..12)).collect();
    for direction in [Direction::Forward, Direction::Backward] {
        let found = world.scan(NEWEST, direction, None, usize::MAX);
        assert_eq!(found, expected(&shown, NEWEST, direction, None));
    }
}

#[test]
fn no_block_is_read_for_consumed_keys() {
    let mut consumed = RangeSet::default();
    consumed.insert(&KeyRange { lower: number(20), upper: Some(number(380)) });
    let world = |flushed| {
        let partitions = vec![(Vec::new(), vec![numbers(0..400, 1)])];
        World::new(&Arc::new(Cache::new(0)), &Entries::new(), flushed, partitions)
    };
    let mut with_consumed = world(vec![(numbers(0..400, 1000), consumed)]);
    let mut without = world(Vec::new());
    for (direction, bound) in [(Direction::Forward, 30), (Direction::Backward, 370)] {
        let scan = |world: &mut World| world.scan(SeqNo(5000), direction, Some(&number(bound)), 30);
        assert_eq!(scan(&mut with_consumed), scan(&mut without));
        assert_eq!(with_consumed.reads, without.reads, "none of the blocks of L2");
    }
}
