//! `crossbeam-skiplist`, a node and a boxed record for each version.

use std::borrow::Borrow;
use std::cmp::{Ordering, Reverse};
use std::ops::Bound;

use crossbeam_skiplist::SkipMap;

use super::Candidate;

/// Key and value in one allocation.
pub struct Record {
    bytes: Box<[u8]>,
    key_len: u32,
    seqno: u64,
}

impl Record {
    fn key(&self) -> &[u8] {
        &self.bytes[..self.key_len as usize]
    }

    fn value(&self) -> &[u8] {
        &self.bytes[self.key_len as usize..]
    }
}

/// A place among versions: by key, newest first. Lets the map be searched by a borrowed key.
trait Position {
    fn position(&self) -> (&[u8], Reverse<u64>);
}

impl Position for Record {
    fn position(&self) -> (&[u8], Reverse<u64>) {
        (self.key(), Reverse(self.seqno))
    }
}

impl Position for &[u8] {
    fn position(&self) -> (&[u8], Reverse<u64>) {
        (self, Reverse(u64::MAX))
    }
}

impl<'a> Borrow<dyn Position + 'a> for Record {
    fn borrow(&self) -> &(dyn Position + 'a) {
        self
    }
}

impl Ord for dyn Position + '_ {
    fn cmp(&self, other: &Self) -> Ordering {
        self.position().cmp(&other.position())
    }
}

impl PartialOrd for dyn Position + '_ {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for dyn Position + '_ {
    fn eq(&self, other: &Self) -> bool {
        self.position() == other.position()
    }
}

impl Eq for dyn Position + '_ {}

impl Ord for Record {
    fn cmp(&self, other: &Self) -> Ordering {
        self.position().cmp(&other.position())
    }
}

impl PartialOrd for Record {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Record {
    fn eq(&self, other: &Self) -> bool {
        self.position() == other.position()
    }
}

impl Eq for Record {}

impl Candidate for SkipMap<Record, ()> {
    const NAME: &str = "crossbeam-skiplist";

    fn new(_size_bytes: u64) -> Self {
        SkipMap::new()
    }

    fn insert(&self, key: &[u8], seqno: u64, value: &[u8]) {
        let bytes = [key, value].concat().into_boxed_slice();
        SkipMap::insert(self, Record { bytes, key_len: key.len() as u32, seqno }, ());
    }

    fn get(&self, key: &[u8], found: impl FnOnce(&[u8])) -> bool {
        let entry = self.lower_bound(Bound::Included(&key as &dyn Position));
        let entry = entry.filter(|entry| entry.key().key() == key);
        entry.map(|entry| found(entry.key().value())).is_some()
    }

    fn scan(&self, from: &[u8], count: usize, mut each: impl FnMut(&[u8], &[u8])) -> usize {
        let (mut seen, mut last) = (0, None::<crossbeam_skiplist::map::Entry<'_, Record, ()>>);
        let mut entry = self.lower_bound(Bound::Included(&from as &dyn Position));
        while let Some(current) = entry.filter(|_| seen < count) {
            if last.as_ref().is_none_or(|last| last.key().key() != current.key().key()) {
                each(current.key().key(), current.key().value());
                seen += 1;
                last = Some(current.clone());
            }
            entry = current.next();
        }
        seen
    }
}
