//! The blocks of a table one after another, for compaction.
//!
//! Adjacent blocks are read together, and the next chunk is on its way while one is being used. The file is opened once
//! more for that: readers' handles tell the kernel that they read at random, and compaction wants it to read ahead.
//! Nothing goes through the block cache: what compaction reads is about to be replaced.

use std::collections::VecDeque;
use std::ops::Range;

use crate::base::error::{Error, Result};
use crate::base::limits::SECTOR;
use crate::base::sync::Arc;
use crate::exec::{Local, Reading};
use crate::files::{Directory, FileKind};
use crate::io::{File, OpenMode};
use crate::table::{Block, Bytes, Table};

/// Adjacent blocks read at once take less than so many bytes, with the rest of a sector before them that a direct read
/// brings along: as many as a piece of memory has. A larger block is read alone.
const CHUNK_LEN: usize = 256 << 10;

struct Chunk {
    first_block: usize,
    behind: usize,
    read: Reading,
}

/// Blocks of a table from one on.
pub(crate) struct ReadAhead {
    table: Arc<Table>,
    file: File,
    /// The first block that is not asked for yet.
    next_block: usize,
    /// None is asked for from here on.
    end: usize,
    ahead: Option<Chunk>,
    ready: VecDeque<(usize, Arc<Block>)>,
}

impl ReadAhead {
    /// Asks for the first chunk of `blocks`.
    pub(crate) fn begin(
        local: &Local,
        directory: &Directory,
        table: Arc<Table>,
        blocks: Range<usize>,
    ) -> Self {
        let mode = if table.file().is_direct() { OpenMode::ReadDirect } else { OpenMode::Read };
        let opened = directory.open(local, FileKind::Table(table.id()), mode);
        // Without a handle of its own it is slower, not wrong.
        let file = opened.unwrap_or_else(|_| table.file().clone());
        let Range { start: next_block, end } = blocks;
        let mut blocks = Self { table, file, next_block, end, ahead: None, ready: VecDeque::new() };
        blocks.ask(local);
        blocks
    }

    /// The next block, whose number is `block_no`.
    pub(crate) async fn next(&mut self, local: &Local, block_no: usize) -> Result<Arc<Block>> {
        if self.ready.is_empty() {
            self.take_chunk(local).await?;
        }
        let (number, block) =
            self.ready.pop_front().expect("blocks are asked for up to the last that the range needs");
        assert_eq!(number, block_no, "blocks are used one after another");
        Ok(block)
    }

    fn ask(&mut self, local: &Local) {
        if self.next_block >= self.end {
            return;
        }
        let first_block = self.next_block;
        let (start, mut len) = self.table.block_location(first_block);
        let mut behind = first_block + 1;
        while behind < self.end {
            let (_, block_len) = self.table.block_location(behind);
            if len + block_len > CHUNK_LEN - SECTOR {
                break;
            }
            len += block_len;
            behind += 1;
        }
        let read = local.begin_read(&self.file, start, len);
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
