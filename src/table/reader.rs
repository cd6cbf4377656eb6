//! An open table: footer, index and filter in memory, and slots for its cached blocks.
//!
//! It does no I/O. To read a block the caller looks into the cache, else reads the bytes at
//! [`Table::block_location`], has them decoded by [`Table::decode_block`] and offers the block to the
//! cache with [`Table::admit`]. Shared as `Arc`; dropping the last one gives the cached bytes back.
//!
//! Where memory is short, the index of a table of L3 is read [in parts](super::index_part), which are cached like blocks and
//! have numbers behind those of the blocks. Then several blocks share a slot, too.

use std::ops::{Deref, Range};

use crate::base::ablation::ablated;
use crate::base::sync::epoch::Guard;

use super::block::{Block, BlockCache};
use super::bytes::Bytes;
use super::filter::Filter;
use super::format::{Footer, Place};
use super::index::{Extent, Index, Sums};
use super::index_part::{PART_BLOCKS, Parts, find_in_part};
use super::kept::KeptBlocks;
use crate::base::coverage::reached;
use crate::base::direction::Direction;
use crate::base::error::{Error, Result};
use crate::base::ids::FileId;
use crate::base::key::SeqNo;
use crate::base::sync::Arc;
use crate::cache::Slots;
use crate::io::File;

/// Memory of an index and of the slots of its blocks for each byte of it in the file: about as much as with keys of 20 to
/// 30 bytes.
const MEMORY_PER_BYTE: u64 = 3;

/// Where an index is in parts, so many blocks share a slot. With blocks of 4 KB and short separators the cache has room for
/// far fewer of these blocks; where separators are as long as values, hot blocks may be turned away beside free room.
const BLOCKS_PER_SLOT: usize = 8;

/// Where the index of a table is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IndexIn {
    /// In memory, all of it.
    Memory,
    /// In memory, or where there is no room for it in the cache, as far as it has been read.
    MemoryOrCache,
}

/// The reader of one table file.
pub(crate) struct Table {
    file: File,
    id: FileId,
    footer: Footer,
    index: Index,
    filter: Filter,
    slots: Slots<Block>,
    /// Of the parts of the index; none if all of it is in memory.
    part_slots: Option<Slots<Block>>,
    /// Snapshots that held garbage when the file was written, with the bytes. None if it was opened later.
    pins: Vec<((SeqNo, SeqNo), u64)>,
}

impl Table {
    /// Opens a table from its parts, which the caller has read at the places the footer names.
    ///
    /// # Errors
    /// `Corruption` if one of them is not what was written there.
    pub(crate) fn new(
        file: File,
        id: FileId,
        footer: Footer,
        index_bytes: &[u8],
        filter_bytes: &[u8],
        (cache, index_in): (&Arc<BlockCache>, IndexIn),
    ) -> Result<Self> {
        let path = file.path();
        let whole = |what, offset, expected: u64, bytes: &[u8]| {
            let found = bytes.len() as u64;
            if found == expected {
                Ok(())
            } else {
                Err(Error::corruption(path, offset, what, expected, found))
            }
        };
        whole("table index length", footer.index_offset, footer.index_len, index_bytes)?;
        whole("table filter length", footer.filter_offset, footer.filter_len, filter_bytes)?;
        let place = |offset| Place { path, file_id: id, offset };
        let sums = Sums { data_bytes: footer.data_bytes(), deletes: footer.deletes };
        let has_room = cache.has_room_for_index(footer.index_len.saturating_mul(MEMORY_PER_BYTE) as usize);
        let is_whole = index_in == IndexIn::Memory || has_room || ablated!(IndexParts);
        let extent = if is_whole { Extent::Whole } else { Extent::Parts };
        let index = Index::parse(place(footer.index_offset), index_bytes, sums, extent)?;
        let filter = Filter::parse(place(footer.filter_offset), filter_bytes)?;
        let blocks = index.block_count();
        let slots = if is_whole { blocks } else { blocks.div_ceil(BLOCKS_PER_SLOT) };
        let slots = Slots::sharing(cache, slots, blocks);
        let part_slots = index.parts().map(|parts| Slots::new(cache, parts.count()));
        let mut table = Self { file, id, footer, index, filter, slots, part_slots, pins: Vec::new() };
        table.slots.reserve(table.memory_bytes());
        Ok(table)
    }

    /// Says how much of the garbage the snapshots from one seqno to another held when the file was
    /// written.
    pub(crate) fn with_pins(mut self, pins: Vec<((SeqNo, SeqNo), u64)>) -> Self {
        self.pins = pins;
        self
    }

    /// Number of the file.
    pub(crate) fn id(&self) -> FileId {
        self.id
    }

    /// The file itself.
    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// Length of the file in bytes.
    pub(crate) fn file_len(&self) -> u64 {
        self.footer.file_len()
    }

    /// Bytes of all data blocks but the largest one: a block may be one key, which is never cut.
    pub(crate) fn divisible_bytes(&self) -> u64 {
        self.footer.data_bytes() - self.index.largest_block_len()
    }

    /// Bytes of all data blocks.
    pub(crate) fn data_bytes(&self) -> u64 {
        self.footer.data_bytes()
    }

    /// Number of entries, deletes among them.
    pub(crate) fn entries(&self) -> u64 {
        self.footer.entries
    }

    /// Number of deletes.
    pub(crate) fn deletes(&self) -> u64 {
        self.footer.deletes
    }

    /// Bytes of deletes and of versions that a newer one hides.
    pub(crate) fn garbage_bytes(&self) -> u64 {
        self.footer.garbage_bytes
    }

    /// About how many of the keys also stood in older runs of the partition, which stayed, when the file was written.
    pub(crate) fn overwrites(&self) -> u64 {
        u64::from(self.footer.overwrites)
    }

    /// Bytes of garbage that a rewrite would leave out, where nothing older lies below and these are the
    /// live snapshots, ascending. What several snapshots held counts when the last of them is gone: those
    /// that come later see newer versions, so none of them gets between.
    pub(crate) fn removable_bytes(&self, snapshots: &[SeqNo]) -> u64 {
        let is_live = |((first, last), _): &&((SeqNo, SeqNo), u64)| {
            let next = snapshots.partition_point(|snapshot| snapshot < first);
            snapshots.get(next).is_some_and(|snapshot| snapshot <= last)
        };
        let held = self.pins.iter().filter(is_live).map(|(_, bytes)| bytes).sum();
        self.footer.garbage_bytes.saturating_sub(held)
    }

    /// Least user key.
    pub(crate) fn min_key(&self) -> &[u8] {
        self.index.key_min()
    }

    /// Greatest user key.
    pub(crate) fn max_key(&self) -> &[u8] {
        self.index.key_max()
    }

    /// Least and greatest seqno.
    pub(crate) fn seqno_range(&self) -> (SeqNo, SeqNo) {
        (self.footer.seqno_min, self.footer.seqno_max)
    }

    /// Memory of index, filter and slots in bytes; cached blocks are the cache's affair.
    pub(crate) fn memory_bytes(&self) -> usize {
        let part_slots = self.part_slots.as_ref().map_or(0, Slots::memory_bytes);
        self.index.memory_bytes() + self.filter.memory_bytes() + self.slots.memory_bytes() + part_slots
    }

    /// False only if no key with this [`key_hash`](crate::base::key::key_hash) is in the table.
    #[inline]
    pub(crate) fn may_contain(&self, hash: u64) -> bool {
        self.filter.may_contain(hash)
    }

    /// Fetches what [`may_contain`](Self::may_contain) will look at.
    #[inline]
    pub(crate) fn prefetch_filter(&self, hash: u64) {
        self.filter.prefetch(hash);
    }

    /// The only block that may hold `key`; `None` if the key is below the table. A key above the table
    /// gets the last block. `part` gives the part of the index that is needed, by its number, if it is in memory.
    ///
    /// # Errors
    /// The number of that part, if it must be read first.
    #[inline]
    pub(crate) fn find_block<P: Deref<Target = Block>>(
        &self,
        key: &[u8],
        part: impl FnOnce(usize) -> Option<P>,
    ) -> std::result::Result<Option<usize>, usize> {
        let found =
            self.index.find(key, |near| self.part_slots.as_ref().unwrap_or(&self.slots).prefetch(near));
        match self.index.parts() {
            None => Ok(found),
            Some(_) => found.map(|part_no| self.find_block_in_part(part_no, key, part)).transpose(),
        }
    }

    #[cold]
    fn find_block_in_part<P: Deref<Target = Block>>(
        &self,
        part_no: usize,
        key: &[u8],
        part: impl FnOnce(usize) -> Option<P>,
    ) -> std::result::Result<usize, usize> {
        let number = self.block_count() + part_no;
        let part = part(number).ok_or(number)?;
        reached!("table: found a block by a part of the index");
        Ok(part_no * PART_BLOCKS + find_in_part(&part, key, self.index.shared_with(part_no, key)))
    }

    /// A block at or behind the one that may hold `key`, and no other if that is known without reading.
    pub(crate) fn find_block_or_behind(&self, key: &[u8]) -> usize {
        match self.find_block(key, |number| self.cached_part_shared(number)) {
            Ok(found) => found.unwrap_or(0),
            Err(number) => self.block_count().min((number - self.block_count() + 1) * PART_BLOCKS) - 1,
        }
    }

    /// The same at or before that block.
    pub(crate) fn find_block_or_before(&self, key: &[u8]) -> usize {
        match self.find_block(key, |number| self.cached_part_shared(number)) {
            Ok(found) => found.unwrap_or(0),
            Err(number) => (number - self.block_count()) * PART_BLOCKS,
        }
    }

    /// Whether the number is that of a part of the index, and not of a data block.
    #[inline]
    pub(crate) fn is_index_part(&self, number: usize) -> bool {
        number >= self.block_count()
    }

    /// How many parts of the index are read when they are needed.
    pub(crate) fn index_part_count(&self) -> usize {
        self.index.parts().map_or(0, Parts::count)
    }

    /// Number of data blocks; at least one.
    pub(crate) fn block_count(&self) -> usize {
        self.index.block_count()
    }

    /// Offset and length of the bytes of a block, or of a part of the index.
    pub(crate) fn block_location(&self, block_no: usize) -> (u64, usize) {
        if let (true, Some(parts)) = (self.is_index_part(block_no), self.index.parts()) {
            let (start, len) = parts.location(block_no - self.block_count());
            return (self.footer.index_offset + start, len);
        }
        let range = self.index.block_range(block_no);
        (range.start, (range.end - range.start) as usize)
    }

    /// Offset and length of the bytes of adjacent blocks, at least one, or of one part of the index.
    pub(crate) fn location_of_blocks(&self, blocks: Range<usize>) -> (u64, usize) {
        if self.is_index_part(blocks.start) {
            return self.block_location(blocks.start);
        }
        let (start, end) =
            (self.index.block_range(blocks.start).start, self.index.block_range(blocks.end - 1).end);
        (start, (end - start) as usize)
    }

    /// Memory for these bytes, to be read into.
    pub(crate) fn room_for_blocks(&self, blocks: Range<usize>) -> Bytes {
        let (_, len) = self.location_of_blocks(blocks);
        Bytes::of_piece(self.slots.piece(len), len)
    }

    /// The block, or part of the index, whose bytes were read at its location. Whoever reads any, and in whatever way, comes
    /// here.
    ///
    /// # Errors
    /// `Corruption` if they are not the bytes that were written there, or fewer: then the file is too short.
    pub(crate) fn decode_block(&self, block_no: usize, bytes: Bytes) -> Result<Arc<Block>> {
        self.parse_block(block_no, bytes).map(Arc::new)
    }

    /// As [`decode_block`](Self::decode_block), for a block that will be searched for keys again and again.
    ///
    /// # Errors
    /// As [`decode_block`](Self::decode_block).
    pub(crate) fn decode_block_to_keep(&self, block_no: usize, bytes: Bytes) -> Result<Arc<Block>> {
        let block = self.parse_block(block_no, bytes)?;
        Ok(Arc::new(if self.is_index_part(block_no) { block } else { block.with_directory() }))
    }

    fn parse_block(&self, block_no: usize, bytes: Bytes) -> Result<Block> {
        let (offset, len) = self.block_location(block_no);
        assert!(bytes.len() <= len, "no more is read than the block's bytes");
        if bytes.len() < len {
            let (expected, found) = (offset + len as u64, offset + bytes.len() as u64);
            return Err(Error::corruption(self.file.path(), found, "length of the file", expected, found));
        }
        let place = Place { path: self.file.path(), file_id: self.id, offset };
        match self.index.parts() {
            Some(parts) if self.is_index_part(block_no) => {
                parts.decode(block_no - self.block_count(), place, bytes)
            }
            _ => Ok(Block::parse(place, bytes)?.with_number(block_no)),
        }
    }

    /// The block, if it is cached, for as long as the table and the guard (one of `epoch::pin`).
    #[inline]
    pub(crate) fn cached_block<'g>(&'g self, block_no: usize, guard: &'g Guard) -> Option<&'g Block> {
        self.slots.get(block_no, guard)
    }

    /// The part of the index, if it is cached, for as long as the table and the guard.
    pub(crate) fn cached_part<'g>(&'g self, number: usize, guard: &'g Guard) -> Option<&'g Block> {
        self.part_slots.as_ref()?.get(number - self.block_count(), guard)
    }

    /// The part of the index, if it is cached, to keep.
    pub(crate) fn cached_part_shared(&self, number: usize) -> Option<Arc<Block>> {
        self.part_slots.as_ref()?.get_shared(number - self.block_count(), None)
    }

    /// The block, if it is cached, to keep. Asks for the head of the block `beyond`, as
    /// [`prefetch_block`](Self::prefetch_block) does.
    pub(crate) fn cached_block_shared(&self, block_no: usize, beyond: Option<usize>) -> Option<Arc<Block>> {
        self.slots.get_shared(block_no, beyond)
    }

    /// The block, if it is cached, for one who reads it once and is no reason to keep it.
    pub(crate) fn cached_block_once(&self, block_no: usize) -> Option<Arc<Block>> {
        self.slots.peek_shared(block_no)
    }

    /// A block that a cursor comes to soon, if it is cached, and asks for the entries with which a direction begins.
    pub(crate) fn cached_block_ahead(&self, block_no: usize, direction: Direction) -> Option<Arc<Block>> {
        let block = self.slots.get_ahead(block_no)?;
        block.prefetch_entries(direction);
        Some(block)
    }

    /// Asks for the head of a block, if it is cached: in it stands where its entries are.
    pub(crate) fn prefetch_block(&self, block_no: usize, guard: &Guard) {
        self.slots.prefetch_value(block_no, guard);
    }

    /// Asks for what a cursor that seeks `key` in a block looks at first, if the block is cached. Its head was asked for before.
    pub(crate) fn prefetch_search(&self, block_no: usize, key: &[u8], guard: &Guard) {
        if let Some(block) = self.slots.peek(block_no, guard) {
            block.prefetch_search(key);
        }
    }

    /// Frees up to `count` cached blocks; false once there are none. For the last owner, before the table is
    /// dropped.
    pub(crate) fn free_some_blocks(&mut self, count: usize) -> bool {
        self.slots.empty_some(count) || self.part_slots.as_mut().is_some_and(|slots| slots.empty_some(count))
    }

    /// Puts blocks that were kept when the table was written into the cache.
    pub(crate) fn admit_kept(&self, kept: KeptBlocks) {
        if !ablated!(BlockCache) {
            kept.into_waiting().fill(&self.slots);
        }
    }

    /// Whether a block is cached.
    pub(crate) fn is_cached(&self, block_no: usize) -> bool {
        self.slots.is_filled(block_no)
    }

    /// Offers a block, or a part of the index, to the cache; it may decline.
    pub(crate) fn admit(&self, block_no: usize, block: Arc<Block>) {
        match &self.part_slots {
            Some(slots) if self.is_index_part(block_no) => slots.admit(block_no - self.block_count(), block),
            _ if ablated!(BlockCache) => {}
            _ => self.slots.admit(block_no, block),
        }
    }

    /// Bytes of the data blocks that may hold keys from `lo` on and below `hi` (no bound if `None`).
    pub(crate) fn bytes_in_range(&self, lo: &[u8], hi: Option<&[u8]>) -> u64 {
        self.index.bytes_in_range(lo, hi)
    }

    /// Deletes in these blocks.
    pub(crate) fn deletes_in_range(&self, lo: &[u8], hi: Option<&[u8]>) -> u64 {
        self.index.deletes_in_range(lo, hi)
    }

    /// Whether the index alone tells that there is a key from `lo` on and below `hi` (no bound if `None`).
    pub(crate) fn surely_holds(&self, lo: &[u8], hi: Option<&[u8]>) -> bool {
        self.index.surely_holds(lo, hi)
    }
}
