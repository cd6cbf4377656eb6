//! A memtable: an ordered map of entries in memory, readable without locks while it is written.
//!
//! Backed by `crossbeam-skiplist`. Writers insert under the commit lock of the write path, one at
//! a time; readers come at any time from any thread. From its creation a memtable knows where in
//! the WAL its first record stands; nothing is ever removed from it.

mod estimate;
mod record;

use std::collections::Bound;
use std::sync::OnceLock;

use crossbeam_skiplist::SkipMap;

use crate::base::direction::Direction;
use crate::base::ids::MemtableId;
use crate::base::key::{SeqNo, Tag};
use crate::base::lsn::Lsn;
use crate::base::sync::atomic::{AtomicU64, Ordering};

use record::{Position, Probe, Record};

/// What an entry costs beside its key and value: the skip list's node with an average tower, the
/// record and the allocator's headers.
const ENTRY_OVERHEAD_BYTES: u64 = 96;

/// What so many entries with so many bytes of keys and values count for in a memtable.
pub(crate) fn memtable_bytes(entries: usize, payload_bytes: usize) -> u64 {
    payload_bytes as u64 + entries as u64 * ENTRY_OVERHEAD_BYTES
}

/// Entries of a contiguous range of the log, in key order.
pub(crate) struct Memtable {
    entries: SkipMap<Record, ()>,
    bytes: AtomicU64,
    /// LSN of the first record that may have entries here.
    wal_start: Lsn,
    /// Seqno of the newest write before those here.
    seqno_before: SeqNo,
    id: MemtableId,
    /// Smallest and largest key, known once nothing more is inserted.
    key_range: OnceLock<(Vec<u8>, Vec<u8>)>,
}

impl Memtable {
    /// An empty memtable whose records begin at `wal_start` in the log, after `seqno_before`.
    pub(crate) fn new(id: MemtableId, wal_start: Lsn, seqno_before: SeqNo) -> Self {
        let (entries, bytes, key_range) = (SkipMap::new(), AtomicU64::new(0), OnceLock::new());
        Self { entries, bytes, wal_start, seqno_before, id, key_range }
    }

    /// Seqno of the newest write before those here.
    pub(crate) fn seqno_before(&self) -> SeqNo {
        self.seqno_before
    }

    /// Notes the key range. Nothing may be inserted any more.
    pub(crate) fn freeze(&self) {
        if let (Some(min), Some(max)) = (self.entries.front(), self.entries.back()) {
            self.key_range.get_or_init(|| (min.key().key().to_vec(), max.key().key().to_vec()));
        }
    }

    /// Whether `key` lies within the key range, as far as that is known.
    pub(crate) fn may_hold(&self, key: &[u8]) -> bool {
        self.key_range.get().is_none_or(|(min, max)| min.as_slice() <= key && key <= max.as_slice())
    }

    /// LSN of the first record that may have entries here.
    pub(crate) fn wal_start(&self) -> Lsn {
        self.wal_start
    }

    /// Its number, in order of creation.
    pub(crate) fn id(&self) -> MemtableId {
        self.id
    }

    /// Memory used, in bytes.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Whether nothing was inserted.
    pub(crate) fn is_empty(&self) -> bool {
        self.bytes() == 0
    }

    /// Adds an entry. Each `(key, seqno)` is inserted once.
    pub(crate) fn insert(&self, key: &[u8], tag: Tag, value: &[u8]) {
        let size = memtable_bytes(1, key.len() + value.len());
        self.entries.insert(Record::new(key, tag, value), ());
        self.bytes.fetch_add(size, Ordering::Relaxed);
    }

    /// The newest version of `key` at `seqno`, handed to `found`.
    pub(crate) fn get<R>(&self, key: &[u8], seqno: SeqNo, found: impl FnOnce(Tag, &[u8]) -> R) -> Option<R> {
        let probe = Probe { key, seqno };
        let entry = self.entries.lower_bound(Bound::Included(&probe as &dyn Position))?;
        let record = entry.key();
        (record.key() == key).then(|| found(record.tag(), record.value()))
    }

    /// The records, to be freed one by one: freeing a large memtable at once would take long.
    pub(crate) fn into_records(self) -> impl Iterator {
        self.entries.into_iter()
    }

    /// Calls `each` for up to `count` entries that lie behind `(key, seqno)` in the direction, in its order,
    /// or from where it begins if `None`; for long walks that must not hold on to the table. Returns how
    /// many there were.
    pub(crate) fn walk(
        &self,
        direction: Direction,
        behind: Option<(&[u8], SeqNo)>,
        count: usize,
        mut each: impl FnMut(&[u8], Tag, &[u8]),
    ) -> usize {
        let probe = behind.map(|(key, seqno)| Probe { key, seqno });
        let bound = probe.as_ref().map(|probe| Bound::Excluded(probe as &dyn Position));
        let mut entry = match (direction, bound) {
            (Direction::Forward, None) => self.entries.front(),
            (Direction::Forward, Some(bound)) => self.entries.lower_bound(bound),
            (Direction::Backward, None) => self.entries.back(),
            (Direction::Backward, Some(bound)) => self.entries.upper_bound(bound),
        };
        let mut walked = 0;
        while let Some(current) = entry {
            let record = current.key();
            each(record.key(), record.tag(), record.value());
            walked += 1;
            if walked == count {
                break;
            }
            entry = match direction {
                Direction::Forward => current.next(),
                Direction::Backward => current.prev(),
            };
        }
        walked
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::key::Kind;

    fn get(memtable: &Memtable, key: &[u8], seqno: SeqNo) -> Option<(Kind, Vec<u8>)> {
        memtable.get(key, seqno, |tag, value| (tag.kind(), value.to_vec()))
    }

    #[test]
    fn a_reader_sees_the_newest_version_at_its_seqno() {
        let memtable = Memtable::new(MemtableId::FIRST, Lsn(0), SeqNo::ZERO);
        memtable.insert(b"k", Tag::new(SeqNo(3), Kind::Put), b"three");
        memtable.insert(b"k", Tag::new(SeqNo(7), Kind::Delete), b"");
        memtable.insert(b"k", Tag::new(SeqNo(9), Kind::Put), b"nine");
        memtable.insert(b"j", Tag::new(SeqNo(4), Kind::Put), b"");
        assert_eq!(get(&memtable, b"k", SeqNo(2)), None);
        assert_eq!(get(&memtable, b"k", SeqNo(3)), Some((Kind::Put, b"three".to_vec())));
        assert_eq!(get(&memtable, b"k", SeqNo(8)), Some((Kind::Delete, vec![])));
        assert_eq!(get(&memtable, b"k", SeqNo::MAX), Some((Kind::Put, b"nine".to_vec())));
        assert_eq!(get(&memtable, b"", SeqNo::MAX), None);
        assert_eq!(get(&memtable, b"z", SeqNo::MAX), None);
        assert!(memtable.may_hold(b"z"));
        memtable.freeze();
        assert!(memtable.may_hold(b"j") && memtable.may_hold(b"k"));
        assert!(!memtable.may_hold(b"i") && !memtable.may_hold(b"l"));
    }

    #[test]
    fn walks_in_steps_visit_everything_once_in_both_directions() {
        let memtable = Memtable::new(MemtableId::FIRST, Lsn(0), SeqNo::ZERO);
        for seqno in 1..=100_u64 {
            let key = [(seqno * 37 % 20) as u8];
            memtable.insert(&key, Tag::new(SeqNo(seqno), Kind::Put), &seqno.to_le_bytes());
        }
        let walk_all = |direction: Direction| {
            let mut seen: Vec<(Vec<u8>, SeqNo)> = Vec::new();
            loop {
                let last = seen.last().cloned();
                let behind = last.as_ref().map(|(key, seqno)| (key.as_slice(), *seqno));
                let each = |key: &[u8], tag: Tag, _: &[u8]| seen.push((key.to_vec(), tag.seqno()));
                if memtable.walk(direction, behind, 7, each) == 0 {
                    return seen;
                }
            }
        };
        let forward = walk_all(Direction::Forward);
        let mut backward = walk_all(Direction::Backward);
        assert_eq!(forward.len(), 100);
        assert!(forward.is_sorted_by(|a, b| crate::base::key::compare(&a.0, a.1, &b.0, b.1).is_lt()));
        backward.reverse();
        assert_eq!(forward, backward);
    }
}
