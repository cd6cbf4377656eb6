//! The engines under test, behind one small trait.
//!
//! An adapter is one file: it opens a directory with the durability asked for, hands each
//! client thread a session, and says at its head how it maps the harness's operations and
//! durability onto the engine. Fairness rules: every engine gets the same bytes, must hand
//! every value read to the caller (who copies it), and must acknowledge a write only once the
//! durability asked for holds. An engine that cannot keep it refuses to open.
//! A new engine is added in three places: a file, a `mod` line, a row in `ENGINES`.
//!
//! The peers are behind cargo features of their names, `peers` for all; see each file's head
//! for its settings and why. All engines that keep data on disk take the same memory budget.

mod asynchronous;
mod budget;
mod durability;
#[cfg(feature = "fjall")]
mod fjall;
mod inject;
#[cfg(feature = "lmdb")]
mod lmdb;
mod memory;
mod null;
mod occupant;
mod rabi;
#[cfg(feature = "redb")]
mod redb;
#[cfg(feature = "rocksdb")]
mod rocksdb;
#[cfg(feature = "sled")]
mod sled;

use std::path::Path;
use std::time::Duration;

use crate::properties::nearest;

pub use asynchronous::{AsyncSession, AsyncThread, drive};
pub use durability::{Durability, Keeps, Kept};
pub use inject::Injection;
pub use null::new as null_engine;
pub use occupant::keeps_files;

/// How an engine is to be opened.
#[derive(Debug, Clone)]
pub struct Settings {
    pub durability: Durability,
    /// Engine options by name, in the order given.
    pub options: Vec<(String, String)>,
}

#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    #[error("unknown engine {name}{hint}; available: {available}")]
    Unknown {
        name: String,
        /// A guess, as a piece of the sentence.
        hint: String,
        available: String,
    },
    #[error("engine {engine}: option {name}={value}: {allowed}")]
    Option { engine: &'static str, name: String, value: String, allowed: String },
    #[error("engine {engine} cannot offer durability {durability}: {why}")]
    Durability { engine: &'static str, durability: &'static str, why: &'static str },
    #[error("the engine has no calls that can be awaited; leave --clients out, and use --threads")]
    BlocksOnly,
    #[error("engine {engine}: {operation} failed: {cause}")]
    Call { engine: &'static str, operation: &'static str, cause: String },
}

impl EngineError {
    /// Whether it says that the device, or the user's share of it, is full. Engines hand errors of the system on in
    /// words, and all that we know use those of the C library; Rabi's own begin the same way.
    pub fn says_device_is_full(&self) -> bool {
        let EngineError::Call { cause, .. } = self else { return false };
        let cause = cause.to_lowercase();
        cause.contains("no space left") || cause.contains("quota exceeded")
    }
}

pub type EngineResult<T> = Result<T, EngineError>;

/// Counters and gauges of an engine.
#[derive(Debug, Clone, Default)]
pub struct EngineStats {
    /// Numbers by name, in the engine's order.
    pub values: Vec<(String, u64)>,
    /// What is not a number, such as the I/O backend.
    pub notes: Vec<(String, String)>,
}

impl EngineStats {
    /// Numbers without notes.
    fn of<'a>(values: impl IntoIterator<Item = (&'a str, u64)>) -> EngineStats {
        let values = values.into_iter().map(|(name, value)| (name.to_owned(), value));
        EngineStats { values: values.collect(), notes: Vec::new() }
    }

    /// The number of that name, if the engine reports it.
    pub fn value(&self, name: &str) -> Option<u64> {
        self.values.iter().find(|(known, _)| known == name).map(|(_, value)| *value)
    }
}

/// An open engine. Shared by all client threads.
pub trait Engine: Send + Sync {
    /// What one client thread works with.
    fn session(&self) -> EngineResult<Box<dyn Session + '_>>;
    /// What a thread has whose clients are futures; with `driver` its reads go through a ring of its own.
    ///
    /// # Errors
    /// The engine's calls block only, or the system denies the ring.
    fn async_thread(&self, _driver: bool) -> EngineResult<AsyncThread> {
        Err(EngineError::BlocksOnly)
    }
    /// Counters and gauges; called about every 50 ms while a phase runs.
    fn stats(&self) -> EngineStats {
        EngineStats::default()
    }
    /// What an acknowledged write has survived: what was asked for, or more.
    fn keeps(&self) -> Keeps;
    /// Every setting the adapter made or left at a default worth knowing, for reports.
    fn settings(&self) -> Vec<(&'static str, String)> {
        Vec::new()
    }
    /// Waits until background work has nothing left to do, at most `limit`.
    fn settle(&self, _limit: Duration) -> EngineResult<()> {
        Ok(())
    }
    /// Ends the engine in an orderly way. All sessions are gone by then.
    fn close(self: Box<Self>) -> EngineResult<()> {
        Ok(())
    }
}

/// Towards which end of the key space a scan goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    Forward,
    Back,
}

/// Which records a scan visits.
#[derive(Debug, Clone, Copy)]
pub struct Scan<'a> {
    /// The key it begins at, which is included.
    pub start: &'a [u8],
    pub limit: usize,
    pub direction: Direction,
}

impl Scan<'_> {
    /// Towards larger keys.
    pub fn forward(start: &[u8], limit: usize) -> Scan<'_> {
        Scan { start, limit, direction: Direction::Forward }
    }
}

/// Receives the records of a scan in the order of its direction, each with its key and value.
pub type ScanVisitor<'v> = &'v mut dyn FnMut(&[u8], &[u8]);

/// Receives the values of a multi-get, each with the place of its key.
pub type ReadVisitor<'v> = &'v mut dyn FnMut(usize, &[u8]);

/// One client thread's way into an engine.
pub trait Session {
    /// Hands the value of `key` to `visit` and returns true, or returns false if there is none.
    fn read(&mut self, key: &[u8], visit: &mut dyn FnMut(&[u8])) -> EngineResult<bool>;
    /// Writes a record that the data set did not have.
    fn insert(&mut self, key: &[u8], value: &[u8]) -> EngineResult<()>;
    /// Overwrites a record.
    fn update(&mut self, key: &[u8], value: &[u8]) -> EngineResult<()> {
        self.insert(key, value)
    }
    /// Removes a record; removing an absent one is no error.
    fn delete(&mut self, key: &[u8]) -> EngineResult<()>;
    /// Visits records; returns how many there were.
    fn scan(&mut self, scan: Scan<'_>, visit: ScanVisitor<'_>) -> EngineResult<usize>;
    /// Hands each value there is to `visit`, with the place of its key among `keys`; by the engine's
    /// own multi-get if it has one, else by one read after the other, as its settings say.
    fn multi_read(&mut self, keys: &[Vec<u8>], visit: ReadVisitor<'_>) -> EngineResult<()> {
        for (place, key) in keys.iter().enumerate() {
            self.read(key, &mut |value| visit(place, value))?;
        }
        Ok(())
    }
    /// Overwrites all of these records or none. Of equal keys the last one counts.
    fn write_batch(&mut self, records: &[(Vec<u8>, Vec<u8>)]) -> EngineResult<()>;
}

/// The setting of an engine without a multi-get.
#[cfg(any(feature = "fjall", feature = "sled"))]
const READS_IN_TURN: (&str, &str) = ("multi-get", "none: one read after the other");

/// Makes the error of a call out of what the engine says.
fn failed<E: std::fmt::Display>(
    engine: &'static str,
    operation: &'static str,
) -> impl FnOnce(E) -> EngineError {
    move |error| EngineError::Call { engine, operation, cause: error.to_string() }
}

/// Hands over the value of a read, if there is one; returns whether there is.
#[inline]
fn visit_found(value: Option<impl AsRef<[u8]>>, visit: &mut dyn FnMut(&[u8])) -> bool {
    value.is_some_and(|value| {
        visit(value.as_ref());
        true
    })
}

/// A scan over the entries of an engine whose iterators hand them out as results: the first `limit`.
fn visit_entries<K: AsRef<[u8]>, V: AsRef<[u8]>, E>(
    entries: impl Iterator<Item = Result<(K, V), E>>,
    limit: usize,
    visit: ScanVisitor<'_>,
) -> Result<usize, E> {
    let mut count = 0;
    for entry in entries.take(limit) {
        let (key, value) = entry?;
        visit(key.as_ref(), value.as_ref());
        count += 1;
    }
    Ok(count)
}

struct Entry {
    /// On the command line.
    name: &'static str,
    /// One sentence for the help text.
    about: &'static str,
    /// Whether its calls can be awaited.
    awaits: bool,
    /// Whether it takes `cache_size_bytes` and `memtable_size_bytes`; all that keep data on disk do.
    budgeted: bool,
    open: fn(&Path, &Settings) -> EngineResult<Box<dyn Engine>>,
}

const ENGINES: &[Entry] = &[
    Entry { name: rabi::NAME, about: rabi::ABOUT, awaits: true, budgeted: true, open: rabi::open },
    #[cfg(feature = "rocksdb")]
    Entry { name: rocksdb::NAME, about: rocksdb::ABOUT, awaits: false, budgeted: true, open: rocksdb::open },
    #[cfg(feature = "lmdb")]
    Entry { name: lmdb::NAME, about: lmdb::ABOUT, awaits: false, budgeted: true, open: lmdb::open },
    #[cfg(feature = "fjall")]
    Entry { name: fjall::NAME, about: fjall::ABOUT, awaits: false, budgeted: true, open: fjall::open },
    #[cfg(feature = "redb")]
    Entry { name: redb::NAME, about: redb::ABOUT, awaits: false, budgeted: true, open: redb::open },
    #[cfg(feature = "sled")]
    Entry { name: sled::NAME, about: sled::ABOUT, awaits: false, budgeted: true, open: sled::open },
    Entry { name: memory::NAME, about: memory::ABOUT, awaits: false, budgeted: false, open: memory::open },
    Entry { name: null::NAME, about: null::ABOUT, awaits: true, budgeted: false, open: null::open },
];

/// The peers and what each needs to be in this binary.
const PEERS: [&str; 5] = ["rocksdb", "lmdb", "fjall", "redb", "sled"];

/// Opens an engine by name in a directory that exists.
pub fn open(name: &str, dir: &Path, settings: &Settings) -> EngineResult<Box<dyn Engine>> {
    let entry = find(name)?;
    occupant::refuse_foreign(entry.name, dir)?;
    (entry.open)(dir, settings)
}

pub fn check(name: &str) -> EngineResult<()> {
    find(name).map(|_| ())
}

/// Whether a name is that of an engine, also of one that is not in this build.
pub fn is_known(name: &str) -> bool {
    PEERS.contains(&name) || find(name).is_ok()
}

pub fn names() -> String {
    ENGINES.iter().map(|entry| entry.name).collect::<Vec<_>>().join(", ")
}

/// The names of the engines that keep their data on disk.
pub fn on_disk() -> Vec<String> {
    ENGINES.iter().filter(|entry| entry.budgeted).map(|entry| entry.name.to_owned()).collect()
}

/// Whether the engine takes the options of the memory budget.
pub fn is_budgeted(name: &str) -> bool {
    find(name).is_ok_and(|entry| entry.budgeted)
}

/// Whether the engine has an async face, for clients that are futures.
pub fn awaits(name: &str) -> bool {
    find(name).is_ok_and(|entry| entry.awaits)
}

/// The engines with one sentence on each, for the help text.
pub fn list() -> String {
    let lines: Vec<String> =
        ENGINES.iter().map(|entry| format!("  {:8} {}", entry.name, entry.about)).collect();
    lines.join("\n")
}

fn find(name: &str) -> EngineResult<&'static Entry> {
    ENGINES.iter().find(|entry| entry.name == name).ok_or_else(|| {
        let hint = if PEERS.contains(&name) {
            format!(" (not in this build; build with --features {name}, or peers for all)")
        } else {
            let all = ENGINES.iter().map(|entry| entry.name);
            nearest(name, all).map_or(String::new(), |near| format!(" (meant {near}?)"))
        };
        EngineError::Unknown { name: name.to_owned(), hint, available: names() }
    })
}

/// Refuses every option, for engines that have none.
fn refuse_options(engine: &'static str, settings: &Settings) -> EngineResult<()> {
    match settings.options.first() {
        None => Ok(()),
        Some((name, value)) => Err(EngineError::Option {
            engine,
            name: name.clone(),
            value: value.clone(),
            allowed: "this engine has no options".to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(not(feature = "sled"))]
    fn a_peer_that_is_not_in_the_build_is_answered_with_its_feature() {
        let error = check("sled").unwrap_err().to_string();
        assert!(error.contains("build with --features sled, or peers for all"), "{error}");
    }

    #[test]
    fn a_full_device_is_known_by_its_words() {
        let full = |cause: std::io::Error| {
            let cause = format!("IO error: While appending to file: {cause}");
            EngineError::Call { engine: "x", operation: "put", cause }.says_device_is_full()
        };
        for (error, expected) in [(28, true), (122, true), (5, false)] {
            assert_eq!(full(std::io::Error::from_raw_os_error(error)), expected, "{error}");
        }
    }
}
