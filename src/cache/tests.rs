//! The cache against its promises: budget kept, second chance given, everything freed exactly once.

use std::time::{Duration, Instant};

use super::records::Records;
use super::{Cache, Slots, Waiting, Weigh};
use crate::base::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use crate::base::sync::{Arc, epoch};

/// A value that knows its slot, and counts itself while it lives.
pub(super) struct Canary {
    pub(super) owner: u64,
    pub(super) slot_no: usize,
    bytes: usize,
    alive: Arc<AtomicUsize>,
}

impl Canary {
    fn new(slot_no: usize, bytes: usize, alive: &Arc<AtomicUsize>) -> Arc<Self> {
        Self::of(0, slot_no, (bytes, alive))
    }

    pub(super) fn of(owner: u64, slot_no: usize, (bytes, alive): (usize, &Arc<AtomicUsize>)) -> Arc<Self> {
        alive.fetch_add(1, SeqCst);
        Arc::new(Self { owner, slot_no, bytes, alive: Arc::clone(alive) })
    }
}

impl Weigh for Canary {
    fn weight_bytes(&self) -> usize {
        self.bytes
    }

    fn is(&self, owner: u64, number: usize) -> bool {
        self.owner == owner && self.slot_no == number
    }
}

impl Drop for Canary {
    fn drop(&mut self) {
        assert_ne!(self.alive.fetch_sub(1, SeqCst), 0, "dropped twice");
        self.slot_no = usize::MAX;
    }
}

/// Drives the epoch on until `alive` has come down to `count`.
pub(super) fn wait_for(alive: &AtomicUsize, count: usize) {
    let begin = Instant::now();
    while alive.load(SeqCst) != count {
        epoch::pin().flush();
        std::thread::yield_now();
        assert!(begin.elapsed() < Duration::from_secs(20), "{} values still alive", alive.load(SeqCst));
    }
}

#[test]
fn what_was_admitted_is_found_until_its_table_is_dropped() {
    let alive = Arc::new(AtomicUsize::new(0));
    let cache = Arc::new(Cache::new(1000));
    let slots = Slots::new(&cache, 4);
    assert!(slots.get(2, &epoch::pin()).is_none());
    slots.admit(2, Canary::new(2, 100, &alive));
    assert_eq!(slots.get(2, &epoch::pin()).map(|value| value.slot_no), Some(2));
    let kept = slots.get_shared(2, None).expect("just admitted");
    assert!(slots.get_shared(3, None).is_none());
    let stats = cache.stats();
    assert_eq!((stats.hits, stats.misses, stats.evictions), (2, 2, 0));
    assert_eq!((stats.used_bytes, stats.capacity_bytes), (100, 1000));
    drop(slots);
    assert_eq!(cache.stats().used_bytes, 0);
    assert_eq!(kept.slot_no, 2);
    drop(kept);
    wait_for(&alive, 0);
}

/// That it does not outlive the slots is for the compiler to see: it borrows from them.
#[test]
fn a_reference_outlives_the_stay_in_the_cache_as_long_as_its_guard() {
    let alive = Arc::new(AtomicUsize::new(0));
    let cache = Arc::new(Cache::new(800));
    let slots = Slots::new(&cache, 9);
    slots.admit(0, Canary::new(0, 100, &alive));
    let guard = epoch::pin();
    let value = slots.get(0, &guard).expect("just admitted");
    for slot_no in (1..9).chain(1..9).chain(1..9) {
        slots.admit(slot_no, Canary::new(slot_no, 100, &alive));
    }
    assert!(slots.get_shared(0, None).is_none());
    for _ in 0..1000 {
        epoch::pin().flush();
    }
    assert_eq!(value.slot_no, 0);
    drop(guard);
    drop(slots);
    wait_for(&alive, 0);
}

#[test]
fn a_table_is_emptied_step_by_step_and_at_once() {
    let alive = Arc::new(AtomicUsize::new(0));
    let cache = Arc::new(Cache::new(8000));
    let mut slots = Slots::new(&cache, 10);
    let _pinned = epoch::pin();
    for slot_no in [0, 1, 4, 9] {
        slots.admit(slot_no, Canary::new(slot_no, 100, &alive));
    }
    let kept = slots.get_shared(1, None).expect("just admitted");
    assert!(slots.empty_some(3));
    assert_eq!((cache.stats().used_bytes, alive.load(SeqCst), kept.slot_no), (200, 3, 1));
    assert!(slots.empty_some(6));
    assert_eq!((cache.stats().used_bytes, alive.load(SeqCst)), (100, 2));
    drop(slots);
    drop(kept);
    assert_eq!((cache.stats().used_bytes, alive.load(SeqCst)), (0, 0), "whoever has pinned the epoch");
}

#[test]
fn a_second_value_for_a_slot_and_a_value_too_large_are_let_go() {
    let alive = Arc::new(AtomicUsize::new(0));
    let cache = Arc::new(Cache::new(800));
    let slots = Slots::new(&cache, 2);
    slots.admit(0, Canary::new(0, 60, &alive));
    slots.admit(0, Canary::new(7, 70, &alive));
    slots.admit(1, Canary::new(1, 101, &alive));
    assert_eq!(alive.load(SeqCst), 1);
    assert_eq!(cache.stats().used_bytes, 60);
    assert_eq!(slots.get(0, &epoch::pin()).map(|value| value.slot_no), Some(0));
    assert!(slots.get(1, &epoch::pin()).is_none());
}

#[test]
fn the_hand_takes_what_was_not_read_first() {
    let alive = Arc::new(AtomicUsize::new(0));
    let cache = Arc::new(Cache::new(800));
    let (old, new) = (Slots::new(&cache, 8), Slots::new(&cache, 8));
    for slot_no in 0..8 {
        old.admit(slot_no, Canary::new(slot_no, 100, &alive));
    }
    for slot_no in [0, 3, 5] {
        assert!(old.get(slot_no, &epoch::pin()).is_some());
    }
    for slot_no in 0..4 {
        new.admit(slot_no, Canary::new(slot_no, 100, &alive));
    }
    let stays: Vec<usize> = (0..8).filter(|&no| old.get(no, &epoch::pin()).is_some()).collect();
    assert_eq!(stays, [0, 3, 5, 7]);
    assert_eq!(cache.stats().evictions, 4);
    assert_eq!(cache.stats().used_bytes, 800);
    drop((old, new));
    assert_eq!(cache.stats().used_bytes, 0);
    wait_for(&alive, 0);
}

#[test]
fn no_capacity_caches_nothing_and_empty_tables_do_no_harm() {
    let alive = Arc::new(AtomicUsize::new(0));
    let none = Arc::new(Cache::new(0));
    let slots = Slots::new(&none, 1);
    slots.admit(0, Canary::new(0, 1, &alive));
    assert_eq!(alive.load(SeqCst), 0);
    let small = Arc::new(Cache::new(80));
    let (_empty, slots, _empty_too) = (Slots::new(&small, 0), Slots::new(&small, 20), Slots::new(&small, 0));
    for slot_no in 0..20 {
        slots.admit(slot_no, Canary::new(slot_no, 10, &alive));
    }
    assert_eq!(small.stats().used_bytes, 80);
}

/// A small deterministic generator.
pub(super) fn next(state: &mut u64) -> usize {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*state >> 33) as usize
}

#[test]
fn threads_that_read_admit_and_drop_tables_stay_in_budget_and_leak_nothing() {
    const CAPACITY: usize = 10_000;
    const THREADS: usize = 4;
    let rounds = if cfg!(miri) { 60 } else { 20_000 };
    let alive = Arc::new(AtomicUsize::new(0));
    let cache = Arc::new(Cache::<Canary>::new(CAPACITY));
    let shared: Vec<_> = (0..3).map(|_| Arc::new(Slots::new(&cache, 50))).collect();
    std::thread::scope(|scope| {
        for thread_no in 0..THREADS {
            let (alive, cache, shared) = (&alive, &cache, &shared);
            scope.spawn(move || {
                let mut state = thread_no as u64 + 1;
                let mut own = Slots::new(cache, 30);
                let mut kept = None;
                for round in 0..rounds {
                    if round % 500 == 499 {
                        own = Slots::new(cache, 30);
                    }
                    let is_own = next(&mut state).is_multiple_of(3);
                    let table = if is_own { &own } else { &*shared[next(&mut state) % 3] };
                    let slot_no = next(&mut state) % if is_own { 30 } else { 50 };
                    let guard = epoch::pin();
                    match table.get(slot_no, &guard) {
                        Some(value) => {
                            assert_eq!(value.slot_no, slot_no);
                            kept = table.get_shared(slot_no, None).or(kept);
                        }
                        None => {
                            table.admit(slot_no, Canary::new(slot_no, 50 + next(&mut state) % 500, alive))
                        }
                    }
                    assert!(cache.stats().used_bytes <= CAPACITY + THREADS * 2 * 550);
                }
                assert!(kept.is_some_and(|value| value.slot_no < 50));
            });
        }
    });
    assert!(rounds < 1000 || cache.stats().evictions > 0);
    drop(shared);
    assert_eq!(cache.stats().used_bytes, 0);
    wait_for(&alive, 0);
}

#[test]
fn values_that_wait_for_their_slots_count_from_the_start() {
    let alive = Arc::new(AtomicUsize::new(0));
    let cache = Arc::new(Cache::new(1000));
    let slots = Slots::new(&cache, 10);
    let canary = |slot_no| Arc::into_inner(Canary::new(slot_no, 100, &alive)).expect("nobody else has it");
    (0..8).for_each(|slot_no| slots.admit(slot_no, Canary::new(slot_no, 100, &alive)));
    let mut waiting = Waiting::new(&cache);
    (0..5).for_each(|slot_no| waiting.add(slot_no, canary(slot_no)));
    waiting.add(5, Arc::into_inner(Canary::new(5, 200, &alive)).expect("nobody else has it"));
    let stats = cache.stats();
    assert_eq!(
        (stats.used_bytes, stats.evictions),
        (1000, 3),
        "they push others out, one too large does not"
    );
    // Given up: the table was never finished.
    drop(waiting);
    assert_eq!(cache.stats().used_bytes, 500);

    let made = Slots::new(&cache, 4);
    let mut waiting = Waiting::new(&cache);
    (0..3).for_each(|slot_no| waiting.add(slot_no, canary(slot_no)));
    made.admit(1, Canary::new(1, 100, &alive));
    waiting.fill(&made);
    assert_eq!(cache.stats().used_bytes, 800, "the slot that was taken first keeps what it has");
    assert_eq!(made.get(2, &epoch::pin()).map(|value| value.slot_no), Some(2));
    assert!(made.is_filled(0) && !made.is_filled(3));
    drop((slots, made));
    assert_eq!(cache.stats().used_bytes, 0);
    wait_for(&alive, 0);
}

#[test]
fn tables_in_the_making_leave_room_however_many_they_are() {
    let alive = Arc::new(AtomicUsize::new(0));
    let cache = Arc::new(Cache::new(8000));
    let slots = Slots::new(&cache, 100);
    let mut tables: Vec<_> = (0..32).map(|_| Waiting::new(&cache)).collect();
    for waiting in &mut tables {
        for slot_no in 0..100 {
            let canary = Arc::into_inner(Canary::new(slot_no, 100, &alive)).expect("nobody else has it");
            if waiting.takes(100) {
                waiting.add(slot_no, canary);
            }
        }
    }
    assert_eq!(cache.stats().used_bytes, 2000);
    (0..100).for_each(|slot_no| slots.admit(slot_no, Canary::new(slot_no, 100, &alive)));
    assert_eq!(cache.stats().used_bytes, 8000);
    drop(tables);
    assert_eq!(cache.stats().used_bytes, 6000);
    let mut waiting = Waiting::new(&cache);
    assert!(waiting.takes(1000), "what was given up counts no more");
    waiting.add(0, Arc::into_inner(Canary::new(0, 1000, &alive)).expect("nobody else has it"));
    waiting.fill(&Slots::new(&cache, 1));
    assert!(Waiting::new(&cache).takes(1000), "nor does what has its slot");
}

/// Found: the first record of a cache of 100 TiB asked for 512 GiB of slots, which ended the process.
#[test]
#[cfg_attr(miri, ignore = "4 GiB of addresses")]
fn a_budget_beyond_all_memory_makes_slots_for_no_more_than_there_may_be() {
    for (capacity_bytes, slots_bytes) in [(100 << 40, 4 << 30), (1 << 30, 32 << 20)] {
        let records = Records::default();
        assert!(records.begin(capacity_bytes));
        assert_eq!(records.memory_bytes(), slots_bytes);
        // Its drop looks into all slots, which nobody has touched.
        std::mem::forget(records);
    }
}
