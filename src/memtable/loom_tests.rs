//! Models of the versions of one key: writers beside each other, and a reader that may be older than they are.

use loom::thread;

use super::pool::Pool;
use super::*;
use crate::base::key::Kind;
use crate::base::sync::loom_tests::model;

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
