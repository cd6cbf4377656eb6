//! What a database has to hold before a trace is replayed, so that its reads find something: every key
//! that the trace reads before it writes or removes it, once.

use std::collections::{HashSet, VecDeque};

use xxhash_rust::xxh3::xxh3_128;

use super::error::TraceError;
use super::step::{Action, Record, Source, Step};

/// Makes inserts out of the first reads of a trace. It remembers each key by 16 bytes of its hash: two
/// of a billion keys are taken for one with a probability of 10^-21.
pub struct Prefill {
    from: Box<dyn Source>,
    value_bytes: u64,
    known: HashSet<u128>,
    ready: VecDeque<Step>,
}

impl Prefill {
    /// `value_bytes` is the length of values of which the trace states none.
    pub fn new(from: Box<dyn Source>, value_bytes: u64) -> Prefill {
        Prefill { from, value_bytes, known: HashSet::new(), ready: VecDeque::new() }
    }

    fn read(&mut self, key: Vec<u8>, value_bytes: Option<u64>) {
        if self.known.insert(xxh3_128(&key)) {
            let record = Record { key, value_bytes: value_bytes.unwrap_or(self.value_bytes) };
            self.ready.push_back(Step { time_ns: 0, action: Action::Insert(record) });
        }
    }

    fn look_at(&mut self, action: Action) {
        match action {
            Action::Read { key, value_bytes } => self.read(key, value_bytes),
            Action::ReadModifyWrite(record) => self.read(record.key, Some(record.value_bytes)),
            Action::MultiRead { keys } => keys.into_iter().for_each(|key| self.read(key, None)),
            Action::Insert(record) | Action::Update(record) => {
                self.known.insert(xxh3_128(&record.key));
            }
            Action::Delete { key } => {
                self.known.insert(xxh3_128(&key));
            }
            Action::Batch { records } => {
                self.known.extend(records.iter().map(|record| xxh3_128(&record.key)));
            }
            // It reads whatever is there, and names no key that has to be.
            Action::Scan { .. } | Action::ReverseScan { .. } => {}
        }
    }
}

impl Source for Prefill {
    fn next(&mut self) -> Result<Option<Step>, TraceError> {
        while self.ready.is_empty() {
            match self.from.next()? {
                Some(step) => self.look_at(step.action),
                None => return Ok(None),
            }
        }
        Ok(self.ready.pop_front())
    }

    fn skipped(&self) -> Vec<(&'static str, u64)> {
        self.from.skipped()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::twitter::Twitter;
    use std::path::Path;

    #[test]
    fn keys_that_are_read_first_are_written_once() {
        let text = "0,a,1,7,1,get,0\n0,a,1,8,1,get,0\n0,b,1,5,1,set,0\n0,b,1,5,1,get,0\n\
                    0,c,1,0,1,get,0\n0,d,1,4,1,incr,0\n0,e,1,0,1,delete,0\n0,e,1,0,1,get,0\n";
        let twitter = Twitter::new(Path::new("x"), text.as_bytes());
        let mut prefill = Prefill::new(Box::new(twitter), 1018);
        let found: Vec<Action> =
            std::iter::from_fn(|| prefill.next().unwrap()).map(|step| step.action).collect();
        let insert = |key: &[u8], value_bytes| Action::Insert(Record::new(key, value_bytes));
        assert_eq!(found, [insert(b"a", 7), insert(b"c", 1018), insert(b"d", 4)]);
    }
}
