//! Chooses the record of a request, as YCSB's core workload does.
//!
//! Uniform, hotspot and sequential requests and those of the extensions stay within the loaded
//! records. Zipfian, latest and exponential ones may reach records inserted meanwhile by operations
//! with smaller indices. So what a request asks for is a function of seed, phase and index, with one
//! exception: a request for a record whose insert another thread has not finished is drawn again.

use crate::generator::{
    AcknowledgedCounter, Exponential, Hotspot, KeyRanges, Latest, OpRandom, Scatter, ScrambledZipfian,
    Uniform, Zipf,
};

use super::{RequestDistribution, Workload};

#[derive(Debug, Clone)]
enum Distribution {
    Uniform(Uniform),
    Zipfian(ScrambledZipfian),
    Latest(Latest),
    Hotspot(Hotspot),
    Sequential { start: u64, count: u64 },
    Exponential(Exponential),
    Zipf { ranks: Zipf, places: Scatter, start: u64 },
    KeyRanges(KeyRanges),
}

#[derive(Debug, Clone)]
pub struct KeyChooser<'a> {
    distribution: Distribution,
    inserts: &'a AcknowledgedCounter,
}

impl<'a> KeyChooser<'a> {
    /// A chooser over the loaded records and what `inserts` has finished.
    pub fn new(workload: &Workload, inserts: &'a AcknowledgedCounter) -> KeyChooser<'a> {
        let (start, count) = (workload.insert_start, workload.insert_count);
        let distribution = match workload.request {
            RequestDistribution::Uniform => Distribution::Uniform(Uniform::new(start, start + count - 1)),
            RequestDistribution::Zipfian => {
                // One more, as in YCSB.
                let count = count + workload.expected_inserts() + 1;
                Distribution::Zipfian(ScrambledZipfian::new(start, count))
            }
            RequestDistribution::Latest => Distribution::Latest(Latest::new(workload.record_count)),
            RequestDistribution::Sequential => Distribution::Sequential { start, count },
            RequestDistribution::Hotspot { data_fraction, operation_fraction } => {
                Distribution::Hotspot(Hotspot::new(start, count, data_fraction, operation_fraction))
            }
            RequestDistribution::Exponential { percentile, fraction } => {
                let range = workload.record_count as f64 * fraction;
                Distribution::Exponential(Exponential::new(percentile, range))
            }
            RequestDistribution::Zipf { theta } => {
                Distribution::Zipf { ranks: Zipf::new(count, theta), places: Scatter::new(count), start }
            }
            RequestDistribution::KeyRanges(shape) => {
                Distribution::KeyRanges(KeyRanges::new(start, count, shape))
            }
        };
        KeyChooser { distribution, inserts }
    }

    /// The same for several operations, each with its index, its random numbers and the place for the
    /// record number; none of them has an insert before it that others have not.
    pub fn choose_each<'r>(
        &mut self,
        limit: u64,
        operations: impl Iterator<Item = (u64, &'r mut OpRandom, &'r mut u64)>,
    ) {
        // What most runs ask for is decided once, not for each.
        if let Distribution::Zipfian(records) = &self.distribution {
            let limit = limit.min(self.inserts.finished());
            for (_, random, number) in operations {
                *number = records.next(random);
                while *number >= limit {
                    *number = records.next(random);
                }
            }
            return;
        }
        for (index, random, number) in operations {
            *number = self.choose(index, limit, random);
        }
    }

    /// The record number for the operation with this index, before which the inserts up to `limit`
    /// began.
    pub fn choose(&mut self, index: u64, limit: u64, random: &mut OpRandom) -> u64 {
        match &mut self.distribution {
            Distribution::Uniform(records) => records.next(random),
            Distribution::Hotspot(records) => records.next(random),
            Distribution::Zipf { ranks, places, start } => *start + places.place(ranks.next(random)),
            Distribution::KeyRanges(records) => records.next(random),
            Distribution::Sequential { start, count } => *start + index % *count,
            Distribution::Latest(records) => loop {
                let number = records.next(limit, random);
                if is_readable(self.inserts, number) {
                    return number;
                }
            },
            Distribution::Zipfian(records) => loop {
                let number = records.next(random);
                if number < limit && is_readable(self.inserts, number) {
                    return number;
                }
            },
            Distribution::Exponential(ages) => loop {
                let number = (limit - 1).checked_sub(ages.next(random));
                if let Some(number) = number.filter(|number| is_readable(self.inserts, *number)) {
                    return number;
                }
            },
        }
    }
}

/// Whether the insert of a record is finished, so that it may be asked for.
fn is_readable(inserts: &AcknowledgedCounter, number: u64) -> bool {
    number < inserts.finished()
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::generator::Stream;
    use crate::properties::{Properties, choices};

    fn workload(request: &str) -> Workload {
        let text = format!(
            "recordcount=100\noperationcount=1000\ninsertproportion=0.5\n\
             requestdistribution={request}"
        );
        Workload::from_properties(&Properties::of(&text)).unwrap()
    }

    #[test]
    fn no_distribution_leaves_the_finished_records() {
        let stream = Stream::new(1, "chooser");
        for request in choices("requestdistribution") {
            let workload = workload(request);
            let inserts = AcknowledgedCounter::new(100);
            let mut chooser = KeyChooser::new(&workload, &inserts);
            let mut newest_seen = 0;
            for index in 0..5_000 {
                if index == 2_500 {
                    (0..20).for_each(|_| inserts.acknowledge(inserts.finished()));
                }
                let number = chooser.choose(index, inserts.finished(), &mut stream.operation(index));
                assert!(number < inserts.finished(), "{request}: {number}");
                newest_seen = newest_seen.max(number);
            }
            let reaches_inserts = ["zipfian", "latest", "exponential"].contains(request);
            assert_eq!(newest_seen >= 100, reaches_inserts, "{request}: {newest_seen}");
        }
    }

    /// Found: a run bounded by time had a count of operations that was never reached, and left room for a hundred thousand
    /// times the records that there were. Nearly all draws were for nothing, and if the most popular item happened to be one of
    /// those that were there, all requests were for that.
    #[test]
    fn how_popular_records_are_does_not_hang_on_a_count_that_is_not_reached() {
        let stream = Stream::new(3, "chooser");
        for (operations, duration_s, expected) in
            [(u64::MAX, 20.0, 1_000), (600, 20.0, 400), (600, 0.0, 400), (60_000, 0.0, 40_000), (0, 20.0, 0)]
        {
            let mut workload = workload("zipfian");
            (workload.insert_count, workload.operation_count) = (64_000, operations);
            workload.duration_s = duration_s;
            assert_eq!(workload.expected_inserts(), expected, "{operations} operations, {duration_s} s");
            if expected > 1_000 {
                continue;
            }
            let inserts = AcknowledgedCounter::new(64_000);
            let mut chooser = KeyChooser::new(&workload, &inserts);
            let mut counts = HashMap::new();
            for index in 0..20_000 {
                let number = chooser.choose(index, 64_000, &mut stream.operation(index));
                *counts.entry(number).or_insert(0) += 1;
            }
            // One in 26.5 for the most popular, a few more or less of those that there are, and many others.
            let most = counts.values().max().copied().unwrap_or(0);
            assert!((600..900).contains(&most) && counts.len() > 8_000, "{most} of {}", counts.len());
        }
    }

    #[test]
    fn sequential_requests_visit_each_record_in_turn() {
        let workload = workload("sequential");
        let inserts = AcknowledgedCounter::new(100);
        let mut chooser = KeyChooser::new(&workload, &inserts);
        let mut random = Stream::new(1, "chooser").operation(0);
        let visited: Vec<u64> = (95..105).map(|i| chooser.choose(i, 100, &mut random)).collect();
        assert_eq!(visited, [95, 96, 97, 98, 99, 0, 1, 2, 3, 4]);
    }
}
