//! Reads on a calling thread, through a small ring of that thread's own.
//!
//! Only what must wait for the device comes here: what the page cache holds is copied by one plain call that refuses to
//! wait (4 KiB: 0.63 us against 1.04 us through the ring). A file system that cannot answer without waiting sends
//! every read here.
//!
//! The ring is made at the thread's first read and taken down when the thread ends. The caller's
//! buffer is only borrowed, so a read returns when the kernel is done with it and never before.
//! Where a thread gets no ring, it reads by plain system calls: slower, not wrong.

use std::cell::RefCell;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::Once;

use io_uring::opcode;
use io_uring::types::Fd;
use rustix::io::Errno;

use super::flight::CANCELED_MAX;
use super::ring::{Ring, RingBroken, Sleep};
use super::several::read_several;
use crate::base::limits::REQUEST_LEN_MAX;
use crate::base::metrics::IoCounters;
use crate::io::{File, ReadAt, blocking};

/// Requests of one thread between two enters, and four times as many in flight: one for a read by itself, more for those of
/// many blocks together. For fewer the kernel takes no fewer pages, one for requests and one for completions.
const ENTRIES: u32 = 32;

thread_local! {
    static READER: RefCell<Reader> = const { RefCell::new(Reader::Unopened) };
}

enum Reader {
    /// This thread has not read yet.
    Unopened,
    /// Through this ring.
    Ring(Ring),
    /// This thread got no ring.
    Without,
}

/// Reads until `buffer` is full or the file ends.
pub(in crate::io) fn read_at(
    file: &File,
    offset: u64,
    buffer: &mut [u8],
    counters: &IoCounters,
) -> io::Result<usize> {
    // The ring is out of reach while the thread's locals are being destroyed, and to a reader that
    // a subscriber of our own log messages might be.
    READER
        .try_with(|reader| reader.try_borrow_mut().ok()?.read_at(file, offset, buffer, counters))
        .unwrap_or(None)
        .unwrap_or_else(|| blocking::read_at(file, offset, buffer))
}

/// Reads like that of [`read_at`], in flight together: what is missing of each.
pub(in crate::io) fn read_many(reads: &mut [ReadAt<'_>], counters: &IoCounters) {
    if reads.iter().all(ReadAt::is_full) {
        return;
    }
    // Where the thread has no ring, or it broke: those that are not full.
    let is_done = READER
        .try_with(|reader| reader.try_borrow_mut().ok()?.read_many(reads, counters))
        .unwrap_or(None)
        .is_some();
    if !is_done {
        reads.iter_mut().filter(|read| !read.is_full()).for_each(blocking::read_rest);
    }
}

impl Reader {
    fn read_at(
        &mut self,
        file: &File,
        offset: u64,
        buffer: &mut [u8],
        counters: &IoCounters,
    ) -> Option<io::Result<usize>> {
        let result = through(self.ring()?, file, offset, buffer, counters);
        self.give_up_if_broken(result)
    }

    fn read_many(&mut self, reads: &mut [ReadAt<'_>], counters: &IoCounters) -> Option<()> {
        let result = read_several(self.ring()?, reads, counters);
        self.give_up_if_broken(result)
    }

    /// This thread's ring, made if need be.
    fn ring(&mut self) -> Option<&Ring> {
        if matches!(self, Self::Ring(ring) if !ring.is_ours()) {
            // This thread is a child's copy of the one that made it.
            *self = Self::Unopened;
        }
        if let Self::Unopened = self {
            *self = Ring::open(ENTRIES).map_or_else(Self::without, Self::Ring);
        }
        if let Self::Ring(ring) = self { Some(ring) } else { None }
    }

    fn give_up_if_broken<T>(&mut self, result: Result<T, RingBroken>) -> Option<T> {
        result.map_err(|RingBroken(e)| *self = Self::without(e)).ok()
    }

    fn without(e: io::Error) -> Self {
        static SAID: Once = Once::new();
        SAID.call_once(|| {
            tracing::warn!("a thread gets no ring for its reads and goes on with plain calls: {e}");
        });
        Self::Without
    }
}

fn through(
    ring: &Ring,
    file: &File,
    offset: u64,
    buffer: &mut [u8],
    counters: &IoCounters,
) -> Result<io::Result<usize>, RingBroken> {
    let (mut filled, mut canceled) = (0, 0);
    while filled < buffer.len() {
        let end = buffer.len().min(filled + REQUEST_LEN_MAX);
        let result = request(ring, file, offset + filled as u64, &mut buffer[filled..end], counters)?;
        match usize::try_from(result) {
            Ok(0) => break,
            Ok(len) => filled += len,
            Err(_) => match Errno::from_raw_os_error(-result) {
                Errno::INTR | Errno::AGAIN => {}
                Errno::CANCELED => {
                    canceled += 1;
                    if canceled == CANCELED_MAX {
                        return Ok(blocking::read_at(file, offset, buffer));
                    }
                }
                e if blocking::ends_unaligned(e, filled) => break,
                e => return Ok(Err(e.into())),
            },
        }
    }
    Ok(Ok(filled))
}

/// One request, from its push to its completion: a count, or a negative errno.
fn request(
    ring: &Ring,
    file: &File,
    offset: u64,
    piece: &mut [u8],
    counters: &IoCounters,
) -> Result<i32, RingBroken> {
    let len = u32::try_from(piece.len()).expect("cut to REQUEST_LEN_MAX by the caller");
    let fd = Fd(file.as_fd().as_raw_fd());
    let entry = opcode::Read::new(fd, piece.as_mut_ptr(), len).offset(offset).build();
    // SAFETY: file and piece are borrowed until this function returns, which it does with the
    // completion popped, or with the request never sent and the ring about to be dropped.
    let pushed = unsafe { ring.push(&entry) };
    assert!(pushed, "a thread reads one piece at a time");
    counters.ring_ops.add(1);
    loop {
        counters.ring_enters.add(1);
        let entered = ring.enter(Sleep::Forever);
        if let Some((_, result)) = ring.pop() {
            return Ok(result);
        }
        let Err(e) = entered else { continue };
        if !ring.is_sent() {
            return Err(RingBroken(e));
        }
        // The kernel may yet write into memory that is the caller's again once we return, and
        // cannot be asked about it: somebody has closed or damaged the ring under us.
        tracing::error!("a ring broke with a read of {} in flight: {e}", file.path().display());
        std::process::abort();
    }
}
