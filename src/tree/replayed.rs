//! Entries of the log on their way to L2, collected in the order of the log and sorted at once: no
//! reader comes between, so no memtable is needed.

use crate::base::key::{Tag, key_head};
use crate::base::prefetch::prefetch;

/// An entry is asked for so many entries before its turn: in the order of the keys each is somewhere else.
const PREFETCHED_ENTRIES: usize = 8;

/// Where an entry lies in the bytes, and what it is sorted by.
struct Entry {
    /// The key's next eight bytes behind what all keys begin with: most comparisons end here.
    head: u64,
    start: usize,
    key_len: u32,
    value_len: u32,
    tag: Tag,
}

/// Entries, kept as keys and values one behind the other.
#[derive(Default)]
pub(crate) struct Replayed {
    bytes: Vec<u8>,
    entries: Vec<Entry>,
    /// Bytes that all keys begin with.
    common_len: usize,
}

impl Replayed {
    /// Adds an entry. Lengths are within the limits.
    pub(crate) fn add(&mut self, key: &[u8], tag: Tag, value: &[u8]) {
        self.common_len = match self.entries.first() {
            None => key.len(),
            Some(first) => {
                let pairs = self.key(first)[..self.common_len].iter().zip(key);
                pairs.take_while(|(a, b)| a == b).count()
            }
        };
        let len = |part: &[u8]| u32::try_from(part.len()).expect("keys and values are below 4 GiB");
        let (key_len, value_len) = (len(key), len(value));
        self.entries.push(Entry { head: 0, start: self.bytes.len(), key_len, value_len, tag });
        self.bytes.extend_from_slice(key);
        self.bytes.extend_from_slice(value);
    }

    /// Number of entries.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Bytes of all keys and values.
    pub(crate) fn payload_bytes(&self) -> usize {
        self.bytes.len()
    }

    fn key(&self, entry: &Entry) -> &[u8] {
        &self.bytes[entry.start..entry.start + entry.key_len as usize]
    }

    /// Brings the entries in the order of a table: by key, newest first.
    pub(crate) fn sort(&mut self) {
        let mut entries = std::mem::take(&mut self.entries);
        for entry in &mut entries {
            entry.head = key_head(&self.key(entry)[self.common_len..]);
        }
        entries.sort_unstable_by(|a, b| {
            let by_key = a.head.cmp(&b.head).then_with(|| self.key(a).cmp(self.key(b)));
            by_key.then_with(|| b.tag.seqno().cmp(&a.tag.seqno()))
        });
        self.entries = entries;
    }

    /// The entries in their present order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&[u8], Tag, &[u8])> {
        self.entries.iter().enumerate().map(|(place, entry)| {
            if let Some(ahead) = self.entries.get(place + PREFETCHED_ENTRIES) {
                self.bytes.get(ahead.start).into_iter().for_each(prefetch);
            }
            let value = entry.start + entry.key_len as usize;
            (self.key(entry), entry.tag, &self.bytes[value..value + entry.value_len as usize])
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::key::{Kind, SeqNo, compare};

    const KEYS: [&[u8]; 9] = [
        b"user",
        b"user\0",
        b"user1",
        b"user10",
        b"user1000000000",
        b"user1000000001",
        b"user2",
        b"us",
        b"v",
    ];

    #[test]
    fn entries_come_in_the_order_of_a_table_with_what_they_hold() {
        let mut random = 1_u64;
        for count in [0_u64, 1, 2, 5, 100, 3000] {
            // All beginning with "user", then with less, then with nothing in common.
            for shown in [7, 8, 9] {
                let (mut replayed, mut expected) = (Replayed::default(), Vec::new());
                for seqno in 1..=count {
                    random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    let key = KEYS[(random >> 33) as usize % shown];
                    let kind = if seqno % 5 == 0 { Kind::Delete } else { Kind::Put };
                    let value = if kind == Kind::Put { seqno.to_le_bytes().to_vec() } else { Vec::new() };
                    replayed.add(key, Tag::new(SeqNo(seqno), kind), &value);
                    expected.push((key.to_vec(), Tag::new(SeqNo(seqno), kind), value));
                }
                replayed.sort();
                expected.sort_by(|a, b| compare(&a.0, a.1.seqno(), &b.0, b.1.seqno()));
                let found: Vec<_> =
                    replayed.iter().map(|(key, tag, value)| (key.to_vec(), tag, value.to_vec())).collect();
                assert!(found == expected, "{count} entries of {shown} keys");
                assert_eq!(replayed.len(), expected.len());
            }
        }
    }
}
