//! The blocks of a table one after another, for compaction.
//!
//! Adjacent blocks are read together, and the next chunk is on its way while one is being used.
//! Nothing goes through the block cache: what compaction reads is about to be replaced.

use std::collections::VecDeque;

use crate::base::error::{Error, Result};
use crate::base::limits::SECTOR;
use crate::base::sync::Arc;
use crate::exec::{Local, Reading};
use crate::io::Buffer;
use crate::table::{Block, Bytes, Table};

/// Adjacent blocks read at once, in bytes; a larger block is read alone.
const CHUNK_LEN: usize = 256 << 10;

struct Chunk {
    first_block: usize,
    behind: usize,
    read: Reading,
}

/// Blocks of a table from one on.
pub(crate) struct ReadAhead {
    table: Arc<Table>,
    /// The first block that is not asked for yet.
    next_block: usize,
    ahead: Option<Chunk>,
    ready: VecDeque<(usize, Arc<Block>)>,
}

impl ReadAhead {
    /// Asks for the first chunk.
    pub(crate) fn begin(local: &Local, table: Arc<Table>, first_block: usize) -> Self {
        let mut blocks = Self { table, next_block: first_block, ahead: None, ready: VecDeque::new() };
        blocks.ask(local);
        blocks
    }

    /// The next block, whose number is `block_no`.
    pub(crate) async fn next(&mut self, local: &Local, block_no: usize) -> Result<Arc<Block>> {
        if self.ready.is_empty() {
            self.take_chunk(local).await?;
        }
        let (number, block) = self.ready.pop_front().expect("blocks are asked for up to the table's last");
        assert_eq!(number, block_no, "blocks are used one after another");
        Ok(block)
    }

    fn ask(&mut self, local: &Local) {
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
        let read = local.begin_read(self.table.file(), start, buffer);
        self.ahead = Some(Chunk { first_block, behind, read });
        self.next_block = behind;
    }

    async fn take_chunk(&mut self, local: &Local) -> Result<()> {
        let Some(chunk) = self.ahead.take() else { return Ok(()) };
        let read = chunk.read.await;
        let (start, _) = self.table.block_location(chunk.first_block);
        let buffer = Arc::new(read.map_err(|e| Error::io("read", self.table.file().path(), Some(start), e))?);
        for block_no in chunk.first_block..chunk.behind {
            let (offset, len) = self.table.block_location(block_no);
            let from = (offset - start) as usize;
            let bytes = Bytes::of_buffer(&buffer, from..from + len);
            self.ready.push_back((block_no, self.table.decode_block(block_no, bytes)?));
        }
        self.ask(local);
        Ok(())
    }
}
