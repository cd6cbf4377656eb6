//! The memory of a memtable: chunks that are handed out from front to back and given back all at once.
//!
//! Handing out is one `fetch_add` on the chunk that is being filled; only a chunk's end takes a lock. Chunks
//! come from a store that memtables share and go back to it, so that in a steady state no memory is asked of the
//! system and no page is touched for the first time. What nobody takes for seconds goes back to the system.

use std::ptr::NonNull;

use crate::base::ablation::ablated;
use crate::base::sync::atomic::{AtomicPtr, AtomicU64, AtomicUsize, Ordering};
use crate::base::sync::{Arc, Mutex, lock};
use crate::io::Memory;

/// A huge page: larger chunks would have no fewer page faults.
const CHUNK_LEN_MAX: usize = 2 << 20;

/// Everything begins at a multiple of this.
const ALIGN: usize = 8;

/// What nobody has taken between so many looks is not needed. A memtable that fills in a second or two takes all of it
/// again; for slower ones new pages cost next to nothing.
const LOOKS: usize = 4;

/// And no more is freed at once: it takes the kernel a millisecond or two, in which others of the core wait.
const FREED_BYTES_MAX: usize = 32 << 20;

/// Those that are kept for the next memtable.
#[derive(Default)]
struct Free {
    chunks: Vec<Memory>,
    /// So many were there at least since the last look, and before that from each look to the next.
    least: [usize; LOOKS],
}

/// Chunks that are used by one memtable after the other.
pub(super) struct Chunks {
    /// Length of each.
    len: usize,
    /// While all together come to no more than this, those that are given back are kept.
    keep_bytes: u64,
    free: Mutex<Free>,
    /// Memory of all chunks: in use, and kept.
    bytes: AtomicU64,
}

impl Chunks {
    /// For so many memtables of this size.
    pub(super) fn new(memtable_size: u64, memtables: usize) -> Self {
        let sixteenth = usize::try_from(memtable_size / 16).unwrap_or(CHUNK_LEN_MAX);
        let len = sixteenth.next_power_of_two().clamp(1024, CHUNK_LEN_MAX);
        let keep_bytes = memtable_size * memtables as u64;
        Self { len, keep_bytes, free: Mutex::default(), bytes: AtomicU64::new(0) }
    }

    /// Memory of all chunks, those that are kept among them, in bytes.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    fn make(&self, len: usize) -> Memory {
        self.bytes.fetch_add(len as u64, Ordering::Relaxed);
        Memory::huge(len, 64)
    }

    fn take(&self) -> Memory {
        let free = {
            let mut free = lock(&self.free);
            let chunk = free.chunks.pop();
            free.least[0] = free.least[0].min(free.chunks.len());
            chunk
        };
        free.unwrap_or_else(|| self.make(self.len))
    }

    /// Keeps what memtables may take anyway: a burst of writes does not wait for pages that the one before it had.
    fn give_back(&self, chunks: Vec<Memory>) {
        let mut superfluous = Vec::new();
        {
            let mut free = lock(&self.free);
            for chunk in chunks {
                let is_within = self.bytes() <= self.keep_bytes;
                if chunk.len() == self.len && !ablated!(MemoryReused) && is_within {
                    free.chunks.push(chunk);
                } else {
                    self.bytes.fetch_sub(chunk.len() as u64, Ordering::Relaxed);
                    superfluous.push(chunk);
                }
            }
        }
        // Outside of the lock: it is work for the kernel.
        drop(superfluous);
    }

    /// Frees half of what nobody has taken since the last but three of these calls.
    pub(super) fn free_unused(&self) {
        let superfluous = {
            let mut free = lock(&self.free);
            let unused = free.least.into_iter().min().unwrap_or_default();
            let count = unused.div_ceil(2).min(FREED_BYTES_MAX / self.len);
            let superfluous: Vec<_> = free.chunks.drain(..count).collect();
            free.least.iter_mut().for_each(|least| *least -= count);
            free.least.rotate_right(1);
            free.least[0] = free.chunks.len();
            superfluous
        };
        self.bytes.fetch_sub((superfluous.len() * self.len) as u64, Ordering::Relaxed);
        drop(superfluous);
    }
}

/// The chunk that is being filled.
struct Filling {
    start: *mut u8,
    len: usize,
    used: AtomicUsize,
}

/// The memory of one memtable.
pub(super) struct Arena {
    chunks: Arc<Chunks>,
    /// One of `owned`, or none before the first.
    filling: AtomicPtr<Filling>,
    /// Bytes of chunks that are filled.
    filled: AtomicU64,
    owned: Mutex<Owned>,
}

#[derive(Default)]
struct Owned {
    chunks: Vec<Memory>,
    /// What `filling` has pointed to: a thread may still look at one that has been filled.
    #[expect(clippy::vec_box, reason = "they are pointed to")]
    fillings: Vec<Box<Filling>>,
}

// SAFETY: the pointer in `Filling` is to memory that the arena owns; what is handed out of it is handed out once.
unsafe impl Send for Arena {}
// SAFETY: as above; `alloc` is atomic.
unsafe impl Sync for Arena {}

impl Arena {
    pub(super) fn new(chunks: Arc<Chunks>) -> Self {
        let filling = AtomicPtr::new(std::ptr::null_mut());
        Self { chunks, filling, filled: AtomicU64::new(0), owned: Mutex::default() }
    }

    /// `len` bytes that nobody else has, at a multiple of eight, valid as long as the arena. Not initialised.
    pub(super) fn alloc(&self, len: usize) -> NonNull<u8> {
        let len = len.next_multiple_of(ALIGN);
        if len > self.chunks.len / 4 {
            return self.alloc_alone(len);
        }
        loop {
            // Acquire pairs with the Release in `next_chunk`: what it points to is complete.
            let filling = self.filling.load(Ordering::Acquire);
            // SAFETY: null, or of a box that lives as long as the arena.
            if let Some(chunk) = unsafe { filling.as_ref() } {
                let at = chunk.used.fetch_add(len, Ordering::Relaxed);
                if at + len <= chunk.len {
                    // SAFETY: in bounds of the chunk, as was just checked.
                    let start = unsafe { chunk.start.add(at) };
                    return NonNull::new(start).expect("inside a chunk");
                }
            }
            self.next_chunk(filling);
        }
    }

    /// A chunk for something large.
    fn alloc_alone(&self, len: usize) -> NonNull<u8> {
        let chunk = self.chunks.make(len);
        let start = chunk.start();
        self.filled.fetch_add(len as u64, Ordering::Relaxed);
        lock(&self.owned).chunks.push(chunk);
        start
    }

    #[cold]
    fn next_chunk(&self, filled: *mut Filling) {
        let mut owned = lock(&self.owned);
        if self.filling.load(Ordering::Relaxed) != filled {
            return;
        }
        if !filled.is_null() {
            self.filled.fetch_add(self.chunks.len as u64, Ordering::Relaxed);
        }
        let chunk = self.chunks.take();
        let mut filling =
            Box::new(Filling { start: chunk.start().as_ptr(), len: chunk.len(), used: AtomicUsize::new(0) });
        self.filling.store(&raw mut *filling, Ordering::Release);
        owned.chunks.push(chunk);
        owned.fillings.push(filling);
    }

    /// Bytes that were handed out.
    pub(super) fn bytes(&self) -> u64 {
        // SAFETY: as in `alloc`.
        let filling = unsafe { self.filling.load(Ordering::Acquire).as_ref() };
        let used = filling.map_or(0, |chunk| chunk.used.load(Ordering::Relaxed).min(chunk.len));
        self.filled.load(Ordering::Relaxed) + used as u64
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        self.chunks.give_back(std::mem::take(&mut lock(&self.owned).chunks));
    }
}
