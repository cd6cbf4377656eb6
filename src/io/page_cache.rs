//! Whether what is read from tables is worth a place in the page cache.
//!
//! A read through the page cache leaves its pages there. Where memory is short they push out others that would have been
//! as useful, and then a read costs more for the pages than for the device. So where pages of tables are pushed out
//! and missed again, of what the page cache does not have only one read in [`FILL_EVERY`] goes through it: enough that
//! it follows what is read often. The others go past it, by a second descriptor of the same file (Linux keeps both views
//! alike; table files do not change).
//!
//! What is there and what is missed again the kernel says: it remembers which pages it has pushed out, and how long ago
//! (`cachestat`, Linux 6.5). A read that refuses to wait would not do to find out: it begins to bring the pages in.
//! Without that call, or without direct reads, all reads go through the page cache.

use std::ops::Range;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use rustix::fs::{Mode, OFlags};
use rustix::process::Resource;

use super::{File, names};
use crate::base::ablation::ablated;
use crate::base::limits::REQUEST_LEN_MAX;
use crate::base::sync::atomic::Ordering::Relaxed;
use crate::base::sync::atomic::{AtomicBool, AtomicU32};

/// Every so many reads one looks whether memory is short (some 50 us).
const LOOK_EVERY: u32 = 4096;

/// Where memory is short, one of so many reads that the page cache cannot answer goes through it.
const FILL_EVERY: u32 = 16;

/// How much of the file around a read is looked at, in bytes.
const LOOKED_AT_LEN: u64 = 1 << 20;

/// What the page cache is known to do with the tables of one database.
#[derive(Debug, Default)]
pub(super) struct PageCache {
    reads: AtomicU32,
    is_short: AtomicBool,
    /// Reads that the page cache could not answer, while it was short.
    misses: AtomicU32,
}

impl PageCache {
    /// The file by which to read a part of `file`, if not by itself: one that is read directly.
    pub(super) fn way_past(&self, file: &File, offset: u64, len: usize) -> Option<File> {
        // Of more, the copy that a direct read is taken from would be too large.
        if ablated!(PageCacheSpared) || !file.is_read_at_random() || len > REQUEST_LEN_MAX {
            return None;
        }
        if self.reads.fetch_add(1, Relaxed).is_multiple_of(LOOK_EVERY) {
            let around = offset - offset % LOOKED_AT_LEN;
            let pages = pages_of(file, around..around + LOOKED_AT_LEN);
            let is_short = pages.is_some_and(|pages| pages.is_short(self.is_short.load(Relaxed)));
            self.is_short.store(is_short, Relaxed);
        }
        if !self.is_short.load(Relaxed) || is_there(file, offset, len) {
            return None;
        }
        let is_to_fill = self.misses.fetch_add(1, Relaxed).is_multiple_of(FILL_EVERY);
        if is_to_fill { None } else { file.past_page_cache(open_past) }
    }
}

/// Whether the page cache has a part of a file; also where nobody knows.
fn is_there(file: &File, offset: u64, len: usize) -> bool {
    let page_len = rustix::param::page_size() as u64;
    let (first, end) = (offset / page_len, (offset + len as u64).div_ceil(page_len));
    pages_of(file, offset..offset + len as u64).is_none_or(|pages| pages.cached >= end - first)
}

/// The same file once more, to be read directly. Not where descriptors could become few: others need them more.
fn open_past(file: &File) -> Option<File> {
    let again = format!("/proc/thread-self/fd/{}", file.as_fd().as_raw_fd());
    let flags = OFlags::RDONLY | OFlags::DIRECT | OFlags::CLOEXEC;
    let descriptor: OwnedFd = rustix::fs::open(again, flags, Mode::empty()).ok()?;
    // A new descriptor has the lowest number that is free.
    let number = u64::try_from(descriptor.as_raw_fd()).expect("open descriptors have numbers from zero on");
    let limit = rustix::process::getrlimit(Resource::Nofile).current;
    let are_many_left = limit.is_none_or(|limit| number < limit / 2);
    (are_many_left && names::takes_sectors(&descriptor))
        .then(|| File::direct(file.path().to_path_buf(), descriptor))
}

/// What the page cache has, and had, of a part of a file (`struct cachestat`).
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
struct Pages {
    cached: u64,
    dirty: u64,
    under_writeback: u64,
    evicted: u64,
    /// Those that were evicted so short a time ago that they would still be there if there were a little more memory.
    recently_evicted: u64,
}

impl Pages {
    /// Whether memory is short: more are missed than one for eight that are there (with uniform reads of twice what fits
    /// it is one for three); once it `was` short, more than one for 64.
    fn is_short(self, was: bool) -> bool {
        if self.cached + self.recently_evicted == 0 {
            return was;
        }
        self.recently_evicted > self.cached / if was { 64 } else { 8 }
    }
}

/// `struct cachestat_range`.
#[repr(C)]
struct PagesRange {
    offset: u64,
    len: u64,
}

/// What there is to know about the pages of a part of a file; nothing where the kernel does not say.
fn pages_of(file: &File, part: Range<u64>) -> Option<Pages> {
    let range = PagesRange { offset: part.start, len: part.end - part.start };
    let mut pages = Pages::default();
    let no_flags: libc::c_uint = 0;
    // SAFETY: the kernel reads one structure and fills the other, both of them laid out as it wants them and borrowed
    // until it returns.
    let result = unsafe {
        libc::syscall(SYS_CACHESTAT, file.as_fd().as_raw_fd(), &raw const range, &raw mut pages, no_flags)
    };
    (result == 0).then_some(pages)
}

/// The same number on x86-64, aarch64 and all other 64-bit machines but Alpha; `libc` has no name for it.
const SYS_CACHESTAT: libc::c_long = 451;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::{OpenMode, blocking, sectors};

    #[test]
    fn memory_is_short_where_pages_were_pushed_out_a_short_time_ago() {
        let is_short = |cached, recently_evicted| {
            let pages = Pages { cached, recently_evicted, ..Pages::default() };
            (pages.is_short(false), pages.is_short(true))
        };
        assert_eq!(is_short(0, 0), (false, true), "there is nothing to tell it by");
        assert_eq!(is_short(256, 0), (false, false));
        assert_eq!(is_short(256, 4), (false, false));
        assert_eq!(is_short(256, 5), (false, true), "it ends later than it begins");
        assert_eq!(is_short(256, 32), (false, true));
        assert_eq!(is_short(256, 33), (true, true));
        assert_eq!(is_short(0, 1), (true, true));
    }

    #[test]
    fn where_memory_is_short_most_of_what_is_not_there_is_read_past_it() {
        let dir = tempfile::tempdir().unwrap();
        let bytes: Vec<u8> = (0..200_000_u32).map(|at| (at / 3 * 7 + at) as u8).collect();
        std::fs::write(dir.path().join("file"), &bytes).unwrap();
        let opened = names::open_dir(dir.path()).unwrap().unwrap();
        let file = names::open(&opened, "file", OpenMode::ReadAtRandom).unwrap();
        let plain = names::open(&opened, "file", OpenMode::Read).unwrap();
        rustix::fs::fsync(&file).unwrap();
        rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed).unwrap();
        let (len, place) = (bytes.len() as u64, 40_000_u64);
        if pages_of(&file, 0..len).is_none_or(|pages| pages.cached > 0) || open_past(&file).is_none() {
            println!("not checked: no cachestat, no direct reads, or a file system that forgets nothing");
            return;
        }
        let page_cache = PageCache { is_short: AtomicBool::new(true), ..PageCache::default() };
        let way_past = || page_cache.way_past(&file, place, 5000);
        let past: Vec<Option<File>> = (0..2 * FILL_EVERY).map(|_| way_past()).collect();
        assert_eq!(past.iter().filter(|past| past.is_none()).count(), 2, "some go through it all the same");
        for direct in past.into_iter().flatten() {
            let mut read = vec![0; 5000];
            let by = |at, room: &mut [u8]| blocking::read_at(&direct, at, room);
            assert_eq!(sectors::read_at(place, &mut read, by).unwrap(), 5000);
            assert!(read == bytes[40_000..45_000]);
        }
        assert!(page_cache.way_past(&plain, place, 5000).is_none(), "not a table that lookups read");
        let large = |_| page_cache.way_past(&file, place, REQUEST_LEN_MAX + 1);
        assert!((0..FILL_EVERY).all(|miss| large(miss).is_none()), "not what is long");
        assert_eq!(pages_of(&file, 0..len).unwrap().cached, 0, "they left nothing there");
        blocking::read_at(&file, place, &mut [0; 5000]).unwrap();
        assert!((0..FILL_EVERY).all(|_| way_past().is_none()), "what is there is read from there");
        let around = |offset| page_cache.way_past(&file, offset, 5000);
        assert!((1..FILL_EVERY).any(|_| around(place + 5000).is_some()), "that is a part of it");
        page_cache.is_short.store(false, Relaxed);
        assert!((0..FILL_EVERY).all(|_| around(0).is_none()), "there is room enough");
    }
}
