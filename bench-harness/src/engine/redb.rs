//! The adapter of redb (crate redb 4.6).
//!
//! Settings, after redb's documentation:
//! - cache of `cache_size_bytes` and the memtables' share on top: redb keeps its write buffer in it;
//! - one table of byte strings, one transaction a write: single writer, as is redb's design;
//! - no multi-get, which redb has not: one read after the other, in one transaction;
//! - one-phase commit with checksums, the default; two-phase commit guards against attackers who
//!   choose the data, and quick repair makes every commit slower: both stay off.
//!
//! Durability: redb commits either on the device (`Immediate`, one fsync a commit) or nowhere
//! (`None`: gone with the process until a later `Immediate` commit). It has no class in between, so
//! with the default `commit=immediate` it keeps `power` also where `process` is asked for, and is
//! not ranked with those that keep `process`. `commit=none` keeps nothing, and refuses `power`.

use std::path::Path;
use std::time::Duration;

use ::redb::{AccessGuard, Database, ReadableDatabase, TableDefinition};

use super::budget::{Budget, choice};
use super::{
    Direction, Durability, Engine, EngineError, EngineResult, EngineStats, Keeps, Kept, ReadVisitor, Scan,
    ScanVisitor, Session, Settings, failed,
};

pub const NAME: &str = "redb";
pub const ABOUT: &str = "redb 4.6: copy-on-write B+tree, Rust; an fsync for every write";

/// What redb's iterators give.
type Entry<'a> =
    Result<(AccessGuard<'a, &'static [u8]>, AccessGuard<'a, &'static [u8]>), ::redb::StorageError>;

const RECORDS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("records");

struct Redb {
    database: Database,
    commit: ::redb::Durability,
    cache_size_bytes: u64,
}

pub fn open(dir: &Path, settings: &Settings) -> EngineResult<Box<dyn Engine>> {
    let mut commit = ::redb::Durability::Immediate;
    let budget = Budget::from_settings(NAME, settings, "commit", |name, value| {
        if name == "commit" {
            let choices = [("immediate", ::redb::Durability::Immediate), ("none", ::redb::Durability::None)];
            commit = choice(NAME, name, value, &choices)?;
        }
        Ok(name == "commit")
    })?;
    if matches!(commit, ::redb::Durability::None) && settings.durability == Durability::Power {
        let why = "option commit=none keeps a write in memory; leave it out";
        return Err(EngineError::Durability { engine: NAME, durability: "power", why });
    }
    let cache_size_bytes = budget.total_bytes();
    let open = || -> Result<Database, ::redb::Error> {
        let mut builder = Database::builder();
        builder.set_cache_size(cache_size_bytes as usize);
        let database = builder.create(dir.join("records.redb"))?;
        // A reader must find the table, also before the first write.
        let transaction = database.begin_write()?;
        transaction.open_table(RECORDS)?;
        transaction.commit()?;
        Ok(database)
    };
    let database = open().map_err(failed(NAME, "open"))?;
    Ok(Box::new(Redb { database, commit, cache_size_bytes }))
}

impl Redb {
    /// One write in a transaction of its own.
    fn write(
        &self,
        operation: &'static str,
        change: impl FnOnce(&mut ::redb::Table<'_, &[u8], &[u8]>) -> Result<(), ::redb::StorageError>,
    ) -> EngineResult<()> {
        let write = || -> Result<(), ::redb::Error> {
            let mut transaction = self.database.begin_write()?;
            transaction.set_durability(self.commit)?;
            change(&mut transaction.open_table(RECORDS)?)?;
            Ok(transaction.commit()?)
        };
        write().map_err(failed(NAME, operation))
    }

    /// A commit that puts everything before it on the device.
    fn sync(&self) -> EngineResult<()> {
        let sync = || -> Result<(), ::redb::Error> { Ok(self.database.begin_write()?.commit()?) };
        sync().map_err(failed(NAME, "sync"))
    }
}

impl Engine for Redb {
    fn session(&self) -> EngineResult<Box<dyn Session + '_>> {
        Ok(Box::new(RedbSession { engine: self }))
    }

    fn stats(&self) -> EngineStats {
        // Its statistics need a write transaction, which would wait for the clients' ones.
        let used = self.database.cache_stats().used_bytes() as u64;
        EngineStats::of([("cache_used_bytes", used)])
    }

    fn keeps(&self) -> Keeps {
        match self.commit {
            ::redb::Durability::None => {
                Keeps { kept: Kept::Nothing, how: "commits stay in memory until the engine is closed" }
            }
            _ => Keeps { kept: Kept::Power, how: "an fsync for every commit; it has no cheaper class" },
        }
    }

    fn settings(&self) -> Vec<(&'static str, String)> {
        vec![
            ("cache_size", self.cache_size_bytes.to_string()),
            ("durability", format!("{:?}", self.commit)),
            ("multi-get", "gets in one transaction".to_owned()),
            ("two_phase_commit, quick_repair", "off, the default".to_owned()),
        ]
    }

    fn settle(&self, _limit: Duration) -> EngineResult<()> {
        self.sync()
    }

    fn close(self: Box<Self>) -> EngineResult<()> {
        self.sync()
    }
}

struct RedbSession<'a> {
    engine: &'a Redb,
}

impl Session for RedbSession<'_> {
    fn read(&mut self, key: &[u8], visit: &mut dyn FnMut(&[u8])) -> EngineResult<bool> {
        let mut read = || -> Result<bool, ::redb::Error> {
            let table = self.engine.database.begin_read()?.open_table(RECORDS)?;
            let value = table.get(key)?;
            if let Some(value) = &value {
                visit(value.value());
            }
            Ok(value.is_some())
        };
        read().map_err(failed(NAME, "get"))
    }

    fn insert(&mut self, key: &[u8], value: &[u8]) -> EngineResult<()> {
        self.engine.write("insert", |table| table.insert(key, value).map(|_| ()))
    }

    fn delete(&mut self, key: &[u8]) -> EngineResult<()> {
        self.engine.write("remove", |table| table.remove(key).map(|_| ()))
    }

    fn scan(&mut self, scan: Scan<'_>, visit: ScanVisitor<'_>) -> EngineResult<usize> {
        let mut visit_all = || -> Result<usize, ::redb::Error> {
            let table = self.engine.database.begin_read()?.open_table(RECORDS)?;
            let mut count = 0;
            let mut visit = |entry: Entry<'_>| -> Result<(), ::redb::Error> {
                let (key, value) = entry?;
                visit(key.value(), value.value());
                count += 1;
                Ok(())
            };
            match scan.direction {
                Direction::Forward => table.range(scan.start..)?.take(scan.limit).try_for_each(&mut visit)?,
                Direction::Back => {
                    table.range(..=scan.start)?.rev().take(scan.limit).try_for_each(&mut visit)?
                }
            }
            Ok(count)
        };
        visit_all().map_err(failed(NAME, "scan"))
    }

    fn multi_read(&mut self, keys: &[Vec<u8>], visit: ReadVisitor<'_>) -> EngineResult<()> {
        let mut read = || -> Result<(), ::redb::Error> {
            let table = self.engine.database.begin_read()?.open_table(RECORDS)?;
            for (place, key) in keys.iter().enumerate() {
                if let Some(value) = table.get(key.as_slice())? {
                    visit(place, value.value());
                }
            }
            Ok(())
        };
        read().map_err(failed(NAME, "get"))
    }

    fn write_batch(&mut self, records: &[(Vec<u8>, Vec<u8>)]) -> EngineResult<()> {
        self.engine.write("insert", |table| {
            for (key, value) in records {
                table.insert(key.as_slice(), value.as_slice())?;
            }
            Ok(())
        })
    }
}
