//! The public types as a program meets them: reading without values, one trait for all that is read,
//! sizes of ranges, and what may cross threads.

use rabi::{
    AsyncDb, AsyncRange, AsyncSnapshot, Cursor, Db, Durability, Error, FileStats, IoBackend, IoSource, Keys,
    Options, Range, Read, Snapshot, Stats, Ticket, Value, WriteBatch, WriteOptions,
};

use crate::generator::Random;
use crate::scratch::{Scratch, number, small};

fn key(number: usize) -> String {
    format!("key{number:04}")
}

/// A database with something on every level: even keys below 1,000 have values, the others are deleted.
fn filled(scratch: &Scratch) -> Db {
    let (db, mut random) = (Db::open(scratch.dir(), small()).unwrap(), Random::new("face"));
    for part in 0..4 {
        (0..1000).filter(|number| number % 4 == part).for_each(|number| {
            db.put(key(number), random.bytes(100)).unwrap();
        });
        match part {
            0 => db.compact().unwrap(),
            1 => db.flush().unwrap(),
            _ => {}
        }
    }
    (0..1000).filter(|number| number % 2 == 1).for_each(|number| db.delete(key(number)).unwrap());
    db
}

fn check_keys(source: &impl Read, count: usize) {
    let expected: Vec<Vec<u8>> = (0..count).map(|number| key(number * 2).into_bytes()).collect();
    let all = |keys: Keys| keys.collect::<rabi::Result<Vec<_>>>().unwrap();
    assert!(all(source.keys()) == expected);
    let mut backward: Vec<_> = source.keys().rev().collect::<rabi::Result<_>>().unwrap();
    backward.reverse();
    assert!(backward == expected);
    let entries: Vec<_> = source.iter().map(|entry| entry.unwrap().0).collect();
    assert!(entries == expected);
    for number in 0..1010 {
        let is_there = number % 2 == 0 && number / 2 < count;
        assert_eq!(source.contains_key(key(number)).unwrap(), is_there, "{}", key(number));
        let got = source.get(key(number)).unwrap().map(Vec::from);
        assert_eq!(got.is_some(), is_there);
        let with = source.get_with(key(number), |value| value.to_vec()).unwrap();
        assert_eq!(with, got);
        let mut buffer = b"as it is".to_vec();
        assert_eq!(source.get_into(key(number), &mut buffer).unwrap(), is_there);
        assert_eq!(buffer, got.unwrap_or(b"as it is".to_vec()));
    }

    let part = || source.range(key(101)..=key(110));
    let shown: Vec<Vec<u8>> = (51..=55).map(|number| key(number * 2).into_bytes()).collect();
    assert!(all(part().into_keys()) == shown);
    let mut both = part();
    let (first, last) = (both.next().unwrap().unwrap(), both.next_back().unwrap().unwrap());
    assert!((&first.0, &last.0) == (&shown[0], &shown[4]));
    let borrowed = |key: &[u8], _: &[u8]| key.to_vec();
    let (mut lent, mut given) = (part(), Vec::new());
    given.extend(lent.next_with(borrowed).map(Result::unwrap));
    given.push(lent.next_back_with(borrowed).unwrap().unwrap());
    while let Some(key) = lent.next_with(borrowed) {
        given.insert(given.len() - 1, key.unwrap());
    }
    assert!(given == shown);
    assert!(lent.next_back_with(borrowed).is_none());
    let values = |entry: Option<rabi::Result<Vec<u8>>>| entry.unwrap().unwrap();
    assert_eq!(values(part().next_with(|_, value| value.to_vec())), *first.1);
    assert_eq!(values(part().next_back_with(|_, value| value.to_vec())), *last.1);
    let mut rest = both.into_keys();
    assert_eq!(rest.next_back().unwrap().unwrap(), shown[3]);
    assert_eq!(rest.next().unwrap().unwrap(), shown[1]);
    assert_eq!(rest.by_ref().count(), 1);
    assert!(rest.next().is_none() && rest.next_back().is_none());
    assert_eq!(all(source.prefix("key000").into_keys()).len(), 5);
}

#[test]
fn keys_and_presence_are_read_alike_from_a_database_and_a_snapshot() {
    let scratch = Scratch::new();
    let db = filled(&scratch);
    let before = db.snapshot();
    check_keys(&db, 500);
    (500..1000).for_each(|number| db.delete(key(number)).unwrap());
    check_keys(&before, 500);
    check_keys(&db, 250);
    db.compact().unwrap();
    check_keys(&before, 500);
    check_keys(&db, 250);
    let (at, keys) = (format!("{before:?}"), format!("{:?}", before.prefix("key00").into_keys()));
    assert_eq!(at, format!("Snapshot({} at seqno 1500)", scratch.dir().display()));
    assert_eq!(
        keys,
        "Keys { from: \"key00\", below: Some(\"key01\"), seqno: 1500, front: None, back: None, ended: false }"
    );
    db.clone().close().unwrap();
    assert!(matches!(db.contains_key("key"), Err(Error::Closed)));
    assert!(matches!(before.contains_key("key"), Err(Error::Closed)));
    assert!(matches!(db.get_with("key", <[u8]>::len), Err(Error::Closed)));
    assert!(matches!(before.get_into("key", &mut Vec::new()), Err(Error::Closed)));
    assert!(matches!(before.keys().next(), Some(Err(Error::Closed))));
}

#[test]
fn sizes_of_ranges_are_those_of_files_and_memtables() {
    // With so much cache indexes are in memory; with less, those of L3 are in parts of four blocks.
    check_sizes(1 << 20, 512);
    check_sizes(64 << 10, 4 * 512);
}

/// Sizes are exact to within `step` bytes at either end of the range.
fn check_sizes(cache_size_bytes: u64, step: u64) {
    let scratch = Scratch::new();
    let options = small().memtable_size_bytes(1 << 20).cache_size_bytes(cache_size_bytes);
    let db = Db::open(scratch.dir(), options).unwrap();
    let size = |range: std::ops::Range<usize>| db.approximate_size(key(range.start)..key(range.end)).unwrap();
    let all = || db.approximate_size::<&str>(..).unwrap();
    let put = || (0..1000).for_each(|number| db.put(key(number), [number as u8; 200]).unwrap());
    assert_eq!(all(), 0);
    put();
    // In L0: counted.
    assert_eq!(all(), number(&db.stats(), "memtable_bytes"));
    assert_eq!(size(100..200) * 10, all());
    assert_eq!((size(5000..6000), size(7..7), size(9..9)), (0, 0, 0));
    // In L2, in L3, and in both: by blocks of 512 bytes, or parts.
    for moved in [Db::flush, Db::compact] {
        moved(&db).unwrap();
        let reads = number(&db.stats(), "reads") + number(&db.stats(), "page_cache_reads");
        assert!((200_000..250_000).contains(&all()), "{}", all());
        assert!(size(100..200).abs_diff(all() / 10) <= 2 * step, "{} of {}", size(100..200), all());
        assert!(size(0..1) <= step && size(5000..6000) <= step);
        let stats = db.stats();
        assert_eq!(number(&stats, "reads") + number(&stats, "page_cache_reads"), reads, "sizes need no I/O");
        assert!(all() <= number(&stats, "flushed_bytes") + number(&stats, "partition_bytes"));
    }
    let once = all();
    put();
    db.flush().unwrap();
    assert!(all().abs_diff(2 * once) <= once / 50, "old versions count");
    db.compact().unwrap();
    assert!(all().abs_diff(once) <= once / 50, "until they are dropped: {} {once}", all());
    db.clone().close().unwrap();
    assert!(matches!(db.approximate_size::<&str>(..), Err(Error::Closed)));
}

/// What a program may keep in a static, hand to other threads, and share between them.
#[test]
fn public_types_cross_threads_and_can_be_shown() {
    fn check<T: Send + Sync + std::fmt::Debug + 'static>() {}
    check::<Db>();
    check::<Snapshot>();
    check::<Range>();
    check::<Keys>();
    check::<Cursor>();
    check::<(AsyncDb, AsyncSnapshot, AsyncRange, Ticket)>();
    check::<WriteBatch>();
    check::<(Options, WriteOptions, Durability, IoBackend)>();
    check::<(Stats, FileStats, Value)>();
    check::<(Error, IoSource)>();
}
