//! Counters the client threads keep up to date for whoever watches.

use std::ops::{Add, Sub};
use std::sync::atomic::{AtomicU64, Ordering};

/// One thread's counters, on cache lines of their own: two, because processors fetch pairs.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Cell {
    operations: AtomicU64,
    failures: AtomicU64,
    written_bytes: AtomicU64,
    read_bytes: AtomicU64,
}

/// What was done so far, by one thread or by all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Done {
    /// Operations finished, also those that failed; a read-modify-write counts once.
    pub operations: u64,
    /// Operations failed.
    pub failures: u64,
    /// Keys and values of acknowledged writes.
    pub written_bytes: u64,
    /// Keys and values read.
    pub read_bytes: u64,
}

impl Sub for Done {
    type Output = Done;

    fn sub(self, earlier: Done) -> Done {
        Done {
            operations: self.operations - earlier.operations,
            failures: self.failures - earlier.failures,
            written_bytes: self.written_bytes - earlier.written_bytes,
            read_bytes: self.read_bytes - earlier.read_bytes,
        }
    }
}

impl Add for Done {
    type Output = Done;

    fn add(self, later: Done) -> Done {
        Done {
            operations: self.operations + later.operations,
            failures: self.failures + later.failures,
            written_bytes: self.written_bytes + later.written_bytes,
            read_bytes: self.read_bytes + later.read_bytes,
        }
    }
}

/// The counters of all threads of a phase.
#[derive(Debug)]
pub struct Progress {
    cells: Box<[Cell]>,
}

impl Progress {
    /// Counters for this many threads.
    pub fn new(threads: usize) -> Progress {
        Progress { cells: (0..threads).map(|_| Cell::default()).collect() }
    }

    /// Sets the counters of one thread, which alone writes them. They order nothing.
    #[inline]
    pub fn store(&self, thread: usize, done: &Done) {
        let cell = &self.cells[thread];
        cell.operations.store(done.operations, Ordering::Relaxed);
        cell.failures.store(done.failures, Ordering::Relaxed);
        cell.written_bytes.store(done.written_bytes, Ordering::Relaxed);
        cell.read_bytes.store(done.read_bytes, Ordering::Relaxed);
    }

    /// The sums over all threads.
    pub fn total(&self) -> Done {
        let sum = |of: fn(&Cell) -> &AtomicU64| {
            self.cells.iter().map(|cell| of(cell).load(Ordering::Relaxed)).sum()
        };
        Done {
            operations: sum(|cell| &cell.operations),
            failures: sum(|cell| &cell.failures),
            written_bytes: sum(|cell| &cell.written_bytes),
            read_bytes: sum(|cell| &cell.read_bytes),
        }
    }
}
