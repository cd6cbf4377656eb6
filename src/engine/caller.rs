//! Who awaits calls: any task, for whom a core reads, or a guest, which reads on its own core.

use std::future::{Future, poll_fn};
use std::io;
use std::ops::Deref;
use std::task::{Context, Poll};

use super::Engine;
use super::open::Handle;
use super::reads::{Piece, Pieces, read_all};
use crate::base::error::Result;
use crate::base::sync::Arc;
use crate::exec::Reply;
use crate::io::{Buffer, File};

/// Who awaits a call, and keeps the engine alive meanwhile.
pub(crate) trait Caller: Clone {
    /// Pieces on their way. They may be dropped at any time: their memory belongs to the core that reads.
    type Reads: Future<Output = Pieces<Self::Bytes>> + Unpin;

    /// What is read.
    type Bytes: Deref<Target = [u8]>;

    fn engine(&self) -> &Engine;

    /// Refuses calls in a child of the process that opened the database, and once that, or who would read, has ended.
    fn check_open(&self) -> Result<()> {
        self.engine().check_open()
    }

    /// Keeps the database open as well, not only the engine alive.
    ///
    /// # Errors
    /// It is closed.
    fn keep_open(&self) -> Result<Arc<Handle>>;

    /// The file by which to read a part of a table, if it is to be read directly.
    fn way_past_page_cache(&self, file: &File, offset: u64, len: usize) -> Option<File> {
        self.engine().io.way_past_page_cache(file, offset, len)
    }

    /// Reads pieces in one submission.
    fn begin_reads(&self, pieces: Vec<Piece>) -> Self::Reads;

    /// Asked before so many `calls`: pending if others have to have their turn first.
    fn poll_turn(&self, context: &mut Context<'_>, calls: u32) -> Poll<()> {
        let _unlimited = (context, calls);
        Poll::Ready(())
    }
}

/// Lets others have their turn before so many `calls`, if it is due. Asks once: a future whose task has used up its turn
/// with other work each time it is polled comes to an end as well.
///
/// # Errors
/// As [`Caller::check_open`]: the process may have forked meanwhile.
pub(crate) async fn take_turn<C: Caller>(caller: &C, calls: u32) -> Result<()> {
    let mut has_asked = false;
    poll_fn(|context| {
        if std::mem::replace(&mut has_asked, true) {
            return Poll::Ready(());
        }
        caller.poll_turn(context, calls)
    })
    .await;
    caller.check_open()
}

impl Caller for Arc<Handle> {
    type Reads = Reply<Vec<io::Result<Buffer>>>;
    type Bytes = Buffer;

    fn engine(&self) -> &Engine {
        &self.0
    }

    fn keep_open(&self) -> Result<Arc<Handle>> {
        Ok(Self::clone(self))
    }

    /// Cores take turns.
    fn begin_reads(&self, pieces: Vec<Piece>) -> Self::Reads {
        let core = self.0.read_turns.next(self.0.cores.count());
        self.0.cores.run(core, |local| read_all(local, pieces))
    }
}
