//! Cursors against sorted lists: from every bound, in both directions, for every reader, while any block
//! may have to be asked for.

use super::*;
use crate::base::direction::Direction;
use crate::base::ids::{FileId, MemtableId};
use crate::base::key::{Kind, SeqNo, Tag};
use crate::base::lsn::Lsn;
use crate::cache::Cache;
use crate::memtable::{Memtable, Pool};
use crate::table::tests::{
    Entries, IN_CACHE, Random, build, build_as, open, open_as, random_entries, read_block,
};
use crate::table::{BlockCache, BlockWalk, Table, TableOptions};

/// One of the kinds there are, as a layer above would put them together.
enum Source {
    Memtable(MemtableCursor),
    Table(TableCursor),
}

impl Cursor for Source {
    fn seek(&mut self, bound: Option<&[u8]>) -> Moved {
        match self {
            Self::Memtable(cursor) => cursor.seek(bound),
            Self::Table(cursor) => cursor.seek(bound),
        }
    }

    fn advance(&mut self) -> Moved {
        match self {
            Self::Memtable(cursor) => cursor.advance(),
            Self::Table(cursor) => cursor.advance(),
        }
    }

    fn supply(&mut self, block: Arc<Block>) -> Moved {
        match self {
            Self::Memtable(cursor) => cursor.supply(block),
            Self::Table(cursor) => cursor.supply(block),
        }
    }

    fn head(&self) -> Option<(&[u8], Tag)> {
        match self {
            Self::Memtable(cursor) => cursor.head(),
            Self::Table(cursor) => cursor.head(),
        }
    }

    fn value(&self) -> &[u8] {
        match self {
            Self::Memtable(cursor) => cursor.value(),
            Self::Table(cursor) => cursor.value(),
        }
    }

    fn lend(&self) -> Option<BlockWalk> {
        match self {
            Self::Memtable(cursor) => cursor.lend(),
            Self::Table(cursor) => cursor.lend(),
        }
    }

    fn give_back(&mut self, walk: &BlockWalk, key: &[u8]) {
        match self {
            Self::Memtable(cursor) => cursor.give_back(walk, key),
            Self::Table(cursor) => cursor.give_back(walk, key),
        }
    }
}

/// Entries in memtables and tables, and what has been read of the tables.
struct World {
    memtables: Vec<Arc<Memtable>>,
    in_memtables: Vec<Entries>,
    tables: Vec<(Arc<Table>, Vec<u8>)>,
    is_cached: bool,
    reads: usize,
}

impl World {
    /// Deals entries out to two memtables and three tables of small blocks.
    fn new(entries: &Entries, cache: &Arc<BlockCache>, is_cached: bool, random: &mut Random) -> Self {
        let pool = Pool::of_size(64 << 10);
        let memtable = |number| Arc::new(Memtable::new(&pool, MemtableId(number), Lsn(0), SeqNo::ZERO));
        let (memtables, mut in_memtables) = ([memtable(1), memtable(2)], vec![Entries::new(); 2]);
        let mut parts = vec![Entries::new(); 3];
        // In some worlds one has many in a row, so that cursors walk along its blocks.
        let (row_len, mut number) = ([1, 10][random.below(2)], 0);
        for (key, tag, value) in entries {
            if random.below(row_len) == 0 {
                number = random.below(5);
            }
            match number {
                number @ 0..2 => {
                    memtables[number].insert(key, *tag, value, SeqNo::ZERO);
                    in_memtables[number].push((key.clone(), *tag, value.clone()));
                }
                number => parts[number - 2].push((key.clone(), *tag, value.clone())),
            }
        }
        let options = TableOptions { block_size_bytes: 200, filter_bits_per_key: 10 };
        let tables = parts.iter().zip(1..).map(|(entries, id)| {
            let bytes = build_as(FileId(id), entries, options);
            (Arc::new(open_as(FileId(id), &bytes, (cache, IN_CACHE)).expect("intact")), bytes)
        });
        let (memtables, tables) = (memtables.to_vec(), tables.collect());
        Self { memtables, in_memtables, tables, is_cached, reads: 0 }
    }

    /// The entries but those that a cursor over a memtable leaves out: of each key it has one version.
    fn without_hidden(&self, entries: &Entries, reader: SeqNo) -> Entries {
        let is_hidden = |key: &[u8], tag: Tag| {
            self.in_memtables.iter().any(|held| {
                let mut versions = held.iter().filter(|(other, ..)| other == key);
                let shown =
                    versions.clone().map(|(_, tag, _)| tag.seqno()).filter(|seqno| *seqno <= reader).max();
                versions.any(|(_, other, _)| *other == tag) && shown != Some(tag.seqno())
            })
        };
        entries.iter().filter(|(key, tag, _)| !is_hidden(key, *tag)).cloned().collect()
    }

    fn merge(&self, direction: Direction, reader: SeqNo) -> Merge<Source> {
        let memtables = self
            .memtables
            .iter()
            .map(|memtable| Source::Memtable(MemtableCursor::new(Arc::clone(memtable), direction, reader)));
        let cursor = if self.is_cached { TableCursor::new } else { TableCursor::uncached };
        let tables = self.tables.iter().map(|(table, _)| Source::Table(cursor(Arc::clone(table), direction)));
        Merge::new(memtables.chain(tables).collect(), direction)
    }

    /// A block as a driver gets it: read, and offered to the cache.
    fn read(&mut self, needed: &NeedsBlock) -> Arc<Block> {
        self.reads += 1;
        let is_it = |(table, _): &&(Arc<Table>, Vec<u8>)| Arc::ptr_eq(table, &needed.table);
        let (table, bytes) = self.tables.iter().find(is_it).expect("a table of this world");
        let block = read_block(table, bytes, needed.block_no).expect("intact");
        table.admit(needed.block_no, Arc::clone(&block));
        block
    }

    /// The loop around a move.
    fn finish(&mut self, mut moved: Moved, mut supply: impl FnMut(Arc<Block>) -> Moved) {
        while let Err(needed) = moved {
            moved = supply(self.read(&needed));
        }
    }
}

/// A cache with room for nothing, not even for an index as a whole.
const TINY: usize = 16;

/// Worlds whose blocks are never, always and sometimes in the cache, and whose indexes are read in parts or not.
fn for_each_world(mut check: impl FnMut(&Entries, &mut World, &mut Random)) {
    for seed in 0..4 {
        let entries = random_entries(seed, 80, 4, 4);
        for (cache_bytes, is_cached) in
            [(0, false), (0, true), (1 << 20, true), (4000, true), (TINY, false), (TINY, true)]
        {
            let cache = Arc::new(Cache::new(cache_bytes));
            let mut random = Random(seed);
            let mut world = World::new(&entries, &cache, is_cached, &mut random);
            check(&entries, &mut world, &mut random);
        }
    }
}

/// Whether a walk in `direction` from `bound` on comes to `key`.
fn is_ahead(key: &[u8], bound: Option<&[u8]>, direction: Direction) -> bool {
    bound.is_none_or(|bound| (key >= bound) == (direction == Direction::Forward))
}

fn in_order<T>(mut items: Vec<T>, direction: Direction) -> Vec<T> {
    if direction == Direction::Backward {
        items.reverse();
    }
    items
}

#[test]
fn a_merge_is_all_entries_in_order_from_any_bound() {
    for_each_world(|entries, world, random| {
        for direction in [Direction::Forward, Direction::Backward] {
            let mut merge = world.merge(direction, SeqNo::MAX);
            let entries = world.without_hidden(entries, SeqNo::MAX);
            assert!(merge.entry().is_none());
            for round in 0..40 {
                let bound = (round > 0).then(|| random.key(5));
                let bound = bound.as_deref();
                let moved = merge.seek(bound);
                world.finish(moved, |block| merge.supply(block));
                let mut found = Entries::new();
                while let Some(entry) = merge.entry() {
                    found.push((entry.key.to_vec(), entry.tag, entry.value.to_vec()));
                    let moved = merge.advance();
                    assert!(moved.is_ok() || merge.entry().is_none(), "on no entry while a block is missing");
                    world.finish(moved, |block| merge.supply(block));
                    // Now and then the walk is given up, also for good.
                    if random.below(200) == 0 {
                        break;
                    }
                }
                let ahead = entries.iter().filter(|(key, ..)| is_ahead(key, bound, direction)).cloned();
                let expected = in_order(ahead.collect(), direction);
                let is_whole = merge.entry().is_none();
                assert!(found[..] == expected[..found.len()]);
                assert!(!is_whole || found.len() == expected.len());
            }
        }
    });
}

/// The keys with their values, as a reader at `reader` has them.
fn visible(entries: &Entries, reader: SeqNo) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut visible = Vec::new();
    let seen: Vec<_> = entries.iter().filter(|(_, tag, _)| tag.seqno() <= reader).collect();
    for versions in seen.chunk_by(|a, b| a.0 == b.0) {
        let (key, tag, value) = versions[0];
        if tag.kind() == Kind::Put {
            visible.push((key.clone(), value.clone()));
        }
    }
    visible
}

#[test]
fn a_reader_has_of_each_key_the_version_it_sees() {
    for_each_world(|entries, world, random| {
        for direction in [Direction::Forward, Direction::Backward] {
            for round in 0..40 {
                let reader = SeqNo(random.below(1100) as u64);
                let bound = (round > 0).then(|| random.key(5));
                let mut cursor = VisibleCursor::new(world.merge(direction, reader), direction, reader);
                let moved = cursor.seek(bound.as_deref());
                world.finish(moved, |block| cursor.supply(block));
                let mut found = Vec::new();
                loop {
                    match cursor.next() {
                        Ok(Step::Key) => {
                            let key = cursor.key().expect("it is on a key").to_vec();
                            found.push((key, cursor.value().to_vec()));
                        }
                        Ok(Step::End) => break,
                        Ok(Step::Dead) => {}
                        Err(needed) => world.finish(Err(needed), |block| cursor.supply(block)),
                    }
                }
                let expected = visible(entries, reader);
                let ahead =
                    expected.into_iter().filter(|(key, _)| is_ahead(key, bound.as_deref(), direction));
                let expected = in_order(ahead.collect(), direction);
                assert!(found == expected);
                let passed = cursor.passed();
                let met = world.without_hidden(entries, reader);
                let all = met.iter().filter(|(key, ..)| is_ahead(key, bound.as_deref(), direction));
                assert_eq!(passed.skipped() as usize, all.count() - found.len());
            }
        }
    });
}

#[test]
fn a_seek_gives_up_a_move_that_waits() {
    let entries = random_entries(5, 60, 4, 2);
    let mut random = Random(5);
    let mut world = World::new(&entries, &Arc::new(Cache::new(0)), false, &mut random);
    let mut merge = world.merge(Direction::Forward, SeqNo::MAX);
    let entries = world.without_hidden(&entries, SeqNo::MAX);
    for _ in 0..50 {
        let (given_up, bound) = (random.key(4), random.key(4));
        let mut moved = merge.seek(Some(&given_up));
        for _ in 0..random.below(5) {
            if let Err(needed) = moved {
                moved = merge.supply(world.read(&needed));
            } else {
                moved = merge.advance();
            }
        }
        drop(moved);
        let moved = merge.seek(Some(&bound));
        world.finish(moved, |block| merge.supply(block));
        let found = merge.entry().map(|entry| (entry.key.to_vec(), entry.tag));
        let expected = entries.iter().find(|(key, ..)| *key >= bound);
        assert_eq!(found, expected.map(|(key, tag, _)| (key.clone(), *tag)));
    }
}

#[test]
fn no_block_is_read_before_it_is_needed() {
    let number = |number: u64| number.to_be_bytes().to_vec();
    let entries: Entries =
        (0..100).map(|n| (number(n), Tag::new(SeqNo(n + 1), Kind::Put), vec![7; 40])).collect();
    let bytes = build(&entries, TableOptions { block_size_bytes: 200, filter_bits_per_key: 10 });
    let table = Arc::new(open(&bytes, &Arc::new(Cache::new(0))).expect("intact"));
    let tables = vec![(Arc::clone(&table), bytes)];
    let mut world =
        World { memtables: Vec::new(), in_memtables: Vec::new(), tables, is_cached: true, reads: 0 };
    let mut cursor =
        VisibleCursor::new(world.merge(Direction::Forward, SeqNo(1000)), Direction::Forward, SeqNo(1000));
    let moved = cursor.seek(None);
    world.finish(moved, |block| cursor.supply(block));
    let mut shown = 0;
    while let Ok(Step::Key) = cursor.next() {
        shown += 1;
    }
    assert_eq!((world.reads, shown), (1, table_entries_of_first_block(&table)));
    assert_eq!(cursor.key(), Some(&number(shown as u64 - 1)[..]));
}

/// Keys are in order, so the first that the index places in the second block tells.
fn table_entries_of_first_block(table: &Table) -> usize {
    (0..100_u64).take_while(|n| table.find_block_or_before(&n.to_be_bytes()) == 0).count()
}
