//! Parts of an index that is too large for memory: read, checked and cached like blocks.
//!
//! In memory stay the separator of the first block of each part, and where all blocks are. A part is cut out of the index
//! block as the file has it, and stays so in memory: what it must be is known from the time when the whole was read and
//! checked. The cache holds it as a [`Block`], but only this module looks into it.

use std::cmp::Ordering;
use std::ops::Range;

use xxhash_rust::xxh3::xxh3_64;

use super::block::Block;
use super::block_builder::common_prefix_len;
use super::bytes::Bytes;
use super::format::{Place, hex};
use super::positions::Positions;
use crate::base::codec::Cursor;
use crate::base::error::Result;
use crate::base::planted::planted;

/// Blocks of a part at most. What stays in memory of a part is little beside where its blocks are, and all of a part, some
/// hundred bytes, can be asked for at once.
const PART_BLOCKS_MAX: usize = if cfg!(any(test, feature = "sim")) { 4 } else { 64 };

/// A part this long takes no further block: where separators are long, what is read for a lookup must not be more than a
/// block or two, nor too much for the cache.
const PART_LEN: u64 = if cfg!(any(test, feature = "sim")) { 64 } else { 4096 };

/// Where the parts of an index are, and what they must be.
#[derive(Debug)]
pub(crate) struct Parts {
    /// Where each part begins in the index block, and the end of the last one.
    starts: Positions,
    /// The first block of each part, and the number of all blocks.
    blocks: Positions,
    checksums: Vec<u64>,
}

/// Where parts begin, as far as that is known.
#[derive(Default)]
pub(super) struct PartStarts {
    starts: Positions,
    blocks: Positions,
}

impl PartStarts {
    /// Whether the block whose entry is at this place of the index is the first of a part.
    pub(super) fn begins(&mut self, block_no: usize, at: usize) -> bool {
        let is_full = match (self.blocks.last(), self.starts.last()) {
            (Some(first), Some(start)) => {
                block_no as u64 - first >= PART_BLOCKS_MAX as u64 || at as u64 - start >= PART_LEN
            }
            _ => true,
        };
        if is_full {
            self.end(block_no, at);
        }
        is_full
    }

    /// There are so many blocks, and this is where the last entry ends.
    pub(super) fn end(&mut self, blocks: usize, at: usize) {
        self.blocks.push(blocks as u64);
        self.starts.push(at as u64);
    }
}

impl Parts {
    /// The parts of a verified index body, all of whose entries were seen.
    pub(super) fn new(body: &[u8], PartStarts { mut starts, mut blocks }: PartStarts) -> Self {
        let range = |part_no| starts.get(part_no) as usize..starts.get(part_no + 1) as usize;
        let checksums = (0..starts.len() - 1).map(|part_no| xxh3_64(&body[range(part_no)])).collect();
        starts.shrink_to_fit();
        blocks.shrink_to_fit();
        Self { starts, blocks, checksums }
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.checksums.len()
    }

    /// The blocks of a part; behind the last one, none.
    #[inline]
    pub(super) fn blocks(&self, part_no: usize) -> Range<usize> {
        let first = |part_no: usize| self.blocks.get(part_no.min(self.count())) as usize;
        first(part_no)..first(part_no + 1)
    }

    /// Where in the index block a part begins, and its length in bytes.
    pub(super) fn location(&self, part_no: usize) -> (u64, usize) {
        let start = self.starts.get(part_no);
        (start, (self.starts.get(part_no + 1) - start) as usize)
    }

    /// Memory in bytes.
    pub(super) fn memory_bytes(&self) -> usize {
        self.starts.memory_bytes() + self.blocks.memory_bytes() + size_of::<u64>() * self.checksums.capacity()
    }

    /// The part whose bytes were read at `place`.
    ///
    /// # Errors
    /// `Corruption` if they are not what was there when the table was opened.
    pub(super) fn decode(&self, part_no: usize, place: Place<'_>, bytes: Bytes) -> Result<Block> {
        let (expected, found) = (self.checksums[part_no], xxh3_64(&bytes));
        if expected != found {
            return Err(place.damage("table index part checksum", hex(expected), hex(found)));
        }
        Ok(Block::of_index_part(bytes))
    }
}

/// Which block of a part may hold `key`, of which so many bytes are those of the part's first separator. That is not above
/// it.
pub(super) fn find_in_part(part: &Block, key: &[u8], mut matched: usize) -> usize {
    part.prefetch_all();
    let mut cursor = Cursor::new(part.index_entries());
    let mut passed = 0;
    // The last separator was not above `key`. One that has more in common with it than `key` has is as much below `key`,
    // and one that has less in common is above.
    while let Some((shared, suffix)) = next_separator(&mut cursor) {
        let rest = &key[matched..];
        let is_above = match shared.cmp(&matched) {
            // What the first has in common with the one before it says nothing here.
            _ if passed == 0 => false,
            Ordering::Less => true,
            Ordering::Greater => false,
            Ordering::Equal => {
                matched += common_prefix_len(suffix, rest);
                suffix > rest
            }
        };
        if is_above {
            break;
        }
        passed += 1;
    }
    passed - if planted!(IndexPartShifted) { passed.min(2) } else { 1 }
}

/// What the next separator has in common with the one before, and the rest of it.
#[inline]
fn next_separator<'a>(cursor: &mut Cursor<'a>) -> Option<(usize, &'a [u8])> {
    let (shared, suffix) = (cursor.varint_len()?, cursor.bytes()?);
    let (_block_len, _deletes) = (cursor.varint()?, cursor.varint()?);
    Some((shared, suffix))
}
