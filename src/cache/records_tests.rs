//! Records: found as long as they are the newest, within the budget, and freed.

use super::{Cache, RecordId, Slots, Weigh};
use crate::base::key::{Kind, SeqNo, Tag};
use crate::base::keyspace::KeyspaceId;
use crate::base::sync::{Arc, epoch};

const CAPACITY: usize = 1 << 20;
const VALUE: usize = 1000;

struct Block(usize);

impl Weigh for Block {
    fn weight_bytes(&self) -> usize {
        self.0
    }

    fn is(&self, _owner: u64, number: usize) -> bool {
        self.0 == number
    }
}

fn id(key: &[u8]) -> RecordId<'_> {
    RecordId::of(KeyspaceId::DEFAULT, key)
}

fn put(seqno: u64) -> Tag {
    Tag::new(SeqNo(seqno), Kind::Put)
}

fn add(cache: &Cache<Block>, id: &RecordId<'_>, seqno: u64) {
    cache.add_record(id, put(seqno), &[seqno as u8; VALUE], || true);
}

/// The seqno of what is found, if its value is that of the seqno.
fn find(cache: &Cache<Block>, id: &RecordId<'_>) -> Option<u64> {
    let guard = epoch::pin();
    let found = cache.find_record(cache.record_line(id.hash)?, id, &guard)?;
    assert_eq!(found.value(), [found.seqno().0 as u8; VALUE]);
    Some(found.seqno().0)
}

#[test]
fn a_record_is_found_until_it_is_renewed() {
    let cache = Cache::<Block>::new(CAPACITY);
    assert_eq!(find(&cache, &id(b"a")), None);
    add(&cache, &id(b"a"), 3);
    add(&cache, &id(b"b"), 4);
    add(&cache, &id(b"a"), 2);
    assert_eq!((find(&cache, &id(b"a")), find(&cache, &id(b"b"))), (Some(3), Some(4)));
    assert!(cache.begin_renewal());
    cache.renew_record(&id(b"a"), put(5), Some(&[5; VALUE]));
    cache.renew_record(&id(b"b"), Tag::new(SeqNo(6), Kind::Delete), None);
    cache.renew_record(&id(b"c"), put(7), Some(&[7; VALUE]));
    assert_eq!((find(&cache, &id(b"a")), find(&cache, &id(b"b"))), (Some(5), None));
    assert_eq!(find(&cache, &id(b"c")), None, "a renewal makes no records");
    let stats = cache.stats();
    assert_eq!((stats.record_hits, stats.misses), (3, 0));
    assert_eq!(stats.record_bytes, stats.used_bytes);
    assert!((VALUE..VALUE + 200).contains(&stats.used_bytes), "one is left: {}", stats.used_bytes);
}

#[test]
fn a_record_of_files_that_are_not_the_newest_is_not_kept() {
    let cache = Cache::<Block>::new(CAPACITY);
    cache.add_record(&id(b"a"), put(1), &[1; VALUE], || false);
    assert_eq!(find(&cache, &id(b"a")), None);
    assert_eq!(cache.stats().used_bytes, 0);
}

#[test]
fn keys_with_one_hash_are_told_apart() {
    let cache = Cache::<Block>::new(CAPACITY);
    let same = |key| RecordId { hash: 77, ..id(key) };
    add(&cache, &same(b"a"), 1);
    assert_eq!(find(&cache, &same(b"b")), None);
    add(&cache, &same(b"b"), 2);
    assert_eq!((find(&cache, &same(b"a")), find(&cache, &same(b"b"))), (Some(1), Some(2)));
    cache.renew_record(&same(b"a"), put(3), None);
    assert_eq!((find(&cache, &same(b"a")), find(&cache, &same(b"b"))), (None, Some(2)));
    // A line holds so many; what was read stays longer.
    let keys: Vec<[u8; 1]> = (0..50).map(|key| [key]).collect();
    for key in &keys {
        add(&cache, &same(key), 9);
        assert_eq!(find(&cache, &same(key)), Some(9), "a new one always has a place");
    }
    assert_eq!(keys.iter().filter(|key| find(&cache, &same(*key)).is_some()).count(), 8);
}

#[test]
fn records_leave_room_and_give_way() {
    let cache = Arc::new(Cache::<Block>::new(CAPACITY));
    let keys: Vec<_> = (0..200_u32).map(u32::to_be_bytes).collect();
    keys.iter().for_each(|key| add(&cache, &id(key), 1));
    let read = &keys[..100];
    assert!(read.iter().all(|key| find(&cache, &id(key)) == Some(1)));
    let of_records = cache.stats();
    assert_eq!((of_records.evictions, of_records.record_bytes), (0, of_records.used_bytes));
    let slots = Slots::new(&cache, 300);
    (0..210).for_each(|slot| slots.admit(slot, Arc::new(Block(4096))));
    let stats = cache.stats();
    assert!(stats.used_bytes <= CAPACITY, "{}", stats.used_bytes);
    let blocks = (0..210).filter(|slot| slots.is_filled(*slot)).count();
    assert!(blocks > 200, "records go before blocks: {blocks}");
    assert_eq!(stats.record_bytes + 4096 * blocks, stats.used_bytes);
    assert!(read.iter().all(|key| find(&cache, &id(key)) == Some(1)), "what was read stays");
    add(&cache, &id(b"new"), 1);
    assert_eq!(find(&cache, &id(b"new")), None, "there is no room");
    (210..300).for_each(|slot| slots.admit(slot, Arc::new(Block(4096))));
    drop(slots);
    assert_eq!(cache.stats().used_bytes, cache.stats().record_bytes);
}

#[test]
fn a_new_record_goes_for_one_that_nobody_reads() {
    let cache = Cache::<Block>::new(CAPACITY);
    let keys: Vec<_> = (0..2000_u32).map(u32::to_be_bytes).collect();
    let (often, once) = keys.split_at(50);
    for key in once {
        add(&cache, &id(key), 1);
        for key in often {
            add(&cache, &id(key), 1);
            assert_eq!(find(&cache, &id(key)), Some(1));
        }
    }
    let stats = cache.stats();
    assert!((CAPACITY / 5..=CAPACITY / 4).contains(&stats.record_bytes), "{}", stats.record_bytes);
    assert!(stats.evictions > 1500, "{}", stats.evictions);
}

#[test]
fn short_and_long_values_are_found_in_their_blocks() {
    let cache = Cache::<Block>::new(CAPACITY);
    for len in [0, 100, 511 - 1, 4096] {
        cache.add_record(&id(b"k"), put(1), &vec![0; len], || true);
        assert_eq!(cache.stats().used_bytes, 0, "{len}");
    }
    cache.add_record(&id(b"k"), put(1), &vec![0; 511], || true);
    assert!(cache.stats().used_bytes > 0);
}

#[test]
fn renewed_records_stay_in_their_share() {
    let cache = Cache::<Block>::new(CAPACITY);
    let keys: Vec<_> = (0..200_u32).map(u32::to_be_bytes).collect();
    for len in [4000, 30_000] {
        keys.iter().for_each(|key| add(&cache, &id(key), 1));
        assert!(cache.stats().record_bytes > CAPACITY / 5);
        keys.iter().for_each(|key| cache.renew_record(&id(key), put(2), Some(&vec![2; len])));
        let stats = cache.stats();
        let share = CAPACITY / 4 + CAPACITY / 32;
        assert!(stats.record_bytes <= share && stats.record_bytes == stats.used_bytes, "{len}: {stats:?}");
        keys.iter().for_each(|key| cache.renew_record(&id(key), put(3), None));
        assert_eq!(cache.stats().used_bytes, 0);
    }
}
