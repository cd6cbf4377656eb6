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
    pub failures: u64,
    /// Keys and values of acknowledged writes.
    pub written_bytes: u64,
    pub read_bytes: u64,
}

impl Done {
    fn with(self, other: Done, of: impl Fn(u64, u64) -> u64) -> Done {
        Done {
            operations: of(self.operations, other.operations),
            failures: of(self.failures, other.failures),
            written_bytes: of(self.written_bytes, other.written_bytes),
            read_bytes: of(self.read_bytes, other.read_bytes),
        }
    }
}

impl Sub for Done {
    type Output = Done;

    fn sub(self, earlier: Done) -> Done {
        self.with(earlier, u64::sub)
    }
}

impl Add for Done {
    type Output = Done;

    fn add(self, later: Done) -> Done {
        self.with(later, u64::add)
    }
}

/// The counters of all threads of a phase.
#[derive(Debug)]
pub struct Progress {
    cells: Box<[Cell]>,
}

impl Progress {
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
