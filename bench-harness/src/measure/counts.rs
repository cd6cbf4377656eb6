//! How often each latency occurred in some stretch of time: only the buckets that have any.

use hdrhistogram::Histogram;

use super::latencies::{empty_histogram, highest_ns};

/// Latencies by bucket, in rising order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    buckets: Vec<(u32, u64)>,
}

impl Counts {
    /// What was added between two sums over the same threads; the earlier one may be empty.
    pub fn between(earlier: &[u64], later: &[u64]) -> Counts {
        let added = later.iter().zip(earlier.iter().chain(std::iter::repeat(&0))).enumerate();
        let buckets = added.filter(|(_, (later, earlier))| later > earlier);
        Counts { buckets: buckets.map(|(bucket, (l, e))| (bucket as u32, l - e)).collect() }
    }

    pub fn total(&self) -> u64 {
        self.buckets.iter().map(|(_, count)| count).sum()
    }

    /// The latency that this share of them, from 0 to 1, did not exceed; 0 if there are none.
    pub fn quantile_ns(&self, quantile: f64) -> u64 {
        let wanted = (quantile * self.total() as f64).ceil().max(1.0) as u64;
        let mut passed = 0;
        let reached = self.buckets.iter().find(|(_, count)| {
            passed += count;
            passed >= wanted
        });
        reached.map_or(0, |(bucket, _)| highest_ns(*bucket as usize))
    }

    /// The longest; 0 if there are none.
    pub fn max_ns(&self) -> u64 {
        self.buckets.last().map_or(0, |(bucket, _)| highest_ns(*bucket as usize))
    }

    /// Adds those of another stretch.
    pub fn absorb(&mut self, other: &Counts) {
        self.buckets.extend(&other.buckets);
        // Two rising runs, which a stable sort merges.
        self.buckets.sort_by_key(|(bucket, _)| *bucket);
        self.buckets.dedup_by(|(bucket, count), (kept, sum)| {
            let same = bucket == kept;
            *sum += if same { *count } else { 0 };
            same
        });
    }

    /// The same as a histogram of the library.
    pub fn histogram(&self) -> Histogram<u64> {
        let mut histogram = empty_histogram();
        for (bucket, count) in &self.buckets {
            histogram.saturating_record_n(highest_ns(*bucket as usize), *count);
        }
        histogram
    }
}

#[cfg(test)]
mod tests {
    use super::super::latencies::{BUCKETS, bucket_of};
    use super::*;

    fn sum(latencies_ns: &[u64]) -> Vec<u64> {
        let mut sum = vec![0; BUCKETS];
        latencies_ns.iter().for_each(|ns| sum[bucket_of(*ns)] += 1);
        sum
    }

    #[test]
    fn what_was_added_between_two_looks_has_the_quantiles_of_the_library() {
        let early = sum(&[1, 70_000]);
        let late: Vec<u64> = (1..=1000).map(|us| us * 1000).chain([1, 70_000]).collect();
        let counts = Counts::between(&early, &sum(&late));
        let histogram = counts.histogram();
        assert_eq!((counts.total(), histogram.len()), (1000, 1000));
        for quantile in [0.0, 0.5, 0.99, 0.999, 1.0] {
            assert_eq!(counts.quantile_ns(quantile), histogram.value_at_quantile(quantile), "{quantile}");
        }
        assert_eq!(counts.max_ns(), histogram.max());
    }

    #[test]
    fn absorbing_adds_bucket_by_bucket() {
        let none = sum(&[]);
        let mut counts = Counts::between(&none, &sum(&[1, 5, 9_000]));
        counts.absorb(&Counts::between(&none, &sum(&[5, 7, 1_000_000])));
        assert_eq!(counts, Counts::between(&none, &sum(&[1, 5, 5, 7, 9_000, 1_000_000])));
        let mut empty = Counts::default();
        empty.absorb(&counts);
        assert_eq!(empty, counts);
        assert_eq!((Counts::default().quantile_ns(0.5), Counts::default().max_ns()), (0, 0));
    }
}
