//! The real machine: [`Io`] as the running system offers it.
//!
//! Names, clock, randomness and threads are the same whichever way bytes travel; only the queue
//! and the read on the calling thread differ ([`Way`]). Made by [`probe`](super::probe) alone.

use std::cell::Cell;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::path::Path;
use std::thread::{self, JoinHandle, ThreadId};
use std::time::Duration;

use super::clock::Clock;
use super::durable::DurableWrites;
use super::page_cache::PageCache;
use super::{
    Data, Dir, Entry, File, Io, Lock, Op, OpenMode, Queue, Reach, ReadAt, SharedMap, Space, Thread, Through,
    blocking, lock, names, promise, sectors, uring,
};
use crate::base::error::{Error, Result};
use crate::base::metrics::IoCounters;
use crate::base::sync::Arc;

/// How bytes travel.
#[derive(Debug)]
pub(super) enum Way {
    /// Through a ring for each core and for each reading thread.
    Rings,
    /// Through plain system calls.
    Calls {
        /// Why not through rings.
        why: String,
    },
}

/// The machine with one way to its files.
#[derive(Debug)]
pub(super) struct Host {
    way: Way,
    clock: Clock,
    counters: Arc<IoCounters>,
    durable: Arc<DurableWrites>,
    page_cache: PageCache,
}

impl Host {
    /// The machine, its clock starting now.
    pub(super) fn new(way: Way) -> Self {
        Self {
            way,
            clock: Clock::start(),
            counters: Arc::default(),
            durable: Arc::default(),
            page_cache: PageCache::default(),
        }
    }

    /// Copies what the page cache has of the beginning, without waiting.
    fn copy_cached(&self, file: &File, offset: u64, buffer: &mut [u8]) -> usize {
        let copied = blocking::without_waiting(file, offset, buffer);
        self.counters.page_cache_reads.add(u64::from(copied == buffer.len()));
        copied
    }

    /// The same before a read that may wait: a plain call needs no other before it.
    fn copy_cached_first(&self, file: &File, offset: u64, buffer: &mut [u8]) -> usize {
        match self.way {
            Way::Rings => self.copy_cached(file, offset, buffer),
            Way::Calls { .. } => 0,
        }
    }

    /// The file by which to read a part of `file`, if that is to be done directly.
    fn direct_file(&self, file: &File, offset: u64, len: usize) -> Option<File> {
        if file.is_direct() { Some(file.clone()) } else { self.way_past_page_cache(file, offset, len) }
    }

    /// Of a file that is read directly, whole sectors.
    fn read_plain(&self, file: &File, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        match &self.way {
            Way::Rings => uring::read_at(file, offset, buffer, &self.counters),
            Way::Calls { .. } => blocking::read_at(file, offset, buffer),
        }
    }
}

impl Io for Host {
    fn backend(&self) -> String {
        match &self.way {
            Way::Rings => "uring".to_owned(),
            Way::Calls { why } => format!("blocking: {why}"),
        }
    }

    fn counters(&self) -> &IoCounters {
        &self.counters
    }

    fn durable_way(&self) -> &'static str {
        self.durable.way()
    }

    fn open_dir(&self, path: &Path) -> Result<Option<Dir>> {
        names::open_dir(path)
    }

    fn create_dir(&self, path: &Path) -> Result<Dir> {
        names::create_dir(path)
    }

    fn sync_parents(&self, dir: &Dir) -> Result<()> {
        names::sync_parents(dir)
    }

    fn list(&self, dir: &Dir) -> Result<Vec<Entry>> {
        names::list(dir)
    }

    fn open(&self, dir: &Dir, name: &str, mode: OpenMode) -> Result<File> {
        names::open(dir, name, mode)
    }

    fn take_over(&self, dir: &Dir, name: &str, new_name: &str) -> Result<File> {
        names::take_over(dir, name, new_name)
    }

    fn remove(&self, dir: &Dir, name: &str) -> Result<()> {
        names::remove(dir, name)
    }

    fn file_len(&self, file: &File) -> Result<u64> {
        names::file_len(file)
    }

    fn lock(&self, dir: &Dir, name: &str) -> Result<Lock> {
        lock::take(dir, name)
    }

    fn space(&self, dir: &Dir) -> Result<Space> {
        names::space(dir)
    }

    fn may_map(&self, file: &File) -> std::result::Result<(), String> {
        promise::may_map(file)
    }

    fn map(&self, file: &File, len: usize) -> Result<SharedMap> {
        SharedMap::of_file(file, len)
    }

    fn populate(&self, file: &File, map: &SharedMap, offset: usize, len: usize) -> Result<()> {
        map.populate(offset, len).map_err(|e| Error::io("get memory of", file.path(), Some(offset as u64), e))
    }

    fn write_now(&self, file: &File, offset: u64, bytes: &[u8]) -> Result<()> {
        let written = blocking::write_at(file, offset, bytes);
        written.map_err(|e| Error::io("write", file.path(), Some(offset), e))
    }

    fn write_through(&self, file: &File, offset: u64, data: Data) -> Through {
        let mut op = Op::Write { file: file.clone(), offset, data, reach: Reach::Durable };
        let begun = self.durable.begin(|| self.clock.now());
        let result = blocking::perform(&mut op, begun.by);
        if result.is_ok() {
            self.durable.end(begun, || self.clock.now());
        }
        op.count(&self.counters, &result);
        Through::ended(result.map(drop))
    }

    fn boot_id(&self) -> u128 {
        names::boot_id()
    }

    fn read_at(&self, file: &File, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let len = match self.direct_file(file, offset, buffer.len()) {
            Some(direct) => sectors::read_at(offset, buffer, |at, room| self.read_plain(&direct, at, room))?,
            None => {
                let copied = self.copy_cached_first(file, offset, buffer);
                let rest = &mut buffer[copied..];
                if rest.is_empty() {
                    copied
                } else {
                    copied + self.read_plain(file, offset + copied as u64, rest)?
                }
            }
        };
        self.counters.reads.add(1);
        self.counters.read_bytes.add(len as u64);
        Ok(len)
    }

    fn way_past_page_cache(&self, file: &File, offset: u64, len: usize) -> Option<File> {
        let direct = self.page_cache.way_past(file, offset, len)?;
        self.counters.page_cache_passed.add(1);
        Some(direct)
    }

    fn read_cached(&self, file: &File, offset: u64, buffer: &mut [u8]) -> bool {
        let is_there = !file.is_direct() && self.copy_cached(file, offset, buffer) == buffer.len();
        if is_there {
            self.counters.reads.add(1);
            self.counters.read_bytes.add(buffer.len() as u64);
        }
        is_there
    }

    fn will_need(&self, file: &File, offset: u64, len: usize) {
        if !file.is_direct() {
            names::will_need(file, offset, len);
        }
    }

    fn forget(&self, file: &File, offset: u64, len: usize) {
        names::forget(file, offset, len);
    }

    fn read_many(&self, reads: &mut [ReadAt<'_>]) {
        let direct_file = |read: &ReadAt<'_>| self.direct_file(read.file, read.offset, read.buffer.len());
        let direct: Vec<Option<File>> = reads.iter().map(direct_file).collect();
        for (read, _) in reads.iter_mut().zip(&direct).filter(|(_, direct)| direct.is_none()) {
            read.result = Ok(self.copy_cached_first(read.file, read.offset, &mut *read.buffer));
        }
        sectors::read_many(reads, &direct, |reads| match &self.way {
            Way::Rings => uring::read_many(reads, &self.counters),
            Way::Calls { .. } => {
                reads.iter_mut().filter(|read| !read.is_full()).for_each(blocking::read_rest);
            }
        });
        for len in reads.iter().filter_map(|read| read.result.as_ref().ok()) {
            self.counters.reads.add(1);
            self.counters.read_bytes.add(*len as u64);
        }
    }

    fn queue(&self, core: usize, held: &File) -> Result<Box<dyn Queue>> {
        let (counters, durable) = (Arc::clone(&self.counters), Arc::clone(&self.durable));
        match &self.way {
            Way::Rings => uring::queue(core, held, self.clock, (counters, durable)),
            Way::Calls { .. } => Ok(blocking::queue(held, self.clock, (counters, durable))),
        }
    }

    fn start_thread(&self, name: String, body: Box<dyn FnOnce() + Send>) -> Result<Box<dyn Thread>> {
        let path = name.clone();
        let handle = thread::Builder::new()
            .name(name)
            .spawn(move || {
                HERE.set(Some(thread::current().id()));
                body();
            })
            .map_err(|e| Error::io("start thread", Path::new(&path), None, e))?;
        Ok(Box::new(HostThread { handle }))
    }

    fn parallelism(&self) -> usize {
        thread::available_parallelism().map_or(1, std::num::NonZero::get)
    }

    fn now(&self) -> Duration {
        self.clock.now()
    }

    fn sleep(&self, duration: Duration) -> bool {
        thread::sleep(duration);
        true
    }

    fn give_way(&self) {
        thread::yield_now();
    }

    fn random(&self) -> u64 {
        // The keys of a RandomState come from the system and differ from one value to the next, so
        // that the hash of nothing under them is a fresh number each time.
        RandomState::new().hash_one(())
    }
}

thread_local! {
    /// The calling thread, if it is one of ours. Unlike `thread::current` it works in destructors of
    /// thread-locals, where the last handle of a database may be dropped.
    static HERE: Cell<Option<ThreadId>> = const { Cell::new(None) };
}

struct HostThread {
    handle: JoinHandle<()>,
}

impl Thread for HostThread {
    fn join(self: Box<Self>) {
        // A thread that waits for itself would wait for ever: the last handle of a database may
        // well be dropped by a future on one of its own cores.
        if HERE.get() == Some(self.handle.thread().id()) {
            return;
        }
        let name = self.handle.thread().name().unwrap_or_default().to_owned();
        if self.handle.join().is_err() {
            tracing::error!("thread {name} ended in a panic");
        }
    }
}
