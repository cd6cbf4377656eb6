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
//! block takes 18 bytes, and what its separator has beyond the eight. Where memory is short it takes four: then only every
//! so many blocks the separator is kept, and those between are read [in parts](super::index_part) when they are needed.

use std::ops::Range;

use super::block_builder::common_prefix_len;
use super::format::{Place, TRAILER_LEN};
use super::heads::Heads;
use super::index_part::{PartStarts, Parts};
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

/// Memory that a separator takes at least, with where its block is.
const SEPARATOR_BYTES_MIN: usize = size_of::<u64>() + 1 + 2 * size_of::<u32>();

/// What all blocks of a table come to, as its footer says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sums {
    /// Bytes of the data blocks.
    pub(super) data_bytes: u64,
    /// Deletes in them.
    pub(super) deletes: u64,
}

/// How much of an index is in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// All of it.
    Whole,
    /// The separator of the first block of each part, and where all blocks are.
    Parts,
}

/// The index in memory.
#[derive(Debug)]
pub(crate) struct Index {
    key_min: Vec<u8>,
    key_max: Vec<u8>,
    /// Length of the prefix of `key_min` that all keys of the table begin with, and so all separators.
    common_len: usize,
    /// Per separator kept, the eight bytes after the common prefix, padded with zeros.
    heads: Heads,
    /// The [`Rest`] of each separator kept, one after the other.
    rests: Vec<u8>,
    /// Per separator kept, where its rest ends.
    rest_ends: Positions,
    /// Per block its offset, and the end of the last one.
    offsets: Positions,
    /// Per separator kept the number of deletes before its block, and of all; nothing if there are none.
    deletes: Positions,
    largest_block_len: u64,
    /// Where the separators are that are not kept; none if all are.
    parts: Option<Parts>,
}

impl Index {
    /// Verifies the index block read at `place`, of a table whose blocks sum up to `sums`. `has_room` says whether there is
    /// room for an index of a number of blocks and bytes of memory as a whole.
    pub(super) fn parse(
        place: Place<'_>,
        bytes: &[u8],
        sums: Sums,
        has_room: impl Fn(usize, usize) -> bool,
    ) -> Result<Self> {
        let body = &bytes[..place.verify(bytes)?];
        match Self::decode_what_has_room(body, has_room) {
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
    fn decode_what_has_room(
        body: &[u8],
        has_room: impl Fn(usize, usize) -> bool,
    ) -> std::result::Result<Self, usize> {
        let mut cursor = Cursor::new(body);
        let count = cursor.bytes().and_then(|_key_max| cursor.varint_len()).unwrap_or(0);
        // No count from the file is taken for more than its length allows.
        let count = count.min(cursor.remaining() / ENTRY_LEN_MIN);
        // How long separators are is known when they have been read; mostly it is clear before.
        if !has_room(count, count * SEPARATOR_BYTES_MIN) {
            return Self::decode(body, Extent::Parts);
        }
        let whole = Self::decode(body, Extent::Whole)?;
        let fits = has_room(whole.block_count(), whole.memory_bytes());
        if fits { Ok(whole) } else { Self::decode(body, Extent::Parts) }
    }

    /// An error is the position that makes no sense.
    fn decode(body: &[u8], extent: Extent) -> std::result::Result<Self, usize> {
        let mut cursor = Cursor::new(body);
        let first = cursor.bytes().zip(cursor.varint_len());
        let (key_max, block_count) = first.ok_or(cursor.position())?;
        // No count from the file reserves more than its length.
        let capacity = block_count.min(cursor.remaining() / ENTRY_LEN_MIN);
        let kept = if extent == Extent::Whole { capacity } else { 0 };
        let mut index = Self {
            key_min: Vec::new(),
            key_max: key_max.to_vec(),
            common_len: 0,
            heads: Heads::default(),
            rests: Vec::new(),
            rest_ends: Positions::with_capacity(kept),
            offsets: Positions::with_capacity(capacity + 1),
            deletes: Positions::default(),
            largest_block_len: 0,
            parts: None,
        };
        let mut heads = Vec::with_capacity(kept);
        let starts = index.read_entries(cursor, (block_count, extent), &mut heads)?;
        index.parts = (extent == Extent::Parts).then(|| Parts::new(body, starts));
        index.heads = Heads::new(&heads);
        index.rests.shrink_to_fit();
        index.rest_ends.shrink_to_fit();
        if index.deletes() == 0 {
            index.deletes = Positions::default();
        }
        Ok(index)
    }

    /// Reads and checks all entries, and collects the heads of the separators that are kept. Where their entries begin,
    /// and where the last one ends, if not all are.
    fn read_entries(
        &mut self,
        mut cursor: Cursor<'_>,
        (block_count, extent): (usize, Extent),
        heads: &mut Vec<u64>,
    ) -> std::result::Result<PartStarts, usize> {
        let (mut separator, mut deletes, mut starts) = (Vec::new(), 0_u64, PartStarts::default());
        self.offsets.push(0);
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
            if extent == Extent::Whole || starts.begins(block_no, at) {
                heads.push(key_head(tail));
                self.push_rest(tail);
                self.deletes.push(deletes);
            }
            deletes = deletes.checked_add(entry.deletes).ok_or(at)?;
            self.offsets.push(self.data_bytes().checked_add(entry.block_len).ok_or(at)?);
            self.largest_block_len = self.largest_block_len.max(entry.block_len);
        }
        self.deletes.push(deletes);
        starts.end(block_count, cursor.position());
        let is_whole = block_count > 0 && cursor.remaining() == 0;
        let holds_max = separator <= self.key_max && self.key_max.len() <= KEY_LEN_MAX;
        if is_whole && holds_max { Ok(starts) } else { Err(cursor.position()) }
    }

    fn push_rest(&mut self, tail: &[u8]) {
        let Rest(in_head, beyond) = Rest::of(tail);
        self.rests.push(in_head);
        self.rests.extend_from_slice(beyond);
        self.rest_ends.push(self.rests.len() as u64);
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
        self.offsets.len() - 1
    }

    /// Where the separators are that are not in memory; none if all are.
    #[inline]
    pub(super) fn parts(&self) -> Option<&Parts> {
        self.parts.as_ref()
    }

    /// How many bytes of `key` a separator that is kept begins with: that of a block, or of the first one of a part.
    pub(super) fn shared_with(&self, kept: usize, key: &[u8]) -> usize {
        let common = &self.key_min[..self.common_len];
        let (Rest(in_head, beyond), head) =
            (self.rest(kept), self.heads.get(kept).unwrap_or(0).to_be_bytes());
        let mut shared = 0;
        for piece in [common, &head[..usize::from(in_head)], beyond] {
            let in_piece = common_prefix_len(piece, &key[shared..]);
            shared += in_piece;
            if in_piece < piece.len() {
                break;
            }
        }
        shared
    }

    /// A separator that is kept.
    #[cfg(test)]
    pub(super) fn separator(&self, kept: usize) -> Vec<u8> {
        let Rest(in_head, beyond) = self.rest(kept);
        let head = self.heads.get(kept).expect("the caller knows how many there are").to_be_bytes();
        [&self.key_min[..self.common_len], &head[..usize::from(in_head)], beyond].concat()
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
            + self.parts.as_ref().map_or(0, Parts::memory_bytes)
    }

    /// The only block, or part, that may hold `key`; `None` if the key is below all of them. Calls `near` with the
    /// number of one nearby as soon as it is known.
    #[inline]
    pub(super) fn find(&self, key: &[u8], near: impl FnOnce(usize)) -> Option<usize> {
        self.count_near(key, |separator, key| separator <= key, near).checked_sub(1)
    }

    /// Bytes of all blocks, or parts, that may hold keys from `lo` on and below `hi` (no bound if `None`).
    pub(super) fn bytes_in_range(&self, lo: &[u8], hi: Option<&[u8]>) -> u64 {
        let kept = self.kept_in_range(lo, hi);
        self.offsets.get(self.block_of(kept.end)) - self.offsets.get(self.block_of(kept.start))
    }

    /// Deletes in all of them.
    pub(super) fn deletes_in_range(&self, lo: &[u8], hi: Option<&[u8]>) -> u64 {
        if self.deletes() == 0 {
            return 0;
        }
        let kept = self.kept_in_range(lo, hi);
        self.deletes.get(kept.end) - self.deletes.get(kept.start)
    }

    /// Whether the index alone tells that there is a key from `lo` on and below `hi` (no bound if
    /// `None`): the least one, the greatest one, or those of a block between two separators.
    pub(super) fn surely_holds(&self, lo: &[u8], hi: Option<&[u8]>) -> bool {
        let within = |key: &[u8]| lo <= key && hi.is_none_or(|hi| key < hi);
        if within(&self.key_min) || within(&self.key_max) {
            return true;
        }
        let before = self.count_while(lo, |separator, key| separator < key);
        let upto = hi.map_or(self.heads.len(), |hi| self.count_while(hi, |separator, key| separator <= key));
        upto >= before + 2
    }

    /// The block of a separator that is kept, or behind the last one.
    fn block_of(&self, kept: usize) -> usize {
        self.parts.as_ref().map_or(kept, |parts| parts.blocks(kept).start)
    }

    /// The separators kept whose blocks, or parts, may hold keys of the range.
    fn kept_in_range(&self, lo: &[u8], hi: Option<&[u8]>) -> Range<usize> {
        if *lo > *self.key_max {
            return 0..0;
        }
        let first = self.find(lo, |_| ()).unwrap_or(0);
        let end = hi.map_or(self.heads.len(), |hi| self.count_while(hi, |separator, key| separator < key));
        first..end.max(first)
    }

    /// Number of separators kept for which `is_below(separator, key)`, where that is true for all lesser
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
            return if key < common { 0 } else { self.heads.len() };
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

    fn rest(&self, kept: usize) -> Rest<'_> {
        let start = if kept == 0 { 0 } else { self.rest_ends.get(kept - 1) };
        let rest = &self.rests[start as usize..self.rest_ends.get(kept) as usize];
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
#[path = "index_tests.rs"]
mod tests;
