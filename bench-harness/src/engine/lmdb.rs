//! The adapter of LMDB (crate heed 0.23, LMDB mdb.master).
//!
//! Settings, after LMDB's own documentation:
//! - one unnamed database, 1 TiB of address space unless `map_size_bytes` says otherwise: a map
//!   that is never full and costs nothing until it is used (the file is sparse);
//! - MDB_NORDAHEAD: read-ahead hurts random reads as soon as data exceeds memory, and does nothing
//!   when it does not;
//! - `process`: MDB_WRITEMAP and MDB_NOSYNC, its fastest mode. A commit is in pages the kernel owns,
//!   so kill -9 loses nothing; a power failure may destroy the whole database, which is less than
//!   the log of an LSM engine promises and is said in the durability matrix;
//! - `power`: neither flag, the default: a commit writes its pages, syncs them (fdatasync) and then
//!   writes its meta page synchronously. MDB_NOMETASYNC, which may lose the last commit, is not used;
//! - reader slots in thread-local storage, the default and the fastest.
//!
//! Every write is a transaction of its own, as every other engine's is; a single writer at a time
//! is LMDB's design. It has no multi-get: one read after the other is made, in one transaction. LMDB has no cache of its own: `cache_size_bytes` and `memtable_size_bytes` are
//! accepted and unused, and the memory limit of the process bounds its share of the OS cache.

use std::ops::Bound;
use std::path::Path;
use std::time::Duration;

use heed::types::Bytes;
use heed::{CommitOrAbort, Database, Env, EnvFlags, EnvOpenOptions, RwTxn};

use super::budget::{Budget, bytes};
use super::{
    Direction, Durability, Engine, EngineResult, EngineStats, Keeps, ReadVisitor, Scan, ScanVisitor, Session,
    Settings, failed, visit_entries, visit_found,
};

pub const NAME: &str = "lmdb";
pub const ABOUT: &str = "LMDB (heed 0.23): copy-on-write B+tree in a memory map, C";

const MAP_SIZE_BYTES: u64 = 1 << 40;
/// As many as the harness can have client threads, and some.
const READERS_MAX: u32 = 4200;

type Records = Database<'static, Bytes, Bytes>;

struct Lmdb {
    env: Env,
    database: Records,
    durability: Durability,
    map_size_bytes: u64,
}

pub fn open(dir: &Path, settings: &Settings) -> EngineResult<Box<dyn Engine>> {
    let mut map_size_bytes = MAP_SIZE_BYTES;
    Budget::from_settings(NAME, settings, "map_size_bytes", |name, value| {
        let known = name == "map_size_bytes";
        if known {
            // LMDB wants whole pages.
            map_size_bytes = bytes(NAME, name, value)?.next_multiple_of(4096);
        }
        Ok(known)
    })?;
    let flags = match settings.durability {
        Durability::Process => EnvFlags::NO_READ_AHEAD | EnvFlags::WRITE_MAP | EnvFlags::NO_SYNC,
        Durability::Power => EnvFlags::NO_READ_AHEAD,
    };
    let mut options = EnvOpenOptions::new();
    options.map_size(map_size_bytes as usize).max_readers(READERS_MAX);
    // SAFETY: NO_SYNC and WRITE_MAP are unsafe because of what a crash or a stray write of this
    // process may do to the file; that is the durability class that was asked for, nothing here
    // writes into the map but LMDB, and lock files are in use.
    unsafe { options.flags(flags) };
    // SAFETY: the directory belongs to this run alone, so nobody else changes the mapped file, and
    // the environment is opened once.
    let env = unsafe { options.open(dir) }.map_err(failed(NAME, "open"))?;
    let database = create(&env).map_err(failed(NAME, "open"))?;
    Ok(Box::new(Lmdb { env, database, durability: settings.durability, map_size_bytes }))
}

fn create(env: &Env) -> heed::Result<Records> {
    let created = env.create_databases_and_commit(env.write_txn()?, |opener, transaction| {
        opener.create_database(transaction, None).map(CommitOrAbort::<_, ()>::Commit)
    })?;
    Ok(created.unwrap_commit())
}

impl Engine for Lmdb {
    fn session(&self) -> EngineResult<Box<dyn Session + '_>> {
        Ok(Box::new(LmdbSession { env: &self.env, database: self.database }))
    }

    fn stats(&self) -> EngineStats {
        let info = self.env.info();
        EngineStats::of([
            ("last_page", info.last_page_number as u64),
            ("last_transaction", info.last_txn_id as u64),
            ("readers", u64::from(info.number_of_readers)),
        ])
    }

    fn keeps(&self) -> Keeps {
        Keeps::asked(
            self.durability,
            "NOSYNC and WRITEMAP: in the kernel's pages; power loss may destroy the database",
            "fdatasync and a synchronous meta page for every commit",
        )
    }

    fn settings(&self) -> Vec<(&'static str, String)> {
        let flags = match self.durability {
            Durability::Process => "NORDAHEAD, WRITEMAP, NOSYNC",
            Durability::Power => "NORDAHEAD",
        };
        vec![
            ("flags", flags.to_owned()),
            ("map_size_bytes", self.map_size_bytes.to_string()),
            ("max_readers", READERS_MAX.to_string()),
            ("multi-get", "gets in one transaction".to_owned()),
            ("cache", "the OS cache; the memory budget is not used".to_owned()),
        ]
    }

    fn settle(&self, _limit: Duration) -> EngineResult<()> {
        self.env.force_sync().map_err(failed(NAME, "sync"))
    }

    fn close(self: Box<Self>) -> EngineResult<()> {
        self.env.force_sync().map_err(failed(NAME, "sync"))?;
        self.env.prepare_for_closing().wait();
        Ok(())
    }
}

struct LmdbSession<'a> {
    env: &'a Env,
    database: Records,
}

impl LmdbSession<'_> {
    /// One write in a transaction of its own.
    fn write(
        &self,
        operation: &'static str,
        change: impl FnOnce(&mut RwTxn<'_>) -> heed::Result<()>,
    ) -> EngineResult<()> {
        let write = || -> heed::Result<()> {
            let mut transaction = self.env.write_txn()?;
            change(&mut transaction)?;
            transaction.commit()
        };
        write().map_err(failed(NAME, operation))
    }
}

impl Session for LmdbSession<'_> {
    fn read(&mut self, key: &[u8], visit: &mut dyn FnMut(&[u8])) -> EngineResult<bool> {
        let mut read = || -> heed::Result<bool> {
            let transaction = self.env.read_txn()?;
            Ok(visit_found(self.database.get(&transaction, key)?, visit))
        };
        read().map_err(failed(NAME, "get"))
    }

    fn insert(&mut self, key: &[u8], value: &[u8]) -> EngineResult<()> {
        self.write("put", |transaction| self.database.put(transaction, key, value))
    }

    fn delete(&mut self, key: &[u8]) -> EngineResult<()> {
        self.write("delete", |transaction| self.database.delete(transaction, key).map(|_| ()))
    }

    fn scan(&mut self, scan: Scan<'_>, visit: ScanVisitor<'_>) -> EngineResult<usize> {
        let mut visit_all = || -> heed::Result<usize> {
            let transaction = self.env.read_txn()?;
            match scan.direction {
                Direction::Forward => {
                    let bounds = (Bound::Included(scan.start), Bound::Unbounded);
                    visit_entries(self.database.range(&transaction, &bounds)?, scan.limit, visit)
                }
                Direction::Back => {
                    let bounds = (Bound::Unbounded, Bound::Included(scan.start));
                    visit_entries(self.database.rev_range(&transaction, &bounds)?, scan.limit, visit)
                }
            }
        };
        visit_all().map_err(failed(NAME, "scan"))
    }

    fn multi_read(&mut self, keys: &[Vec<u8>], visit: ReadVisitor<'_>) -> EngineResult<()> {
        let mut read = || -> heed::Result<()> {
            let transaction = self.env.read_txn()?;
            for (place, key) in keys.iter().enumerate() {
                if let Some(value) = self.database.get(&transaction, key)? {
                    visit(place, value);
                }
            }
            Ok(())
        };
        read().map_err(failed(NAME, "get"))
    }

    fn write_batch(&mut self, records: &[(Vec<u8>, Vec<u8>)]) -> EngineResult<()> {
        self.write("put", |transaction| {
            records.iter().try_for_each(|(key, value)| self.database.put(transaction, key, value))
        })
    }
}
