//! A shared mapping of a file: memory that the kernel owns once a byte is stored in it.

use std::path::Path;

use rustix::mm::{Advice, MapFlags, ProtFlags};

use super::{File, Process};
use crate::base::error::{Error, Result};
use crate::base::sync::Arc;

/// Mapped memory. Clones share the mapping; it is unmapped with the last of them.
#[derive(Clone, Debug)]
pub(crate) struct SharedMap(Arc<Region>);

#[derive(Debug)]
struct Region {
    start: *mut u8,
    len: usize,
    /// Children do not have the mapping.
    process: Process,
}

// SAFETY: the region is plain memory; every access goes through the unsafe methods of SharedMap,
// whose callers promise not to race.
unsafe impl Send for Region {}
// SAFETY: as above.
unsafe impl Sync for Region {}

impl SharedMap {
    /// Maps the first `len` bytes of `file`, which must be that long, with its pages present.
    pub(crate) fn of_file(file: &File, len: usize) -> Result<Self> {
        let error = |e: rustix::io::Errno, path: &Path| Error::io("map", path, None, e.into());
        // SAFETY: a fresh mapping at an address of the kernel's choice aliases nothing of ours.
        let start = unsafe {
            rustix::mm::mmap(
                std::ptr::null_mut(),
                len,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::SHARED | MapFlags::POPULATE,
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
        Ok(Self(Arc::new(Region { start: start.cast(), len, process: Process::current() })))
    }

    /// A mapping that belongs to no file, beginning with `bytes`, for a simulated world to look into.
    #[cfg(feature = "sim")]
    pub(super) fn of_bytes(bytes: &[u8]) -> std::io::Result<Self> {
        let len = bytes.len();
        // SAFETY: a fresh mapping at an address of the kernel's choice aliases nothing of ours.
        let start = unsafe {
            rustix::mm::mmap_anonymous(
                std::ptr::null_mut(),
                len,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::PRIVATE,
            )
        }?;
        let map = Self(Arc::new(Region { start: start.cast(), len, process: Process::current() }));
        // SAFETY: nobody else knows the mapping yet.
        unsafe { map.write(0, bytes) };
        Ok(map)
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
        // SAFETY: in bounds as asserted, unaliased by the caller's promise.
        unsafe { self.pointer(offset).copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
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
