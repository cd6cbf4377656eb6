//! An open table: footer, index and filter in memory, and slots for its cached blocks.
//!
//! It does no I/O. To read a block the caller looks into the cache, else reads the bytes at
//! [`Table::block_location`], has them decoded by [`Table::decode_block`] and offers the block to the
//! cache with [`Table::admit`]. Shared as `Arc`; dropping the last one gives the cached bytes back.
//!
//! Where memory is short, the index of a table of L3 is read [in parts](super::index_part), which are cached like blocks and
//! have numbers behind those of the blocks. Then the table has no slots of its own, either, but shares some with others.

use std::ops::{Deref, Range};

use crate::base::ablation::ablated;
use crate::base::sync::epoch::Guard;

use super::block::{Block, BlockCache};
use super::bytes::Bytes;
use super::filter::Filter;
use super::format::{Footer, Place};
use super::index::{Index, Sums};
use super::index_part::{Parts, find_in_part};
use super::kept::KeptBlocks;
use crate::base::coverage::reached;
use crate::base::direction::Direction;
use crate::base::error::{Error, Result};
use crate::base::ids::FileId;
use crate::base::key::SeqNo;
use crate::base::sync::Arc;
use crate::cache::Slots;
use crate::io::File;

/// Where the index of a table is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IndexIn {
    /// In memory, all of it: there are few such tables, and they are soon gone.
    Memory,
    /// In memory, or where the cache has no room for that, as far as it has been read. Others of these tables are going to
    /// free what they take of the cache's budget, so many bytes.
    MemoryOrCache { freed_bytes: usize },
}

impl IndexIn {
    /// Whether there is room for so many bytes of index, filter and slots.
    fn has_room(self, cache: &BlockCache, bytes: usize) -> bool {
        match self {
            Self::Memory => true,
            Self::MemoryOrCache { freed_bytes } => {
                ablated!(IndexParts) || cache.has_room_for_index(bytes, freed_bytes)
            }
        }
    }
}

/// The reader of one table file.
pub(crate) struct Table {
    file: File,
    id: FileId,
    footer: Footer,
    index: Index,
    filter: Filter,
    /// Of its blocks, and of the parts of the index behind them.
    slots: Slots<Block>,
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
        let filter = Filter::parse(place(footer.filter_offset), filter_bytes)?;
        let has_room = |blocks: usize, index_bytes: usize| {
            let slots_bytes = blocks.saturating_mul(size_of::<usize>());
            let bytes = index_bytes.saturating_add(slots_bytes).saturating_add(filter.memory_bytes());
            index_in.has_room(cache, bytes)
        };
        let index = Index::parse(place(footer.index_offset), index_bytes, sums, has_room)?;
        let blocks = index.block_count();
        let slots = match index.parts() {
            None => Slots::new(cache, blocks),
            Some(parts) => {
                let block_len = footer.data_bytes() as usize / blocks;
                Slots::sharing(cache, id.0, blocks + parts.count(), block_len)
            }
        };
        let mut table = Self { file, id, footer, index, filter, slots, pins: Vec::new() };
        table.slots.reserve(table.memory_bytes(), index_in != IndexIn::Memory);
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
        self.index.memory_bytes() + self.filter.memory_bytes() + self.slots.memory_bytes()
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
        match self.index.parts() {
            None => Ok(self.index.find(key, |near| self.slots.prefetch(near))),
            Some(parts) => self.find_block_in_part(parts, key, part),
        }
    }

    #[cold]
    fn find_block_in_part<P: Deref<Target = Block>>(
        &self,
        parts: &Parts,
        key: &[u8],
        part: impl FnOnce(usize) -> Option<P>,
    ) -> std::result::Result<Option<usize>, usize> {
        let Some(part_no) = self.index.find(key, |_| ()) else { return Ok(None) };
        if *key == *self.min_key() {
            return Ok(Some(0));
        }
        let number = self.block_count() + part_no;
        let part = part(number).ok_or(number)?;
        reached!("table: found a block by a part of the index");
        let in_part = find_in_part(&part, key, self.index.shared_with(part_no, key));
        Ok(Some(parts.blocks(part_no).start + in_part))
    }

    /// A block at or behind the one that may hold `key`, and no other if that is known without reading.
    pub(crate) fn find_block_or_behind(&self, key: &[u8]) -> usize {
        match self.find_block(key, |number| self.cached_block_once(number)) {
            Ok(found) => found.unwrap_or(0),
            Err(number) => self.blocks_of_part(number).end - 1,
        }
    }

    /// The same at or before that block.
    pub(crate) fn find_block_or_before(&self, key: &[u8]) -> usize {
        match self.find_block(key, |number| self.cached_block_once(number)) {
            Ok(found) => found.unwrap_or(0),
            Err(number) => self.blocks_of_part(number).start,
        }
    }

    fn blocks_of_part(&self, number: usize) -> Range<usize> {
        let parts = self.index.parts().expect("the number is that of a part");
        parts.blocks(number - self.block_count())
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
        let block = match self.index.parts() {
            Some(parts) if self.is_index_part(block_no) => {
                parts.decode(block_no - self.block_count(), place, bytes)
            }
            _ => Block::parse(place, bytes),
        };
        block.map(|block| block.numbered(self.id, block_no))
    }

    /// The block, or part of the index, if it is cached, for as long as the table and the guard (one of `epoch::pin`).
    #[inline]
    pub(crate) fn cached_block<'g>(&'g self, block_no: usize, guard: &'g Guard) -> Option<&'g Block> {
        self.slots.get(block_no, guard)
    }

    /// The part of the index, if it is cached, for one who will be back if it is not.
    pub(crate) fn cached_part_ahead(&self, number: usize) -> Option<Arc<Block>> {
        self.slots.get_ahead(number)
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
        self.slots.empty_some(count)
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
        if self.is_index_part(block_no) || !ablated!(BlockCache) {
            self.slots.admit(block_no, block);
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
