//! Models of the slots: load, fill, sweep and eviction from several threads.

use loom::thread;

use super::Weigh;
use super::slots::SlotArray;
use crate::base::sync::loom_tests::{Watched, model};
use crate::base::sync::{Arc, epoch};

impl Weigh for Watched {
    fn weight_bytes(&self) -> usize {
        self.get() as usize
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
