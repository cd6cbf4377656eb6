//! Memtables against sorted maps, and writers and readers at the same time.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::*;
use crate::base::direction::Direction;
use crate::base::key::Kind;

fn memtable_of(size: u64) -> Memtable {
    Memtable::new(&Pool::of_size(size), MemtableId::FIRST, Lsn(0), SeqNo::ZERO)
}

fn put(seqno: u64) -> Tag {
    Tag::new(SeqNo(seqno), Kind::Put)
}

fn get(memtable: &Memtable, key: &[u8], seqno: SeqNo) -> Option<(Kind, Vec<u8>)> {
    memtable.get(key, key_hash(key), seqno, |tag, value| (tag.kind(), value.to_vec()))
}

/// What a position shows in a direction, from a bound on.
fn shown(
    memtable: &Arc<Memtable>,
    reader: SeqNo,
    direction: Direction,
    bound: Option<&[u8]>,
) -> Vec<(Vec<u8>, u64)> {
    let mut position = Position::new(Arc::clone(memtable), reader);
    position.seek(direction, bound);
    let mut shown = Vec::new();
    while let Some((key, tag)) = position.head() {
        assert_eq!(position.value(), tag.seqno().0.to_le_bytes());
        shown.push((key.to_vec(), tag.seqno().0));
        position.advance(direction);
    }
    shown
}

#[test]
fn a_reader_sees_the_newest_version_at_its_seqno() {
    let memtable = memtable_of(64 << 10);
    memtable.insert(b"k", put(3), b"three", SeqNo::ZERO);
    memtable.insert(b"k", Tag::new(SeqNo(7), Kind::Delete), b"", SeqNo::ZERO);
    memtable.insert(b"k", put(9), b"nine", SeqNo::ZERO);
    memtable.insert(b"j", put(4), b"", SeqNo::ZERO);
    assert_eq!(get(&memtable, b"k", SeqNo(2)), None);
    assert_eq!(get(&memtable, b"k", SeqNo(3)), Some((Kind::Put, b"three".to_vec())));
    assert_eq!(get(&memtable, b"k", SeqNo(8)), Some((Kind::Delete, vec![])));
    assert_eq!(get(&memtable, b"k", SeqNo::MAX), Some((Kind::Put, b"nine".to_vec())));
    assert_eq!(get(&memtable, b"", SeqNo::MAX), None);
    assert_eq!(get(&memtable, b"z", SeqNo::MAX), None);
}

/// Random writes, of few keys, many keys, and more keys than the index has slots; what readers at or above the
/// oldest one see stays what it was.
#[test]
fn entries_are_those_of_a_map_for_every_reader_that_there_may_be() {
    for (seed, key_count, writes, size) in [
        (1, 3, 2000, 1 << 20),
        (2, 200, 3000, 1 << 20),
        (3, 5000, 4000, 1 << 20),
        (4, 2000, 3000, 4 << 10),
        (5, 40_000, 20_000, 1 << 20),
    ] {
        let memtable = Arc::new(memtable_of(size));
        let mut random = 0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(seed);
        let mut draw = |below: u64| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            random % below
        };
        let mut map: BTreeMap<Vec<u8>, Vec<u64>> = BTreeMap::new();
        let mut oldest = 0;
        for seqno in 1..=writes {
            let key = draw(key_count).to_string().into_bytes();
            if draw(50) == 0 {
                oldest += draw(seqno - oldest);
            }
            memtable.insert(&key, put(seqno), &seqno.to_le_bytes(), SeqNo(oldest));
            map.entry(key).or_default().push(seqno);
        }
        for _ in 0..20 {
            let reader = oldest + draw(writes + 1 - oldest);
            let seen: Vec<_> = map
                .iter()
                .filter_map(|(key, seqnos)| {
                    let seqno = seqnos.iter().rev().find(|seqno| **seqno <= reader);
                    seqno.map(|seqno| (key.clone(), *seqno))
                })
                .collect();
            for (key, seqno) in &seen {
                let found = get(&memtable, key, SeqNo(reader));
                assert_eq!(found, Some((Kind::Put, seqno.to_le_bytes().to_vec())), "seed {seed}");
            }
            let bound = draw(key_count).to_string().into_bytes();
            let mut whole = shown(&memtable, SeqNo(reader), Direction::Backward, None);
            whole.reverse();
            assert_eq!(whole, seen, "seed {seed}");
            let from: Vec<_> = seen.iter().filter(|(key, _)| *key >= bound).cloned().collect();
            assert_eq!(shown(&memtable, SeqNo(reader), Direction::Forward, Some(&bound)), from);
            let mut below: Vec<_> = seen.into_iter().filter(|(key, _)| *key < bound).collect();
            below.reverse();
            assert_eq!(shown(&memtable, SeqNo(reader), Direction::Backward, Some(&bound)), below);
        }
        let entries: Vec<_> = memtable.entries().collect();
        assert!(
            entries
                .is_sorted_by(|a, b| crate::base::key::compare(a.0, a.1.seqno(), b.0, b.1.seqno()).is_lt())
        );
        let bytes = memtable_bytes(
            entries.len(),
            entries.iter().map(|(key, _, value)| key.len() + value.len()).sum(),
        );
        assert_eq!(memtable.bytes(), bytes);
    }
}

#[test]
fn a_key_that_is_overwritten_takes_no_more_memory() {
    let memtable = memtable_of(1 << 20);
    let empty_bytes = memtable.memory_bytes();
    for seqno in 1..=100_000 {
        let value = vec![0; 100 + seqno as usize % 3 * 1000];
        memtable.insert(b"hot", put(seqno), &value, SeqNo(seqno.saturating_sub(5)));
    }
    assert_eq!(memtable.entries().count(), 6);
    let used_bytes = memtable.memory_bytes() - empty_bytes;
    assert!(used_bytes < 64 << 10, "{used_bytes}");
    // A reader that stays holds on to all that is newer.
    for seqno in 100_001..=100_400 {
        memtable.insert(b"hot", put(seqno), b"", SeqNo(100_000));
    }
    assert_eq!(memtable.entries().count(), 401);
}

#[test]
fn a_reader_that_stays_makes_a_hot_key_no_slower_to_write() {
    let memtable = memtable_of(1 << 20);
    memtable.insert(b"hot", put(1), b"", SeqNo::ZERO);
    let node = memtable.nodes(Direction::Forward, None).next().expect("a key");
    let mut looked = 0;
    for seqno in 2..=5_000 {
        let version = memtable.free.make(&memtable.arena, put(seqno), b"");
        versions::add(node, version);
        looked += versions::cut(node, SeqNo(if seqno < 4_000 { 1 } else { 3_000 }), &memtable.free, |_| {});
    }
    assert!(looked < 1_100, "{looked} versions were looked at");
    assert_eq!(node.at(SeqNo(3_000)).map(|version| version.tag().seqno()), Some(SeqNo(3_000)));
    assert!(node.at(SeqNo(2_999)).is_none());
}

#[test]
fn memory_is_used_by_one_memtable_after_the_other() {
    let pool = Pool::of_size(256 << 10);
    for round in 0..3 {
        let memtable = Memtable::new(&pool, MemtableId::FIRST, Lsn(0), SeqNo::ZERO);
        let mut seqno = 0_u64;
        while !memtable.is_full() {
            seqno += 1;
            memtable.insert(&(seqno ^ round).to_be_bytes(), put(seqno), &[round as u8; 100], SeqNo::ZERO);
            assert_eq!(
                get(&memtable, &(seqno ^ round).to_be_bytes(), SeqNo::MAX).unwrap().1,
                [round as u8; 100]
            );
        }
        assert!(memtable.memory_bytes() >= 256 << 10 && seqno > 1000);
        assert_eq!(memtable.entries().count() as u64, seqno);
        // Larger than a chunk.
        memtable.insert(b"large", put(seqno + 1), &vec![3; 1 << 20], SeqNo::ZERO);
        assert_eq!(get(&memtable, b"large", SeqNo::MAX).unwrap().1, vec![3; 1 << 20]);
    }
}

#[test]
fn memory_that_no_memtable_takes_goes_back() {
    let pool = Pool::of_size(256 << 10);
    let fill = || {
        let memtable = Memtable::new(&pool, MemtableId::FIRST, Lsn(0), SeqNo::ZERO);
        let puts = (1_u64..).take_while(|_| !memtable.is_full());
        puts.for_each(|n| memtable.insert(&n.to_be_bytes(), put(n), &[7; 100], SeqNo::ZERO));
        memtable
    };
    drop(fill());
    let kept = pool.memory_bytes();
    let after_look = || {
        pool.free_unused();
        pool.memory_bytes()
    };
    // Nobody knows yet for how long it has been there.
    assert_eq!([after_look(), after_look(), after_look(), after_look()], [kept; 4]);
    let looks: Vec<_> = (0..6).map(|_| after_look()).collect();
    assert!(looks.is_sorted_by(|before, after| before >= after) && looks[0] > kept / 3, "{looks:?}");
    assert!(looks[5] < kept / 8, "{looks:?} of {kept}");
    // What was in use meanwhile was needed.
    let memtable = fill();
    let used = after_look();
    assert!(used >= 256 << 10);
    drop(memtable);
    assert_eq!([after_look(), after_look(), after_look(), after_look()], [used; 4]);
    assert!(after_look() < used);
}

/// Writers insert side by side, each its own seqnos of the same keys, made visible in order; readers must find,
/// of each key, what is visible, while old versions are cut off and their memory is used again.
#[test]
fn readers_find_what_is_visible_while_writers_insert_side_by_side() {
    const WRITERS: u64 = 3;
    const WRITES: u64 = if cfg!(miri) { 60 } else { 5_000 };
    const KEYS: u64 = 17;
    let memtable = Arc::new(memtable_of(1 << 20));
    let (visible, done) = (AtomicU64::new(0), AtomicBool::new(false));
    // What readers read at, the least of which nothing may be cut above.
    let reading: [AtomicU64; 2] = std::array::from_fn(|_| AtomicU64::new(0));
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let (memtable, visible, reading) = (&memtable, &visible, &reading);
                scope.spawn(move || {
                    for seqno in (1..=WRITES).filter(|seqno| seqno % WRITERS == writer) {
                        let oldest = reading.iter().map(|at| at.load(Ordering::Acquire)).min().unwrap();
                        let key = (seqno % KEYS).to_be_bytes();
                        memtable.insert(&key, put(seqno), &seqno.to_le_bytes(), SeqNo(oldest));
                        while visible.load(Ordering::Acquire) != seqno - 1 {
                            std::thread::yield_now();
                        }
                        visible.store(seqno, Ordering::Release);
                    }
                })
            })
            .collect();
        for at in &reading {
            let (memtable, visible, done) = (&memtable, &visible, &done);
            scope.spawn(move || {
                while !done.load(Ordering::Acquire) {
                    let seqno = visible.load(Ordering::Acquire);
                    at.store(seqno, Ordering::Release);
                    for key in 0..KEYS {
                        let newest = seqno.saturating_sub((seqno + KEYS - key) % KEYS);
                        let found = get(memtable, &key.to_be_bytes(), SeqNo(seqno));
                        let expected = (newest > 0).then(|| (Kind::Put, newest.to_le_bytes().to_vec()));
                        assert_eq!(found, expected, "key {key} at {seqno}");
                    }
                    let all = shown(memtable, SeqNo(seqno), Direction::Backward, None);
                    assert_eq!(all.len() as u64, seqno.min(KEYS));
                }
            });
        }
        writers.into_iter().for_each(|writer| writer.join().unwrap());
        done.store(true, Ordering::Release);
    });
    assert!(memtable.memory_bytes() < 512 << 10, "{}", memtable.memory_bytes());
}

/// Writers put new keys side by side, so that pages are split under each other and under readers, whose walks in both
/// directions must show exactly the keys that are visible.
#[test]
fn walks_show_all_that_is_visible_while_pages_are_split() {
    const WRITERS: u64 = 3;
    const WRITES: u64 = if cfg!(miri) { 150 } else { 6_000 };
    let memtable = Arc::new(memtable_of(4 << 20));
    let visible = AtomicU64::new(0);
    let key = |seqno: u64| [&b"common to all "[..], &seqno.reverse_bits().to_be_bytes()].concat();
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (memtable, visible) = (&memtable, &visible);
            scope.spawn(move || {
                for seqno in (1..=WRITES).filter(|seqno| seqno % WRITERS == writer) {
                    memtable.insert(&key(seqno), put(seqno), &seqno.to_le_bytes(), SeqNo::ZERO);
                    while visible.load(Ordering::Acquire) != seqno - 1 {
                        std::thread::yield_now();
                    }
                    visible.store(seqno, Ordering::Release);
                }
            });
        }
        for direction in [Direction::Forward, Direction::Backward] {
            let (memtable, visible) = (&memtable, &visible);
            scope.spawn(move || {
                let mut seqno = 0;
                while seqno < WRITES {
                    seqno = visible.load(Ordering::Acquire);
                    let mut expected: Vec<_> = (1..=seqno).map(|seqno| (key(seqno), seqno)).collect();
                    expected.sort();
                    let bound = key(seqno / 2 + 1);
                    match direction {
                        Direction::Forward => expected.retain(|(key, _)| *key >= bound),
                        Direction::Backward => {
                            expected.retain(|(key, _)| *key < bound);
                            expected.reverse();
                        }
                    }
                    assert_eq!(shown(memtable, SeqNo(seqno), direction, Some(&bound)), expected);
                }
            });
        }
    });
    assert_eq!(memtable.entries().count() as u64, WRITES);
}
