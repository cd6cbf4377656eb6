//! The engine: one database at work.
//!
//! Writes ([`mod@write`]) and reads ([`read`]) run on the caller's thread. What runs in the background
//! ([`background`], [`commit`]) are tasks on the cores. They share this one structure; nothing in
//! it is locked across a wait.

mod arriving;
mod at_hand;
mod awaited;
mod awaited_scan;
mod background;
mod caller;
mod commit;
mod compact_all;
mod compaction;
mod environment;
mod flushing;
mod large_batch;
#[cfg(all(test, loom))]
mod loom_tests;
mod manifest;
mod manifest_format;
mod manifest_image;
mod moment;
mod multi_get;
mod on_core;
#[cfg(feature = "tokio-uring")]
mod on_runtime;
mod open;
mod opened_tables;
mod position;
mod range;
mod read;
mod readers;
mod reads;
mod recovery;
mod replay;
mod scan;
mod slowdown;
mod snapshots;
mod state;
mod stats;
#[cfg(feature = "sim")]
mod stepped;
mod trees;
mod turns;
pub(crate) mod visible;
mod write;

pub(crate) use awaited::{Placed, get_awaited, submit, write_awaited};
pub(crate) use awaited_scan::AwaitedScan;
pub(crate) use caller::Caller;
pub(crate) use moment::Moment;
pub(crate) use multi_get::multi_get_awaited;
pub(crate) use on_core::OnCore;
#[cfg(feature = "tokio-uring")]
pub(crate) use on_runtime::OnTokioUring;
pub(crate) use open::{Handle, open};
pub(crate) use position::Position;
pub(crate) use range::RangeScan;
pub use slowdown::{Slowdown, SlowdownReason};
pub use stats::{FileStats, PartitionStats, Stats};
pub(crate) use write::Way;
#[cfg(feature = "sim")]
pub(crate) use {
    crate::io::sim::World,
    stepped::{open_simulated, open_stepped},
};

use crate::base::error::{Error, Result};
use crate::base::key::SeqNo;
use crate::base::metrics::Counter;
use crate::base::options::Options;
use crate::base::sync::atomic::{AtomicBool, Ordering};
use crate::base::sync::{Arc, Mutex, lock};
use crate::engine::visible::Visible;
use crate::exec::{Cores, Event};
use crate::files::Directory;
use crate::io::{Io, Process};
use crate::wal::Wal;
use commit::Requests;
use read::BlockReader;
use readers::Readers;
use reads::ReadTurns;
use slowdown::Waits;
use snapshots::Snapshots;
use trees::Trees;
use turns::Turns;

/// One open database.
pub(crate) struct Engine {
    // Constant after opening.
    pub(crate) process: Process,
    pub(crate) options: Options,
    pub(crate) io: Arc<dyn Io>,
    pub(crate) cores: Arc<Cores>,
    pub(crate) directory: Directory,
    pub(crate) wal: Arc<Wal>,
    pub(crate) blocks: Arc<BlockReader>,
    pub(crate) read_turns: ReadTurns,

    // What readers load.
    pub(crate) trees: Trees,
    pub(crate) visible: Visible,
    pub(crate) snapshots: Arc<Snapshots>,
    pub(crate) readers: Arc<Readers>,

    // Background work.
    pub(crate) requests: Requests,
    /// Something may have become possible: a memtable was frozen, the files changed, a job ended.
    pub(crate) work: Arc<Event>,
    /// Which tree is flushed, and which compacted, next.
    pub(crate) flush_turns: Turns,
    pub(crate) compaction_turns: Turns,
    /// No write for a while, and no reader that needs the device: L2 is compacted into L3 although it is small.
    pub(crate) idle: AtomicBool,
    /// The newest failure of a flush or compaction, until one succeeds.
    pub(crate) background_error: Mutex<Option<Error>>,

    // Writers.
    pub(crate) closed: AtomicBool,
    pub(crate) waits: Waits,
    pub(crate) counters: Counters,
}

/// What the engine counts beside its trees.
#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) background_failures: Counter,
    pub(crate) replayed_bytes: Counter,
}

impl Engine {
    /// Refuses calls on a closed handle, and those of a child of the process that opened it. Every
    /// call does this first: in a child any lock may be held for ever.
    pub(crate) fn check_open(&self) -> Result<()> {
        self.process.check()?;
        if self.closed.load(Ordering::Acquire) { Err(Error::Closed) } else { Ok(()) }
    }

    /// Seqno of the newest write that readers see.
    pub(crate) fn visible_seqno(&self) -> SeqNo {
        self.visible.newest()
    }

    /// The newest failure of a flush or compaction that has not been made good.
    pub(crate) fn background_failure(&self) -> Option<Error> {
        lock(&self.background_error).clone()
    }

    /// Why L0 and L1 may stay full: flushes or compactions fail, or L2 is full and compaction waits
    /// for space.
    pub(crate) fn why_stalled(&self) -> Option<Error> {
        self.background_failure().or_else(|| self.why_stalled_by_space())
    }

    /// Why flushes may have to wait, if they wait for compaction and that for space.
    pub(crate) fn why_stalled_by_space(&self) -> Option<Error> {
        let is_full = self.trees.iter().any(|tree| tree.is_l2_full(&tree.view()));
        is_full.then(|| self.why_not_compacting()).flatten()
    }

    /// Why compaction may make no progress.
    pub(crate) fn why_not_compacting(&self) -> Option<Error> {
        let path = self.directory.path().to_path_buf();
        self.is_short_of_space().then_some(Error::DiskFull { operation: "compact the files in", path })
    }

    /// The failure of a flush or compaction that was tried after the first `seen` failures.
    pub(crate) fn failure_since(&self, seen: u64) -> Option<Error> {
        let any = self.counters.background_failures.get() > seen;
        any.then(|| self.background_failure()).flatten()
    }

    /// Fails the log for good, and tells all who wait for writes to become possible.
    pub(crate) fn refuse_writes(&self, error: Error) {
        self.wal.fail(error);
        self.work.notify();
    }

    pub(crate) fn set_background_failure(&self, error: Option<Error>) {
        let failed = error.is_some();
        *lock(&self.background_error) = error;
        if failed {
            self.counters.background_failures.add(1);
            // Stalled writers must learn of it.
            self.work.notify();
        }
    }
}
