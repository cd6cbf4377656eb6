//! The blocks of a table one after another, for compaction.
//!
//! Adjacent blocks are read together, and the next chunk is on its way while one is being used. The file is opened once
//! more for that: readers' handles tell the kernel that they read at random, and compaction wants it to read ahead.
//! Where the cache has many in a row they are taken from there. Nothing that is read goes into it: it is about to be
//! replaced.

use std::collections::VecDeque;
use std::ops::Range;

use crate::base::coverage::reached;
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

/// So many blocks in a row are taken from the cache; fewer are read with those around them.
const CACHED_MIN: usize = 16;

struct Chunk {
    first_block: usize,
    behind: usize,
    read: Reading,
}

/// Blocks that lie one behind the other.
struct Row {
    behind: usize,
    len: usize,
}

/// Blocks of a table from one on.
pub(crate) struct ReadAhead {
    table: Arc<Table>,
    file: File,
    /// The first block that is neither ready nor asked for yet.
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
        blocks.ask_unless_cached(local);
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
        let Row { behind, len } = self.row_to_read();
        let (start, _) = self.table.block_location(first_block);
        let read = local.begin_read(&self.file, start, len);
        self.ahead = Some(Chunk { first_block, behind, read });
        self.next_block = behind;
    }

    /// Where many blocks are cached nothing need be on its way.
    fn ask_unless_cached(&mut self, local: &Local) {
        if self.cached_row().is_empty() {
            self.ask(local);
        }
    }

    /// The next blocks, if the cache has many in a row; no more than a chunk has.
    fn cached_row(&self) -> Range<usize> {
        let (mut behind, mut len) = (self.next_block, 0);
        while behind < self.end && self.table.is_cached(behind) {
            len += self.table.block_location(behind).1;
            if len > CHUNK_LEN {
                break;
            }
            behind += 1;
        }
        if behind - self.next_block < CACHED_MIN { 0..0 } else { self.next_block..behind }
    }

    /// From the next block on, up to where many are cached.
    fn row_to_read(&self) -> Row {
        let (_, len) = self.table.block_location(self.next_block);
        let mut row = Row { behind: self.next_block + 1, len };
        let mut before_cached = Row { ..row };
        while row.behind < self.end {
            let (_, block_len) = self.table.block_location(row.behind);
            if row.len + block_len > CHUNK_LEN - SECTOR {
                break;
            }
            let is_cached = self.table.is_cached(row.behind);
            row = Row { behind: row.behind + 1, len: row.len + block_len };
            if !is_cached {
                before_cached = Row { ..row };
            } else if row.behind - before_cached.behind == CACHED_MIN {
                return before_cached;
            }
        }
        row
    }

    /// Makes the next blocks ready, if the cache has many in a row.
    fn take_cached(&mut self) {
        for block_no in self.cached_row() {
            // One may have gone meanwhile.
            let Some(block) = self.table.cached_block_once(block_no) else { break };
            reached!("compaction: took cached blocks");
            self.ready.push_back((block_no, block));
            self.next_block = block_no + 1;
        }
    }

    /// Makes blocks ready, of which there are none.
    async fn take_chunk(&mut self, local: &Local) -> Result<()> {
        if self.ahead.is_none() {
            self.take_cached();
            if !self.ready.is_empty() {
                self.ask_unless_cached(local);
                return Ok(());
            }
            self.ask(local);
        }
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
        self.ask_unless_cached(local);
        Ok(())
    }
}
