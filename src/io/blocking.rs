//! The backend of plain system calls: one operation at a time, in the order of submission.
//!
//! Used where the kernel denies rings, or if an option asks for it. A queue executes in its turn what was
//! submitted, and waits only when it has nothing to do. It keeps the same promises as a ring: transfers are
//! complete, durable writes are durable, and an unpark ends a wait.

use std::collections::VecDeque;
use std::io;
use std::mem::MaybeUninit;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use rustix::fs::FallocateFlags;
use rustix::io::{Errno, ReadWriteFlags};

use super::clock::Clock;
use super::durable::{Begun, By, DurableWrites};
use super::{Buffer, Completion, Data, File, Op, Queue, Reach, ReadAt, Unpark, Wait, names};
use crate::base::error::Result;
use crate::base::limits::SECTOR;
use crate::base::metrics::IoCounters;
use crate::base::sync::Arc;

/// Reads until `buffer` is full or the file ends.
pub(super) fn read_at(file: &File, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match rustix::io::pread(file, &mut buffer[filled..], offset + filled as u64) {
            Ok(0) => break,
            Ok(len) => filled += len,
            Err(Errno::INTR | Errno::AGAIN) => {}
            Err(e) if ends_unaligned(e, filled) => break,
            Err(e) => return Err(e.into()),
        }
    }
    Ok(filled)
}

/// Reads what is missing of one of several reads.
pub(super) fn read_rest(read: &mut ReadAt<'_>) {
    let filled = read.filled();
    let rest = read_at(read.file, read.offset + filled as u64, &mut read.buffer[filled..]);
    read.result = rest.map(|len| filled + len);
}

/// Copies what the page cache has of the beginning; whatever else there is to say, a read that may wait will.
pub(super) fn without_waiting(file: &File, offset: u64, buffer: &mut [u8]) -> usize {
    let mut buffers = [io::IoSliceMut::new(buffer)];
    rustix::io::preadv2(file, &mut buffers, offset, ReadWriteFlags::NOWAIT).unwrap_or(0)
}

/// Writes all of `bytes` to the page cache.
pub(super) fn write_at(file: &File, offset: u64, bytes: &[u8]) -> io::Result<()> {
    let mut moved = 0;
    while moved < bytes.len() {
        match rustix::io::pwrite(file, &bytes[moved..], offset + moved as u64) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(len) => moved += len,
            Err(Errno::INTR | Errno::AGAIN) => {}
            Err(e) => return Err(e.into()),
        }
    }
    Ok(())
}

/// Whether a refused read means the end of the file: a direct read that stops inside a sector has met the
/// end, and going on from there is refused because the offset is not aligned.
pub(super) fn ends_unaligned(e: Errno, moved: usize) -> bool {
    e == Errno::INVAL && !moved.is_multiple_of(SECTOR)
}

/// A queue that executes operations on the thread that turns it.
pub(super) fn queue(
    held: &File,
    clock: Clock,
    (counters, durable): (Arc<IoCounters>, Arc<DurableWrites>),
) -> Box<dyn Queue> {
    Box::new(BlockingQueue {
        pending: VecDeque::new(),
        parker: Arc::default(),
        clock,
        counters,
        durable,
        _held: held.clone(),
    })
}

struct BlockingQueue {
    pending: VecDeque<(u64, Op)>,
    parker: Arc<Parker>,
    clock: Clock,
    counters: Arc<IoCounters>,
    durable: Arc<DurableWrites>,
    /// Never used: the directory stays locked while a core may still write to it.
    _held: File,
}

impl Queue for BlockingQueue {
    fn submit(&mut self, token: u64, op: Op) {
        self.pending.push_back((token, op));
    }

    fn turn(&mut self, wait: Wait, done: &mut Vec<Completion>) -> Result<()> {
        if let Wait::Until(deadline) = wait
            && self.pending.is_empty()
        {
            self.parker.park(|| match deadline {
                None => Some(Duration::MAX),
                Some(deadline) => self.clock.left_until(deadline),
            });
        }
        for (token, mut op) in self.pending.drain(..) {
            let begun = match op.is_durable_write() {
                true => self.durable.begin(|| self.clock.now()),
                false => Begun::UNTIMED,
            };
            let result = perform(&mut op, begun.by);
            if result.is_ok() {
                self.durable.end(begun, || self.clock.now());
            }
            op.count(&self.counters, &result);
            done.push(Completion { token, result, op });
        }
        Ok(())
    }

    fn in_flight(&self) -> usize {
        self.pending.len()
    }

    fn unparker(&self) -> Arc<dyn Unpark> {
        Arc::clone(&self.parker) as Arc<dyn Unpark>
    }
}

/// Executes one operation to its end, from its beginning: a ring may have done part of it already. A durable write is
/// made so `by` this.
pub(super) fn perform(op: &mut Op, by: By) -> io::Result<usize> {
    match op {
        Op::Read { file, offset, buffer } => fill(file, *offset, buffer),
        Op::Write { file, offset, data, reach } => {
            write(file, *offset, data, (*reach == Reach::Durable).then_some(by))
        }
        Op::Sync { file } if names::is_directory(file) => {
            Ok(rustix::io::retry_on_intr(|| rustix::fs::fsync(&*file)).map(|()| 0)?)
        }
        Op::Sync { file } => Ok(sync_data(file).map(|()| 0)?),
        Op::Allocate { file, len } => {
            let whole = || rustix::fs::fallocate(&*file, FallocateFlags::empty(), 0, *len);
            Ok(rustix::io::retry_on_intr(whole).map(|()| 0)?)
        }
        Op::Shorten { file, len } => {
            Ok(rustix::io::retry_on_intr(|| rustix::fs::ftruncate(&*file, *len)).map(|()| 0)?)
        }
        Op::Remove { dir, name } => names::unlink(dir, name).map(|()| 0),
    }
}

fn fill(file: &File, offset: u64, buffer: &mut Buffer) -> io::Result<usize> {
    buffer.clear();
    while buffer.room() > 0 {
        let filled = buffer.len();
        // SAFETY: the room behind the buffer's length belongs to it, and `buffer` is borrowed
        // exclusively for as long as the slice is in use.
        let room = unsafe {
            let start = buffer.as_mut_ptr().add(filled).cast::<MaybeUninit<u8>>();
            std::slice::from_raw_parts_mut(start, buffer.room())
        };
        match rustix::io::pread(file, room, offset + filled as u64) {
            Ok(([], _)) => break,
            Ok((read, _)) => {
                let len = filled + read.len();
                // SAFETY: the system has just initialised the bytes from `filled` to `len`.
                unsafe { buffer.set_len(len) };
            }
            Err(Errno::INTR | Errno::AGAIN) => {}
            Err(e) if ends_unaligned(e, filled) => break,
            Err(e) => return Err(e.into()),
        }
    }
    Ok(buffer.len())
}

fn write(file: &File, offset: u64, data: &Data, durable: Option<By>) -> io::Result<usize> {
    // SAFETY: an owned buffer cannot change while borrowed; for a mapped range, whoever submitted
    // it promised to keep it unchanged until the completion.
    let bytes = unsafe { std::slice::from_raw_parts(data.pointer(), data.len()) };
    let mut flags = match durable {
        Some(By::Flag) => ReadWriteFlags::DSYNC,
        Some(By::Sync) | None => ReadWriteFlags::empty(),
    };
    let mut moved = 0;
    while moved < bytes.len() {
        let rest = io::IoSlice::new(&bytes[moved..]);
        match rustix::io::pwritev2(file, &[rest], offset + moved as u64, flags) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(len) => moved += len,
            Err(Errno::INTR | Errno::AGAIN) => {}
            // No such flag on this file system: write plainly, then sync.
            Err(Errno::OPNOTSUPP | Errno::INVAL) if !flags.is_empty() => flags = ReadWriteFlags::empty(),
            Err(e) => return Err(e.into()),
        }
    }
    if durable.is_some() && flags.is_empty() {
        sync_data(file)?;
    }
    Ok(moved)
}

fn sync_data(file: &File) -> rustix::io::Result<()> {
    rustix::io::retry_on_intr(|| rustix::fs::fdatasync(file))
}

/// Where a queue waits: a flag that an unpark sets and a wait takes.
#[derive(Debug, Default)]
struct Parker {
    unparked: Mutex<bool>,
    changed: Condvar,
}

impl Parker {
    /// Waits for an unpark, as long as `left` gives time.
    fn park(&self, left: impl Fn() -> Option<Duration>) {
        let mut unparked = self.unparked.lock().unwrap_or_else(PoisonError::into_inner);
        while !*unparked && let Some(left) = left() {
            let woken = self.changed.wait_timeout(unparked, left);
            (unparked, _) = woken.unwrap_or_else(PoisonError::into_inner);
        }
        *unparked = false;
    }
}

impl Unpark for Parker {
    fn unpark(&self) {
        *self.unparked.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.changed.notify_one();
    }
}
