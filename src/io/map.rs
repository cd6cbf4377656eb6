//! A shared mapping of a file: memory that the kernel owns once a byte is stored in it.
//!
//! A store into a page that the file system cannot provide ends the process with a signal. So pages are asked
//! for first ([`SharedMap::populate`]), which returns an error instead.

use std::path::Path;
#[cfg(feature = "sim")]
use std::time::Duration;

use rustix::io::Errno;
use rustix::mm::{Advice, MapFlags, ProtFlags};

use super::{File, Process};
use crate::base::error::{Error, Result};
use crate::base::sync::Arc;
use crate::base::sync::atomic::{Ordering, fence};
#[cfg(feature = "sim")]
use crate::base::sync::{Mutex, lock};

/// Units in which pages are asked for.
const PAGE: usize = 4096;

/// Mapped memory. Clones share the mapping; it is unmapped with the last of them.
#[derive(Clone, Debug)]
pub(crate) struct SharedMap(Arc<Region>);

#[derive(Debug)]
struct Region {
    start: *mut u8,
    len: usize,
    /// Children do not have the mapping.
    process: Process,
    /// Since when each page may be stored into, in a simulated world; elsewhere nobody keeps account.
    #[cfg(feature = "sim")]
    promised: Option<Mutex<Vec<Option<Duration>>>>,
}

// SAFETY: the region is plain memory; every access goes through the unsafe methods of SharedMap,
// whose callers promise not to race.
unsafe impl Send for Region {}
// SAFETY: as above.
unsafe impl Sync for Region {}

impl SharedMap {
    /// Maps the first `len` bytes of `file`, which must be that long. No page may be stored into
    /// before it was [populated](Self::populate).
    pub(crate) fn of_file(file: &File, len: usize) -> Result<Self> {
        let error = |e: Errno, path: &Path| Error::io("map", path, None, e.into());
        // SAFETY: a fresh mapping at an address of the kernel's choice aliases nothing of ours.
        let start = unsafe {
            rustix::mm::mmap(
                std::ptr::null_mut(),
                len,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::SHARED,
                file,
                0,
            )
        }
        .map_err(|e| error(e, file.path()))?;
        // What a child stored there would be stored in its parent's file.
        // SAFETY: the advice is for the mapping just made, and changes nothing of it in this process.
        let advised = unsafe { rustix::mm::madvise(start, len, Advice::LinuxDontFork) };
        if let Err(e) = advised {
            tracing::debug!("children of this process get a copy of {}: {e}", file.path().display());
        }
        Ok(Self::of_region(start.cast(), len))
    }

    /// Memory that belongs to no file, all zeros.
    pub(crate) fn anonymous(len: usize) -> std::io::Result<Self> {
        // SAFETY: a fresh mapping at an address of the kernel's choice aliases nothing of ours.
        let start = unsafe {
            rustix::mm::mmap_anonymous(
                std::ptr::null_mut(),
                len,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::PRIVATE,
            )
        }?;
        Ok(Self::of_region(start.cast(), len))
    }

    fn of_region(start: *mut u8, len: usize) -> Self {
        Self(Arc::new(Region {
            start,
            len,
            process: Process::current(),
            #[cfg(feature = "sim")]
            promised: None,
        }))
    }

    /// A mapping that belongs to no file, beginning with `bytes`, for a simulated world to look into.
    #[cfg(feature = "sim")]
    pub(super) fn of_bytes(bytes: &[u8]) -> std::io::Result<Self> {
        let map = Self::anonymous(bytes.len())?;
        // SAFETY: nobody else knows the mapping yet.
        unsafe { map.write(0, bytes) };
        let mut region = Arc::into_inner(map.0).expect("nobody else has it");
        region.promised = Some(Mutex::new(vec![None; bytes.len().div_ceil(PAGE)]));
        Ok(Self(Arc::new(region)))
    }

    /// Asks the file system for the pages that hold `len` bytes from `offset` on: they can be stored
    /// into until they are written back, and where a mapping may be promised, longer.
    pub(super) fn populate(&self, offset: usize, len: usize) -> std::io::Result<()> {
        let start = offset / PAGE * PAGE;
        let len = (offset + len).next_multiple_of(PAGE).min(self.0.len) - start;
        let pointer = self.range(start, len).cast_mut();
        // SAFETY: the range is mapped, and populating changes no byte of it.
        match unsafe { rustix::mm::madvise(pointer.cast(), len, Advice::LinuxPopulateWrite) } {
            Ok(()) => Ok(()),
            Err(Errno::FAULT) => Err(std::io::Error::other("the file system cannot give the page (EFAULT)")),
            Err(e) => Err(e.into()),
        }
    }

    /// As [`populate`](Self::populate), in a simulated world.
    #[cfg(feature = "sim")]
    pub(super) fn promise(&self, offset: usize, len: usize, now: Duration) {
        let promised = self.0.promised.as_ref().expect("a mapping of a simulated world");
        lock(promised)[offset / PAGE..(offset + len).div_ceil(PAGE)].fill(Some(now));
    }

    /// A simulated page that was written back is let go of, unless it was asked for after `since`.
    #[cfg(feature = "sim")]
    pub(super) fn evict(&self, page: usize, since: Duration) {
        let promised = self.0.promised.as_ref().expect("a mapping of a simulated world");
        let promise = &mut lock(promised)[page];
        *promise = promise.filter(|at| *at > since);
    }

    /// Nobody stores where the file system was not asked for the page.
    #[cfg(feature = "sim")]
    fn check_promised(&self, offset: usize, len: usize) {
        let Some(promised) = &self.0.promised else { return };
        let pages = offset / PAGE..(offset + len).div_ceil(PAGE);
        let is_promised = lock(promised)[pages].iter().all(Option::is_some);
        assert!(is_promised, "a store at {offset} of a mapping that may end the process");
    }

    /// Whether only the caller has it: who used it is gone.
    #[cfg(feature = "sim")]
    pub(super) fn is_left(&self) -> bool {
        Arc::strong_count(&self.0) == 1
    }

    /// Length in bytes.
    #[cfg(feature = "sim")]
    pub(super) fn len(&self) -> usize {
        self.0.len
    }

    /// The bytes from `offset` on. For simulated worlds alone: one thread steps the cores and makes
    /// the calls there, so nobody writes meanwhile.
    #[cfg(feature = "sim")]
    pub(super) fn copy_out(&self, offset: usize, len: usize) -> Vec<u8> {
        let start = self.range(offset, len);
        // SAFETY: in bounds as `range` asserts, initialised by the mapping, and unaliased as above.
        unsafe { std::slice::from_raw_parts(start, len) }.to_vec()
    }

    /// Address of the byte at `offset`, for a backend to read from.
    pub(crate) fn pointer(&self, offset: usize) -> *mut u8 {
        assert!(offset <= self.0.len, "outside the mapping");
        // SAFETY: inside or one past the end of the region, as asserted.
        unsafe { self.0.start.add(offset) }
    }

    /// Address of `len` bytes from `offset` on, for a backend to read from; panics outside the mapping.
    pub(crate) fn range(&self, offset: usize, len: usize) -> *const u8 {
        assert!(len <= self.0.len, "outside the mapping");
        assert!(offset <= self.0.len - len, "outside the mapping");
        self.pointer(offset)
    }

    /// Copies `bytes` to `offset`.
    ///
    /// # Safety
    /// No other thread and no operation in flight may access the range meanwhile.
    pub(crate) unsafe fn write(&self, offset: usize, bytes: &[u8]) {
        assert!(bytes.len() <= self.0.len, "outside the mapping");
        assert!(offset <= self.0.len - bytes.len(), "outside the mapping");
        #[cfg(feature = "sim")]
        self.check_promised(offset, bytes.len());
        // SAFETY: in bounds as asserted, unaliased by the caller's promise.
        unsafe { self.pointer(offset).copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
    }

    /// Stores a word at once, after all that was stored before: if the process dies and the word is there, so
    /// are the bytes that were stored before it.
    ///
    /// # Safety
    /// No other thread and no operation in flight may access the word meanwhile.
    pub(crate) unsafe fn write_word(&self, offset: usize, word: u64) {
        assert!(offset.is_multiple_of(8) && offset + 8 <= self.0.len, "outside the mapping");
        #[cfg(feature = "sim")]
        self.check_promised(offset, 8);
        // Keeps the compiler from moving earlier stores behind this one. The processor does not matter: a dying
        // process is cut off at a place of its program order.
        fence(Ordering::Release);
        // SAFETY: in bounds and aligned as asserted, unaliased by the caller's promise. An aligned word
        // is stored at once.
        unsafe { self.pointer(offset).cast::<u64>().write_volatile(word.to_le()) };
    }

    /// The bytes from `offset` on.
    ///
    /// # Safety
    /// No other thread and no operation in flight may write to the range while the slice is in use.
    pub(crate) unsafe fn bytes(&self, offset: usize, len: usize) -> &[u8] {
        let start = self.range(offset, len);
        // SAFETY: in bounds as `range` asserts, initialised by the mapping, unaliased by the caller's promise.
        unsafe { std::slice::from_raw_parts(start, len) }
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        if !self.process.is_current() {
            // The child may have mapped something of its own there.
            return;
        }
        // SAFETY: the region was mapped with this length, and the last owner is going away.
        // A failure would leave the mapping in place, which is harmless.
        let _unmapped = unsafe { rustix::mm::munmap(self.start.cast(), self.len) };
    }
}
