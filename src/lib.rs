//! Rabi: an embedded, ordered key-value engine for Linux on io_uring.
//!
//! One LSM tree of four levels, shared by all threads, not sharded: the mutable memtable (L0), frozen memtables
//! (L1), flushed overlapping files (L2), non-overlapping partitions (L3). Each engine core is one
//! thread with one ring; the write-ahead log, flushes and compactions are tasks on them. Reads run
//! on the calling thread, without locks.
//!
//! - [`Db`] is the place to begin: opening, reading, writing, closing. Its calls block; those of [`AsyncDb`] are awaited,
//!   on any executor, and those of [`CoreDb`] by tasks that live on the engine's cores.
//! - [`Durability`] says what a write has survived when its call returns, [`Error`] what may go wrong and what still
//!   works then, [`Stats`] what each number of [`Db::stats`] means.
//! - Keys are ordered by their bytes. A key has at most [`KEY_LEN_MAX`] bytes, a value [`VALUE_LEN_MAX`], a batch
//!   [`BATCH_LEN_MAX`]; keys and values may be empty.
//! - Memory: `1 + max_frozen_memtables` memtables, and the cache with blocks, indexes and filters, 512 MiB with the
//!   default [`Options`], and what flushes and compactions have in work. [`Options`] have the formula, and say what
//!   happens when indexes and filters, which grow with the data, are more than half of the cache.
//!
//! ```
//! use rabi::{Db, Durability, Options, WriteBatch, WriteOptions};
//!
//! # let dir = tempfile::tempdir()?;
//! # let path = dir.path();
//! let db = Db::open(path, Options::new())?;
//! db.put("apple", "red")?; // survives kill -9 from here on
//!
//! let mut batch = WriteBatch::new();
//! batch.put("banana", "yellow");
//! batch.delete("apple");
//! db.write(batch, WriteOptions::new().durability(Durability::Power))?; // survives loss of power
//!
//! for entry in db.range("a".."c").rev() {
//!     let (key, value) = entry?;
//!     println!("{} is {}", key.escape_ascii(), value.escape_ascii());
//! }
//! db.close()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![warn(clippy::must_use_candidate, clippy::return_self_not_must_use, clippy::double_must_use)]

mod base;
mod cache;
mod cursor;
mod db;
mod engine;
mod exec;
mod files;
mod io;
mod memtable;
mod table;
mod tree;
mod wal;

pub use base::error::{Error, IoSource, Result};
pub use base::limits::{BATCH_LEN_MAX, KEY_LEN_MAX, VALUE_LEN_MAX};
pub use base::options::{Durability, IoBackend, Options, StageMode, WriteOptions};
pub use base::value::Value;
pub use db::{
    AsyncDb, AsyncRange, AsyncSnapshot, CoreDb, CoreRange, CoreSnapshot, Cursor, Db, Driver, JoinError,
    JoinHandle, Keys, Range, Read, Snapshot, Ticket, WriteBatch,
};
#[cfg(feature = "tokio-uring")]
pub use db::{TokioUringDb, TokioUringRange};
pub use engine::{FileStats, PartitionStats, Slowdown, SlowdownReason, Stats};

/// A simulated machine to run databases on, and cores that the caller steps, for tests of the engine.
///
/// A [`World`](sim::World) holds files, directories, clock and randomness in memory, all driven by
/// one seed; [`Db::open_simulated`] opens a database in it, whose cores the caller steps. Crashes,
/// losses of power and faults come as the seed or the caller decides. A simulated database, its
/// cores and its callers stay on the thread that opened it.
#[cfg(feature = "sim")]
pub mod sim {
    pub use crate::base::coverage::{coverage, marks};
    pub use crate::base::planted::{BUGS, Bug, plant};
    pub use crate::db::{OpeningDb, Stepper};
    pub use crate::io::sim::{Counts, Faults, Lie, Random, Survival, Syncs, World};
    pub use crate::tree::amplification::{Amplification, Uniform, amplification};
}

/// Parts of the engine by themselves, for its benchmarks. Not for programs: they change with every version.
#[cfg(feature = "bench")]
#[doc(hidden)]
pub mod bench {
    pub use crate::cursor::bench::Memtable;
}

/// The Rust blocks of the README, compiled as tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeExamples;

/// The Rust blocks of what is said of runtimes, compiled and run as tests.
#[cfg(all(doctest, feature = "tokio-uring"))]
#[doc = include_str!("../docs/runtimes.md")]
struct RuntimeExamples;
