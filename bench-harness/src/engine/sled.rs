//! The adapter of sled (crate sled 0.34).
//!
//! The stable 0.34, not the alphas of 1.0: an alpha that wins or loses says little about sled.
//!
//! Settings, after sled's documentation:
//! - cache of `cache_size_bytes` and the memtables' share on top: sled has no memtable;
//! - `Mode::HighThroughput`, which trades space for speed; no compression, the default;
//! - `flush_every_ms(None)` where each write is flushed, so that nobody flushes twice.
//!
//! It has no multi-get: one read after the other is made.
//!
//! Durability: a write is acknowledged while its log record is in a buffer of the process, and a
//! thread writes and syncs that every 500 ms. With the default `flush=each`, `flush()` after each
//! write, it keeps `process`. It cannot keep `power`: on Linux `flush()` ends in sync_file_range,
//! which writes pages out but neither the file's metadata nor the device's cache; the device sees no
//! flush request during a run. So `power` is refused, although the documentation of `flush()` speaks
//! of durable writes. `flush=interval` is sled as it comes: kill -9 loses up to 500 ms of writes.

use std::path::Path;
use std::time::Duration;

use ::sled::{Batch, Config, Db, Mode};

use super::budget::{Budget, choice};
use super::{
    Direction, Durability, Engine, EngineError, EngineResult, Keeps, Kept, READS_IN_TURN, Scan, ScanVisitor,
    Session, Settings, failed, visit_entries, visit_found,
};

pub const NAME: &str = "sled";
pub const ABOUT: &str = "sled 0.34: Bw-tree over a log, Rust; no durability power";

/// The default of `flush_every_ms`.
const FLUSH_INTERVAL_MS: u64 = 500;

struct Sled {
    db: Db,
    flush_each: bool,
    cache_size_bytes: u64,
}

pub fn open(dir: &Path, settings: &Settings) -> EngineResult<Box<dyn Engine>> {
    let mut flush_each = true;
    let budget = Budget::from_settings(NAME, settings, "flush", |name, value| {
        if name == "flush" {
            flush_each = choice(NAME, name, value, &[("each", true), ("interval", false)])?;
        }
        Ok(name == "flush")
    })?;
    if settings.durability == Durability::Power {
        let why = "its flush() does not reach the device: it calls sync_file_range; use process";
        return Err(EngineError::Durability { engine: NAME, durability: "power", why });
    }
    let cache_size_bytes = budget.total_bytes();
    let db = Config::new()
        .path(dir)
        .cache_capacity(cache_size_bytes)
        .mode(Mode::HighThroughput)
        .flush_every_ms((!flush_each).then_some(FLUSH_INTERVAL_MS))
        .open()
        .map_err(failed(NAME, "open"))?;
    Ok(Box::new(Sled { db, flush_each, cache_size_bytes }))
}

impl Engine for Sled {
    fn session(&self) -> EngineResult<Box<dyn Session + '_>> {
        Ok(Box::new(SledSession { db: &self.db, flush_each: self.flush_each }))
    }

    // No `stats`: the numbers sled offers walk the tree or the directory.

    fn keeps(&self) -> Keeps {
        match self.flush_each {
            true => {
                Keeps { kept: Kept::Process, how: "flush() after each write: sync_file_range of the log" }
            }
            false => Keeps { kept: Kept::Nothing, how: "in the process until a sync every 500 ms" },
        }
    }

    fn settings(&self) -> Vec<(&'static str, String)> {
        let interval = if self.flush_each { "none; flush() after each write" } else { "500" };
        vec![
            ("cache_capacity", self.cache_size_bytes.to_string()),
            ("mode", "HighThroughput".to_owned()),
            ("compression", "none".to_owned()),
            ("flush_every_ms", interval.to_owned()),
            (READS_IN_TURN.0, READS_IN_TURN.1.to_owned()),
        ]
    }

    fn settle(&self, _limit: Duration) -> EngineResult<()> {
        self.db.flush().map(|_| ()).map_err(failed(NAME, "flush"))
    }

    fn close(self: Box<Self>) -> EngineResult<()> {
        self.db.flush().map(|_| ()).map_err(failed(NAME, "close"))
    }
}

struct SledSession<'a> {
    db: &'a Db,
    flush_each: bool,
}

impl SledSession<'_> {
    /// Hands the write before it to the kernel, where each write has to be.
    fn acknowledge(&self) -> ::sled::Result<()> {
        if self.flush_each { self.db.flush().map(|_| ()) } else { Ok(()) }
    }
}

impl Session for SledSession<'_> {
    fn read(&mut self, key: &[u8], visit: &mut dyn FnMut(&[u8])) -> EngineResult<bool> {
        let value = self.db.get(key).map_err(failed(NAME, "get"))?;
        Ok(visit_found(value, visit))
    }

    fn insert(&mut self, key: &[u8], value: &[u8]) -> EngineResult<()> {
        let written = self.db.insert(key, value).and_then(|_| self.acknowledge());
        written.map_err(failed(NAME, "insert"))
    }

    fn delete(&mut self, key: &[u8]) -> EngineResult<()> {
        let removed = self.db.remove(key).and_then(|_| self.acknowledge());
        removed.map_err(failed(NAME, "remove"))
    }

    fn scan(&mut self, scan: Scan<'_>, visit: ScanVisitor<'_>) -> EngineResult<usize> {
        let scanned = match scan.direction {
            Direction::Forward => visit_entries(self.db.range(scan.start..), scan.limit, visit),
            Direction::Back => visit_entries(self.db.range(..=scan.start).rev(), scan.limit, visit),
        };
        scanned.map_err(failed(NAME, "scan"))
    }

    fn write_batch(&mut self, records: &[(Vec<u8>, Vec<u8>)]) -> EngineResult<()> {
        let mut batch = Batch::default();
        records.iter().for_each(|(key, value)| batch.insert(key.as_slice(), value.as_slice()));
        let written = self.db.apply_batch(batch).and_then(|()| self.acknowledge());
        written.map_err(failed(NAME, "apply_batch"))
    }
}
