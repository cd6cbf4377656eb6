//! A part of a trace: the keys that a hash selects, each with its whole history.

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::error::TraceError;
use super::step::{Action, Source, Step};

/// Any fixed number does: it only has to differ from the seeds of other hashes of keys.
const SEED: u64 = 0x7472_6163_6573_616D;

/// Leaves out the operations on keys that are not selected. Of a multi-read or batch the selected keys
/// stay; a scan stays if the key it begins at does.
pub struct Sampled {
    from: Box<dyn Source>,
    below: u64,
}

impl Sampled {
    /// Keeps this share of the keys, from 0 to 1.
    pub fn new(from: Box<dyn Source>, share: f64) -> Sampled {
        // A float of 2^64 becomes the largest number, so that a share of one leaves out a single hash.
        Sampled { from, below: (share * u64::MAX as f64) as u64 }
    }

    fn keeps(&self, key: &[u8]) -> bool {
        xxh3_64_with_seed(key, SEED) < self.below
    }

    /// Takes out what is not selected; false if nothing is left.
    fn reduce(&self, action: &mut Action) -> bool {
        match action {
            Action::Read { key, .. } | Action::Delete { key } => self.keeps(key),
            Action::Insert(record) | Action::Update(record) | Action::ReadModifyWrite(record) => {
                self.keeps(&record.key)
            }
            Action::Scan { start, .. } | Action::ReverseScan { start, .. } => self.keeps(start),
            Action::MultiRead { keys } => {
                keys.retain(|key| self.keeps(key));
                !keys.is_empty()
            }
            Action::Batch { records } => {
                records.retain(|record| self.keeps(&record.key));
                !records.is_empty()
            }
        }
    }
}

impl Source for Sampled {
    fn next(&mut self) -> Result<Option<Step>, TraceError> {
        while let Some(mut step) = self.from.next()? {
            if self.reduce(&mut step.action) {
                return Ok(Some(step));
            }
        }
        Ok(None)
    }

    fn skipped(&self) -> Vec<(&'static str, u64)> {
        self.from.skipped()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::step::Record;

    struct List(std::vec::IntoIter<Step>);

    impl Source for List {
        fn next(&mut self) -> Result<Option<Step>, TraceError> {
            Ok(self.0.next())
        }
    }

    /// Ten thousand keys, each inserted, read and read together with its neighbour.
    fn sampled(share: f64) -> Vec<Action> {
        let key = |number: u64| format!("user{number}").into_bytes();
        let steps: Vec<Step> = (0..10_000)
            .flat_map(|number| {
                [
                    Action::Insert(Record::new(&key(number), 5)),
                    Action::Read { key: key(number), value_bytes: None },
                    Action::MultiRead { keys: vec![key(number), key(number + 1)] },
                ]
            })
            .map(|action| Step { time_ns: 0, action })
            .collect();
        let mut source = Sampled::new(Box::new(List(steps.into_iter())), share);
        std::iter::from_fn(|| source.next().unwrap()).map(|step| step.action).collect()
    }

    #[test]
    fn a_key_is_kept_with_its_whole_history_or_not_at_all() {
        let kept = sampled(0.1);
        let of = |wanted: fn(&Action) -> Option<&Vec<u8>>| -> Vec<Vec<u8>> {
            kept.iter().filter_map(wanted).cloned().collect()
        };
        let inserted = of(|action| match action {
            Action::Insert(record) => Some(&record.key),
            _ => None,
        });
        let read = of(|action| match action {
            Action::Read { key, .. } => Some(key),
            _ => None,
        });
        assert_eq!(inserted, read);
        // The standard deviation is 30 keys: four of them.
        assert!((880..=1_120).contains(&inserted.len()), "{}", inserted.len());
        let together = kept.iter().filter_map(|action| match action {
            Action::MultiRead { keys } => Some(keys),
            _ => None,
        });
        let mut together: Vec<_> = together.flatten().cloned().collect();
        assert!(together.len() > inserted.len());
        together.retain(|key| *key != b"user10000");
        assert!(together.iter().all(|key| inserted.contains(key)));
        assert_eq!(sampled(1.0).len(), 30_000);
    }
}
