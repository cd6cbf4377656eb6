//! Iteration: cursors over memtables, L2 files and partitions, merged into one order.
//!
//! A cursor has a direction from the start: forward from a key on, or backward from before a key.
//! [`merge::Merge`] shows of each key the version that a reader at its seqno sees.

pub(crate) mod heap;
pub(crate) mod merge;
pub(crate) mod source;
pub(crate) mod table_cursor;

use crate::base::error::Result;
use crate::base::sync::Arc;
use crate::table::{Block, Table};

/// Where blocks come from: the cache, or a read on the calling thread.
pub(crate) trait Fetch: Send + Sync {
    /// Block number `number` of `table`, verified.
    fn block(&self, table: &Table, number: usize) -> Result<Arc<Block>>;

    /// Hears from a merge, at its end, how many entries it passed without showing them: versions that
    /// its reader does not see, and deletes, which are counted once more.
    fn skipped(&self, entries: u64, tombstones: u64);
}
