//! Calls awaited on tokio-uring's runtime: what is not in memory is read on the runtime's own ring. Feature `tokio-uring`.

use std::future::Future;
use std::io;
use std::marker::PhantomData;
use std::pin::Pin;
use std::rc::Rc;

use super::Engine;
use super::caller::Caller;
use super::open::Handle;
use super::reads::{Piece, Pieces};
use crate::base::error::Result;
use crate::base::sync::Arc;
use crate::exec::together;
use crate::io::{Buffer, File, Io, read_on_runtime};

/// Stays on the thread of the runtime, to which the ring belongs.
#[derive(Clone)]
pub(crate) struct OnTokioUring(Arc<Handle>, PhantomData<Rc<()>>);

impl OnTokioUring {
    pub(crate) fn new(handle: &Arc<Handle>) -> Self {
        Self(Arc::clone(handle), PhantomData)
    }
}

impl Caller for OnTokioUring {
    type Reads = Pin<Box<dyn Future<Output = Pieces<Vec<u8>>>>>;
    type Bytes = Vec<u8>;

    fn engine(&self) -> &Engine {
        &self.0.0
    }

    fn keep_open(&self) -> Result<Arc<Handle>> {
        Ok(Arc::clone(&self.0))
    }

    /// Never, where it need not be: of such reads the memory would have to be the engine's, and a core of it would read.
    fn way_past_page_cache(&self, _file: &File, _offset: u64, _len: usize) -> Option<File> {
        None
    }

    fn begin_reads(&self, pieces: Vec<Piece>) -> Self::Reads {
        if pieces.iter().any(|(file, ..)| file.is_direct()) {
            // When a runtime ends it frees the memory of reads that were dropped, which the device may still fill.
            let reads = self.0.begin_reads(pieces);
            let copied = |read: io::Result<Buffer>| read.map(|buffer| buffer.to_vec());
            return Box::pin(async move { Ok(reads.await?.into_iter().map(copied).collect()) });
        }
        let io = Arc::clone(&self.0.0.io);
        Box::pin(async move { Ok(read_together(&*io, pieces).await) })
    }
}

/// All reads are in flight before the first is waited for.
async fn read_together(io: &dyn Io, pieces: Vec<Piece>) -> Vec<io::Result<Vec<u8>>> {
    let begin = |(file, offset, len)| read_on_runtime(file, offset, len);
    let ended = together(pieces.into_iter().map(begin)).await;
    for bytes in ended.iter().flatten() {
        io.counters().reads.add(1);
        io.counters().read_bytes.add(bytes.len() as u64);
    }
    ended
}
