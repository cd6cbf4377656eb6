//! Hit and miss counters: each thread has its own, so that a hit neither writes a line that other threads
//! write nor waits for a locked instruction, behind which nothing of the block could be loaded ahead.
//!
//! Threads beyond [`STRIPE_COUNT`] share; those that count at the same moment may lose a count.

use crate::base::sync::atomic::{AtomicU64, Ordering::Relaxed};
use crate::base::sync::mapped;

/// More threads than usually read; a power of two.
const STRIPE_COUNT: usize = 64;

/// Counters alone on their line; 128 bytes because adjacent lines are prefetched in pairs.
#[derive(Default)]
#[repr(align(128))]
struct Stripe {
    hits: AtomicU64,
    /// Hits of records, which are among them.
    records: AtomicU64,
    misses: AtomicU64,
}

/// Sums of hits and misses.
pub(super) struct Lookups(Box<[Stripe]>);

/// The number of the next thread that looks something up.
static NEXT: mapped::AtomicU64 = mapped::AtomicU64::new(0);

thread_local! {
    /// The calling thread's number.
    static NUMBER: u64 = NEXT.fetch_add(1, mapped::Ordering::Relaxed);
}

/// The calling thread's stripe; the first while the thread is being torn down.
#[inline]
fn stripe_no() -> usize {
    NUMBER.try_with(|number| *number).unwrap_or(0) as usize % STRIPE_COUNT
}

impl Default for Lookups {
    fn default() -> Self {
        Self((0..STRIPE_COUNT).map(|_| Stripe::default()).collect())
    }
}

impl Lookups {
    /// Counts one lookup.
    #[inline]
    pub(super) fn count(&self, hit: bool) {
        let stripe = &self.0[stripe_no()];
        let counter = if hit { &stripe.hits } else { &stripe.misses };
        counter.store(counter.load(Relaxed) + 1, Relaxed);
    }

    /// Counts one lookup that found a record.
    #[inline]
    pub(super) fn count_record(&self) {
        self.count(true);
        let records = &self.0[stripe_no()].records;
        records.store(records.load(Relaxed) + 1, Relaxed);
    }

    /// Hits of the calling thread.
    #[inline]
    pub(super) fn own_hits(&self) -> u64 {
        self.0[stripe_no()].hits.load(Relaxed)
    }

    /// Hits of records so far.
    pub(super) fn records(&self) -> u64 {
        self.0.iter().map(|stripe| stripe.records.load(Relaxed)).sum()
    }

    /// Hits and misses so far.
    pub(super) fn sums(&self) -> (u64, u64) {
        let sum = |counter: fn(&Stripe) -> &AtomicU64| {
            self.0.iter().map(|stripe| counter(stripe).load(Relaxed)).sum()
        };
        (sum(|stripe| &stripe.hits), sum(|stripe| &stripe.misses))
    }
}
