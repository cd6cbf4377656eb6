//! One operation on its way: which request comes next, and what a request's result means.
//!
//! A flight owns everything the kernel is told about: buffers, files, names. It is a state machine
//! without any I/O of its own: [`Flight::request`] gives the next request, [`Flight::advance`]
//! takes its result. Transfers are cut at [`REQUEST_LEN_MAX`] and go on after short results.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, AsRawFd};

use io_uring::types::{Fd, FsyncFlags};
use io_uring::{opcode, squeue};
use rustix::io::{Errno, ReadWriteFlags};

use crate::base::limits::REQUEST_LEN_MAX;
use crate::io::blocking::ends_unaligned;
use crate::io::durable::{Begun, By};
use crate::io::{File, Op, Reach, names};

/// How often one operation may be given up by the kernel (`ECANCELED`) before plain calls do it; until then it
/// is sent again. Nobody here cancels anything: the kernel does if a signal is pending while it makes a thread
/// for the request, so even under a storm of signals a few tries are enough.
pub(super) const CANCELED_MAX: u32 = 8;

/// An operation with its progress.
#[derive(Debug)]
pub(super) struct Flight {
    pub(super) token: u64,
    pub(super) op: Op,
    /// How a durable write is made so.
    pub(super) begun: Begun,
    /// Bytes transferred so far.
    moved: usize,
    /// What has to follow the bytes of a write.
    rest: Rest,
    /// The name that a removal removes, in the kernel's form.
    name: Option<CString>,
    /// Requests of it that the kernel gave up, and write-backs that came to nothing.
    canceled: u32,
}

/// What a write is to come to beyond the page cache, and how far that is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rest {
    Nothing,
    /// Each request is durable by itself.
    DurableRequests,
    /// A sync has to follow the last request.
    SyncLater,
    /// That sync is what is asked for now.
    SyncNow,
    /// The last request is to be followed by the write-back of what was written.
    BackLater,
    /// That is what is asked for now.
    BackNow,
}

/// Begin the write-back, and wait for it (`SYNC_FILE_RANGE_WRITE`, `_WAIT_AFTER`). Without the third flag, which waits for
/// earlier ones, the system writes it as in the background: behind what somebody waits for.
const WRITE_BACK: u32 = 2 | 4;

/// What follows from a result.
#[derive(Debug)]
pub(super) enum Progress {
    /// Another request is needed.
    Again,
    /// The ring does not get it done: the whole operation is to be done by plain system calls.
    Plainly,
    /// The operation has ended.
    Done(io::Result<usize>),
}

impl Flight {
    /// An operation that has not begun.
    pub(super) fn new(token: u64, mut op: Op, begun: Begun) -> Self {
        let mut removed = None;
        let mut rest = Rest::Nothing;
        match &mut op {
            Op::Read { buffer, .. } => buffer.clear(),
            // One request carries its own sync. Several are cheaper with one sync behind them.
            Op::Write { data, reach: Reach::Durable, .. }
                if begun.by == By::Flag && data.len() <= REQUEST_LEN_MAX =>
            {
                rest = Rest::DurableRequests;
            }
            Op::Write { reach: Reach::Durable, .. } => rest = Rest::SyncLater,
            Op::Write { reach: Reach::Device, .. } => rest = Rest::BackLater,
            Op::Remove { name, .. } => {
                let name = CString::new(name.as_bytes());
                removed = Some(name.expect("a name listed or made by the system has no zero byte"));
            }
            Op::Write { .. } | Op::Sync { .. } | Op::Allocate { .. } | Op::Shorten { .. } => {}
        }
        Self { token, op, begun, moved: 0, rest, name: removed, canceled: 0 }
    }

    /// The next request. It names memory of this flight, at addresses that do not change when the
    /// flight moves.
    pub(super) fn request(&mut self) -> squeue::Entry {
        let moved = self.moved;
        match &mut self.op {
            Op::Read { file, offset, buffer } => {
                let start = buffer.as_mut_ptr().wrapping_add(moved);
                opcode::Read::new(fd(file), start, piece(buffer.capacity() - moved))
                    .offset(*offset + moved as u64)
                    .build()
            }
            Op::Write { file, .. } if self.rest == Rest::SyncNow => sync(file),
            Op::Write { file, offset, data, .. } if self.rest == Rest::BackNow => {
                let len = u32::try_from(data.len()).expect("cut by whoever wants it written back");
                opcode::SyncFileRange::new(fd(file), len).offset(*offset).flags(WRITE_BACK).build()
            }
            Op::Write { file, offset, data, .. } => {
                let flags = match self.rest {
                    Rest::DurableRequests => ReadWriteFlags::DSYNC,
                    _ => ReadWriteFlags::empty(),
                };
                let start = data.pointer().wrapping_add(moved);
                opcode::Write::new(fd(file), start, piece(data.len() - moved))
                    .offset(*offset + moved as u64)
                    .rw_flags(flags.bits() as i32)
                    .build()
            }
            Op::Sync { file } if names::is_directory(file) => opcode::Fsync::new(fd(file)).build(),
            Op::Sync { file } => sync(file),
            Op::Allocate { file, len } => opcode::Fallocate::new(fd(file), *len).build(),
            Op::Shorten { file, len } => opcode::Ftruncate::new(fd(file), *len).build(),
            Op::Remove { dir, .. } => {
                let name = self.name.as_ref().expect("set in new for every removal");
                opcode::UnlinkAt::new(fd(dir.file()), name.as_ptr()).build()
            }
        }
    }

    /// Takes the result of the last request: a count, or a negative errno.
    ///
    /// # Safety
    /// The result must be the kernel's, or the bytes it counts must have been written into the
    /// buffer otherwise.
    pub(super) unsafe fn advance(&mut self, result: i32) -> Progress {
        match usize::try_from(result) {
            // SAFETY: as promised by the caller.
            Ok(len) => unsafe { self.transferred(len) },
            Err(_) => self.refused(Errno::from_raw_os_error(-result)),
        }
    }

    /// # Safety
    /// As for [`Self::advance`].
    unsafe fn transferred(&mut self, len: usize) -> Progress {
        match &mut self.op {
            Op::Read { buffer, .. } => {
                self.moved += len;
                // SAFETY: the kernel has filled `len` bytes more, counted without gap from the
                // start, as promised by the caller.
                unsafe { buffer.set_len(self.moved) };
                if len > 0 && self.moved < buffer.capacity() { Progress::Again } else { self.done() }
            }
            Op::Write { .. } if matches!(self.rest, Rest::SyncNow | Rest::BackNow) => self.done(),
            Op::Write { data, .. } => {
                self.moved += len;
                if self.moved == data.len() {
                    return self.written();
                }
                assert!(self.moved < data.len(), "the kernel wrote more than it was given");
                if len > 0 { Progress::Again } else { Progress::Done(Err(io::ErrorKind::WriteZero.into())) }
            }
            Op::Sync { .. } | Op::Allocate { .. } | Op::Shorten { .. } | Op::Remove { .. } => self.done(),
        }
    }

    fn written(&mut self) -> Progress {
        self.rest = match self.rest {
            Rest::SyncLater => Rest::SyncNow,
            Rest::BackLater => Rest::BackNow,
            _ => return self.done(),
        };
        Progress::Again
    }

    fn refused(&mut self, e: Errno) -> Progress {
        match (e, &self.op) {
            (e, Op::Write { .. }) if self.rest == Rest::BackNow => self.not_written_back(e),
            (Errno::INTR | Errno::AGAIN, _) => Progress::Again,
            // Never begun, so nothing of it has failed: a sync, too, may be asked for once more.
            (Errno::CANCELED, _) => {
                self.canceled += 1;
                if self.canceled < CANCELED_MAX { Progress::Again } else { Progress::Plainly }
            }
            // No such flag on this file system: write plainly, then sync.
            (Errno::OPNOTSUPP | Errno::INVAL, Op::Write { .. }) if self.rest == Rest::DurableRequests => {
                self.rest = Rest::SyncLater;
                Progress::Again
            }
            // Rings know it since Linux 6.9.
            (Errno::INVAL, Op::Shorten { .. }) => Progress::Plainly,
            (_, Op::Read { .. }) if ends_unaligned(e, self.moved) => self.done(),
            (Errno::NOENT, Op::Remove { .. }) => self.done(),
            _ => Progress::Done(Err(e.into())),
        }
    }

    /// A write-back tells once what has become of pages of the file, perhaps of others than those of this piece: neither
    /// another write-back nor a sync would hear of it any more. So whoever makes the file fails. Only what the ring itself
    /// says, of a request that was not begun, is no reason.
    fn not_written_back(&mut self, e: Errno) -> Progress {
        if !matches!(e, Errno::INTR | Errno::CANCELED) {
            return Progress::Done(Err(e.into()));
        }
        (self.moved, self.rest) = (0, Rest::BackLater);
        self.canceled += 1;
        if self.canceled < CANCELED_MAX { Progress::Again } else { Progress::Plainly }
    }

    fn done(&self) -> Progress {
        Progress::Done(Ok(self.moved))
    }
}

fn fd(file: &File) -> Fd {
    Fd(file.as_fd().as_raw_fd())
}

fn sync(file: &File) -> squeue::Entry {
    opcode::Fsync::new(fd(file)).flags(FsyncFlags::DATASYNC).build()
}

fn piece(rest: usize) -> u32 {
    u32::try_from(rest.min(REQUEST_LEN_MAX)).expect("the limit fits 32 bits")
}
