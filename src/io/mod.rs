//! The I/O layer: the only place that names `io_uring`, `std::fs`, the clock, randomness or threads.
//!
//! [`Io`] is the machine that the engine runs on: names in a directory, files, one [`Queue`] for each core,
//! blocking reads for callers, a clock, random numbers and threads. There are two backends, rings ([`uring`])
//! and plain system calls ([`blocking`]), and with the feature `sim` a simulated machine. Everything above this
//! layer goes through the trait.
//!
//! Ownership rule: a buffer handed to a [`Queue`] belongs to the operation until its completion is
//! reaped, whatever becomes of the future that waits for it.

mod bell;
mod blocking;
pub(crate) mod buffer;
mod clock;
pub(crate) mod dir;
mod durable;
pub(crate) mod file;
#[cfg(feature = "tokio-uring")]
mod foreign_ring;
mod host;
mod huge_pages;
mod lines;
mod lock;
pub(crate) mod map;
mod memory;
mod names;
mod page_cache;
mod prepared;
pub(crate) mod probe;
mod process;
mod promise;
mod refusal;
pub(crate) mod sectors;
#[cfg(feature = "sim")]
pub(crate) mod sim;
mod through;
mod uring;

#[cfg(test)]
mod tests;

use std::io;
use std::os::fd::BorrowedFd;
use std::path::Path;
use std::time::Duration;

use crate::base::error::Result;
use crate::base::limits::REQUEST_LEN_MAX;
use crate::base::metrics::IoCounters;
use crate::base::sync::Arc;

pub(crate) use bell::Bell;
pub(crate) use buffer::Buffer;
pub(crate) use dir::{Dir, Entry};
pub(crate) use file::{File, Lock};
#[cfg(feature = "tokio-uring")]
pub(crate) use foreign_ring::read_on_runtime;
pub(crate) use lines::{ADDRESS_BITS, Line, Lines, POINTERS_PER_LINE};
pub(crate) use map::SharedMap;
pub(crate) use memory::{Array, Memory, buffer_bytes};
pub(crate) use names::cannot_reserve;
pub(crate) use prepared::PreparedPages;
pub(crate) use process::Process;
#[cfg(test)]
pub(crate) use process::ends_in_child;
pub(crate) use through::Through;

/// How a file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OpenMode {
    /// An existing file, to read through the page cache.
    Read,
    /// The same for a file that is read here and there: the kernel reads what it is asked for, and nothing beyond
    /// that it may push other pages out for.
    ReadAtRandom,
    /// An existing file, to read past the page cache, any place of it. Falls back to
    /// [`ReadAtRandom`](Self::ReadAtRandom) where the file system has no direct I/O, or wants more than sectors.
    ReadDirect,
    /// An existing file, to read and write through the page cache.
    Write,
    /// A new file (an existing one is truncated), to read and write through the page cache.
    Create,
    /// An existing file, to write past the page cache: offsets, lengths and memory must be
    /// multiples of [`SECTOR`](crate::base::limits::SECTOR). Falls back to the page cache where
    /// the file system has no direct I/O (tmpfs).
    Direct,
}

/// Bytes lent to a write until it completes.
#[derive(Debug)]
pub(crate) enum Data {
    /// A buffer of our own.
    Owned(Buffer),
    /// Part of a shared mapping; whoever submits keeps the range unchanged until completion.
    Mapped {
        /// The mapping; kept alive by the operation.
        map: SharedMap,
        /// First byte.
        offset: usize,
        /// Number of bytes.
        len: usize,
    },
}

impl Data {
    /// Number of bytes.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Owned(buffer) => buffer.len(),
            Self::Mapped { len, .. } => *len,
        }
    }

    /// Address of the first byte, for a backend to read from; panics if the range leaves its mapping.
    fn pointer(&self) -> *const u8 {
        match self {
            Self::Owned(buffer) => buffer.as_ptr(),
            Self::Mapped { map, offset, len } => map.range(*offset, *len),
        }
    }
}

/// How far what is written has come when the write completes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Reads of the file give it.
    PageCache,
    /// Those give it, and the device has been given it, so that a later sync finds little left. That is no promise of
    /// anything: rings do it, plain system calls leave it to the sync.
    Device,
    /// It would survive loss of power.
    Durable,
}

/// One operation. Backends resubmit short transfers, and calls that were interrupted or given up, themselves.
#[derive(Debug)]
pub(crate) enum Op {
    /// Fills `buffer` up to its capacity from `offset` on; ends early only at the end of file.
    Read {
        /// The file.
        file: File,
        /// Offset of the first byte.
        offset: u64,
        /// Where to; its length is set to what was read.
        buffer: Buffer,
    },
    /// Writes all of `data` at `offset`, as far as `reach` says.
    Write {
        /// The file.
        file: File,
        /// Offset of the first byte.
        offset: u64,
        /// The bytes.
        data: Data,
        /// How far the bytes have come when it completes.
        reach: Reach,
    },
    /// Makes all completed writes of a file, or the names in a directory, durable.
    Sync {
        /// The file or directory.
        file: File,
    },
    /// Reserves space so that the file has at least `len` bytes.
    Allocate {
        /// The file.
        file: File,
        /// Length in bytes.
        len: u64,
    },
    /// Shortens a file to `len` bytes; it has more.
    Shorten {
        /// The file.
        file: File,
        /// Length in bytes.
        len: u64,
    },
    /// Removes a name. A missing one is not an error.
    Remove {
        /// The directory.
        dir: Dir,
        /// The name in it.
        name: String,
    },
}

impl Op {
    /// Whether it is a write that ends on the device, with one request.
    fn is_durable_write(&self) -> bool {
        matches!(self, Self::Write { data, reach: Reach::Durable, .. } if data.len() <= REQUEST_LEN_MAX)
    }

    /// Adds it to the counters, now that it has ended; one that failed is not counted.
    fn count(&self, counters: &IoCounters, result: &io::Result<usize>) {
        let Ok(len) = result else { return };
        match self {
            Self::Read { .. } => {
                counters.reads.add(1);
                counters.read_bytes.add(*len as u64);
            }
            Self::Write { reach, .. } => {
                counters.writes.add(1);
                counters.write_bytes.add(*len as u64);
                counters.syncs.add(u64::from(*reach == Reach::Durable));
            }
            Self::Sync { .. } => counters.syncs.add(1),
            Self::Allocate { .. } | Self::Shorten { .. } | Self::Remove { .. } => {}
        }
    }

    /// The buffer that a read has filled; an empty one for all others.
    pub(crate) fn into_buffer(self) -> Buffer {
        match self {
            Self::Read { buffer, .. } => buffer,
            Self::Write { .. }
            | Self::Sync { .. }
            | Self::Allocate { .. }
            | Self::Shorten { .. }
            | Self::Remove { .. } => Buffer::empty(),
        }
    }
}

/// An operation that has ended. Its buffers come back inside `op`.
#[derive(Debug)]
pub(crate) struct Completion {
    /// The number given at submission.
    pub(crate) token: u64,
    /// Bytes transferred, or the system's error.
    pub(crate) result: io::Result<usize>,
    /// The operation itself.
    pub(crate) op: Op,
}

/// How long a turn of a queue may wait for something to happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// Not at all.
    No,
    /// Until a completion, an [`Unpark::unpark`], or this time of [`Io::now`]. A simulated queue
    /// returns at once and remembers the time.
    Until(Option<Duration>),
}

/// Pause before what the kernel had no room for is sent again: it is short of memory, or of room for completions.
pub(crate) const CROWDED_PAUSE: Duration = Duration::from_millis(1);

/// One core's way to the device. Used by that core's thread only.
pub(crate) trait Queue {
    /// Takes an operation; it is sent at the next turn at the latest.
    fn submit(&mut self, token: u64, op: Op);

    /// Sends what was submitted, waits as told, and appends what has completed to `done`.
    ///
    /// # Errors
    /// Only if the queue itself is broken; errors of operations are in their completions.
    fn turn(&mut self, wait: Wait, done: &mut Vec<Completion>) -> Result<()>;

    /// From now on adds to an eventfd, which stays open meanwhile, when operations complete by themselves; nothing to do
    /// where they complete in a turn alone.
    fn signal_completions(&self, eventfd: BorrowedFd<'_>) -> io::Result<()> {
        let _unused = eventfd;
        Ok(())
    }

    /// Whether the last turn has left something unsent for which the kernel had no room. Nothing tells when there is
    /// room again: who does not wait in turns comes again by himself, after [`CROWDED_PAUSE`].
    fn is_crowded(&self) -> bool {
        false
    }

    /// Operations submitted and not yet completed.
    #[cfg_attr(not(test), expect(dead_code, reason = "tests of backends wait by it"))]
    fn in_flight(&self) -> usize;

    /// A handle with which other threads end this queue's wait.
    fn unparker(&self) -> Arc<dyn Unpark>;
}

/// Ends the wait of one queue, now or the next one. Callable from any thread.
pub(crate) trait Unpark: Send + Sync {
    /// Ends the wait.
    fn unpark(&self);
}

/// A running thread, to be waited for.
pub(crate) trait Thread: Send + Sync {
    /// Waits until the thread has ended; harmless if called from the thread itself.
    fn join(self: Box<Self>);
}

/// Free space of a file system.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Space {
    /// Bytes an unprivileged writer may still use.
    pub(crate) free_bytes: u64,
    /// Files that may still be created.
    pub(crate) free_files: u64,
}

/// One of several reads on a calling thread.
pub(crate) struct ReadAt<'a> {
    pub(crate) file: &'a File,
    pub(crate) offset: u64,
    pub(crate) buffer: &'a mut [u8],
    /// Bytes read: as many as the buffer has, or up to the end of the file.
    pub(crate) result: io::Result<usize>,
}

impl ReadAt<'_> {
    /// Whether nothing is missing, or it is known why.
    fn is_full(&self) -> bool {
        !matches!(self.result, Ok(len) if len < self.buffer.len())
    }

    /// Bytes that are there, of a read that goes on.
    fn filled(&self) -> usize {
        *self.result.as_ref().expect("a read that has failed does not go on")
    }
}

/// The world the engine runs in.
pub(crate) trait Io: Send + Sync + 'static {
    /// `uring`, or `blocking: <why>`.
    fn backend(&self) -> String;

    /// What has been done so far.
    fn counters(&self) -> &IoCounters;

    /// How durable writes are made so, for people.
    fn durable_way(&self) -> &'static str;

    /// Opens the directory that `path` leads to now; `None` if there is none. Everything else goes
    /// through the handle.
    fn open_dir(&self, path: &Path) -> Result<Option<Dir>>;

    /// Makes a directory and its parents, and opens it. Their names are durable after
    /// [`sync_parents`](Self::sync_parents).
    fn create_dir(&self, path: &Path) -> Result<Dir>;

    /// Makes the names durable that lead to a directory, up to the root of its file system, or to
    /// the first directory above it that this process may not read, in which it has made no name.
    fn sync_parents(&self, dir: &Dir) -> Result<()>;

    /// What is in a directory, sorted by name.
    fn list(&self, dir: &Dir) -> Result<Vec<Entry>>;

    /// Opens a file of a directory.
    fn open(&self, dir: &Dir, name: &str, mode: OpenMode) -> Result<File>;

    /// Gives the file `name` of a directory the name `new_name`, and opens it to be written anew through the page cache.
    /// Refused if that name stands for something, and of a file that is no regular one or has further names, by which others
    /// may rely on its contents. After an error it has either name.
    fn take_over(&self, dir: &Dir, name: &str, new_name: &str) -> Result<File>;

    /// Removes a name, on the calling thread. A missing one is not an error.
    fn remove(&self, dir: &Dir, name: &str) -> Result<()>;

    /// Length of a file in bytes.
    fn file_len(&self, file: &File) -> Result<u64>;

    /// Takes a directory's lock through its file `name`, for as long as the value lives and until
    /// the last operation in flight has ended, even if the process is killed before.
    fn lock(&self, dir: &Dir, name: &str) -> Result<Lock>;

    /// Free space of the file system that holds `dir`.
    fn space(&self, dir: &Dir) -> Result<Space>;

    /// Whether stores into a mapping of this file can be relied upon; if not, why.
    fn may_map(&self, file: &File) -> std::result::Result<(), String>;

    /// Maps the first `len` bytes of a file, shared with the kernel: what is stored there survives
    /// the death of the process. Only where [populated](Self::populate) may there be stores.
    fn map(&self, file: &File, len: usize) -> Result<SharedMap>;

    /// Asks for the pages of a mapping of `file` that hold `len` bytes from `offset` on, so that
    /// stores into them do not end the process.
    fn populate(&self, file: &File, map: &SharedMap, offset: usize, len: usize) -> Result<()>;

    /// Writes to the page cache on the calling thread: what was written survives the death of the
    /// process. A failure may leave a beginning of `bytes` written.
    fn write_now(&self, file: &File, offset: u64, bytes: &[u8]) -> Result<()>;

    /// Writes all of `data` durably on behalf of the calling thread, which waits here: that is one wake-up less than through
    /// a core. Where callers share a thread with the cores, the write ends later.
    fn write_through(&self, file: &File, offset: u64, data: Data) -> Through;

    /// The number of the system's current boot; zero if it is unknown. What the page cache held during another
    /// boot may be lost.
    fn boot_id(&self) -> u128;

    /// Reads on the calling thread until `buffer` is full or the file ends; returns bytes read.
    /// The wait is spent in the calling thread's own ring.
    fn read_at(&self, file: &File, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;

    /// The file by which to read a part of `file` past the page cache, if it does not have that and it is not worth a
    /// place there: one that is read directly. For tables of which a core reads; [`read_at`](Self::read_at) and
    /// [`read_many`](Self::read_many) see to it themselves.
    fn way_past_page_cache(&self, file: &File, offset: u64, len: usize) -> Option<File> {
        let _unasked = (file, offset, len);
        None
    }

    /// Fills `buffer` if that needs no waiting, because the page cache has it all. If not, what is in `buffer`
    /// afterwards means nothing.
    fn read_cached(&self, file: &File, offset: u64, buffer: &mut [u8]) -> bool {
        let _unasked = (file, offset, buffer);
        false
    }

    /// Says that a part of a file will be read soon: the machine may begin to bring it into the page cache, and nobody
    /// waits for that.
    fn will_need(&self, file: &File, offset: u64, len: usize) {
        let _unused = (file, offset, len);
    }

    /// Says that nobody will read a part of a file through the page cache, which may forget it.
    fn forget(&self, file: &File, offset: u64, len: usize) {
        let _unused = (file, offset, len);
    }

    /// Several reads like that of [`read_at`](Self::read_at), in flight together as far as the machine permits;
    /// returns when all have ended.
    fn read_many(&self, reads: &mut [ReadAt<'_>]) {
        for read in reads {
            read.result = self.read_at(read.file, read.offset, &mut *read.buffer);
        }
    }

    /// A queue for core number `core`; called once per core, on the core's own thread.
    /// `held` stays open as long as operations are in flight: of a queue that writes, the file of the directory's lock.
    fn queue(&self, core: usize, held: &File) -> Result<Box<dyn Queue>>;

    /// Starts a thread; the only way in which the engine gets one.
    fn start_thread(&self, name: String, body: Box<dyn FnOnce() + Send>) -> Result<Box<dyn Thread>>;

    /// Number of CPUs this process may use.
    fn parallelism(&self) -> usize;

    /// Time since an arbitrary origin; never goes back.
    fn now(&self) -> Duration;

    /// Sleeps on the calling thread, which is not a core's. `false` where callers share a thread with the cores: then
    /// nothing has happened.
    fn sleep(&self, duration: Duration) -> bool;

    /// Lets other threads have the CPU, if any wait for it.
    fn give_way(&self);

    /// A random number, for generation numbers.
    fn random(&self) -> u64;
}
