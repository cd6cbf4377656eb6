//! Turns sorted entries into a table file, as buffers to be written one behind the other.
//!
//! Memory: the block being filled, full buffers not yet taken, eight bytes per key for the filter, and
//! the index. A block is copied into buffers when it is complete, so a 512 MiB value exists three times
//! for a moment: at the caller, in the block, in buffers.

use std::collections::VecDeque;

use super::block_builder::{BlockBuilder, common_prefix_len};
use super::filter::FilterBuilder;
use super::format::{self, FOOTER_LEN, Footer, TRAILER_LEN};
use super::index::IndexBuilder;
use super::kept::KeptBlocks;
use crate::base::ids::FileId;
use crate::base::key::key_hash;
use crate::base::key::{Kind, SeqNo, Tag};
use crate::base::limits::{KEY_LEN_MAX, REQUEST_LEN_MAX, VALUE_LEN_MAX};
use crate::base::planted::planted;
use crate::io::Buffer;

/// Length of each buffer but the last: half of the largest request, so that several small writes are
/// in flight instead of one.
pub(crate) const WRITE_LEN: usize = REQUEST_LEN_MAX / 2;

/// How tables are built. Any table can be read whatever the options were.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TableOptions {
    /// Length a data block should not exceed, in bytes. Larger blocks make a smaller index and cost
    /// more per cold read.
    pub(crate) block_size_bytes: usize,
    /// Filter bits per key; 10 let 1 % of absent keys pass, 0 means no filter.
    pub(crate) filter_bits_per_key: usize,
}

impl Default for TableOptions {
    fn default() -> Self {
        Self { block_size_bytes: 4096, filter_bits_per_key: 10 }
    }
}

/// What the builder counts for the footer.
struct Counts {
    entries: u64,
    deletes: u64,
    garbage_bytes: u64,
    overwrites: u64,
    seqno_min: SeqNo,
    seqno_max: SeqNo,
}

/// The end of a build.
pub(crate) struct Finished {
    /// The buffers not taken before, in order. The last one is the end of the file.
    pub(crate) rest: Vec<Buffer>,
    /// Length of the file in bytes.
    pub(crate) file_len: u64,
    /// Blocks for the cache.
    pub(crate) kept: KeptBlocks,
}

/// A table in the making.
pub(crate) struct Builder {
    file_id: FileId,
    options: TableOptions,
    output: Output,
    block: BlockBuilder,
    /// Separator of the block being filled.
    separator: Vec<u8>,
    index: IndexBuilder,
    filter: FilterBuilder,
    kept: KeptBlocks,
    blocks: usize,
    /// Deletes in the blocks that are in the index.
    indexed_deletes: u64,
    last_key: Vec<u8>,
    last_tag: Option<Tag>,
    counts: Counts,
}

impl Builder {
    /// Begins the file `file_id`; its checksums hold for that id only.
    pub(crate) fn new(file_id: FileId, options: TableOptions, kept: KeptBlocks) -> Self {
        let counts = Counts {
            entries: 0,
            deletes: 0,
            garbage_bytes: 0,
            overwrites: 0,
            seqno_min: SeqNo::MAX,
            seqno_max: SeqNo::ZERO,
        };
        Self {
            file_id,
            options,
            output: Output::default(),
            block: BlockBuilder::default(),
            separator: Vec::new(),
            index: IndexBuilder::default(),
            filter: FilterBuilder::new(options.filter_bits_per_key),
            kept,
            blocks: 0,
            indexed_deletes: 0,
            last_key: Vec::new(),
            last_tag: None,
            counts,
        }
    }

    /// Whether nothing was added; an empty table must not be finished.
    pub(crate) fn is_empty(&self) -> bool {
        self.last_tag.is_none()
    }

    /// Adds an entry. Entries must come in their order, each once: keys ascending, newest version first.
    /// Returns the bytes it takes in its block.
    pub(crate) fn add(&mut self, key: &[u8], tag: Tag, value: &[u8]) -> u64 {
        assert!(key.len() <= KEY_LEN_MAX, "the key was checked when it was written");
        assert!(value.len() <= VALUE_LEN_MAX, "the value was checked when it was written");
        let shared = common_prefix_len(&self.last_key, key);
        let is_newest = self.begins_key(key, shared, tag);
        if is_newest {
            self.begin_key(key, shared, value);
        }
        let len = self.block.add(shared, key, tag, value);
        self.last_key.truncate(shared);
        self.last_key.extend_from_slice(&key[shared..]);
        self.last_tag = Some(tag);
        self.counts.entries += 1;
        self.counts.deletes += u64::from(tag.kind() == Kind::Delete);
        if !is_newest || tag.kind() == Kind::Delete {
            self.counts.garbage_bytes += len;
        }
        self.counts.seqno_min = self.counts.seqno_min.min(tag.seqno());
        self.counts.seqno_max = self.counts.seqno_max.max(tag.seqno());
        len
    }

    /// The entry added last was in a block that is cached.
    pub(crate) fn count_warm(&mut self) {
        self.kept.count_warm();
    }

    /// So many more of its keys also stand in older runs that stay.
    pub(crate) fn add_overwrites(&mut self, keys: u64) {
        self.counts.overwrites += keys;
    }

    /// Asserts the order; whether the entry has another user key than the last one.
    fn begins_key(&self, key: &[u8], shared: usize, tag: Tag) -> bool {
        let Some(last_tag) = self.last_tag else { return true };
        match (self.last_key.get(shared), key.get(shared)) {
            (None, None) => {
                assert!(tag.seqno() < last_tag.seqno(), "versions must come newest first, each once");
                false
            }
            (last, this) => {
                assert!(last < this, "keys must come in ascending order");
                true
            }
        }
    }

    fn begin_key(&mut self, key: &[u8], shared: usize, value: &[u8]) {
        let is_full = self.block.len_with(shared, key, value) > self.options.block_size_bytes;
        if !self.block.is_empty() && is_full {
            self.cut_block();
        }
        if self.is_empty() {
            self.separator = key.to_vec();
        } else if self.block.is_empty() {
            self.separator.clear();
            self.separator.extend_from_slice(&key[..=shared]);
        }
        if !(planted!(FilterIncomplete) && key_hash(key).is_multiple_of(64)) {
            self.filter.add(key_hash(key));
        }
    }

    fn cut_block(&mut self) {
        let entries = self.block.entry_count();
        let sealed = self.block.seal(self.file_id, self.output.len);
        self.kept.end_block(self.blocks, entries, sealed);
        self.blocks += 1;
        self.index.add(&self.separator, sealed.len(), self.counts.deletes - self.indexed_deletes);
        self.indexed_deletes = self.counts.deletes;
        self.output.put(sealed);
        self.block.clear();
    }

    /// Seals and puts out the filter or index; returns its offset and length.
    fn put_block(&mut self, mut body: Buffer) -> (u64, u64) {
        let offset = self.output.len;
        format::seal_buffer(&mut body, self.file_id, offset);
        self.output.put(&body);
        (offset, body.len() as u64)
    }

    /// The next buffer of [`WRITE_LEN`] bytes, if there is one.
    pub(crate) fn take_full(&mut self) -> Option<Buffer> {
        self.output.full.pop_front()
    }

    /// Length the file would have if it were finished now, to within one block.
    pub(crate) fn len_estimate(&self) -> u64 {
        let ending =
            self.filter.len() + self.index.len() + self.last_key.len() + 2 * TRAILER_LEN + FOOTER_LEN;
        let block_len = if self.block.is_empty() { 0 } else { self.block.len() };
        self.output.len + (block_len + ending) as u64
    }

    /// Ends the file. Asserts that it has entries.
    pub(crate) fn finish(mut self) -> Finished {
        assert!(!self.is_empty(), "a table has at least one entry");
        self.cut_block();
        let filter = std::mem::replace(&mut self.filter, FilterBuilder::new(0)).finish();
        let (filter_offset, filter_len) = self.put_block(filter);
        let index = std::mem::take(&mut self.index).finish(&self.last_key);
        let (index_offset, index_len) = self.put_block(index);
        let footer = Footer {
            file_id: self.file_id,
            filter_offset,
            filter_len,
            index_offset,
            index_len,
            entries: self.counts.entries,
            deletes: self.counts.deletes,
            seqno_min: self.counts.seqno_min,
            seqno_max: self.counts.seqno_max,
            garbage_bytes: self.counts.garbage_bytes,
            overwrites: u32::try_from(self.counts.overwrites).unwrap_or(u32::MAX),
        };
        self.output.put(&footer.encode());
        Finished { file_len: self.output.len, rest: self.output.finish(), kept: self.kept }
    }
}

/// The bytes of the file, cut into buffers.
#[derive(Default)]
struct Output {
    /// Bytes put out so far, buffers taken included.
    len: u64,
    full: VecDeque<Buffer>,
    filling: Option<Buffer>,
}

impl Output {
    fn put(&mut self, mut bytes: &[u8]) {
        self.len += bytes.len() as u64;
        while !bytes.is_empty() {
            let buffer = self.filling.get_or_insert_with(|| Buffer::with_capacity(WRITE_LEN));
            let (now, later) = bytes.split_at(bytes.len().min(buffer.room()));
            buffer.extend_from_slice(now);
            bytes = later;
            if buffer.room() == 0 {
                self.full.extend(self.filling.take());
            }
        }
    }

    fn finish(self) -> Vec<Buffer> {
        self.full.into_iter().chain(self.filling).collect()
    }
}
