//! Reads on the ring of tokio-uring's runtime, which belongs to the calling thread. Feature `tokio-uring`.
//!
//! The runtime owns the buffer of a read until its completion, also if the future is dropped, as our own queues do. It
//! takes files of its own: each read has a copy of the descriptor, which it closes, so that nothing keeps a table that
//! was removed.

use std::io;

use ::tokio_uring::buf::BoundedBuf;
use ::tokio_uring::fs;
use rustix::io::{Errno, fcntl_dupfd_cloexec};

use super::File;

/// Reads up to `len` bytes; fewer only at the end of the file.
///
/// # Panics
/// If it is polled outside of the runtime.
pub(crate) async fn read_on_runtime(file: File, offset: u64, len: usize) -> io::Result<Vec<u8>> {
    let theirs = fs::File::from_std(std::fs::File::from(fcntl_dupfd_cloexec(&file, 0)?));
    let mut bytes = Vec::with_capacity(len);
    while bytes.len() < len {
        let filled = bytes.len();
        let (read, rest) = theirs.read_at(bytes.slice(filled..len), offset + filled as u64).await;
        bytes = rest.into_inner();
        match read {
            Ok(0) => break,
            Ok(_) => {}
            Err(e) if may_be_repeated(&e) => {}
            Err(e) => return Err(e),
        }
    }
    Ok(bytes)
}

fn may_be_repeated(e: &io::Error) -> bool {
    matches!(Errno::from_io_error(e), Some(Errno::INTR | Errno::AGAIN | Errno::CANCELED))
}
