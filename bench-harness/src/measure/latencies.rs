//! The latencies one client thread counts, readable by the watcher at any time.
//!
//! The counts are those of an HDR histogram of three digits (the buckets of `hdrhistogram`, to
//! which they convert without loss), but each is an atomic that one thread writes and others may
//! read. So the watcher takes what there is every interval, nothing is swapped or handed over, and
//! the client thread neither waits nor allocates: recording is an addition in memory.

use std::sync::atomic::{AtomicU64, Ordering};

use hdrhistogram::Histogram;

/// An hour in nanoseconds; what takes longer is counted as this.
pub const LATENCY_NS_MAX: u64 = 3_600_000_000_000;
/// Three digits: a value is off by at most one part in a thousand.
const DIGITS: u8 = 3;
/// Values below 2 x 2^10 have a bucket each; above, every doubling is cut into 2^10 buckets. This
/// is what three digits ask for.
const HALF_BITS: u32 = 10;
pub const BUCKETS: usize = bucket_of(LATENCY_NS_MAX) + 1;

#[inline]
pub const fn bucket_of(ns: u64) -> usize {
    let shift = (u64::BITS - 1 - HALF_BITS) - (ns | (1 << HALF_BITS)).leading_zeros();
    ((shift as usize) << HALF_BITS) + (ns >> shift) as usize
}

pub fn highest_ns(bucket: usize) -> u64 {
    let half = 1 << HALF_BITS;
    let shift = (bucket >> HALF_BITS).saturating_sub(1);
    let within = bucket - (shift << HALF_BITS);
    debug_assert!(within < 2 * half);
    (((within as u64) + 1) << shift) - 1
}

/// An empty histogram with the same buckets.
pub fn empty_histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LATENCY_NS_MAX, DIGITS)
        .expect("the bounds and digits are constants within what the crate documents")
}

/// One thread's latencies of one kind.
#[derive(Debug)]
pub struct Latencies {
    counts: Box<[AtomicU64; BUCKETS]>,
}

impl Latencies {
    pub fn new() -> Latencies {
        let counts: Box<[AtomicU64]> = (0..BUCKETS).map(|_| AtomicU64::new(0)).collect();
        Latencies { counts: counts.try_into().expect("it was collected with this length") }
    }

    /// Counts one latency. Only the owning thread calls this.
    #[inline]
    pub fn record(&self, ns: u64) {
        increment(&self.counts[bucket_of(ns.min(LATENCY_NS_MAX))]);
    }

    /// Adds the counts to a sum over threads.
    pub fn add_to(&self, sum: &mut [u64]) {
        for (sum, count) in sum.iter_mut().zip(self.counts.iter()) {
            *sum += count.load(Ordering::Relaxed);
        }
    }
}

/// Adds one to a counter that one thread alone writes, without the cost of a shared addition. The
/// counts order nothing: a reader that sees one may not see another yet, and finds it next time.
#[inline]
pub fn increment(counter: &AtomicU64) {
    counter.store(counter.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_those_of_the_histogram() {
        let histogram = empty_histogram();
        let mut values: Vec<u64> =
            (0..42).flat_map(|bit| [(1 << bit) - 1, 1 << bit, (1 << bit) + 1]).collect();
        values.extend([999, 1_500, 2_047, 2_048, 2_049, 4_095, 4_096, 123_456_789, LATENCY_NS_MAX]);
        for ns in values.into_iter().filter(|ns| (1..=LATENCY_NS_MAX).contains(ns)) {
            assert_eq!(highest_ns(bucket_of(ns)), histogram.highest_equivalent(ns), "{ns}");
        }
    }

    #[test]
    fn buckets_follow_each_other_without_gaps() {
        for bucket in 1..BUCKETS {
            assert_eq!(bucket_of(highest_ns(bucket - 1) + 1), bucket);
            assert_eq!(bucket_of(highest_ns(bucket)), bucket);
        }
    }

    #[test]
    fn what_is_longer_than_an_hour_counts_as_an_hour() {
        let latencies = Latencies::new();
        latencies.record(u64::MAX);
        latencies.record(5);
        let mut sum = vec![0; BUCKETS];
        latencies.add_to(&mut sum);
        assert_eq!((sum[5], sum[BUCKETS - 1], sum.iter().sum::<u64>()), (1, 1, 2));
    }
}
