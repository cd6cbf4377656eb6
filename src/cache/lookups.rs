//! Hit and miss counters spread over cache lines, so that a hit never writes a line that other
//! threads write too.

use crate::base::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Enough that two busy threads rarely meet; a power of two.
const STRIPE_COUNT: usize = 32;

/// Two counters alone on their line; 128 bytes because adjacent lines are prefetched in pairs.
#[derive(Default)]
#[repr(align(128))]
struct Stripe {
    hits: AtomicU64,
    misses: AtomicU64,
}

/// Sums of hits and misses.
#[derive(Default)]
pub(super) struct Lookups([Stripe; STRIPE_COUNT]);

thread_local! {
    /// Its address tells threads apart, at no cost and without a registry.
    static HERE: u8 = const { 0 };
}

/// The calling thread's stripe; zero while the thread is being torn down.
fn stripe_no() -> usize {
    let address = HERE.try_with(|here| std::ptr::from_ref(here).addr()).unwrap_or(0);
    // Addresses differ in their high bits only; multiplication by 2^64 / phi brings those to the top.
    let mixed = (address as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> (64 - STRIPE_COUNT.trailing_zeros())) as usize
}

impl Lookups {
    /// Counts one lookup.
    #[inline]
    pub(super) fn count(&self, hit: bool) {
        let stripe = &self.0[stripe_no()];
        let counter = if hit { &stripe.hits } else { &stripe.misses };
        counter.fetch_add(1, Relaxed);
    }

    /// Hits and misses so far.
    pub(super) fn sums(&self) -> (u64, u64) {
        let sum = |counter: fn(&Stripe) -> &AtomicU64| {
            self.0.iter().map(|stripe| counter(stripe).load(Relaxed)).sum()
        };
        (sum(|stripe| &stripe.hits), sum(|stripe| &stripe.misses))
    }
}
