//! The adapter of fjall (crate fjall 3.1).
//!
//! Settings, after fjall's documentation and to match what Rabi is given:
//! - block cache of `cache_size_bytes`; memtable of `memtable_size_bytes` (documented: 8 to 64 MiB);
//! - blocks of 4 KiB, Bloom filters (10 bits a key, more in L0), level-style compaction and the number
//!   of worker threads (cores, at most 4): the defaults, and the ones documented for point reads;
//! - no compression: YCSB's values are random, and Rabi stores such blocks raw as well. The crate is
//!   built without its `lz4` feature, which compresses the last level by default;
//! - no key-value separation: it is for values well above YCSB's kilobyte.
//!
//! It has no multi-get: one read after the other is made.
//!
//! Durability: `process` is the default (the journal's buffer is written to the OS within the
//! call); `power` turns that off (`manual_journal_persist`) and calls `persist(SyncData)` after each
//! write instead: fdatasync, which ext4 and XFS make durable including the length, and what
//! RocksDB and Rabi do as well; SyncAll would only add inode times.

use std::path::Path;
use std::time::{Duration, Instant};

use ::fjall::{Database, Guard, Keyspace, KeyspaceCreateOptions, PersistMode};

use super::budget::Budget;
use super::{
    Direction, Durability, Engine, EngineResult, EngineStats, Keeps, READS_IN_TURN, Scan, ScanVisitor,
    Session, Settings, failed, visit_entries, visit_found,
};

pub const NAME: &str = "fjall";
pub const ABOUT: &str = "fjall 3.1: leveled LSM tree, Rust";

struct Fjall {
    database: Database,
    keyspace: Keyspace,
    durability: Durability,
    budget: Budget,
}

pub fn open(dir: &Path, settings: &Settings) -> EngineResult<Box<dyn Engine>> {
    let budget = Budget::from_settings(NAME, settings, "", |_, _| Ok(false))?;
    let manual = settings.durability == Durability::Power;
    let open = || -> ::fjall::Result<_> {
        let database = Database::builder(dir).cache_size(budget.cache_size_bytes).open()?;
        let options = || {
            KeyspaceCreateOptions::default()
                .max_memtable_size(budget.memtable_size_bytes)
                .manual_journal_persist(manual)
        };
        let keyspace = database.keyspace("records", options)?;
        Ok((database, keyspace))
    };
    let (database, keyspace) = open().map_err(failed(NAME, "open"))?;
    Ok(Box::new(Fjall { database, keyspace, durability: settings.durability, budget }))
}

impl Engine for Fjall {
    fn session(&self) -> EngineResult<Box<dyn Session + '_>> {
        Ok(Box::new(FjallSession { engine: self }))
    }

    fn stats(&self) -> EngineStats {
        let count = |number: usize| number as u64;
        EngineStats::of([
            ("write_buffer_bytes", self.database.write_buffer_size()),
            ("cache_used_bytes", self.database.cache_size()),
            ("sealed_memtables", count(self.keyspace.sealed_memtable_count())),
            ("l0_tables", count(self.keyspace.l0_table_count())),
            ("tables", count(self.keyspace.table_count())),
            ("journals", count(self.database.journal_count())),
            ("outstanding_flushes", count(self.database.outstanding_flushes())),
            ("active_compactions", count(self.database.active_compactions())),
            ("compactions", count(self.database.compactions_completed())),
            ("compaction_us_total", self.database.time_compacting().as_micros() as u64),
        ])
    }

    fn keeps(&self) -> Keeps {
        Keeps::asked(
            self.durability,
            "write(2) of the journal before the call returns",
            "fdatasync of the journal (SyncData) after each write",
        )
    }

    fn settings(&self) -> Vec<(&'static str, String)> {
        vec![
            ("cache_size", self.budget.cache_size_bytes.to_string()),
            ("max_memtable_size", self.budget.memtable_size_bytes.to_string()),
            ("data_block_size", "4096, the default".to_owned()),
            ("filter_policy", "Bloom, 10 bits a key, more in L0, the default".to_owned()),
            ("compression", "none".to_owned()),
            ("worker_threads", "cores, at most 4, the default".to_owned()),
            (READS_IN_TURN.0, READS_IN_TURN.1.to_owned()),
            ("manual_journal_persist", (self.durability == Durability::Power).to_string()),
        ]
    }

    fn settle(&self, limit: Duration) -> EngineResult<()> {
        let start = Instant::now();
        self.keyspace.rotate_memtable_and_wait().map_err(failed(NAME, "flush"))?;
        // Compactions are started by what flushes leave behind, so quiet must last for a while.
        let mut quiet = 0;
        while quiet < 10 && start.elapsed() < limit {
            let busy = self.database.outstanding_flushes() + self.database.active_compactions() > 0;
            quiet = if busy { 0 } else { quiet + 1 };
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    fn close(self: Box<Self>) -> EngineResult<()> {
        self.database.persist(PersistMode::SyncAll).map_err(failed(NAME, "close"))
    }
}

struct FjallSession<'a> {
    engine: &'a Fjall,
}

impl FjallSession<'_> {
    /// Makes the write before it durable, where each write has to be.
    fn persist(&self) -> ::fjall::Result<()> {
        match self.engine.durability {
            Durability::Process => Ok(()),
            Durability::Power => self.engine.database.persist(PersistMode::SyncData),
        }
    }
}

impl Session for FjallSession<'_> {
    fn read(&mut self, key: &[u8], visit: &mut dyn FnMut(&[u8])) -> EngineResult<bool> {
        let value = self.engine.keyspace.get(key).map_err(failed(NAME, "get"))?;
        Ok(visit_found(value, visit))
    }

    fn insert(&mut self, key: &[u8], value: &[u8]) -> EngineResult<()> {
        let written = self.engine.keyspace.insert(key, value).and_then(|()| self.persist());
        written.map_err(failed(NAME, "insert"))
    }

    fn delete(&mut self, key: &[u8]) -> EngineResult<()> {
        let removed = self.engine.keyspace.remove(key).and_then(|()| self.persist());
        removed.map_err(failed(NAME, "remove"))
    }

    fn scan(&mut self, scan: Scan<'_>, visit: ScanVisitor<'_>) -> EngineResult<usize> {
        let records = &self.engine.keyspace;
        let scanned = match scan.direction {
            Direction::Forward => {
                visit_entries(records.range(scan.start..).map(Guard::into_inner), scan.limit, visit)
            }
            Direction::Back => {
                visit_entries(records.range(..=scan.start).rev().map(Guard::into_inner), scan.limit, visit)
            }
        };
        scanned.map_err(failed(NAME, "scan"))
    }

    fn write_batch(&mut self, records: &[(Vec<u8>, Vec<u8>)]) -> EngineResult<()> {
        let mut batch = self.engine.database.batch();
        if self.engine.durability == Durability::Power {
            batch = batch.durability(Some(PersistMode::SyncData));
        }
        for (key, value) in records {
            batch.insert(&self.engine.keyspace, key.as_slice(), value.as_slice());
        }
        batch.commit().map_err(failed(NAME, "commit"))
    }
}
