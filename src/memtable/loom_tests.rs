//! Models of the versions of one key and of pages that are split: writers beside each other, and a reader that may be
//! older than they are.

use loom::thread;

use super::pool::Pool;
use super::*;
use crate::base::direction::Direction;
use crate::base::key::Kind;
use crate::base::sync::loom_tests::{model, model_with};

fn memtable() -> Arc<Memtable> {
    Arc::new(Memtable::new(&Pool::of_size(1024), MemtableId::FIRST, Lsn(0), SeqNo::ZERO))
}

fn put(memtable: &Memtable, seqno: u64, oldest_reader: u64) {
    let tag = Tag::new(SeqNo(seqno), Kind::Put);
    memtable.insert(b"key", tag, &seqno.to_le_bytes(), SeqNo(oldest_reader));
}

fn get(memtable: &Memtable, reader: u64) -> Option<u64> {
    let hash = key_hash(b"key");
    memtable.get(b"key", hash, SeqNo(reader), |_, value| u64::from_le_bytes(value.try_into().unwrap()))
}

#[test]
fn a_reader_finds_its_version_behind_one_that_is_being_added() {
    model(|| {
        let memtable = memtable();
        put(&memtable, 1, 0);
        let writer = {
            let memtable = Arc::clone(&memtable);
            thread::spawn(move || put(&memtable, 2, 1))
        };
        assert_eq!(get(&memtable, 1), Some(1));
        writer.join().unwrap();
        assert_eq!(get(&memtable, 2), Some(2));
    });
}

#[test]
fn writers_side_by_side_lose_no_version_and_cut_none_that_is_seen() {
    model(|| {
        let memtable = memtable();
        (1..=3).for_each(|seqno| put(&memtable, seqno, 0));
        let other = {
            let memtable = Arc::clone(&memtable);
            thread::spawn(move || put(&memtable, 4, 2))
        };
        put(&memtable, 5, 3);
        other.join().unwrap();
        assert_eq!([3, 4, 5].map(|reader| get(&memtable, reader)), [Some(3), Some(4), Some(5)]);
    });
}

#[test]
fn of_two_writers_of_a_new_key_both_are_found() {
    model(|| {
        let memtable = memtable();
        let other = {
            let memtable = Arc::clone(&memtable);
            thread::spawn(move || {
                put(&memtable, 1, 0);
                assert_eq!(get(&memtable, 1), Some(1), "its own is there, whoever made the node");
            })
        };
        put(&memtable, 2, 0);
        assert_eq!(get(&memtable, 2), Some(2));
        other.join().unwrap();
        assert_eq!((get(&memtable, 1), memtable.entries().count()), (Some(1), 2));
    });
}

fn put_key(memtable: &Memtable, key: u64, seqno: u64) {
    memtable.insert(&key.to_be_bytes(), Tag::new(SeqNo(seqno), Kind::Put), b"", SeqNo(0));
}

fn walk(memtable: &Arc<Memtable>, reader: u64, direction: Direction) -> Vec<u64> {
    let mut position = Position::new(Arc::clone(memtable), SeqNo(reader));
    position.seek(direction, None);
    let mut keys = Vec::new();
    while let Some((key, _)) = position.head() {
        keys.push(u64::from_be_bytes(key.try_into().unwrap()));
        position.advance(direction);
    }
    keys
}

#[test]
fn a_walk_shows_what_is_visible_while_a_page_is_split() {
    for direction in [Direction::Forward, Direction::Backward] {
        model_with(2, move || {
            let memtable = memtable();
            put_key(&memtable, 10, 1);
            put_key(&memtable, 30, 2);
            let reader = {
                let memtable = Arc::clone(&memtable);
                thread::spawn(move || {
                    let mut keys = walk(&memtable, 2, direction);
                    keys.sort_unstable();
                    assert_eq!(keys, [10, 30]);
                })
            };
            put_key(&memtable, 20, 3);
            reader.join().unwrap();
            assert_eq!(walk(&memtable, 3, Direction::Forward), [10, 20, 30]);
        });
    }
}

#[test]
fn writers_that_split_the_same_page_lose_no_key() {
    model_with(2, || {
        let memtable = memtable();
        put_key(&memtable, 10, 1);
        put_key(&memtable, 30, 2);
        let other = {
            let memtable = Arc::clone(&memtable);
            thread::spawn(move || put_key(&memtable, 20, 3))
        };
        put_key(&memtable, 40, 4);
        other.join().unwrap();
        assert_eq!(walk(&memtable, 4, Direction::Forward), [10, 20, 30, 40]);
        assert_eq!(walk(&memtable, 4, Direction::Backward), [40, 30, 20, 10]);
    });
}
