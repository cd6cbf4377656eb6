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
//! Durability: `process` is the default (the journal's buffer is written to the OS within the
//! call); `power` turns that off (`manual_journal_persist`) and calls `persist(SyncData)` after each
//! write instead: fdatasync, which ext4 and XFS make durable including the length, and what
//! RocksDB and Rabi do as well; SyncAll would only add inode times.

use std::path::Path;
use std::time::{Duration, Instant};

use ::fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};

use super::budget::Budget;
use super::{
    Durability, Engine, EngineError, EngineResult, EngineStats, Keeps, READS_IN_TURN, ReadVisitor,
    ScanVisitor, Session, Settings, read_in_turn, visit_entries,
};

/// The name on the command line.
pub const NAME: &str = "fjall";
/// One sentence for the help text.
pub const ABOUT: &str = "fjall 3.1: leveled LSM tree, Rust";

struct Fjall {
    database: Database,
    keyspace: Keyspace,
    durability: Durability,
    budget: Budget,
}

/// Opens or creates the database in `dir`.
pub fn open(dir: &Path, settings: &Settings) -> EngineResult<Box<dyn Engine>> {
    let budget = Budget::from_settings(NAME, settings, "", |_, _| Ok(false))?;
    let manual = settings.durability == Durability::Power;
    let open = || {
        let database = Database::builder(dir).cache_size(budget.cache_size_bytes).open()?;
        let options = || {
            KeyspaceCreateOptions::default()
                .max_memtable_size(budget.memtable_size_bytes)
                .manual_journal_persist(manual)
        };
        let keyspace = database.keyspace("records", options)?;
        Ok((database, keyspace))
    };
    let (database, keyspace) = open().map_err(|error| failed("open", &error))?;
    Ok(Box::new(Fjall { database, keyspace, durability: settings.durability, budget }))
}

fn failed(operation: &'static str, error: &::fjall::Error) -> EngineError {
    EngineError::Call { engine: NAME, operation, cause: error.to_string() }
}

impl Engine for Fjall {
    fn session(&self) -> EngineResult<Box<dyn Session + '_>> {
        Ok(Box::new(FjallSession { engine: self }))
    }

    fn stats(&self) -> EngineStats {
        let count = |number: usize| number as u64;
        let values = [
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
        ];
        let values = values.map(|(name, value)| (name.to_owned(), value)).to_vec();
        EngineStats { values, notes: Vec::new() }
    }

    fn keeps(&self) -> Keeps {
        Keeps {
            kept: self.durability.into(),
            how: match self.durability {
                Durability::Process => "write(2) of the journal before the call returns",
                Durability::Power => "fdatasync of the journal (SyncData) after each write",
            },
        }
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
        self.keyspace.rotate_memtable_and_wait().map_err(|error| failed("flush", &error))?;
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
        self.database.persist(PersistMode::SyncAll).map_err(|error| failed("close", &error))
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
        let value = self.engine.keyspace.get(key).map_err(|error| failed("get", &error))?;
        if let Some(value) = &value {
            visit(value);
        }
        Ok(value.is_some())
    }

    fn insert(&mut self, key: &[u8], value: &[u8]) -> EngineResult<()> {
        let written = self.engine.keyspace.insert(key, value).and_then(|()| self.persist());
        written.map_err(|error| failed("insert", &error))
    }

    fn update(&mut self, key: &[u8], value: &[u8]) -> EngineResult<()> {
        self.insert(key, value)
    }

    fn delete(&mut self, key: &[u8]) -> EngineResult<()> {
        let removed = self.engine.keyspace.remove(key).and_then(|()| self.persist());
        removed.map_err(|error| failed("remove", &error))
    }

    fn scan(&mut self, start: &[u8], limit: usize, visit: ScanVisitor<'_>) -> EngineResult<usize> {
        let entries = self.engine.keyspace.range(start..).map(|entry| entry.into_inner());
        visit_entries(entries, limit, visit).map_err(|error| failed("scan", &error))
    }

    fn scan_back(&mut self, start: &[u8], limit: usize, visit: ScanVisitor<'_>) -> EngineResult<usize> {
        let entries = self.engine.keyspace.range(..=start).rev().map(|entry| entry.into_inner());
        visit_entries(entries, limit, visit).map_err(|error| failed("scan", &error))
    }

    fn multi_read(&mut self, keys: &[Vec<u8>], visit: ReadVisitor<'_>) -> EngineResult<()> {
        read_in_turn(self, keys, visit)
    }

    fn write_batch(&mut self, records: &[(Vec<u8>, Vec<u8>)]) -> EngineResult<()> {
        let mut batch = self.engine.database.batch();
        if self.engine.durability == Durability::Power {
            batch = batch.durability(Some(PersistMode::SyncData));
        }
        for (key, value) in records {
            batch.insert(&self.engine.keyspace, key.as_slice(), value.as_slice());
        }
        batch.commit().map_err(|error| failed("commit", &error))
    }
}
