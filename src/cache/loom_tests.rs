//! Models of the slots: load, fill, sweep and eviction from several threads; and of the records, against a flush.

use loom::thread;

use super::Weigh;
use super::pieces::Pieces;
use super::record::{OwnedRecord, RecordId};
use super::records::Records;
use super::shared_slots::{SharedSlots, ValueId};
use super::slot_array::SlotArray;
use crate::base::key::{Kind, SeqNo, Tag};
use crate::base::keyspace::KeyspaceId;
use crate::base::sync::atomic::AtomicU64;
use crate::base::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use crate::base::sync::loom_tests::{Watched, model};
use crate::base::sync::{Arc, epoch};

impl Weigh for Watched {
    fn weight_bytes(&self) -> usize {
        self.get() as usize
    }

    fn is(&self, owner: u64, number: usize) -> bool {
        owner == 0 && self.get() as usize == number
    }
}

#[test]
fn a_block_is_found_whole_and_stays_while_it_is_read() {
    model(|| {
        let array = Arc::new(SlotArray::<Watched>::new(1));
        let writer = {
            let array = Arc::clone(&array);
            thread::spawn(move || {
                let value = Arc::new(Watched::new(7));
                let kept = Arc::clone(&value);
                assert!(array.put(0, value, &epoch::pin()));
                assert_eq!(array.evict(0, &epoch::pin()), Some(7));
                kept
            })
        };
        {
            let guard = epoch::pin();
            if let Some(found) = array.find(0, &guard) {
                // SAFETY: it stays until the guard ends.
                let value = unsafe { found.deref() };
                assert_eq!(value.weight_bytes(), 7);
                thread::yield_now();
                // SAFETY: the same; the count raised belongs to the Arc, which is dropped.
                let counted = unsafe {
                    Arc::increment_strong_count(found.as_raw());
                    Arc::from_raw(found.as_raw())
                };
                // One here, one that the writer keeps: the third is the slot's.
                assert!(Arc::strong_count(&counted) >= 3, "the slot's count was given up while it was read");
            }
        }
        let kept = writer.join().unwrap();
        drop(epoch::pin());
        assert_eq!(Arc::strong_count(&kept), 1, "an evicted block is given up once");
    });
}

#[test]
fn who_evicts_a_block_sees_it_whole() {
    model(|| {
        let array = Arc::new(SlotArray::<Watched>::new(1));
        let writer = {
            let array = Arc::clone(&array);
            thread::spawn(move || assert!(array.put(0, Arc::new(Watched::new(7)), &epoch::pin())))
        };
        let swept = array.sweep(0, &epoch::pin());
        assert!(swept.is_none_or(|bytes| bytes == 7));
        writer.join().unwrap();
    });
}

#[test]
fn the_bytes_of_a_block_are_given_back_once() {
    model(|| {
        let array = Arc::new(SlotArray::<Watched>::new(1));
        let kept = Arc::new(Watched::new(7));
        assert!(array.put(0, Arc::clone(&kept), &epoch::pin()));
        let sweeping = {
            let array = Arc::clone(&array);
            thread::spawn(move || array.sweep(0, &epoch::pin()))
        };
        let reading = {
            let array = Arc::clone(&array);
            thread::spawn(move || array.find(0, &epoch::pin()).is_some())
        };
        let evicted = array.evict(0, &epoch::pin());
        let swept = sweeping.join().unwrap();
        reading.join().unwrap();
        assert_eq!(swept.iter().chain(&evicted).sum::<usize>(), 7, "swept {swept:?}, evicted {evicted:?}");
        drop(epoch::pin());
        assert_eq!(Arc::strong_count(&kept), 1);
    });
}

#[test]
fn of_two_that_fill_a_slot_one_gives_its_block_up() {
    model(|| {
        let array = Arc::new(SlotArray::<Watched>::new(1));
        let (first, second) = (Arc::new(Watched::new(1)), Arc::new(Watched::new(2)));
        let filling = {
            let (array, first) = (Arc::clone(&array), Arc::clone(&first));
            thread::spawn(move || array.put(0, first, &epoch::pin()))
        };
        let second_put = array.put(0, Arc::clone(&second), &epoch::pin());
        let first_put = filling.join().unwrap();
        assert!(first_put != second_put);
        let bytes = array.evict(0, &epoch::pin());
        assert_eq!(bytes, Some(if first_put { 1 } else { 2 }));
        assert_eq!((Arc::strong_count(&first), Arc::strong_count(&second)), (1, 1));
    });
}

#[test]
fn a_block_that_goes_with_its_table_is_freed_once() {
    model(|| {
        let array = Arc::new(SlotArray::<Watched>::new(1));
        let (kept, sweeping) = {
            let array = Arc::clone(&array);
            let kept = Arc::new(Watched::new(7));
            let filled = Arc::clone(&kept);
            assert!(array.put(0, filled, &epoch::pin()));
            (kept, thread::spawn(move || array.sweep(0, &epoch::pin())))
        };
        // SAFETY: there are no readers.
        let taken = unsafe { array.take(0, &epoch::pin()) }.map(|value| value.weight_bytes());
        let swept = sweeping.join().unwrap();
        assert_eq!(swept.iter().chain(&taken).sum::<usize>(), 7, "swept {swept:?}, taken {taken:?}");
        drop(epoch::pin());
        assert_eq!(Arc::strong_count(&kept), 1);
    });
}

#[test]
fn of_values_that_share_a_slot_each_is_itself_and_is_freed_once() {
    model(|| {
        let slots = Arc::new(SharedSlots::<Watched>::new(1, 1));
        let [seven, nine] = [7, 9].map(|number| ValueId { owner: 0, number });
        let kept = [7, 9].map(|number| Arc::new(Watched::new(number)));
        let putting = {
            let (slots, value) = (Arc::clone(&slots), Arc::clone(&kept[0]));
            thread::spawn(move || slots.put(seven, value, &epoch::pin()))
        };
        let looking = {
            let slots = Arc::clone(&slots);
            thread::spawn(move || {
                let guard = epoch::pin();
                // SAFETY: it stays until the guard ends.
                slots.find(seven, &guard).map(|found| unsafe { found.deref() }.get())
            })
        };
        let (is_nine_put, went_for_nine) = slots.put(nine, Arc::clone(&kept[1]), &epoch::pin());
        let (is_seven_put, went_for_seven) = putting.join().unwrap();
        assert!(looking.join().unwrap().is_none_or(|value| value == 7), "another value was found");
        let taken = slots.evict(seven, &epoch::pin()) + slots.evict(nine, &epoch::pin());
        let put = 7 * usize::from(is_seven_put) + 9 * usize::from(is_nine_put);
        assert_eq!(went_for_seven + went_for_nine + taken, put, "the bytes of each are given back once");
        drop(epoch::pin());
        assert!(kept.iter().all(|value| Arc::strong_count(value) == 1));
    });
}

/// A tree whose files have one key, with a version for each generation.
struct Tree {
    records: Records,
    pieces: Arc<Pieces>,
    /// The flush that has begun.
    generation: AtomicU64,
    /// The files that readers see.
    published: AtomicU64,
}

impl Tree {
    fn new() -> Arc<Self> {
        let (generation, published) = (AtomicU64::new(0), AtomicU64::new(0));
        let tree = Self {
            records: Records::default(),
            pieces: Arc::new(Pieces::new(4096, None)),
            generation,
            published,
        };
        tree.records.begin(1);
        Arc::new(tree)
    }

    fn id() -> RecordId<'static> {
        RecordId { keyspace: KeyspaceId::DEFAULT, key: b"k", hash: 0 }
    }

    fn record(&self, generation: u64) -> OwnedRecord {
        OwnedRecord::new(&self.pieces, &Self::id(), Tag::new(SeqNo(generation), Kind::Put), b"")
    }

    /// Reads the files that are published, and adds what it found.
    fn read_and_add(&self) {
        let seen = self.published.load(Acquire);
        let is_current = || self.generation.load(Relaxed) == seen;
        self.records.add(&Self::id(), self.record(seen), &epoch::pin(), is_current);
    }

    fn flush(&self) {
        self.generation.store(1, Relaxed);
        Records::begin_renewal();
        self.records.renew(&Self::id(), &epoch::pin(), || Some(self.record(1)));
        self.published.store(1, Release);
    }

    /// What a reader of the newest files finds.
    fn find(&self) {
        let seen = self.published.load(Acquire);
        let guard = epoch::pin();
        if let Some(found) = self.records.line(0).and_then(|line| line.find(&Self::id(), &guard)) {
            assert!(found.seqno().0 >= seen, "a record is outdated");
        }
    }
}

#[test]
fn no_record_is_older_than_the_files() {
    model(|| {
        let tree = Tree::new();
        let reading = {
            let tree = Arc::clone(&tree);
            thread::spawn(move || tree.read_and_add())
        };
        tree.flush();
        tree.find();
        reading.join().unwrap();
        tree.find();
    });
}

#[test]
fn a_record_is_found_whole_and_stays_while_it_is_read() {
    model(|| {
        let tree = Tree::new();
        let adding = {
            let tree = Arc::clone(&tree);
            thread::spawn(move || {
                tree.read_and_add();
                tree.records.sweep(0, true, &epoch::pin());
            })
        };
        let guard = epoch::pin();
        if let Some(found) = tree.records.line(0).and_then(|line| line.find(&Tree::id(), &guard)) {
            thread::yield_now();
            assert!(found.is(&Tree::id()));
        }
        drop(guard);
        adding.join().unwrap();
    });
}
