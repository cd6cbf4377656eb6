//! Reads by a core, for whoever awaits them.

use std::io;

use crate::base::error::Result;
use crate::base::sync::atomic::{AtomicUsize, Ordering};
use crate::exec::{Local, Reading};
use crate::io::{Buffer, File};

/// A piece of a file that is to be read: where it begins, and its length.
pub(crate) type Piece = (File, u64, usize);

/// What has become of several pieces, in their order; or the core that reads has ended.
pub(crate) type Pieces<B = Buffer> = Result<Vec<io::Result<B>>>;

/// Which core reads next: they take turns.
#[derive(Default)]
pub(crate) struct ReadTurns(AtomicUsize);

impl ReadTurns {
    pub(super) fn next(&self, cores: usize) -> usize {
        self.0.fetch_add(1, Ordering::Relaxed) % cores
    }
}

/// All reads are in flight before the first is waited for.
pub(super) async fn read_all(local: Local, pieces: Vec<Piece>) -> Vec<io::Result<Buffer>> {
    let begin = |(file, offset, len): &Piece| local.begin_read(file, *offset, *len);
    let reads: Vec<Reading> = pieces.iter().map(begin).collect();
    let mut buffers = Vec::with_capacity(reads.len());
    for read in reads {
        buffers.push(read.await);
    }
    buffers
}
