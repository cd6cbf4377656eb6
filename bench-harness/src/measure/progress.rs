//! Counters the client threads keep up to date for whoever watches.

use std::sync::atomic::{AtomicU64, Ordering};

/// One thread's counters, on cache lines of their own: two, because processors fetch pairs.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Cell {
    operations: AtomicU64,
    failures: AtomicU64,
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
    pub fn store(&self, thread: usize, operations: u64, failures: u64) {
        self.cells[thread].operations.store(operations, Ordering::Relaxed);
        self.cells[thread].failures.store(failures, Ordering::Relaxed);
    }

    /// Operations finished by all threads.
    pub fn operations(&self) -> u64 {
        self.cells.iter().map(|cell| cell.operations.load(Ordering::Relaxed)).sum()
    }

    /// Operations failed in all threads.
    pub fn failures(&self) -> u64 {
        self.cells.iter().map(|cell| cell.failures.load(Ordering::Relaxed)).sum()
    }
}
