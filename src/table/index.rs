//! The index of a table: which data block may hold a key, and where the block is.
//!
//! ```text
//! body    | greatest key length (varint) | greatest key | block count (varint) | entry 0 | entry 1 | ... |
//! entry   | shared (varint) | unshared (varint) | separator suffix | block length (varint) | deletes (varint) |
//! ```
//!
//! The separator of block 0 is the least key of the table. Any other is the shortest prefix of its
//! block's first key that is above the last key of the block before; `shared` is what it has in common
//! with the separator before. Block lengths include trailers; the blocks lie one behind the other from
//! offset 0, so their lengths are also their offsets. How many of a block's entries are deletes tells the
//! planner where in the table they are.
//!
//! In memory the common prefix of all keys is taken off (keys of one application often begin
//! alike), the next eight bytes form [sorted numbers](super::heads), and only where those are equal is
//! the rest compared: how many of the eight bytes there were, and what follows them. With tables below 4 GiB a
//! block takes 18 bytes, and what its separator has beyond the eight.

use std::ops::Range;

use super::block_builder::common_prefix_len;
use super::format::{Place, TRAILER_LEN};
use super::heads::Heads;
use super::positions::Positions;
use crate::base::codec::{Cursor, put_bytes, put_varint};
use crate::base::error::Result;
use crate::base::key::key_head;
use crate::base::limits::KEY_LEN_MAX;
use crate::io::Buffer;

/// Collects separators and lengths of the blocks, in file order.
#[derive(Default)]
pub(super) struct IndexBuilder {
    entries: Vec<u8>,
    block_count: u64,
    separator: Vec<u8>,
}

impl IndexBuilder {
    /// Adds the block of `block_len` bytes, of whose entries `deletes` are deletes.
    pub(super) fn add(&mut self, separator: &[u8], block_len: usize, deletes: u64) {
        assert!(self.block_count == 0 || *separator > *self.separator, "separators ascend");
        let shared = common_prefix_len(&self.separator, separator);
        put_varint(&mut self.entries, shared as u64);
        put_bytes(&mut self.entries, &separator[shared..]);
        put_varint(&mut self.entries, block_len as u64);
        put_varint(&mut self.entries, deletes);
        self.block_count += 1;
        self.separator.clear();
        self.separator.extend_from_slice(separator);
    }

    /// Length of the entries so far.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The body of the index block, with room for a trailer.
    pub(super) fn finish(self, key_max: &[u8]) -> Buffer {
        let mut head = Vec::with_capacity(key_max.len() + 32);
        put_bytes(&mut head, key_max);
        put_varint(&mut head, self.block_count);
        let mut body = Buffer::with_capacity(head.len() + self.entries.len() + TRAILER_LEN);
        body.extend_from_slice(&head);
        body.extend_from_slice(&self.entries);
        body
    }
}

/// Length that an entry has at least.
const ENTRY_LEN_MIN: usize = 4;

/// What all blocks of a table come to, as its footer says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sums {
    /// Bytes of the data blocks.
    pub(super) data_bytes: u64,
    /// Deletes in them.
    pub(super) deletes: u64,
}

/// The index in memory.
#[derive(Debug)]
pub(crate) struct Index {
    key_min: Vec<u8>,
    key_max: Vec<u8>,
    /// Length of the prefix of `key_min` that all keys of the table begin with, and so all separators.
    common_len: usize,
    /// Per block, the eight separator bytes after the common prefix, padded with zeros.
    heads: Heads,
    /// The [`Rest`] of each separator, one after the other.
    rests: Vec<u8>,
    /// Per block, where its rest ends.
    rest_ends: Positions,
    /// Per block its offset, and the end of the last one.
    offsets: Positions,
    /// Per block the number of deletes before it, and of all; nothing if there are none.
    deletes: Positions,
    largest_block_len: u64,
}

impl Index {
    /// Verifies the index block read at `place`, of a table whose blocks sum up to `sums`.
    pub(super) fn parse(place: Place<'_>, bytes: &[u8], sums: Sums) -> Result<Self> {
        let body = &bytes[..place.verify(bytes)?];
        match Self::decode(body) {
            Err(at) => Err(place.damage(
                "table index",
                "separators in order",
                format!("none at byte {at} of the block"),
            )),
            Ok(index) if index.data_bytes() != sums.data_bytes => {
                Err(place.damage("table index: sum of block lengths", sums.data_bytes, index.data_bytes()))
            }
            Ok(index) if index.deletes() != sums.deletes => {
                Err(place.damage("table index: sum of deletes", sums.deletes, index.deletes()))
            }
            Ok(index) => Ok(index),
        }
    }

    /// An error is the position that makes no sense.
    fn decode(body: &[u8]) -> std::result::Result<Self, usize> {
        let mut cursor = Cursor::new(body);
        let first = cursor.bytes().zip(cursor.varint_len());
        let (key_max, block_count) = first.ok_or(cursor.position())?;
        // No count from the file reserves more than its length.
        let capacity = block_count.min(cursor.remaining() / ENTRY_LEN_MIN);
        let mut index = Self {
            key_min: Vec::new(),
            key_max: key_max.to_vec(),
            common_len: 0,
            heads: Heads::default(),
            rests: Vec::new(),
            rest_ends: Positions::with_capacity(capacity),
            offsets: Positions::with_capacity(capacity + 1),
            deletes: Positions::default(),
            largest_block_len: 0,
        };
        let mut heads = Vec::with_capacity(capacity);
        index.read_entries(cursor, block_count, &mut heads)?;
        index.heads = Heads::new(&heads);
        index.rests.shrink_to_fit();
        if index.deletes() == 0 {
            index.deletes = Positions::default();
        }
        Ok(index)
    }

    /// Reads and checks all entries, and collects the heads of their separators.
    fn read_entries(
        &mut self,
        mut cursor: Cursor<'_>,
        block_count: usize,
        heads: &mut Vec<u64>,
    ) -> std::result::Result<(), usize> {
        let mut separator = Vec::new();
        self.offsets.push(0);
        self.deletes.push(0);
        for block_no in 0..block_count {
            let at = cursor.position();
            let entry = next_entry(&mut cursor, &mut separator, block_no == 0).ok_or(at)?;
            if block_no == 0 {
                self.key_min.clone_from(&separator);
                // All keys of the table lie between these two, and so do the separators.
                self.common_len = common_prefix_len(&self.key_min, &self.key_max);
            }
            // One that is shorter is none of them.
            let tail = separator.get(self.common_len..).ok_or(at)?;
            heads.push(key_head(tail));
            self.push(tail, &entry).ok_or(at)?;
        }
        let is_whole = block_count > 0 && cursor.remaining() == 0;
        let holds_max = separator <= self.key_max && self.key_max.len() <= KEY_LEN_MAX;
        if is_whole && holds_max { Ok(()) } else { Err(cursor.position()) }
    }

    fn push(&mut self, tail: &[u8], entry: &Entry) -> Option<()> {
        let Rest(in_head, beyond) = Rest::of(tail);
        self.rests.push(in_head);
        self.rests.extend_from_slice(beyond);
        self.rest_ends.push(self.rests.len() as u64);
        let end = self.data_bytes().checked_add(entry.block_len)?;
        self.offsets.push(end);
        self.largest_block_len = self.largest_block_len.max(entry.block_len);
        self.deletes.push(self.deletes().checked_add(entry.deletes)?);
        Some(())
    }

    fn data_bytes(&self) -> u64 {
        self.offsets.last().unwrap_or(0)
    }

    fn deletes(&self) -> u64 {
        self.deletes.last().unwrap_or(0)
    }

    /// Least user key of the table.
    pub(super) fn key_min(&self) -> &[u8] {
        &self.key_min
    }

    /// Greatest user key of the table.
    pub(super) fn key_max(&self) -> &[u8] {
        &self.key_max
    }

    /// Number of data blocks; at least one.
    pub(super) fn block_count(&self) -> usize {
        self.heads.len()
    }

    /// Where a block is in the file, trailer included.
    pub(super) fn block_range(&self, block_no: usize) -> Range<u64> {
        self.offsets.get(block_no)..self.offsets.get(block_no + 1)
    }

    /// Length of the largest block, trailer included.
    pub(super) fn largest_block_len(&self) -> u64 {
        self.largest_block_len
    }

    /// Memory in bytes.
    pub(super) fn memory_bytes(&self) -> usize {
        let positions = [&self.rest_ends, &self.offsets, &self.deletes];
        positions.map(Positions::memory_bytes).iter().sum::<usize>()
            + self.heads.memory_bytes()
            + self.rests.capacity()
            + self.key_min.capacity()
            + self.key_max.capacity()
    }

    /// The only block that may hold `key`; `None` if the key is below all of them. Calls `near` with the
    /// number of a block nearby as soon as it is known.
    #[inline]
    pub(super) fn find(&self, key: &[u8], near: impl FnOnce(usize)) -> Option<usize> {
        self.count_near(key, |separator, key| separator <= key, near).checked_sub(1)
    }

    /// Bytes of all blocks that may hold keys from `lo` on and below `hi` (no bound if `None`).
    pub(super) fn bytes_in_range(&self, lo: &[u8], hi: Option<&[u8]>) -> u64 {
        let blocks = self.blocks_in_range(lo, hi);
        self.offsets.get(blocks.end) - self.offsets.get(blocks.start)
    }

    /// Deletes in all blocks that may hold keys from `lo` on and below `hi` (no bound if `None`).
    pub(super) fn deletes_in_range(&self, lo: &[u8], hi: Option<&[u8]>) -> u64 {
        if self.deletes() == 0 {
            return 0;
        }
        let blocks = self.blocks_in_range(lo, hi);
        self.deletes.get(blocks.end) - self.deletes.get(blocks.start)
    }

    /// Whether the index alone tells that there is a key from `lo` on and below `hi` (no bound if
    /// `None`): the least one, the greatest one, or those of a block between two separators.
    pub(super) fn surely_holds(&self, lo: &[u8], hi: Option<&[u8]>) -> bool {
        let within = |key: &[u8]| lo <= key && hi.is_none_or(|hi| key < hi);
        if within(&self.key_min) || within(&self.key_max) {
            return true;
        }
        let before = self.count_while(lo, |separator, key| separator < key);
        let upto =
            hi.map_or(self.block_count(), |hi| self.count_while(hi, |separator, key| separator <= key));
        upto >= before + 2
    }

    fn blocks_in_range(&self, lo: &[u8], hi: Option<&[u8]>) -> Range<usize> {
        if *lo > *self.key_max {
            return 0..0;
        }
        let first = self.find(lo, |_| ()).unwrap_or(0);
        let end = hi.map_or(self.block_count(), |hi| self.count_while(hi, |separator, key| separator < key));
        first..end.max(first)
    }

    /// Number of separators for which `is_below(separator, key)`, where that is true for all lesser
    /// separators, false for all greater ones, and a matter of `is_below` for an equal one.
    fn count_while(&self, key: &[u8], is_below: impl Fn(Rest<'_>, Rest<'_>) -> bool) -> usize {
        self.count_near(key, is_below, |_| ())
    }

    /// As [`count_while`](Self::count_while); calls `near` with a place close to the result's.
    #[inline]
    fn count_near(
        &self,
        key: &[u8],
        is_below: impl Fn(Rest<'_>, Rest<'_>) -> bool,
        near: impl FnOnce(usize),
    ) -> usize {
        let common = &self.key_min[..self.common_len];
        let Some(tail) = key.strip_prefix(common) else {
            return if key < common { 0 } else { self.block_count() };
        };
        let wanted = key_head(tail);
        let ties_start = self.heads.count_below(wanted, near);
        if self.heads.get(ties_start) != Some(wanted) {
            return ties_start;
        }
        let ties_end = match wanted.checked_add(1) {
            Some(above) => self.heads.count_below(above, |_| ()),
            None => self.heads.len(),
        };
        let rest = Rest::of(tail);
        let (mut low, mut high) = (ties_start, ties_end);
        while low < high {
            let middle = low + (high - low) / 2;
            if is_below(self.rest(middle), rest) { low = middle + 1 } else { high = middle }
        }
        low
    }

    fn rest(&self, block_no: usize) -> Rest<'_> {
        let start = if block_no == 0 { 0 } else { self.rest_ends.get(block_no - 1) };
        let rest = &self.rests[start as usize..self.rest_ends.get(block_no) as usize];
        Rest(rest[0], &rest[1..])
    }
}

/// What decides between keys whose bytes after the common prefix have the same head: how many of these the head
/// holds, and those behind them. Zeros may be bytes of a key or mean that it has ended; the shorter one is the lesser.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Rest<'a>(u8, &'a [u8]);

impl<'a> Rest<'a> {
    fn of(tail: &'a [u8]) -> Self {
        let in_head = tail.len().min(size_of::<u64>());
        Self(in_head as u8, &tail[in_head..])
    }
}

/// What is said of one block, besides its separator.
struct Entry {
    block_len: u64,
    deletes: u64,
}

/// Reads what is said of the next block, and turns `separator` into its separator.
fn next_entry(cursor: &mut Cursor<'_>, separator: &mut Vec<u8>, is_first: bool) -> Option<Entry> {
    let shared = cursor.varint_len()?;
    let suffix = cursor.bytes()?;
    let (block_len, deletes) = (cursor.varint()?, cursor.varint()?);
    let replaced = separator.get(shared..)?;
    // The common prefix is exact, so the order is that of the first bytes after it.
    let ascends = match (replaced.first(), suffix.first()) {
        (None, None) => is_first,
        (None, Some(_)) => true,
        (Some(_), None) => false,
        (Some(old), Some(new)) => old < new,
    };
    separator.truncate(shared);
    separator.extend_from_slice(suffix);
    (ascends && separator.len() <= KEY_LEN_MAX && usize::try_from(block_len).is_ok())
        .then_some(Entry { block_len, deletes })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::base::ids::FileId;
    use crate::table::format;

    fn index(separators: &[&[u8]], key_max: &[u8]) -> Result<Index> {
        let mut builder = IndexBuilder::default();
        for (block_no, separator) in separators.iter().enumerate() {
            builder.add(separator, block_no + 1, block_no as u64);
        }
        let data_bytes = (1..=separators.len() as u64).sum();
        let deletes = (0..separators.len() as u64).sum();
        parse(builder.finish(key_max).to_vec(), data_bytes, deletes)
    }

    fn parse(mut body: Vec<u8>, data_bytes: u64, deletes: u64) -> Result<Index> {
        format::seal(&mut body, FileId(1), 2);
        Index::parse(
            Place { path: Path::new("t"), file_id: FileId(1), offset: 2 },
            &body,
            Sums { data_bytes, deletes },
        )
    }

    /// Compares every lookup around the separators with a plain search, where all keys begin alike and where not.
    fn check(separators: &[&[u8]]) {
        let last = separators.last().expect("there is a block");
        check_with(separators, &[last, &b"z"[..]].concat());
        check_with(separators, &[0xff; 40]);
    }

    fn check_with(separators: &[&[u8]], key_max: &[u8]) {
        let index = index(separators, key_max).expect("just built");
        assert_eq!(index.key_min(), separators[0]);
        let mut probes: Vec<Vec<u8>> = vec![vec![], vec![0], vec![0xff; 3], vec![0xff; 40]];
        for separator in separators {
            for end in 0..=separator.len() {
                for last in [&b""[..], b"\0", b"\x01", b"z", b"\xff"] {
                    probes.push([&separator[..end], last].concat());
                }
            }
        }
        for key in &probes {
            let expected = separators.iter().rposition(|separator| *separator <= &key[..]);
            assert_eq!(index.find(key, |_| ()), expected, "{}", key.escape_ascii());
            for hi in probes.iter().step_by(probes.len().div_ceil(20)) {
                // Above the greatest key there is no block.
                let below_hi = separators.iter().filter(|separator| **separator < &hi[..]).count();
                let end = if key[..] > *key_max { 0 } else { below_hi };
                let bytes = (expected.unwrap_or(0)..end).map(|block_no| block_no as u64 + 1).sum::<u64>();
                assert_eq!(index.bytes_in_range(key, Some(hi)), bytes);
                let deletes = (expected.unwrap_or(0)..end).map(|block_no| block_no as u64).sum::<u64>();
                assert_eq!(index.deletes_in_range(key, Some(hi)), deletes);
                let whole = separators.windows(2).any(|pair| &key[..] <= pair[0] && pair[1] <= &hi[..]);
                let ends = [separators[0], key_max].iter().any(|end| key[..] <= **end && **end < hi[..]);
                assert_eq!(index.surely_holds(key, Some(hi)), whole || ends, "{}", key.escape_ascii());
            }
        }
    }

    #[test]
    fn blocks_are_found_as_by_a_plain_search() {
        check(&[b""]);
        check(&[b"user1"]);
        check(&[b"", b"\0", b"\0\0", b"\0\0\0\0\0\0\0\0\0", b"\x01"]);
        check(&[b"user1", b"user12", b"user2", b"user200", b"user3"]);
        check(&[b"useraaaaaaaa1", b"useraaaaaaaa2", b"useraaaaaaaa3", b"useraaaaaaab", b"userb"]);
        check(&[b"a", b"b\xff\xff\xff\xff\xff\xff\xff\xff", b"b\xff\xff\xff\xff\xff\xff\xff\xff\xff", b"c"]);
        let many: Vec<Vec<u8>> = (0..100).map(|n| format!("key{:05}", n * 3).into_bytes()).collect();
        check(&many.iter().map(Vec::as_slice).collect::<Vec<_>>());
    }

    #[test]
    fn ranges_count_each_block_once() {
        let index = index(&[b"b", b"d", b"f"], b"g").expect("just built");
        assert_eq!(index.bytes_in_range(b"", None), 6);
        assert_eq!(index.bytes_in_range(b"e", None), 5);
        assert_eq!(index.bytes_in_range(b"h", None), 0);
        assert_eq!(index.bytes_in_range(b"", Some(b"b")), 0);
        assert_eq!(index.bytes_in_range(b"c", Some(b"d")), 1);
        assert_eq!(index.bytes_in_range(b"c", Some(b"d1")), 3);
        assert_eq!(index.bytes_in_range(b"f", Some(b"a")), 0);
    }

    #[test]
    fn an_index_that_contradicts_itself_is_damage() {
        assert!(index(&[b"b", b"d"], b"c").is_err(), "greatest key below the last block");
        let good = [1, b'x', 2, 0, 1, b'a', 5, 1, 0, 1, b'b', 6, 2];
        assert!(parse(good.to_vec(), 11, 3).is_ok());
        assert!(parse(good.to_vec(), 12, 3).is_err(), "other sum of lengths");
        assert!(parse(good.to_vec(), 11, 2).is_err(), "other sum of deletes");
        for len in 0..good.len() {
            assert!(parse(good[..len].to_vec(), 11, 3).is_err(), "cut at {len}");
        }
        for (at, value) in [(2, 1), (2, 3), (2, 0), (3, 1), (8, 2), (9, 0), (10, b'a'), (4, 0x7f), (0, 0x7f)]
        {
            let mut bad = good.to_vec();
            bad[at] = value;
            assert!(parse(bad, 11, 3).is_err(), "{at} = {value}");
        }
        let shorter_than_all_keys = b"\x03ab9\x02\0\x03ab1\x05\0\0\x01b\x06\0";
        assert!(parse(shorter_than_all_keys.to_vec(), 11, 0).is_err());
        let huge_count = [1, b'x', 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1];
        assert!(parse(huge_count.to_vec(), 11, 3).is_err());
        let overflowing =
            [&[1, b'x', 2, 0, 1, b'a'][..], &[0xff; 9], &[1, 0, 0, 1, b'b'], &[0xff; 9], &[1, 0]].concat();
        assert!(parse(overflowing, 11, 0).is_err());
        let many_deletes =
            [&[1, b'x', 2, 0, 1, b'a', 5][..], &[0xff; 9], &[1, 0, 1, b'b', 6], &[0xff; 9], &[1]].concat();
        assert!(parse(many_deletes, 11, 3).is_err());
    }
}
