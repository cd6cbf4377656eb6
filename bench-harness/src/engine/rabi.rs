//! The adapter of Rabi.
//!
//! One `Db` is shared by all client threads; a session is a clone of its handle. Insert and
//! update are both a put of the whole record; a scan is a range read that is dropped after
//! `limit` records. Durability is set once for the database: `process` acknowledges once the
//! record is in the shared-mapped stage, `power` once it is on the device.
//! Options are those of `rabi::Options` under their own names; whatever is not set keeps the
//! engine's default.

use std::path::Path;
use std::time::Duration;

use rabi::{Db, IoBackend, Options};

use super::{Durability, Engine, EngineError, EngineResult, EngineStats, ScanVisitor, Session, Settings};

/// The name on the command line.
pub const NAME: &str = "rabi";
/// One sentence for the help text.
pub const ABOUT: &str = "the engine of this repository";

const OPTION_NAMES: &str = "memtable_size_bytes, max_frozen_memtables, max_flushed_files, \
                            partition_size_bytes, cache_size_bytes, cores, io_backend";

struct Rabi {
    db: Db,
    durability: Durability,
}

/// Opens or creates the database in `dir`.
pub fn open(dir: &Path, settings: &Settings) -> EngineResult<Box<dyn Engine>> {
    let mut options = Options::new().durability(match settings.durability {
        Durability::Process => rabi::Durability::Process,
        Durability::Power => rabi::Durability::Power,
    });
    for (name, value) in &settings.options {
        options = set_option(options, name, value)?;
    }
    let db = Db::open(dir, options).map_err(|error| failed("open", &error))?;
    Ok(Box::new(Rabi { db, durability: settings.durability }))
}

fn set_option(options: Options, name: &str, value: &str) -> EngineResult<Options> {
    let bytes = || number::<u64>(name, value);
    let count = || number::<usize>(name, value);
    Ok(match name {
        "memtable_size_bytes" => options.memtable_size_bytes(bytes()?),
        "max_frozen_memtables" => options.max_frozen_memtables(count()?),
        "max_flushed_files" => options.max_flushed_files(count()?),
        "partition_size_bytes" => options.partition_size_bytes(bytes()?),
        "cache_size_bytes" => options.cache_size_bytes(bytes()?),
        "cores" => options.cores(count()?),
        "io_backend" => options.io_backend(match value {
            "auto" => IoBackend::Auto,
            "uring" => IoBackend::Uring,
            "blocking" => IoBackend::Blocking,
            _ => return Err(refused(name, value, "allowed: auto, uring, blocking")),
        }),
        _ => {
            let allowed = format!("there is no such option; the options are {OPTION_NAMES}");
            return Err(refused(name, value, &allowed));
        }
    })
}

fn number<T: std::str::FromStr>(name: &str, value: &str) -> EngineResult<T> {
    value.parse().map_err(|_| refused(name, value, "allowed: a whole number"))
}

fn refused(name: &str, value: &str, allowed: &str) -> EngineError {
    EngineError::Option {
        engine: NAME,
        name: name.to_owned(),
        value: value.to_owned(),
        allowed: allowed.to_owned(),
    }
}

fn failed(operation: &'static str, error: &rabi::Error) -> EngineError {
    EngineError::Call { engine: NAME, operation, cause: error.to_string() }
}

impl Engine for Rabi {
    fn session(&self) -> EngineResult<Box<dyn Session + '_>> {
        Ok(Box::new(RabiSession { db: self.db.clone() }))
    }

    fn stats(&self) -> EngineStats {
        let stats = self.db.stats();
        EngineStats {
            values: stats.values().iter().map(|(name, n)| ((*name).to_owned(), *n)).collect(),
            notes: vec![("backend".to_owned(), stats.backend.clone())],
        }
    }

    fn durability_statement(&self) -> String {
        match self.durability {
            Durability::Process => "process: an acknowledged write survives kill -9".to_owned(),
            Durability::Power => "power: an acknowledged write is on the device".to_owned(),
        }
    }

    fn settle(&self, _limit: Duration) -> EngineResult<()> {
        self.db.flush().map_err(|error| failed("flush", &error))?;
        self.db.compact().map_err(|error| failed("compact", &error))
    }

    fn close(self: Box<Self>) -> EngineResult<()> {
        self.db.close().map_err(|error| failed("close", &error))
    }
}

struct RabiSession {
    db: Db,
}

impl Session for RabiSession {
    fn read(&mut self, key: &[u8], visit: &mut dyn FnMut(&[u8])) -> EngineResult<bool> {
        let value = self.db.get(key).map_err(|error| failed("get", &error))?;
        if let Some(value) = &value {
            visit(value);
        }
        Ok(value.is_some())
    }

    fn insert(&mut self, key: &[u8], value: &[u8]) -> EngineResult<()> {
        self.db.put(key, value).map_err(|error| failed("put", &error))
    }

    fn update(&mut self, key: &[u8], value: &[u8]) -> EngineResult<()> {
        self.insert(key, value)
    }

    fn delete(&mut self, key: &[u8]) -> EngineResult<()> {
        self.db.delete(key).map_err(|error| failed("delete", &error))
    }

    fn scan(&mut self, start: &[u8], limit: usize, visit: ScanVisitor<'_>) -> EngineResult<usize> {
        let mut count = 0;
        for entry in self.db.range(start..).take(limit) {
            let (key, value) = entry.map_err(|error| failed("scan", &error))?;
            visit(&key, &value);
            count += 1;
        }
        Ok(count)
    }
}
