//! Blocks for callers that await them: what the page cache has is copied at once, the rest is read by a core, for a
//! guest by its own.
//!
//! The buffers belong to the core: whoever waits may go at any time, and the reads then end for nobody.

use std::future::Future;
use std::ops::Deref;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::caller::Caller;
use super::read::{announce, take_in};
use super::reads::{Piece, Pieces};
use crate::base::coverage::reached;
use crate::base::error::Result;
use crate::base::sync::Arc;
use crate::cursor::NeedsBlock;
use crate::io::Process;
use crate::table::{Block, Bytes};

/// Blocks on their way; ends with them, in the order in which they were asked for.
pub(super) struct Arriving<R> {
    needed: Vec<NeedsBlock>,
    /// Those that were there at once. The others come with the reads, in order.
    there: Vec<Option<Bytes>>,
    reads: Option<R>,
    /// A child takes in nothing.
    process: Process,
}

/// Begins to read blocks, in one submission of one core.
pub(super) fn begin_reads<C: Caller>(caller: &C, needed: Vec<NeedsBlock>) -> Arriving<C::Reads> {
    let mut missing: Vec<Piece> = Vec::new();
    let mut cached = |needed: &NeedsBlock| {
        let (io, file, (offset, len)) = (&*caller.engine().io, needed.table.file(), needed.location());
        announce(io, needed);
        if let Some(direct) = caller.way_past_page_cache(file, offset, len) {
            reached!("read: past a page cache that is short");
            missing.push((direct, offset, len));
            return None;
        }
        let mut bytes = needed.room();
        let is_there = io.read_cached(file, offset, bytes.as_mut());
        if !is_there {
            missing.push((file.clone(), offset, len));
        }
        is_there.then_some(bytes)
    };
    let there = needed.iter().map(&mut cached).collect();
    let reads = (!missing.is_empty()).then(|| caller.begin_reads(missing));
    Arriving { needed, there, reads, process: caller.engine().process }
}

/// Reads a block.
pub(super) async fn read_block<C: Caller>(caller: &C, needed: &NeedsBlock) -> Result<Arc<Block>> {
    let mut blocks = begin_reads(caller, vec![needed.clone()]).await;
    blocks.pop().expect("as many blocks come as were asked for")
}

/// A core's buffer is larger than a block, and may be one of few.
fn copy(needed: &NeedsBlock, buffer: &[u8]) -> Bytes {
    let mut bytes = needed.room();
    bytes.truncate(buffer.len());
    bytes.as_mut().copy_from_slice(buffer);
    bytes
}

impl<R, B> Future for Arriving<R>
where
    R: Future<Output = Pieces<B>> + Unpin,
    B: Deref<Target = [u8]>,
{
    type Output = Vec<Result<Arc<Block>>>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if let Err(forked) = self.process.check() {
            return Poll::Ready(self.needed.iter().map(|_| Err(forked.clone())).collect());
        }
        let read = match &mut self.reads {
            None => Vec::new(),
            Some(reads) => match Pin::new(reads).poll(context) {
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
                take_in(needed, read.map(|buffer| copy(needed, &buffer)))
            }
        });
        Poll::Ready(blocks.collect())
    }
}
