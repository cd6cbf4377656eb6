//! A tree: one keyspace with its levels. What readers see of it, what is on disk, and the work that moves
//! data down.
//!
//! [`Tree`] is shared by readers, writers and background work. [`levels`] is its durable state, [`view`] what a
//! reader pins, [`published`] how it gets there; [`lookup`] and [`view_cursor`] read it,
//! the latter jumping over [`gaps`]. [`memtables`] takes what is written, [`throttle`]
//! slows writers. [`plan`] decides what to compact, without I/O, from the [`shape`] of a view, and [`take`] takes it; [`holes`]
//! looks what a compaction may leave alone; [`flush`] and [`compact`] do the work. Log, manifest, cores and snapshots are the engine's,
//! which passes in what a tree needs of them.

#[cfg(any(feature = "sim", test))]
pub(crate) mod amplification;
pub(crate) mod compact;
pub(crate) mod compactions;
pub(crate) mod flush;
mod flushed_cursor;
mod gap_notes;
pub(crate) mod gaps;
#[cfg(test)]
mod gaps_tests;
pub(crate) mod holes;
mod input;
pub(crate) mod levels;
mod levels_format;
pub(crate) mod lookup;
pub(crate) mod memtables;
pub(crate) mod multi_lookup;
pub(crate) mod output;
pub(crate) mod plan;
pub(crate) mod published;
pub(crate) mod ranges;
mod read_ahead;
pub(crate) mod records;
pub(crate) mod replayed;
pub(crate) mod retention;
#[cfg(feature = "sim")]
mod retired;
#[cfg(test)]
mod runs_tests;
mod scan;
pub(crate) mod scan_credit;
pub(crate) mod scan_length;
#[cfg(test)]
mod scan_tests;
pub(crate) mod shape;
pub(crate) mod sizes;
pub(crate) mod table_files;
mod take;
#[cfg(test)]
pub(crate) mod tests;
pub(crate) mod throttle;
pub(crate) mod view;
pub(crate) mod view_cursor;

use crate::base::ids::FileId;
use crate::base::keyspace::KeyspaceId;
use crate::base::metrics::Counter;
use crate::base::options::TreeOptions;
use crate::base::sync::atomic::{AtomicU64, Ordering::Relaxed};
use crate::base::sync::{Arc, Mutex};
use crate::memtable::Memtable;
use crate::table::Keep;
use compactions::Compactions;
use gaps::Gaps;
use published::Published;
use scan_credit::ScanCredit;
use scan_length::ScanLength;
use table_files::TableFiles;
use throttle::Throttle;
use view::View;

/// One keyspace of an open database.
pub(crate) struct Tree {
    // Constant after opening.
    pub(crate) keyspace: KeyspaceId,
    pub(crate) options: TreeOptions,
    pub(crate) files: Arc<TableFiles>,

    // What readers load.
    pub(crate) published: Published<View>,
    /// Where scans have seen nothing; writers look here, too.
    pub(crate) gaps: Arc<Gaps>,
    /// What scans add to.
    pub(crate) scan_credit: Arc<ScanCredit>,
    pub(crate) scan_length: Arc<ScanLength>,

    // Background work.
    /// Lookups of blocks until the last flush.
    lookups_before: AtomicU64,
    pub(crate) compactions: Mutex<Compactions>,

    // Writers.
    pub(crate) throttle: Throttle,

    pub(crate) counters: Counters,
}

/// What a tree counts.
#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) flushes: Counter,
    pub(crate) flush_bytes: Counter,
    pub(crate) compactions: Counter,
    pub(crate) compaction_read_bytes: Counter,
    pub(crate) compaction_write_bytes: Counter,
    pub(crate) compaction_holes: Counter,
}

impl Tree {
    /// The tree of `keyspace` as it is after opening.
    pub(crate) fn new(
        keyspace: KeyspaceId,
        options: TreeOptions,
        files: Arc<TableFiles>,
        published: Published<View>,
    ) -> Self {
        let (compactions, throttle, counters) = (Mutex::default(), Throttle::default(), Counters::default());
        let tree = Self {
            keyspace,
            options,
            files,
            published,
            gaps: Arc::default(),
            scan_credit: Arc::default(),
            scan_length: Arc::default(),
            lookups_before: AtomicU64::new(0),
            compactions,
            throttle,
            counters,
        };
        tree.set_throttle(&tree.view());
        tree
    }

    /// The newest view, counted.
    pub(crate) fn view(&self) -> Arc<View> {
        self.published.get()
    }

    /// Whether flushes have to wait for compaction.
    pub(crate) fn is_l2_full(&self, view: &View) -> bool {
        view.files.flushed.len() >= self.options.max_flushed_files
    }

    /// How full L1 is, in per cent: at 100 its writers stall.
    pub(crate) fn l1_fill_percent(&self) -> u64 {
        self.view().frozen.len() as u64 * 100 / self.options.max_frozen_memtables as u64
    }

    /// How full L2 is, in per cent: at 100 its flushes wait.
    pub(crate) fn l2_fill_percent(&self) -> u64 {
        self.view().files.flushed.len() as u64 * 100 / self.options.max_flushed_files as u64
    }

    /// What the next flush keeps for readers: as much as there is room for, if since the last one they have looked up as many
    /// blocks as it has to copy, or if no page cache will have what is not kept. It is asked once for each flush.
    pub(crate) fn keep_of_flush(&self, memtable: &Memtable) -> Keep {
        let lookups = self.files.cache().lookups();
        // Threads that share a counter may take counts back.
        let since = lookups.saturating_sub(self.lookups_before.swap(lookups, Relaxed));
        let blocks = memtable.bytes() / self.files.options().block_size_bytes as u64;
        if since >= blocks || self.files.reads_directly() { Keep::WhileRoom } else { Keep::Nothing }
    }

    /// The files of L2, by number.
    pub(crate) fn flushed_files(&self) -> Vec<FileId> {
        self.view().files.flushed.iter().map(|file| file.table.id()).collect()
    }

    /// Whether one of these files is a run of a partition.
    pub(crate) fn has_run_of(&self, files: &[FileId]) -> bool {
        self.view().files.runs().any(|run| files.contains(&run.table.id()))
    }
}
