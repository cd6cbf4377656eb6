//! Reading a range of a table from one end to the other, for compaction.
//!
//! Adjacent blocks are read together, and the next chunk is on its way while one is being used.
//! Nothing goes through the block cache: what compaction reads is about to be replaced.

use std::collections::VecDeque;

use crate::base::error::{Error, Result};
use crate::base::key::{SeqNo, Tag};
use crate::base::key_range::KeyRange;
use crate::base::limits::SECTOR;
use crate::base::sync::Arc;
use crate::exec::{Local, Submitted};
use crate::io::{Buffer, Op};
use crate::memtable::NEWEST;
use crate::table::{Block, BlockCursor, Table};

/// Adjacent blocks read at once, in bytes; a larger block is read alone.
const CHUNK_LEN: usize = 256 << 10;

struct Chunk {
    first_block: usize,
    behind: usize,
    read: Submitted,
}

/// A position in a range of a table.
pub(crate) struct Scan {
    table: Arc<Table>,
    range: KeyRange,
    next_block: usize,
    ahead: Option<Chunk>,
    ready: VecDeque<Arc<Block>>,
    cursor: Option<BlockCursor>,
}

impl Scan {
    /// Begins at the first entry of the range.
    pub(crate) async fn begin(local: &Local, table: Arc<Table>, range: KeyRange) -> Result<Self> {
        let next_block = table.find_block(&range.lower).unwrap_or(0);
        let mut scan = Self { table, range, next_block, ahead: None, ready: VecDeque::new(), cursor: None };
        scan.read_ahead(local);
        scan.next_cursor(local).await?;
        if let Some(cursor) = &mut scan.cursor {
            cursor.seek(&scan.range.lower, NEWEST);
            if !cursor.is_valid() {
                scan.next_cursor(local).await?;
            }
        }
        scan.stop_behind_range();
        Ok(scan)
    }

    /// The entry at the position; `None` at the end.
    pub(crate) fn entry(&self) -> Option<(&[u8], Tag, &[u8])> {
        let cursor = self.cursor.as_ref()?;
        Some((cursor.key(), cursor.tag(), cursor.value()))
    }

    /// Key and seqno at the position, for ordering.
    pub(crate) fn position(&self) -> Option<(&[u8], SeqNo)> {
        let cursor = self.cursor.as_ref()?;
        Some((cursor.key(), cursor.tag().seqno()))
    }

    /// Moves on within the block; returns whether a new block is needed first.
    pub(crate) fn advance(&mut self) -> bool {
        let Some(cursor) = &mut self.cursor else { return false };
        cursor.next();
        if !cursor.is_valid() {
            return true;
        }
        self.stop_behind_range();
        false
    }

    /// Goes to the next block's first entry.
    pub(crate) async fn advance_block(&mut self, local: &Local) -> Result<()> {
        self.next_cursor(local).await?;
        self.stop_behind_range();
        Ok(())
    }

    fn stop_behind_range(&mut self) {
        if self.cursor.as_ref().is_some_and(|cursor| !self.range.is_below_upper(cursor.key())) {
            self.cursor = None;
            self.ahead = None;
        }
    }

    async fn next_cursor(&mut self, local: &Local) -> Result<()> {
        if self.ready.is_empty() {
            self.take_chunk(local).await?;
        }
        let Some(block) = self.ready.pop_front() else {
            self.cursor = None;
            return Ok(());
        };
        let mut cursor = BlockCursor::new(block);
        cursor.seek_to_first();
        self.cursor = Some(cursor);
        Ok(())
    }

    fn read_ahead(&mut self, local: &Local) {
        if self.next_block >= self.table.block_count() {
            return;
        }
        let first_block = self.next_block;
        let (start, mut len) = self.table.block_location(first_block);
        let mut behind = first_block + 1;
        while behind < self.table.block_count() {
            let (_, block_len) = self.table.block_location(behind);
            if len + block_len > CHUNK_LEN {
                break;
            }
            len += block_len;
            behind += 1;
        }
        // A buffer holds whole sectors; what is read beyond the chunk is cut off.
        let buffer = Buffer::with_capacity(len.next_multiple_of(SECTOR));
        let op = Op::Read { file: self.table.file().clone(), offset: start, buffer };
        self.ahead = Some(Chunk { first_block, behind, read: local.submit(op) });
        self.next_block = behind;
    }

    async fn take_chunk(&mut self, local: &Local) -> Result<()> {
        let Some(chunk) = self.ahead.take() else { return Ok(()) };
        let done = chunk.read.await;
        let (start, _) = self.table.block_location(chunk.first_block);
        let path = self.table.file().path();
        done.result.map_err(|e| Error::io("read", path, Some(start), e))?;
        let Op::Read { buffer, .. } = done.op else { unreachable!("a read completes as a read") };
        for number in chunk.first_block..chunk.behind {
            let (offset, len) = self.table.block_location(number);
            let from = (offset - start) as usize;
            let Some(bytes) = buffer.get(from..from + len) else {
                let (expected, found) = (offset + len as u64, start + buffer.len() as u64);
                return Err(Error::corruption(path, found, "length of the file", expected, found));
            };
            self.ready.push_back(Arc::new(self.table.parse_block(number, bytes.to_vec())?));
        }
        self.read_ahead(local);
        Ok(())
    }
}
