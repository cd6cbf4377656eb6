//! The block cache: one byte budget over slots that live in the table readers.
//!
//! There is no hash table and no list. Each table owns [`Slots`], one per block, so a lookup is an
//! array access; under an epoch guard a reader gets a plain reference and writes nothing but, once,
//! the slot's visited bit. When the budget is exceeded the admitting thread moves one clock hand over
//! the slots of all tables: a visited slot loses its bit, an unvisited one its block.
//!
//! Invariants: `used_bytes` is counted up before a block becomes reachable and down after it has been
//! unlinked, so it never wraps; a block unlinked from a slot is dropped only after every guard that
//! may have seen it is gone, or with its table, which no reader has any more. Slots belong to the clock's list exactly as long as their [`Slots`] live.
//!
//! Generic over what is cached; the table layer instantiates it with its blocks.

mod clock;
mod lookups;
#[cfg(all(test, loom))]
mod loom_tests;
mod pieces;
mod slots;
#[cfg(test)]
mod tests;
mod waiting;

use crate::base::metrics::Counter;
use crate::base::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use crate::base::sync::{Arc, Mutex, epoch, lock, mapped};
use clock::Clock;
use lookups::Lookups;
use pieces::Pieces;
use slots::SlotArray;

pub(crate) use pieces::Piece;
pub(crate) use slots::Slots;
pub(crate) use waiting::Waiting;

/// One block may take at most this part of the budget: a single 512 MiB value must not push out
/// everything else.
const SHARE_MAX: usize = 8;

/// Up to this part above the budget no thread waits for another to make room.
const EXCESS_SHARE: usize = 16;

/// Values that are in memory without being in a slot come to at most about this part of the budget.
const BEYOND_SHARE: usize = 16;

/// While they come to more, one value in so many is cached.
const BEYOND_ADMITTED: u64 = 8;

/// Indexes and filters take at most this part of the budget; what they are beyond comes on top.
const RESERVED_SHARE: usize = 2;

/// Garbage of this many bytes is handed to the epoch collector at once instead of waiting until the
/// thread's bag is full, so that large evicted blocks do not linger in memory.
const FLUSH_BYTES: usize = 64 << 10;

/// Something with a size. The size must not change while the value is shared.
pub(crate) trait Weigh: Send + Sync + 'static {
    /// Memory the value occupies, in bytes.
    fn weight_bytes(&self) -> usize;
}

/// Counters of a cache at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct CacheStats {
    /// Lookups that found their block.
    pub(crate) hits: u64,
    /// Lookups that did not.
    pub(crate) misses: u64,
    /// Blocks removed to make room.
    pub(crate) evictions: u64,
    /// Bytes of all blocks in slots.
    pub(crate) used_bytes: usize,
    /// Memory that blocks lie in, those that are not in slots among them.
    pub(crate) memory_bytes: usize,
    /// The budget.
    pub(crate) capacity_bytes: usize,
}

/// The budget and the clock. Share it as `Arc`; readers go through their [`Slots`].
pub(crate) struct Cache<T: Weigh> {
    capacity_bytes: usize,
    used_bytes: AtomicUsize,
    /// Of those, bytes of values whose slots are not there yet.
    waiting_bytes: AtomicUsize,
    /// What indexes and filters take of the budget.
    reserved_bytes: mapped::AtomicU64,
    /// Values that came while too many were in memory.
    declined: mapped::AtomicU64,
    /// Whether values that are in memory without being in a slot count.
    counts_beyond: bool,
    evictions: Counter,
    clock: Mutex<Clock<T>>,
    lookups: Lookups,
    pieces: Arc<Pieces>,
}

impl<T: Weigh> Cache<T> {
    /// A cache of at most `capacity_bytes`; zero caches nothing.
    pub(crate) fn new(capacity_bytes: usize) -> Self {
        Self {
            capacity_bytes,
            used_bytes: AtomicUsize::new(0),
            waiting_bytes: AtomicUsize::new(0),
            reserved_bytes: mapped::AtomicU64::new(0),
            declined: mapped::AtomicU64::new(0),
            counts_beyond: true,
            evictions: Counter::default(),
            clock: Mutex::new(Clock::default()),
            lookups: Lookups::default(),
            pieces: Arc::new(Pieces::new(capacity_bytes)),
        }
    }

    /// A cache in a simulated world, where what was evicted counts for nothing: when it is freed hangs on the threads of
    /// other worlds, since they share the epoch, and one world must go as it does alone.
    #[cfg(feature = "sim")]
    pub(crate) fn new_on_one_thread(capacity_bytes: usize) -> Self {
        Self { counts_beyond: false, ..Self::new(capacity_bytes) }
    }

    /// The counters, each read by itself.
    pub(crate) fn stats(&self) -> CacheStats {
        let (hits, misses) = self.lookups.sums();
        CacheStats {
            hits,
            misses,
            evictions: self.evictions.get(),
            used_bytes: self.used_bytes.load(Relaxed),
            memory_bytes: self.pieces.mapped_bytes(),
            capacity_bytes: self.capacity_bytes,
        }
    }

    /// Lookups so far.
    pub(crate) fn lookups(&self) -> u64 {
        let (hits, misses) = self.lookups.sums();
        hits + misses
    }

    fn register(&self, array: Arc<SlotArray<T>>) {
        lock(&self.clock).insert(array);
    }

    /// Whether a value of `weight_bytes` may be cached now.
    ///
    /// Values that were evicted, and those that cursors have, are in memory, too. While they come to more than
    /// [`BEYOND_SHARE`], because a thread that was preempted holds the epoch back, say, only one in
    /// [`BEYOND_ADMITTED`] is cached: the others go as soon as they were used, and not by way of the epoch.
    fn admits(&self, weight_bytes: usize) -> bool {
        if weight_bytes > self.capacity_bytes / SHARE_MAX {
            return false;
        }
        if !self.counts_beyond
            || self.pieces.used_bytes() <= self.capacity_bytes + self.capacity_bytes / BEYOND_SHARE
        {
            return true;
        }
        epoch::pin().flush();
        self.declined.fetch_add(1, Relaxed).is_multiple_of(BEYOND_ADMITTED)
    }

    fn charge(&self, bytes: usize) {
        self.used_bytes.fetch_add(bytes, Relaxed);
    }

    fn credit(&self, bytes: usize) {
        let before = self.used_bytes.fetch_sub(bytes, Relaxed);
        assert!(before >= bytes, "more bytes left the cache than entered it");
    }

    /// What values may take: the budget, but for what indexes and filters take of it.
    fn room_bytes(&self) -> usize {
        let reserved = self.reserved_bytes.load(Relaxed) as usize;
        let reserved = reserved.min(self.capacity_bytes / RESERVED_SHARE);
        self.capacity_bytes - reserved
    }

    /// Bytes above the budget.
    fn excess_bytes(&self) -> usize {
        self.used_bytes.load(Relaxed).saturating_sub(self.room_bytes())
    }

    /// A table with so many bytes of index and filter has come.
    fn reserve(&self, bytes: usize) {
        self.reserved_bytes.fetch_add(bytes as u64, Relaxed);
        self.make_room();
    }

    /// It is gone.
    fn unreserve(&self, bytes: usize) {
        let before = self.reserved_bytes.fetch_sub(bytes as u64, Relaxed);
        assert!(before >= bytes as u64, "more bytes of indexes went than came");
    }

    /// Evicts until the budget holds. A thread that finds the hand in use leaves the work to its
    /// holder, who sees the bytes of both; but if the holder was preempted and the excess grows, it
    /// waits. So the excess stays below [`EXCESS_SHARE`] and one block per thread.
    fn make_room(&self) {
        let excess_bytes = self.excess_bytes();
        if excess_bytes == 0 {
            return;
        }
        let mut clock = match self.clock.try_lock() {
            Ok(clock) => clock,
            Err(_) if excess_bytes > self.capacity_bytes / EXCESS_SHARE => lock(&self.clock),
            Err(_) => return,
        };
        let guard = epoch::pin();
        let mut freed_bytes = 0;
        // The first turn may only clear visited bits. The second takes what it meets: without that,
        // readers could set bits as fast as the hand clears them.
        let turn = clock.slot_count();
        for step in 0..2 * turn {
            if self.excess_bytes() == 0 {
                break;
            }
            let Some((array, slot_no)) = clock.advance() else { break };
            let swept = if step < turn { array.sweep(slot_no, &guard) } else { array.evict(slot_no, &guard) };
            if let Some(bytes) = swept {
                self.credit(bytes);
                self.evictions.add(1);
                freed_bytes += bytes;
            }
        }
        if freed_bytes >= FLUSH_BYTES {
            guard.flush();
        }
    }
}
