//! The adapter of Rabi.
//!
//! One `Db` is shared by all client threads; a session is a clone of its handle. A read
//! and a scan hand values over where they lie in the engine's memory, for the harness to copy. Insert and
//! update are both a put of the whole record; a scan is a range read that is dropped after
//! `limit` records; a multi-get is one `multi_get`. Async clients make the same calls of `AsyncDb`, which hands out copies
//! of values, and `submit`, whose ticket tells when a batch survives loss of power. Durability is set once for the database: `process` acknowledges once the
//! record is in the shared-mapped stage, `power` once it is on the device.
//! Options are the memory budget of all engines and those of `rabi::Options` under their own
//! names; whatever is not set keeps the engine's default, which the budget's defaults are too.

use std::path::Path;
use std::time::Duration;

use rabi::{AsyncDb, CoreDb, Db, Driver, IoBackend, Options, WriteBatch, WriteOptions};

use super::budget::{Budget, choice, refused};
use super::{
    AsyncThread, Direction, Durability, Engine, EngineResult, EngineStats, Keeps, ReadVisitor, Scan,
    ScanVisitor, Session, Settings, failed, visit_found,
};

pub const NAME: &str = "rabi";
pub const ABOUT: &str = "the engine of this repository";

const OPTION_NAMES: &str =
    "max_frozen_memtables, max_flushed_files, partition_size_bytes, cores, io_backend, direct_reads";

struct Rabi {
    db: Db,
    durability: Durability,
    /// The options as the engine prints them: all of them, set or not.
    options: String,
    budget: Budget,
}

pub fn open(dir: &Path, settings: &Settings) -> EngineResult<Box<dyn Engine>> {
    let mut options = Options::new().durability(durability(settings.durability));
    let budget = Budget::from_settings(NAME, settings, OPTION_NAMES, |name, value| {
        let set = set_option(options.clone(), name, value)?;
        let known = set.is_some();
        options = set.unwrap_or_else(|| options.clone());
        Ok(known)
    })?;
    let options =
        options.memtable_size_bytes(budget.memtable_size_bytes).cache_size_bytes(budget.cache_size_bytes);
    let shown = format!("{options:?}");
    let db = Db::open(dir, options).map_err(failed(NAME, "open"))?;
    Ok(Box::new(Rabi { db, durability: settings.durability, options: shown, budget }))
}

fn durability(asked: Durability) -> rabi::Durability {
    match asked {
        Durability::Process => rabi::Durability::Process,
        Durability::Power => rabi::Durability::Power,
    }
}

/// The options with one of them set; nothing if there is no such option.
fn set_option(options: Options, name: &str, value: &str) -> EngineResult<Option<Options>> {
    let bytes = || number::<u64>(name, value);
    let count = || number::<usize>(name, value);
    Ok(Some(match name {
        "max_frozen_memtables" => options.max_frozen_memtables(count()?),
        "max_flushed_files" => options.max_flushed_files(count()?),
        "partition_size_bytes" => options.partition_size_bytes(bytes()?),
        "cores" => options.cores(count()?),
        "direct_reads" => {
            options.direct_reads(choice(NAME, name, value, &[("false", false), ("true", true)])?)
        }
        "io_backend" => {
            let choices =
                [("auto", IoBackend::Auto), ("uring", IoBackend::Uring), ("blocking", IoBackend::Blocking)];
            options.io_backend(choice(NAME, name, value, &choices)?)
        }
        _ => return Ok(None),
    }))
}

fn number<T: std::str::FromStr>(name: &str, value: &str) -> EngineResult<T> {
    value.parse().map_err(|_| refused(NAME, name, value, "allowed: a whole number".to_owned()))
}

impl Engine for Rabi {
    fn session(&self) -> EngineResult<Box<dyn Session + '_>> {
        Ok(Box::new(RabiSession { db: self.db.clone() }))
    }

    fn async_thread(&self, driver: bool) -> EngineResult<AsyncThread> {
        Ok(match driver {
            false => AsyncThread::Rabi(self.db.clone().to_async()),
            true => {
                let driver = Driver::new(&self.db).map_err(failed(NAME, "make a driver"))?;
                AsyncThread::RabiDriver(Box::new(driver))
            }
        })
    }

    fn stats(&self) -> EngineStats {
        let stats = self.db.stats();
        EngineStats {
            notes: vec![
                ("backend".to_owned(), stats.backend.clone()),
                ("durable_writes".to_owned(), stats.durable_writes.to_owned()),
                ("direct_reads".to_owned(), stats.direct_reads.to_string()),
            ],
            ..EngineStats::of(stats.values().iter().copied())
        }
    }

    fn keeps(&self) -> Keeps {
        Keeps::asked(
            self.durability,
            "the record is in a shared mapping, which the kernel owns",
            "the log is on the device; writers share a sync",
        )
    }

    fn settings(&self) -> Vec<(&'static str, String)> {
        let total = self.budget.total_bytes().to_string();
        vec![
            ("options", self.options.clone()),
            ("cache and memtables, bytes", total),
            ("multi-get", "multi_get, of one moment".to_owned()),
        ]
    }

    fn settle(&self, _limit: Duration) -> EngineResult<()> {
        self.db.flush().map_err(failed(NAME, "flush"))?;
        self.db.compact().map_err(failed(NAME, "compact"))
    }

    fn close(self: Box<Self>) -> EngineResult<()> {
        self.db.close().map_err(failed(NAME, "close"))
    }
}

struct RabiSession {
    db: Db,
}

impl Session for RabiSession {
    fn read(&mut self, key: &[u8], visit: &mut dyn FnMut(&[u8])) -> EngineResult<bool> {
        let found = self.db.get_with(key, |value| visit(value));
        Ok(found.map_err(failed(NAME, "get"))?.is_some())
    }

    fn insert(&mut self, key: &[u8], value: &[u8]) -> EngineResult<()> {
        self.db.put(key, value).map_err(failed(NAME, "put"))
    }

    fn delete(&mut self, key: &[u8]) -> EngineResult<()> {
        self.db.delete(key).map_err(failed(NAME, "delete"))
    }

    fn scan(&mut self, scan: Scan<'_>, visit: ScanVisitor<'_>) -> EngineResult<usize> {
        let mut range = match scan.direction {
            Direction::Forward => self.db.range(scan.start..),
            Direction::Back => self.db.range(..=scan.start),
        };
        let mut count = 0;
        while count < scan.limit {
            let visited = match scan.direction {
                Direction::Forward => range.next_with(&mut *visit),
                Direction::Back => range.next_back_with(&mut *visit),
            };
            let Some(visited) = visited else { break };
            visited.map_err(failed(NAME, "scan"))?;
            count += 1;
        }
        Ok(count)
    }

    fn multi_read(&mut self, keys: &[Vec<u8>], visit: ReadVisitor<'_>) -> EngineResult<()> {
        for (place, value) in self.db.multi_get(keys).into_iter().enumerate() {
            if let Some(value) = value.map_err(failed(NAME, "multi_get"))? {
                visit(place, &value);
            }
        }
        Ok(())
    }

    fn write_batch(&mut self, records: &[(Vec<u8>, Vec<u8>)]) -> EngineResult<()> {
        self.db.write(batch(records), WriteOptions::new()).map_err(failed(NAME, "write"))
    }
}

/// What one async client works with: the calls of a database that its futures await.
pub struct RabiClient<D>(pub(super) D);

/// The calls of both are the same, and no trait has them.
macro_rules! clients_of {
    ($($db:ty),+) => {$(
        impl RabiClient<$db> {
        pub async fn read(&mut self, key: &[u8], visit: &mut dyn FnMut(&[u8])) -> EngineResult<bool> {
            let found = self.0.get(key).await.map_err(failed(NAME, "get"))?;
            Ok(visit_found(found, visit))
        }

        pub async fn put(&mut self, key: &[u8], value: &[u8]) -> EngineResult<()> {
            self.0.put(key, value).await.map_err(failed(NAME, "put"))
        }

        pub async fn delete(&mut self, key: &[u8]) -> EngineResult<()> {
            self.0.delete(key).await.map_err(failed(NAME, "delete"))
        }

        pub async fn scan(&mut self, scan: Scan<'_>, visit: ScanVisitor<'_>) -> EngineResult<usize> {
            let mut range = match scan.direction {
                Direction::Forward => self.0.range(scan.start..),
                Direction::Back => self.0.range(..=scan.start).rev(),
            };
            let mut count = 0;
            while count < scan.limit {
                let Some(entry) = range.next().await else { break };
                let (key, value) = entry.map_err(failed(NAME, "scan"))?;
                visit(&key, &value);
                count += 1;
            }
            Ok(count)
        }

        pub async fn multi_read(&mut self, keys: &[Vec<u8>], visit: ReadVisitor<'_>) -> EngineResult<()> {
            for (place, value) in self.0.multi_get(keys).await.into_iter().enumerate() {
                if let Some(value) = value.map_err(failed(NAME, "multi_get"))? {
                    visit(place, &value);
                }
            }
            Ok(())
        }

        pub async fn write_batch(&mut self, records: &[(Vec<u8>, Vec<u8>)]) -> EngineResult<()> {
            self.0.write(batch(records), WriteOptions::new()).await.map_err(failed(NAME, "write"))
        }

        pub async fn submit(&mut self, records: &[(Vec<u8>, Vec<u8>)]) -> EngineResult<rabi::Ticket> {
            self.0.submit(batch(records)).await.map_err(failed(NAME, "submit"))
        }
        }
    )+};
}

clients_of!(AsyncDb, CoreDb);

fn batch(records: &[(Vec<u8>, Vec<u8>)]) -> WriteBatch {
    let mut batch = WriteBatch::new();
    records.iter().for_each(|(key, value)| batch.put(key, value));
    batch
}
