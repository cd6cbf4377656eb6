//! Counters that many threads add to and `stats()` reads.
//!
//! All are relaxed: a counter orders nothing and is read only for people and reports.

use super::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A number that only grows.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    /// Adds `n`.
    #[inline]
    pub(crate) fn add(&self, n: u64) {
        self.0.fetch_add(n, Relaxed);
    }

    /// The sum so far.
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// What an I/O backend did, by kind. Shared by all queues and threads of one database.
#[derive(Debug, Default)]
pub(crate) struct IoCounters {
    /// Ring operations submitted (zero on the blocking backend).
    pub(crate) ring_ops: Counter,
    /// Calls of `io_uring_enter` (zero on the blocking backend).
    pub(crate) ring_enters: Counter,
    /// Read operations completed.
    pub(crate) reads: Counter,
    /// Those among them that the page cache answered without waiting.
    pub(crate) page_cache_reads: Counter,
    /// Those that would have gone through the page cache, and went past it because memory for it is short.
    pub(crate) page_cache_passed: Counter,
    /// Bytes read.
    pub(crate) read_bytes: Counter,
    /// Write operations completed.
    pub(crate) writes: Counter,
    /// Bytes written.
    pub(crate) write_bytes: Counter,
    /// Durable writes and explicit syncs completed.
    pub(crate) syncs: Counter,
}
