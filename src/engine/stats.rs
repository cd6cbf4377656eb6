//! What the engine tells about itself.

use std::fmt;

use super::Engine;
use super::slowdown::Slowdown;
use crate::base::sync::{Arc, lock};
use crate::io::buffer_bytes;
use crate::table::Table;
use crate::tree::Tree;
use crate::tree::shape::{debt_bytes, space_amplification_percent};
use crate::tree::view::Partition;

/// A table file, as [`Stats`] shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FileStats {
    /// Number of the file, part of its name.
    pub id: u64,
    /// Length in bytes.
    pub bytes: u64,
    /// Entries, deletions included.
    pub entries: u64,
    /// Deletions among the entries.
    pub deletes: u64,
    /// Bytes of deletes and of versions that a newer one in the same file hides.
    pub garbage_bytes: u64,
    /// Smallest key.
    pub min_key: Vec<u8>,
    /// Largest key.
    pub max_key: Vec<u8>,
}

impl FileStats {
    fn of(table: &Arc<Table>) -> Self {
        Self {
            id: table.id().0,
            bytes: table.file_len(),
            entries: table.entries(),
            deletes: table.deletes(),
            garbage_bytes: table.garbage_bytes(),
            min_key: table.min_key().to_vec(),
            max_key: table.max_key().to_vec(),
        }
    }
}

/// A partition of L3, as [`Stats`] shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PartitionStats {
    /// Its smallest possible key: it has the keys from here up to the next partition's.
    pub lower_bound: Vec<u8>,
    /// Its runs, newest first: sorted files, each with any of its keys. None while it is empty.
    pub runs: Vec<FileStats>,
}

impl PartitionStats {
    fn of(partition: &Partition) -> Self {
        let runs = partition.runs.iter().map(|run| FileStats::of(&run.table)).collect();
        Self { lower_bound: partition.lower.clone(), runs }
    }
}

/// The state of a database at one moment and what it has done since it was opened. Counters are
/// read one by one, so sums may be off by what happened meanwhile.
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// # let db = rabi::Db::open(dir.path(), rabi::Options::new())?;
/// let stats = db.stats();
/// println!("{} files wait in L2, through {}", stats.flushed.len(), stats.backend);
/// assert_eq!(stats.get("stalls"), Some(0));
/// print!("{stats}"); // every number with its name
/// # db.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// The state now:
///
/// | name | what |
/// | --- | --- |
/// | `memory_bytes` | memory that the engine knows of: the four parts that follow |
/// | `memtable_memory_bytes` | of that, L0 and L1, memtables that readers still have, and what is kept for the next |
/// | `cache_memory_bytes` | of that, blocks and records: cached, in use by ranges, or evicted a moment ago, what is kept for those to come, and slots that files share |
/// | `index_filter_bytes` | of that, indexes and filters of all files; not parts of indexes, which are cached like blocks |
/// | `buffer_bytes` | of that, what tables are read and written with, of all databases of the process |
/// | `memtable_bytes` | what the entries of L0 count for |
/// | `frozen_memtables`, `frozen_bytes` | memtables of L1, and what their entries count for |
/// | `flushed_files`, `flushed_bytes` | files of L2, and their length |
/// | `partitions`, `runs`, `partition_bytes` | partitions of L3 that hold anything, their files, and their length |
/// | `index_parts` | parts in which indexes of L3 are read when they are needed; none while indexes and filters of L3 take up no more than half of the cache's budget; decided when a file is written or opened, with those that were replaced and are still read |
/// | `spare_table_bytes` | length of files whose tables nothing needs any more, kept to be written anew: four times the partition size at most, and none once no table was made for some seconds |
/// | `snapshots` | snapshots that are alive |
/// | `last_seqno` | writes so far, one for each entry of a batch, since the database was made |
/// | `cores` | threads of the engine |
/// | `cache_used_bytes`, `cache_capacity_bytes` | the cache: blocks and records in it, and its budget |
/// | `cache_record_bytes` | of that, records |
/// | `stage_size_bytes` | length of the stage, which grows with use |
/// | `wal_head_lsn`, `wal_durable_lsn` | bytes of log since the database was made; those that are on the device |
/// | `compactions_running` | compactions at work |
/// | `compaction_debt_bytes` | bytes of L2 that are still to be compacted |
/// | `space_amplification_percent` | length of all files for 100 bytes without garbage, estimated from above |
/// | `write_delay_ps_per_byte` | picoseconds by which writers are slowed now, for each byte |
///
/// Since the database was opened:
///
/// | name | what |
/// | --- | --- |
/// | `cache_hits`, `cache_misses` | blocks or records found in the cache, blocks not found |
/// | `cache_record_hits` | of the hits, those of records |
/// | `cache_evictions` | blocks and records taken out for others |
/// | `wal_bytes_written`, `wal_groups` | bytes written to the log's segments, and the groups in which they came, each made durable at once |
/// | `wal_groups_led` | of these groups, those that calling threads wrote themselves |
/// | `wal_segments` | segments made or recycled |
/// | `replayed_bytes` | bytes of log that the opening has replayed |
/// | `background_failures` | flushes and compactions that failed, each of which is tried again |
/// | `flushes`, `flush_bytes_written` | memtables that became files, and what was written for them |
/// | `compactions`, `compaction_bytes_read`, `compaction_bytes_written` | compactions, their inputs and outputs |
/// | `compaction_holes` | ranges in which a compaction needed nothing of a file of L2 |
/// | `entries_skipped`, `tombstones_skipped` | entries that ranges and cursors passed unseen: old versions and deletes; the deletes alone |
/// | `slowdowns`, `slowdown_us_total` | writes that were slowed, and for how long |
/// | `stalls`, `stall_us_total` | waits of writes at a limit, and how long they took |
/// | `stall_memtables_us_total` | of that, for room in memory |
/// | `stall_log_us_total` | of that, for room in the log |
/// | `stall_large_batch_us_total` | of that, for a large batch to be in the log |
/// | `reads`, `read_bytes`, `writes`, `write_bytes`, `syncs` | what was asked of the system for files; of direct reads the bytes that were wanted, not all of their sectors |
/// | `page_cache_reads` | of the reads, those that the page cache answered without waiting |
/// | `page_cache_passed` | of the reads, those of blocks that the page cache did not have and that went past it: most of them once the kernel, asked every 4,096 reads, says that pages of tables were pushed out a short time ago, for want of memory in the control group or in all (Linux 6.5), and none any more once it says that they were not. The rest of the reads waited for the page cache to be filled, compactions' among them |
/// | `ring_ops`, `ring_enters` | requests given to rings, and system calls made for that |
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Stats {
    /// `uring`, or `blocking: <why>`.
    pub backend: String,
    /// How writes get into the stage: `mapped`, or `written: <why>`.
    pub stage: String,
    /// How what is written to the log is made durable, which the first such writes find out: `by the flag DSYNC` or `by
    /// fdatasync`; before, `both ways, while it is not known which is faster`.
    pub durable_writes: &'static str,
    /// Whether tables are read past the page cache: so it was [asked for](crate::Options::direct_reads), and the file system
    /// says it can.
    pub direct_reads: bool,
    /// Why writers are slowed or stopped now, if they are, and for how long. How much in all is among the
    /// [values](Self::values).
    pub slowdown: Option<Slowdown>,
    /// L2, newest first.
    pub flushed: Vec<FileStats>,
    /// L3, by key.
    pub partitions: Vec<PartitionStats>,
    values: Vec<(&'static str, u64)>,
}

impl Stats {
    /// All runs of all partitions of L3.
    pub fn runs(&self) -> impl Iterator<Item = &FileStats> {
        self.partitions.iter().flat_map(|partition| &partition.runs)
    }

    /// All numbers with their names, in a fixed order. The names are stable; units stand last in
    /// them. Useful for exporters.
    #[must_use]
    pub fn values(&self) -> &[(&'static str, u64)] {
        &self.values
    }

    /// One number by its name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<u64> {
        self.values.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
    }
}

impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "backend: {}", self.backend)?;
        writeln!(f, "stage: {}", self.stage)?;
        writeln!(f, "durable writes: {}", self.durable_writes)?;
        writeln!(
            f,
            "reads of tables: {}",
            if self.direct_reads { "direct" } else { "through the page cache" }
        )?;
        match &self.slowdown {
            Some(slowdown) => writeln!(f, "writers: {slowdown}")?,
            None => writeln!(f, "writers: free")?,
        }
        for (name, value) in &self.values {
            writeln!(f, "{name}: {value}")?;
        }
        Ok(())
    }
}

impl Engine {
    /// The state and counters now.
    pub(crate) fn stats(&self) -> Stats {
        let tree = self.trees.default_tree();
        let view = tree.view();
        // In a child they show how things stood when it was forked, without what is under locks.
        let forked = !self.process.is_current();
        let flushed: Vec<FileStats> =
            view.files.flushed.iter().map(|file| FileStats::of(&file.table)).collect();
        let partitions: Vec<_> = view.files.partitions.iter().map(PartitionStats::of).collect();
        let runs = || partitions.iter().flat_map(|partition| &partition.runs);
        let tables = view.files.flushed.iter().map(|file| &file.table);
        let tables = tables.chain(view.files.runs().map(|run| &run.table));
        let index_filter_bytes: u64 = tables.map(|table| table.memory_bytes() as u64).sum();
        let index_parts: usize = view.files.runs().map(|run| run.table.index_part_count()).sum();
        let memtable_memory_bytes = view.memtable.memory_bytes_of_all();
        let cache_memory_bytes = tree.files.cache().stats().memory_bytes as u64;
        let buffer_bytes = buffer_bytes();
        let mut values = vec![
            ("memtable_bytes", view.memtable.bytes()),
            ("frozen_memtables", view.frozen.len() as u64),
            ("frozen_bytes", view.frozen.iter().map(|memtable| memtable.bytes()).sum()),
            ("flushed_files", flushed.len() as u64),
            ("flushed_bytes", flushed.iter().map(|file| file.bytes).sum()),
            ("partitions", partitions.iter().filter(|partition| !partition.runs.is_empty()).count() as u64),
            ("runs", runs().count() as u64),
            ("partition_bytes", runs().map(|run| run.bytes).sum()),
            ("compaction_debt_bytes", debt_bytes(&view.files)),
            ("space_amplification_percent", space_amplification_percent(&view.files)),
            ("spare_table_bytes", if forked { 0 } else { self.directory.spare_table_bytes() }),
            ("index_filter_bytes", index_filter_bytes),
            ("index_parts", index_parts as u64),
            ("memtable_memory_bytes", memtable_memory_bytes),
            ("buffer_bytes", buffer_bytes),
            ("memory_bytes", memtable_memory_bytes + cache_memory_bytes + index_filter_bytes + buffer_bytes),
            ("snapshots", if forked { 0 } else { self.snapshots.count() as u64 }),
            ("last_seqno", self.visible_seqno().0),
            ("cores", self.cores.count() as u64),
        ];
        let running = if forked { 0 } else { lock(&tree.compactions).count() as u64 };
        self.add_counters(tree, running, &mut values);
        let (backend, stage) = (self.io.backend(), self.wal.stage().mode());
        let slowdown = if forked { None } else { self.slowdown() };
        let (durable_writes, direct_reads) = (self.io.durable_way(), tree.files.reads_directly());
        Stats { backend, stage, durable_writes, direct_reads, slowdown, flushed, partitions, values }
    }

    fn add_counters(&self, tree: &Tree, compactions_running: u64, values: &mut Vec<(&'static str, u64)>) {
        let (counters, of_tree, waits) = (&self.counters, &tree.counters, &self.waits);
        let stops = [&waits.memtables, &waits.log, &waits.large_batch];
        let (io, wal) = (self.io.counters(), &self.wal);
        let cache = tree.files.cache().stats();
        values.extend([
            ("cache_used_bytes", cache.used_bytes as u64),
            ("cache_memory_bytes", cache.memory_bytes as u64),
            ("cache_capacity_bytes", cache.capacity_bytes as u64),
            ("cache_record_bytes", cache.record_bytes as u64),
            ("cache_hits", cache.hits),
            ("cache_record_hits", cache.record_hits),
            ("cache_misses", cache.misses),
            ("cache_evictions", cache.evictions),
            ("stage_size_bytes", wal.stage().size()),
            ("wal_bytes_written", wal.bytes_written.get()),
            ("wal_groups", wal.groups.get()),
            ("wal_groups_led", wal.groups_led.get()),
            ("wal_segments", wal.segments.get()),
            ("wal_head_lsn", wal.head_lsn().0),
            ("wal_durable_lsn", wal.durable_lsn().0),
            ("replayed_bytes", counters.replayed_bytes.get()),
            ("background_failures", counters.background_failures.get()),
            ("flushes", of_tree.flushes.get()),
            ("flush_bytes_written", of_tree.flush_bytes.get()),
            ("compactions_running", compactions_running),
            ("compactions", of_tree.compactions.get()),
            ("compaction_bytes_read", of_tree.compaction_read_bytes.get()),
            ("compaction_bytes_written", of_tree.compaction_write_bytes.get()),
            ("compaction_holes", of_tree.compaction_holes.get()),
            ("entries_skipped", self.blocks.skipped.entries.get()),
            ("tombstones_skipped", self.blocks.skipped.tombstones.get()),
            ("slowdowns", waits.slowdowns.get()),
            ("slowdown_us_total", waits.slowdown_us.get()),
            ("stalls", stops.iter().map(|wait| wait.count.get()).sum()),
            ("stall_us_total", stops.iter().map(|wait| wait.us.get()).sum()),
            ("stall_memtables_us_total", waits.memtables.us.get()),
            ("stall_log_us_total", waits.log.us.get()),
            ("stall_large_batch_us_total", waits.large_batch.us.get()),
            ("write_delay_ps_per_byte", tree.throttle.delay_ps_per_byte()),
            ("reads", io.reads.get()),
            ("page_cache_reads", io.page_cache_reads.get()),
            ("page_cache_passed", io.page_cache_passed.get()),
            ("read_bytes", io.read_bytes.get()),
            ("writes", io.writes.get()),
            ("write_bytes", io.write_bytes.get()),
            ("syncs", io.syncs.get()),
            ("ring_ops", io.ring_ops.get()),
            ("ring_enters", io.ring_enters.get()),
        ]);
    }
}
