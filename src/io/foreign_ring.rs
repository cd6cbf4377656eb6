//! Reads on the ring of tokio-uring's runtime, which belongs to the calling thread. Feature `tokio-uring`.
//!
//! The runtime owns the buffer of a read until its completion, also if the future is dropped, as our own queues do. It
//! takes files of its own: each read has a copy of the descriptor, which it closes, so that nothing keeps a table that
//! was removed.

use std::io;
use std::ops::Range;

use ::tokio_uring::buf::BoundedBuf;
use ::tokio_uring::fs;
use rustix::io::{Errno, fcntl_dupfd_cloexec};

use super::blocking::ends_unaligned;
use super::{File, sectors};
use crate::base::limits::SECTOR;

/// Reads up to `len` bytes; fewer only at the end of the file.
///
/// # Panics
/// If it is polled outside of the runtime.
pub(crate) async fn read_on_runtime(file: File, offset: u64, len: usize) -> io::Result<Vec<u8>> {
    let theirs = fs::File::from_std(std::fs::File::from(fcntl_dupfd_cloexec(&file, 0)?));
    if !file.is_direct() {
        let (mut bytes, read) = fill(&theirs, Vec::with_capacity(len), 0..len, offset).await?;
        bytes.truncate(read);
        return Ok(bytes);
    }
    let (start, skip) = sectors::start(offset);
    let sectors_len = (skip + len).next_multiple_of(SECTOR);
    let bytes = vec![0; sectors_len + SECTOR];
    let from = bytes.as_ptr().align_offset(SECTOR);
    let (mut bytes, read) = fill(&theirs, bytes, from..from + sectors_len, start).await?;
    bytes.truncate(from + read.min(skip + len));
    bytes.drain(..(from + skip).min(bytes.len()));
    Ok(bytes)
}

/// Reads into a part of `bytes`; returns them, and how many of the part are filled.
async fn fill(
    theirs: &fs::File,
    mut bytes: Vec<u8>,
    part: Range<usize>,
    offset: u64,
) -> io::Result<(Vec<u8>, usize)> {
    let mut filled = 0;
    while filled < part.len() {
        let rest = bytes.slice(part.start + filled..part.end);
        let (read, rest) = theirs.read_at(rest, offset + filled as u64).await;
        bytes = rest.into_inner();
        match read {
            Ok(0) => break,
            Ok(len) => filled += len,
            Err(e) if may_be_repeated(&e) => {}
            Err(e) if Errno::from_io_error(&e).is_some_and(|e| ends_unaligned(e, filled)) => break,
            Err(e) => return Err(e),
        }
    }
    Ok((bytes, filled))
}

fn may_be_repeated(e: &io::Error) -> bool {
    matches!(Errno::from_io_error(e), Some(Errno::INTR | Errno::AGAIN | Errno::CANCELED))
}
