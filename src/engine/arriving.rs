//! Blocks for callers that await them: what the page cache has is copied at once, the rest is read by a core.
//!
//! The buffers belong to the core: whoever waits may go at any time, and the reads then end for nobody.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::Engine;
use super::read::take_in;
use crate::base::coverage::reached;
use crate::base::error::Result;
use crate::base::limits::SECTOR;
use crate::base::sync::Arc;
use crate::base::sync::atomic::{AtomicUsize, Ordering};
use crate::cursor::NeedsBlock;
use crate::exec::{Local, Reading, Reply};
use crate::io::{Buffer, File};
use crate::table::Block;

/// Which core reads next: they take turns.
#[derive(Default)]
pub(crate) struct ReadTurns(AtomicUsize);

impl ReadTurns {
    fn next(&self, cores: usize) -> usize {
        self.0.fetch_add(1, Ordering::Relaxed) % cores
    }
}

/// Blocks on their way; ends with them, in the order in which they were asked for.
pub(super) struct Arriving {
    needed: Vec<NeedsBlock>,
    /// Those that were there at once. The others come with the reply, in order.
    there: Vec<Option<Vec<u8>>>,
    reply: Option<Reply<Vec<io::Result<Buffer>>>>,
}

impl Engine {
    /// Begins to read blocks, in one submission of one core.
    pub(super) fn begin_reads(&self, needed: Vec<NeedsBlock>) -> Arriving {
        let location = |needed: &NeedsBlock| needed.table.block_location(needed.block_no);
        let cached = |needed: &NeedsBlock| {
            let (offset, len) = location(needed);
            let mut bytes = vec![0; len];
            self.io.read_cached(needed.table.file(), offset, &mut bytes).then_some(bytes)
        };
        let there: Vec<Option<Vec<u8>>> = needed.iter().map(cached).collect();
        let missing = needed.iter().zip(&there).filter(|(_, there)| there.is_none());
        let missing: Vec<(File, u64, usize)> = missing
            .map(|(needed, _)| {
                let (offset, len) = location(needed);
                (needed.table.file().clone(), offset, len)
            })
            .collect();
        let reply = (!missing.is_empty()).then(|| {
            let core = self.read_turns.next(self.cores.count());
            self.cores.run(core, |local| read_all(local, missing))
        });
        Arriving { needed, there, reply }
    }

    /// Reads a block.
    pub(super) async fn read_block(&self, needed: &NeedsBlock) -> Result<Arc<Block>> {
        let mut blocks = self.begin_reads(vec![needed.clone()]).await;
        blocks.pop().expect("as many blocks come as were asked for")
    }
}

/// All reads are in flight before the first is waited for. Buffers hold whole sectors: what is read beyond is cut off.
async fn read_all(local: Local, missing: Vec<(File, u64, usize)>) -> Vec<io::Result<Buffer>> {
    let begin = |(file, offset, len): &(File, u64, usize)| {
        local.begin_read(file, *offset, Buffer::with_capacity(len.next_multiple_of(SECTOR)))
    };
    let reads: Vec<Reading> = missing.iter().map(begin).collect();
    let mut buffers = Vec::with_capacity(reads.len());
    for (read, (_, _, len)) in reads.into_iter().zip(&missing) {
        buffers.push(read.await.map(|mut buffer| {
            buffer.truncate(*len);
            buffer
        }));
    }
    buffers
}

impl Future for Arriving {
    type Output = Vec<Result<Arc<Block>>>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let read = match &mut self.reply {
            None => Vec::new(),
            Some(reply) => match Pin::new(reply).poll(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(read)) => {
                    reached!("read: a core has read for who awaits it");
                    read
                }
                Poll::Ready(Err(closed)) => {
                    return Poll::Ready(self.needed.iter().map(|_| Err(closed.clone())).collect());
                }
            },
        };
        let (needed, there) = (std::mem::take(&mut self.needed), std::mem::take(&mut self.there));
        let mut read = read.into_iter();
        let blocks = needed.iter().zip(there).map(|(needed, there)| match there {
            Some(bytes) => take_in(needed, Ok(bytes)),
            None => {
                let read = read.next().expect("each block that was missing was read");
                take_in(needed, read.map(|buffer| buffer.to_vec()))
            }
        });
        Poll::Ready(blocks.collect())
    }
}
