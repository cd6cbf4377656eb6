//! Options: what a database can be told at opening, with units, defaults, ranges and costs.

use std::ops::RangeInclusive;

use super::error::{Error, Result};
use super::limits::{SECTOR, SEGMENT_SIZE_MIN, STAGE_SIZE_MAX, STAGE_SIZE_MIN};

/// When a write is acknowledged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// Survives the death of the process (kill -9, panic, out of memory): the kernel owns the
    /// bytes. Loss of power may take the newest of such writes, always a suffix of them, about a second's worth: later
    /// than that they are on the device. [`Db::sync`](crate::Db::sync) or a write with `Power` brings them there at once.
    #[default]
    Process,
    /// Survives loss of power as well: the device has the bytes before the call returns, and those of all earlier
    /// writes. Concurrent writers share one device flush, which is most of what the call costs.
    Power,
}

/// How the engine talks to the kernel.
///
/// The files on disk are the same for all of them; a database written with one opens with another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum IoBackend {
    /// io_uring where the kernel permits it, plain system calls elsewhere. The change is logged
    /// once per process, with its cause and what to do about it. The default.
    #[default]
    Auto,
    /// io_uring or nothing: opening fails with [`Error::RingDenied`] where the kernel denies it.
    Uring,
    /// Plain system calls: one operation at a time on each core. Needs no permission.
    Blocking,
}

/// How a write gets into the stage, the buffer that survives the death of the process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum StageMode {
    /// By a store into memory that the kernel shares, on file systems where such a store cannot fail
    /// (tmpfs, and ext4 as it is usually mounted); by a system call elsewhere. The default;
    /// [`Stats::stage`](crate::Stats::stage) says which it is, and why.
    #[default]
    Auto,
    /// By a store, wherever a file can be mapped. About half a microsecond less for each write, but
    /// where the file system has to refuse a store (XFS after a failure of its device, btrfs when it is full) the
    /// process is killed by SIGBUS.
    Mapped,
    /// By a system call for each write.
    Written,
}

/// Options of one write. What they leave open, [`Options`] says for the whole database.
///
/// ```
/// use rabi::{Durability, WriteOptions};
/// const POWER: WriteOptions = WriteOptions::new().durability(Durability::Power);
/// # let dir = tempfile::tempdir()?;
/// # let db = rabi::Db::open(dir.path(), rabi::Options::new())?;
/// db.put_with("paid:17", "120", POWER)?; // survives loss of power
/// db.put_with("seen:17", "1", WriteOptions::new())?; // as `Options::durability` says
/// # db.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct WriteOptions {
    /// When the write is acknowledged; `None`, the default, for what [`Options::durability`] says.
    pub durability: Option<Durability>,
}

impl WriteOptions {
    /// The defaults: everything as the [`Options`] of the database say.
    #[must_use]
    pub const fn new() -> Self {
        Self { durability: None }
    }

    /// When the write is acknowledged, whatever the database's [`Options::durability`]. Default: that.
    #[must_use]
    pub const fn durability(mut self, durability: Durability) -> Self {
        self.durability = Some(durability);
        self
    }
}

/// How to open a database. Every setting may differ from one opening to the next.
///
/// # Memory
/// At most, with [`memtable_size_bytes`](Self::memtable_size_bytes) M, of which
/// [`max_frozen_memtables`](Self::max_frozen_memtables) F may wait, and
/// [`cache_size_bytes`](Self::cache_size_bytes) C:
///
/// - `(1 + F) M` for memtables, what is kept for those to come among it. A single value or batch larger than a memtable
///   comes on top, and so does a memtable that a range which is still open began with.
/// - `C` for blocks, indexes and filters, what is kept for blocks to come among it, and a sixteenth of it for blocks in
///   use or just evicted. Indexes and filters of all files take up to half of `C`: about 10 MB for a gigabyte of
///   records of 1 KB, 17 MB for one of 100 B. Once those of L3 come to that, only filters of further files of L3 and
///   where their blocks are come on top, about 3 and 12 MB for a gigabyte, and up to a sixteenth of `C` for finding
///   blocks; what else their indexes say is cached like blocks. Those of L2 come on top then, and those of files that
///   were replaced while a range or a snapshot still reads them. With more than 1 GiB for `C`, up to 16 MiB that are
///   ready for blocks to come.
/// - For each range that is open, up to 64 KiB of each file that it reads and that is not cached: what was read ahead.
/// - What flushes and compactions have in work: for each of the cores that compact 0.5 MiB a file that it merges,
///   3 MiB for what it writes, and 8 bytes a key of that; 3 MiB for a flush.
///
/// That is 512 MiB with the defaults, and 4 to 32 MiB for what is in work; [`Stats`](crate::Stats) has all of it by
/// part, the sum as `memory_bytes`. Besides, the stage is mapped from a file of up to
/// [`stage_size_bytes`](Self::stage_size_bytes): the pages are the page cache's, but tools that show the resident set
/// of a process count them as well.
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// use rabi::{Db, Options};
/// let options = Options::new().memtable_size_bytes(16 << 20).cache_size_bytes(128 << 20);
/// let db = Db::open(dir.path(), options)?;
/// # db.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Options {
    pub(crate) create_if_missing: bool,
    pub(crate) error_if_exists: bool,
    pub(crate) cores: usize,
    pub(crate) io_backend: IoBackend,
    pub(crate) durability: Durability,
    pub(crate) cache_size_bytes: u64,
    pub(crate) direct_reads: bool,
    pub(crate) wal_segment_size_bytes: u64,
    pub(crate) stage_size_bytes: u64,
    pub(crate) stage_mode: StageMode,
    pub(crate) open_without_stage: bool,
    pub(crate) tree: TreeOptions,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            create_if_missing: true,
            error_if_exists: false,
            cores: 0,
            io_backend: IoBackend::Auto,
            durability: Durability::Process,
            cache_size_bytes: 256 << 20,
            direct_reads: false,
            wal_segment_size_bytes: 16 << 20,
            stage_size_bytes: 64 << 20,
            stage_mode: StageMode::Auto,
            open_without_stage: false,
            tree: TreeOptions::default(),
        }
    }
}

impl Options {
    /// The defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether opening an empty or absent directory makes a database there, or is
    /// [`Error::Missing`]. Default: true.
    #[must_use]
    pub fn create_if_missing(mut self, create: bool) -> Self {
        self.create_if_missing = create;
        self
    }

    /// Whether opening a directory that holds a database is [`Error::Exists`]: of several openings that
    /// set it, one makes the database and the others fail. One that fails before the database is made, for want of
    /// space say, can be repeated. Default: false. Makes no sense, and is
    /// [`Error::InvalidOption`], while [`create_if_missing`](Self::create_if_missing) is off.
    #[must_use]
    pub fn error_if_exists(mut self, fail: bool) -> Self {
        self.error_if_exists = fail;
        self
    }

    /// Number of engine cores: threads, each with a ring. The first writes the WAL and flushes; the others compact, and
    /// let callers have the CPU first unless compaction lags far behind. One alone does all. Reads and writes in
    /// memory run on the caller's thread and need none. Tasks of [`Db::spawn_on`](crate::Db::spawn_on) live on them, too.
    /// Default: 0, one for the log and one more for each CPU, but at most 5. Range: 0 to 64. More cores compact more
    /// partitions at once and take more CPU from the application.
    #[must_use]
    pub fn cores(mut self, cores: usize) -> Self {
        self.cores = cores;
        self
    }

    /// Which way to the device is used. Default: [`IoBackend::Auto`].
    #[must_use]
    pub fn io_backend(mut self, backend: IoBackend) -> Self {
        self.io_backend = backend;
        self
    }

    /// Durability of all writes whose [`WriteOptions`] name none, [`Db::put`](crate::Db::put) and
    /// [`Db::delete`](crate::Db::delete) among them. Default: [`Durability::Process`]. `Power` costs one device flush per write, shared by
    /// concurrent writers.
    #[must_use]
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// Size in bytes at which the mutable memtable (L0) is frozen. Default: 64 MiB. Range: 4 KiB to
    /// 4 GiB. Its index by hash counts, a sixteenth of it. Larger means fewer, larger flushed files and less compaction,
    /// but more memory, and a longer recovery. Memory is up to `1 + max_frozen_memtables` times this.
    #[must_use]
    pub fn memtable_size_bytes(mut self, bytes: u64) -> Self {
        self.tree.memtable_size_bytes = bytes;
        self
    }

    /// Most frozen memtables (L1) that wait to be flushed; at this number writes stall.
    /// Default: 3. Range: 1 to 64. More absorb longer bursts and cost a memtable of memory each.
    #[must_use]
    pub fn max_frozen_memtables(mut self, count: usize) -> Self {
        self.tree.max_frozen_memtables = count;
        self
    }

    /// Most flushed files (L2); compaction starts at a third of it, but at no fewer than two, and flushes wait at this
    /// number. Default: 12. Range: 2 to 256. More means less write amplification and slower reads
    /// of keys that are absent or old.
    #[must_use]
    pub fn max_flushed_files(mut self, count: usize) -> Self {
        self.tree.max_flushed_files = count;
        self
    }

    /// Target size in bytes of a partition (L3): below a quarter of this it is merged with a neighbour, above four times
    /// it is split, above twice if it is one run. Default: 64 MiB. Range: 16 KiB to 64 GiB. Larger means fewer files, all of
    /// which are open, and more free space that a step needs. From 1024 partitions on they grow instead of becoming more.
    #[must_use]
    pub fn partition_size_bytes(mut self, bytes: u64) -> Self {
        self.tree.partition_size_bytes = bytes;
        self
    }

    /// Most runs of a partition: sorted files, each with any of its keys. Default: 8. Range: 1 to 64. A compaction adds one
    /// run with what L2 has for the partition, or merges it with older ones. More means less write amplification, and
    /// while others write a filter to ask for each, and a file to merge for a scan. Where nobody writes they become one.
    /// While scans lose as much time to those beside one as it takes to merge them, they become fewer.
    #[must_use]
    pub fn max_runs(mut self, count: usize) -> Self {
        self.tree.max_runs = count;
        self
    }

    /// Share of garbage, in per cent, from which on a range of keys is compacted although nothing else
    /// asks for it: of deletes among the entries that a reader of the range has to pass, of a partition's
    /// bytes that only snapshots needed which are gone, or of all that newer runs have overwritten for what they have not.
    /// Default: 25. Range: 0 (never) to 100. Less keeps scans over deleted keys short and gives space back sooner; uniform
    /// overwrites then rewrite about 50 / share bytes for each that is written.
    /// [`Db::compact`](crate::Db::compact) takes out all garbage.
    #[must_use]
    pub fn compact_garbage_percent(mut self, percent: u32) -> Self {
        self.tree.compact_garbage_percent = percent;
        self
    }

    /// Target size in bytes of a table's data blocks, the unit of reading and caching.
    /// Default: 4096. Range: 512 to 1 MiB. Larger means a smaller index and costlier point reads. An entry
    /// is never split: a long one makes a long block. Files that exist keep theirs.
    #[must_use]
    pub fn block_size_bytes(mut self, bytes: usize) -> Self {
        self.tree.block_size_bytes = bytes;
        self
    }

    /// Filter size in bits for each key. Default: 10, about 1 % false positives. Range: 0 (no
    /// filters) to 32. More spare reads of keys that a file does not have; filters stay in memory, at 10 bits about 1.2 MiB for a million keys. Files that exist keep theirs.
    #[must_use]
    pub fn filter_bits_per_key(mut self, bits: u32) -> Self {
        self.tree.filter_bits_per_key = bits;
        self
    }

    /// Budget in bytes of the cache. Default: 256 MiB. Range: 0 (no cache) and more. It holds blocks, and in up to a
    /// quarter of it, while blocks leave room, copies of keys and values of 512 to 4096 bytes that are looked up again
    /// and again. While it has room, and the whole database fits into it, what compactions write is there at once; with
    /// more than 1 GiB a thread beside the cores has memory for blocks ready. Blocks not in it are read through the
    /// operating system's page cache, where memory for that is short mostly past it (`page_cache_passed` in
    /// [`Stats`](crate::Stats)), and with [`direct_reads`](Self::direct_reads) always past it. Indexes and filters of
    /// files (`index_filter_bytes` in [`Stats`](crate::Stats); about 10 MB for a million records of 1 KB) are in
    /// memory, and take up to half of it. With more data than that is enough for, indexes of L3 are read in parts when
    /// they are needed (`index_parts`), and a lookup that finds neither its part nor its block in the cache reads
    /// twice: with a larger cache it reads once. A cache of 0 keeps nothing but all indexes. Not part of it are
    /// memtables, and what flushes and compactions have in work. A database that nobody writes is left with one run for
    /// each partition, but not while more than a thousand blocks a second are looked for in the cache in vain.
    #[must_use]
    pub fn cache_size_bytes(mut self, bytes: u64) -> Self {
        self.cache_size_bytes = bytes;
        self
    }

    /// Whether tables are read past the operating system's page cache, with `O_DIRECT` (RocksDB's `use_direct_reads`).
    /// Default: false. If they are, blocks are kept nowhere but in the cache, and each that is not there comes from the
    /// device; what is flushed stays in the cache while it has room. For data larger than memory that many threads or tasks
    /// read at once: a read takes less CPU then, and nothing is in memory twice. Loading takes longer, since compaction
    /// reads the device, too.
    ///
    /// Raise [`cache_size_bytes`](Self::cache_size_bytes) with it: of 1 GB half went well, while with the default
    /// of 256 MiB the page cache was of more use. But leave room for what is being written and for the program: with less
    /// than a tenth of the memory beside all budgets, the system killed it or pushed its code out.
    ///
    /// Where the file system refuses direct reads at multiples of 4 KiB, tables are read through the page cache as
    /// without it; [`Stats::direct_reads`](crate::Stats::direct_reads) tells. A database may be opened with it and
    /// without it in turn.
    #[must_use]
    pub fn direct_reads(mut self, direct: bool) -> Self {
        self.direct_reads = direct;
        self
    }

    /// Largest size in bytes of a WAL segment file. A log begins with segments of 64 KiB, and each further one is as
    /// long as all in use together, up to this. Default: 16 MiB. Range: 64 KiB to 1 GiB, a multiple of
    /// 4 KiB. Segments are written once with zeros and then recycled; larger ones are fewer, and keep more space on the
    /// device until they are recycled.
    #[must_use]
    pub fn wal_segment_size_bytes(mut self, bytes: u64) -> Self {
        self.wal_segment_size_bytes = bytes;
        self
    }

    /// Largest size in bytes of the stage, the buffer that makes a write survive the process before
    /// it is in the WAL; it begins with 64 KiB and grows with use up to 8 MiB, beyond that only where the device makes
    /// writers wait. Default: 64 MiB. Range: 64 KiB to 1 GiB, a power of two. Larger absorbs longer stalls of the device,
    /// and takes as much of the page cache; a loss of power takes the `Process` writes that are only there.
    #[must_use]
    pub fn stage_size_bytes(mut self, bytes: u64) -> Self {
        self.stage_size_bytes = bytes;
        self
    }

    /// How a write gets into the stage. Default: [`StageMode::Auto`].
    #[must_use]
    pub fn stage_mode(mut self, mode: StageMode) -> Self {
        self.stage_mode = mode;
        self
    }

    /// Whether to open, if need be, without the stage of the opening before: when its file is missing or damaged.
    /// Default: false, which makes that an [`Error::Corruption`] that names the file.
    ///
    /// What only the stage held is lost then: the newest `Process` writes, back to the last that
    /// reached the device, which is about a second's worth. What is left is a prefix of the total order that
    /// holds every `Power` write.
    #[must_use]
    pub fn open_without_stage(mut self, open: bool) -> Self {
        self.open_without_stage = open;
        self
    }

    /// Checks every option against its range, as an opening does.
    ///
    /// # Errors
    /// [`Error::InvalidOption`] naming the first option that is out of range.
    pub fn validate(&self) -> Result<()> {
        within("cores", self.cores as u64, 0..=64)?;
        self.tree.validate()?;
        within("wal_segment_size_bytes", self.wal_segment_size_bytes, SEGMENT_SIZE_MIN..=(1 << 30))?;
        within("stage_size_bytes", self.stage_size_bytes, STAGE_SIZE_MIN..=STAGE_SIZE_MAX)?;
        if !self.wal_segment_size_bytes.is_multiple_of(SECTOR as u64) {
            return Err(invalid("wal_segment_size_bytes", self.wal_segment_size_bytes, "a multiple of 4096"));
        }
        if !self.stage_size_bytes.is_power_of_two() {
            return Err(invalid("stage_size_bytes", self.stage_size_bytes, "a power of two"));
        }
        if self.error_if_exists && !self.create_if_missing {
            return Err(Error::InvalidOption {
                option: "error_if_exists",
                value: "true".into(),
                allowed: "false where `create_if_missing` is false".into(),
            });
        }
        Ok(())
    }
}

/// The options of one tree: how its levels are shaped. The others are of the database, which has one log, one
/// cache and one set of cores for all its trees.
#[derive(Clone, Debug)]
pub(crate) struct TreeOptions {
    pub(crate) memtable_size_bytes: u64,
    pub(crate) max_frozen_memtables: usize,
    pub(crate) max_flushed_files: usize,
    pub(crate) partition_size_bytes: u64,
    pub(crate) max_runs: usize,
    pub(crate) compact_garbage_percent: u32,
    pub(crate) block_size_bytes: usize,
    pub(crate) filter_bits_per_key: u32,
}

impl Default for TreeOptions {
    fn default() -> Self {
        Self {
            memtable_size_bytes: 64 << 20,
            max_frozen_memtables: 3,
            max_flushed_files: 12,
            partition_size_bytes: 64 << 20,
            max_runs: 8,
            compact_garbage_percent: 25,
            block_size_bytes: 4096,
            filter_bits_per_key: 10,
        }
    }
}

impl TreeOptions {
    fn validate(&self) -> Result<()> {
        within("memtable_size_bytes", self.memtable_size_bytes, (4 << 10)..=(4 << 30))?;
        within("max_frozen_memtables", self.max_frozen_memtables as u64, 1..=64)?;
        within("max_flushed_files", self.max_flushed_files as u64, 2..=256)?;
        within("partition_size_bytes", self.partition_size_bytes, (16 << 10)..=(64 << 30))?;
        within("max_runs", self.max_runs as u64, 1..=64)?;
        within("compact_garbage_percent", u64::from(self.compact_garbage_percent), 0..=100)?;
        within("block_size_bytes", self.block_size_bytes as u64, 512..=(1 << 20))?;
        within("filter_bits_per_key", u64::from(self.filter_bits_per_key), 0..=32)
    }

    /// Flushed files from which on compaction works.
    pub(crate) fn compaction_trigger(&self) -> usize {
        (self.max_flushed_files / 3).max(2)
    }
}

fn within(option: &'static str, value: u64, allowed: RangeInclusive<u64>) -> Result<()> {
    if allowed.contains(&value) {
        return Ok(());
    }
    Err(invalid(option, value, &format!("between {} and {}", allowed.start(), allowed.end())))
}

fn invalid(option: &'static str, value: u64, allowed: &str) -> Error {
    Error::InvalidOption { option, value: value.to_string(), allowed: allowed.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_valid() {
        Options::new().validate().unwrap();
    }

    #[test]
    fn nonsense_is_refused_by_name_value_and_range() {
        let check = |options: Options, expected: &str| {
            assert_eq!(options.validate().unwrap_err().to_string(), expected);
        };
        check(
            Options::new().memtable_size_bytes(1),
            "option `memtable_size_bytes` is 1, but must be between 4096 and 4294967296",
        );
        check(
            Options::new().stage_size_bytes(100_000),
            "option `stage_size_bytes` is 100000, but must be a power of two",
        );
        check(
            Options::new().wal_segment_size_bytes(70_000),
            "option `wal_segment_size_bytes` is 70000, but must be a multiple of 4096",
        );
        check(
            Options::new().create_if_missing(false).error_if_exists(true),
            "option `error_if_exists` is true, but must be false where `create_if_missing` is false",
        );
        check(
            Options::new().max_flushed_files(1),
            "option `max_flushed_files` is 1, but must be between 2 and 256",
        );
    }
}
