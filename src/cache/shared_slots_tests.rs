//! Values of several owners in the same slots.

use super::tests::{Canary, next, wait_for};
use super::{Cache, Slots};
use crate::base::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use crate::base::sync::{Arc, epoch};

/// With a budget this small there is one set of four slots.
const ONE_SET: usize = 2000;

fn found(slots: &Slots<Canary>, number: usize) -> Option<(u64, usize)> {
    slots.get(number, &epoch::pin()).map(|value| (value.owner, value.slot_no))
}

#[test]
fn values_are_told_apart_and_the_first_unread_one_goes() {
    let alive = Arc::new(AtomicUsize::new(0));
    let cache = Arc::new(Cache::new(ONE_SET));
    let [one, other] = [1, 2].map(|owner| Slots::sharing(&cache, owner, 100, 1 << 20));
    let canary = |owner, number| Canary::of(owner, number, (10, &alive));
    one.admit(4, canary(1, 4));
    assert_eq!((found(&one, 4), found(&one, 5), found(&other, 4)), (Some((1, 4)), None, None));
    assert!(one.is_filled(4) && !one.is_filled(5) && !other.is_filled(4));
    assert!(other.get_shared(4, None).is_none() && other.get_ahead(4).is_none());
    assert!(other.peek_shared(4).is_none() && other.peek(4, &epoch::pin()).is_none());
    other.admit(4, canary(2, 4));
    one.admit(5, canary(1, 5));
    other.admit(5, canary(2, 5));
    // All four are there; only the last was never read.
    assert_eq!((found(&other, 4), found(&one, 5)), (Some((2, 4)), Some((1, 5))));
    one.admit(6, canary(1, 6));
    assert!(!other.is_filled(5) && one.is_filled(4) && other.is_filled(4) && one.is_filled(5));
    assert_eq!((found(&one, 6), cache.stats().used_bytes, cache.stats().evictions), (Some((1, 6)), 40, 1));
    // All were read: one goes all the same.
    other.admit(7, canary(2, 7));
    assert_eq!((found(&other, 7), cache.stats().used_bytes, cache.stats().evictions), (Some((2, 7)), 40, 2));
    // Somebody else was faster: what is there stays.
    let faster = other.get_shared(7, None).expect("it is there");
    other.admit(7, canary(2, 7));
    assert!(other.get_shared(7, None).is_some_and(|there| Arc::ptr_eq(&there, &faster)));
    assert_eq!(cache.stats().used_bytes, 40);
    drop(faster);
    let of_one = (0..100).filter(|&number| one.is_filled(number)).count();
    drop(other);
    assert_eq!(cache.stats().used_bytes, 10 * of_one);
    assert!((0..100).filter(|&number| one.is_filled(number)).count() == of_one && of_one > 0);
    drop(one);
    assert_eq!(cache.stats().used_bytes, 0);
    wait_for(&alive, 0);
}

/// Found: of two that came in turn each took the place of the other, beside others that nobody read.
#[test]
fn what_comes_again_finds_a_place_beside_what_nobody_reads() {
    let alive = Arc::new(AtomicUsize::new(0));
    for distance in 1..9 {
        let cache = Arc::new(Cache::new(ONE_SET));
        let slots = Slots::sharing(&cache, 1, 100, 1 << 20);
        (20..24).for_each(|number| slots.admit(number, Canary::of(1, number, (10, &alive))));
        let mut misses = 0;
        for number in [0, distance].into_iter().cycle().take(40) {
            if found(&slots, number).is_none() {
                misses += 1;
                slots.admit(number, Canary::of(1, number, (10, &alive)));
            }
        }
        assert_eq!(misses, 2, "{distance}");
    }
    wait_for(&alive, 0);
}

#[test]
fn owners_go_step_by_step() {
    let alive = Arc::new(AtomicUsize::new(0));
    let cache = Arc::new(Cache::new(1 << 20));
    let mut slots = Slots::sharing(&cache, 7, 10, 4096);
    for number in [0, 1, 4, 9] {
        slots.admit(number, Canary::of(7, number, (100, &alive)));
    }
    assert!(slots.empty_some(3) && cache.stats().used_bytes == 200);
    assert!(slots.empty_some(6) && cache.stats().used_bytes == 100);
    assert!(!slots.empty_some(6) && cache.stats().used_bytes == 0);
    drop(slots);
    wait_for(&alive, 0);
}

/// However the values that are read are spread: in a row, far apart, of one owner or of many.
#[test]
fn nearly_all_that_the_budget_holds_is_kept() {
    const VALUES: usize = 1000;
    let alive = Arc::new(AtomicUsize::new(0));
    for (owners, step) in
        [(1, 1), (1, 64), (1, 1 << 10), (1, 987), (1, 6765), (1, 10946), (3, 7), (3, 6765), (1000, 1)]
    {
        let cache = Arc::new(Cache::new(VALUES * 4096));
        let count = VALUES.div_ceil(owners) * step;
        let tables: Vec<_> =
            (0..owners as u64).map(|owner| Slots::sharing(&cache, owner, count, 4096)).collect();
        let values = (0..VALUES - VALUES / 20).map(|n| (n % owners, n / owners * step));
        for (owner, number) in values.clone() {
            tables[owner].admit(number, Canary::of(owner as u64, number, (4000, &alive)));
        }
        let kept = values.clone().filter(|(owner, number)| tables[*owner].is_filled(*number)).count();
        assert!(100 * kept > 98 * values.len(), "{kept} for {owners} owners, each {step}th");
        // For each number there may be is looked, while other tests wait for the epoch to go on.
        for mut table in tables {
            while table.empty_some(64) {}
        }
        assert_eq!(cache.stats().used_bytes, 0);
    }
    wait_for(&alive, 0);
}

#[test]
fn slots_take_a_small_part_of_the_budget_however_much_data_there_is() {
    for (value_len, share) in [(0, 16), (512, 16), (4096, 128), (1 << 30, 128)] {
        let cache = Arc::new(Cache::<Canary>::new(1 << 20));
        let tables: Vec<_> = (0..50).map(|owner| Slots::sharing(&cache, owner, 1 << 10, value_len)).collect();
        assert!(tables.iter().all(|table| table.memory_bytes() == 0));
        assert_eq!(cache.room_bytes(), (1 << 20) - (1 << 20) / share);
    }
}

#[test]
fn threads_that_read_admit_and_drop_tables_meet_no_value_of_others() {
    const CAPACITY: usize = 20_000;
    const THREADS: usize = 4;
    let rounds = if cfg!(miri) { 60 } else { 20_000 };
    let alive = Arc::new(AtomicUsize::new(0));
    let cache = Arc::new(Cache::<Canary>::new(CAPACITY));
    let common = Arc::new(Slots::sharing(&cache, 1000, 60, 512));
    std::thread::scope(|scope| {
        for thread_no in 0..THREADS as u64 {
            let (alive, cache, common) = (&alive, &cache, &common);
            scope.spawn(move || {
                let (mut state, mut owner) = (thread_no + 1, thread_no);
                let mut own = Slots::sharing(cache, owner, 40, 512);
                for round in 0..rounds {
                    if round % 200 == 199 {
                        owner += THREADS as u64;
                        own = Slots::sharing(cache, owner, 40, 512);
                    }
                    let is_own = next(&mut state).is_multiple_of(2);
                    let (table, owner) = if is_own { (&own, owner) } else { (&**common, 1000) };
                    let number = next(&mut state) % if is_own { 40 } else { 60 };
                    let guard = epoch::pin();
                    match table.get(number, &guard) {
                        Some(value) => assert_eq!((value.owner, value.slot_no), (owner, number)),
                        None => {
                            let len = 50 + next(&mut state) % 500;
                            table.admit(number, Canary::of(owner, number, (len, alive)));
                        }
                    }
                }
            });
        }
    });
    assert!(rounds < 1000 || cache.stats().evictions > 0);
    drop(common);
    assert_eq!(cache.stats().used_bytes, 0);
    wait_for(&alive, 0);
    assert_eq!(alive.load(SeqCst), 0);
}
