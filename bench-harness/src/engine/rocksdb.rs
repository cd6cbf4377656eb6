//! The adapter of RocksDB (crate rocksdb 0.25, RocksDB 11.8).
//!
//! Settings, after RocksDB's own tuning guide ("Setup Options and Basic Tuning") and to match
//! what Rabi is given:
//! - block cache: HyperClockCache of `cache_size_bytes`, its entry size estimated by itself:
//!   what RocksDB's documentation recommends over LRU. Index and filter blocks live outside, as
//!   Rabi's do;
//! - memtables of `memtable_size_bytes`, at most four as with Rabi; L1 as large as L0 becomes;
//! - full Bloom filters, 10 bits a key, whole keys; blocks of 4 KiB; no compression, because
//!   YCSB's values are random and Rabi stores such blocks raw as well;
//! - max_background_jobs = 2 or the number of cores, if more; bytes_per_sync = 1 MiB; dynamic level
//!   sizes and kMinOverlappingRatio, which are the defaults;
//! - no pipelined or unordered writes: they weaken what a reader sees, or help only with many
//!   writers. Statistics are off: they cost some percent. No io_uring: RocksDB uses it for MultiGet
//!   and asynchronous read-ahead only, which YCSB's operations do not reach.
//!
//! Reads are pinned slices, which the harness copies. A multi-get is one `MultiGet`, which this version carries out as a
//! batch (`rocksdb_multi_get` calls the batched form, on its own copies). Durability: `process` is the default
//! (write(2) of the log before the call returns), `power` is `WriteOptions::sync` (fdatasync,
//! shared by a write group).

use std::path::Path;
use std::time::Duration;

use ::rocksdb::{
    BlockBasedOptions, Cache, DB, DBCompressionType, Options, ReadOptions, WaitForCompactOptions, WriteBatch,
    WriteOptions,
};

use super::budget::{Budget, MEMTABLES_MAX};
use super::{
    Direction, Durability, Engine, EngineResult, EngineStats, Keeps, ReadVisitor, Scan, ScanVisitor, Session,
    Settings, failed, visit_found,
};

pub const NAME: &str = "rocksdb";
pub const ABOUT: &str = "RocksDB 11.8: leveled LSM tree, C++";

const BLOCK_SIZE_BYTES: usize = 4096;
const FILTER_BITS_PER_KEY: f64 = 10.0;
/// The default number of L0 files at which they are compacted into L1.
const L0_FILES: u64 = 4;
const BYTES_PER_SYNC: u64 = 1 << 20;

/// The properties read for `stats`, with the names they get here.
const PROPERTIES: [(&str, &str); 8] = [
    ("memtable_bytes", "rocksdb.cur-size-active-mem-table"),
    ("immutable_memtables", "rocksdb.num-immutable-mem-table"),
    ("table_bytes", "rocksdb.total-sst-files-size"),
    ("live_table_bytes", "rocksdb.live-sst-files-size"),
    ("compaction_debt_bytes", "rocksdb.estimate-pending-compaction-bytes"),
    ("cache_used_bytes", "rocksdb.block-cache-usage"),
    ("write_stopped", "rocksdb.is-write-stopped"),
    ("write_delayed_bytes_s", "rocksdb.actual-delayed-write-rate"),
];

struct Rocks {
    db: DB,
    durability: Durability,
    budget: Budget,
    jobs: i32,
}

pub fn open(dir: &Path, settings: &Settings) -> EngineResult<Box<dyn Engine>> {
    let budget = Budget::from_settings(NAME, settings, "", |_, _| Ok(false))?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let jobs = cores.clamp(2, 64) as i32;
    let db = DB::open(&options(budget, jobs), dir).map_err(failed(NAME, "open"))?;
    Ok(Box::new(Rocks { db, durability: settings.durability, budget, jobs }))
}

fn options(budget: Budget, jobs: i32) -> Options {
    let mut table = BlockBasedOptions::default();
    // An estimate of 0 lets the cache size its entries by itself.
    table.set_block_cache(&Cache::new_hyper_clock_cache(budget.cache_size_bytes as usize, 0));
    table.set_bloom_filter(FILTER_BITS_PER_KEY, false);
    table.set_whole_key_filtering(true);
    table.set_block_size(BLOCK_SIZE_BYTES);
    let mut options = Options::default();
    options.create_if_missing(true);
    options.set_block_based_table_factory(&table);
    options.set_compression_type(DBCompressionType::None);
    options.set_write_buffer_size(budget.memtable_size_bytes as usize);
    options.set_max_write_buffer_number(MEMTABLES_MAX as i32);
    options.set_max_bytes_for_level_base(L0_FILES * budget.memtable_size_bytes);
    options.set_max_background_jobs(jobs);
    options.set_bytes_per_sync(BYTES_PER_SYNC);
    options
}

impl Engine for Rocks {
    fn session(&self) -> EngineResult<Box<dyn Session + '_>> {
        let mut write = WriteOptions::default();
        write.set_sync(self.durability == Durability::Power);
        Ok(Box::new(RocksSession { db: &self.db, write, read: ReadOptions::default() }))
    }

    fn stats(&self) -> EngineStats {
        let value = |property: &str| self.db.property_int_value(property).ok().flatten();
        EngineStats::of(PROPERTIES.iter().filter_map(|(name, property)| Some((*name, value(property)?))))
    }

    fn keeps(&self) -> Keeps {
        Keeps::asked(
            self.durability,
            "write(2) of the log before the call returns",
            "sync=true: fdatasync of the log, shared by a write group",
        )
    }

    fn settings(&self) -> Vec<(&'static str, String)> {
        vec![
            ("block_cache", format!("HyperClockCache, {} bytes", self.budget.cache_size_bytes)),
            ("write_buffer_size", self.budget.memtable_size_bytes.to_string()),
            ("max_write_buffer_number", MEMTABLES_MAX.to_string()),
            ("max_bytes_for_level_base", (L0_FILES * self.budget.memtable_size_bytes).to_string()),
            ("block_size", BLOCK_SIZE_BYTES.to_string()),
            ("filter", format!("Bloom, {FILTER_BITS_PER_KEY} bits a key, whole keys")),
            ("compression", "none".to_owned()),
            ("max_background_jobs", self.jobs.to_string()),
            ("bytes_per_sync", BYTES_PER_SYNC.to_string()),
            ("multi-get", "MultiGet".to_owned()),
            ("sync", (self.durability == Durability::Power).to_string()),
            ("statistics, pipelined and unordered writes, io_uring", "off".to_owned()),
        ]
    }

    fn settle(&self, limit: Duration) -> EngineResult<()> {
        let mut wait = WaitForCompactOptions::default();
        wait.set_flush(true);
        wait.set_timeout(limit.as_micros() as u64);
        self.db.wait_for_compact(&wait).map_err(failed(NAME, "settle"))
    }

    fn close(self: Box<Self>) -> EngineResult<()> {
        self.db.cancel_all_background_work(true);
        Ok(())
    }
}

struct RocksSession<'a> {
    db: &'a DB,
    write: WriteOptions,
    read: ReadOptions,
}

impl Session for RocksSession<'_> {
    fn read(&mut self, key: &[u8], visit: &mut dyn FnMut(&[u8])) -> EngineResult<bool> {
        let value = self.db.get_pinned_opt(key, &self.read).map_err(failed(NAME, "get"))?;
        Ok(visit_found(value, visit))
    }

    fn insert(&mut self, key: &[u8], value: &[u8]) -> EngineResult<()> {
        self.db.put_opt(key, value, &self.write).map_err(failed(NAME, "put"))
    }

    fn delete(&mut self, key: &[u8]) -> EngineResult<()> {
        self.db.delete_opt(key, &self.write).map_err(failed(NAME, "delete"))
    }

    fn scan(&mut self, scan: Scan<'_>, visit: ScanVisitor<'_>) -> EngineResult<usize> {
        let mut cursor = self.db.raw_iterator();
        match scan.direction {
            Direction::Forward => cursor.seek(scan.start),
            Direction::Back => cursor.seek_for_prev(scan.start),
        }
        let mut count = 0;
        while let Some((key, value)) = cursor.item() {
            visit(key, value);
            count += 1;
            if count == scan.limit {
                break;
            }
            match scan.direction {
                Direction::Forward => cursor.next(),
                Direction::Back => cursor.prev(),
            }
        }
        cursor.status().map_err(failed(NAME, "scan"))?;
        Ok(count)
    }

    fn multi_read(&mut self, keys: &[Vec<u8>], visit: ReadVisitor<'_>) -> EngineResult<()> {
        for (place, value) in self.db.multi_get_opt(keys, &self.read).into_iter().enumerate() {
            if let Some(value) = value.map_err(failed(NAME, "multi_get"))? {
                visit(place, &value);
            }
        }
        Ok(())
    }

    fn write_batch(&mut self, records: &[(Vec<u8>, Vec<u8>)]) -> EngineResult<()> {
        let mut batch = WriteBatch::default();
        records.iter().for_each(|(key, value)| batch.put(key, value));
        self.db.write_opt(batch, &self.write).map_err(failed(NAME, "write"))
    }
}
