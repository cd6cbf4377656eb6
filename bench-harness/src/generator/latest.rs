//! YCSB's "latest": Zipfian by age, so that the newest record is asked for most.

use super::{OpRandom, Zipfian};

/// Draws a record number below the number of records that exist, the newest most often.
///
/// Each thread has its own copy, which follows the growth of the data set.
#[derive(Debug, Clone)]
pub struct Latest {
    ages: Zipfian,
}

impl Latest {
    /// For a data set of `records`, at least one.
    pub fn new(records: u64) -> Latest {
        Latest { ages: Zipfian::new(records) }
    }

    /// The next record number, below `records`.
    pub fn next(&mut self, records: u64, random: &mut OpRandom) -> u64 {
        if records > self.ages.items() {
            self.ages.grow(records);
        }
        records.saturating_sub(1 + self.ages.next(random))
    }
}

#[cfg(test)]
mod tests {
    use super::super::zipfian::zeta;
    use super::*;
    use crate::generator::Stream;

    #[test]
    fn the_newest_record_is_the_most_frequent_also_after_growth() {
        let mut latest = Latest::new(1_000);
        let stream = Stream::new(2, "latest");
        for records in [1_000, 2_000] {
            let draws = 100_000;
            let newest = (0..draws)
                .filter(|i| latest.next(records, &mut stream.operation(*i)) == records - 1)
                .count() as f64;
            let expected = 1.0 / zeta(records);
            assert!((newest / draws as f64 / expected - 1.0).abs() < 0.04);
        }
    }
}
