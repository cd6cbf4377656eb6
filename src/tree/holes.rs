//! Ranges of an L2 file without a key: exactly, by its index and at most a few of its blocks.
//!
//! What a partition receives is known from the index to within a block. A compaction that would rewrite a
//! partition looks here first: a file that has nothing for it is consumed there without any work, and
//! not only there, but as far as the hole between two of its keys goes. So a file costs one edit for
//! each hole, however many partitions lie in it.

use super::input::read_block;
use super::ranges::RangeSet;
use crate::base::coverage::reached;
use crate::base::direction::Direction;
use crate::base::error::Result;
use crate::base::key::successor;
use crate::base::key_range::KeyRange;
use crate::base::planted::planted;
use crate::base::sync::Arc;
use crate::cursor::{Cursor, TableCursor};
use crate::exec::Local;
use crate::table::Table;

/// Nothing, if the file holds a key of `range` that is not consumed. Otherwise all keys around
/// `range` of which the same is true: from behind its last key below to its first key above.
pub(crate) async fn hole_around(
    local: &Local,
    table: &Arc<Table>,
    consumed: &RangeSet,
    range: &KeyRange,
) -> Result<Option<KeyRange>> {
    for gap in consumed.gaps(range) {
        if table.surely_holds(&gap.lower, gap.upper.as_deref()) {
            return Ok(None);
        }
        let first = first_from(local, table, &gap.lower).await?;
        let is_missed = |key: &Vec<u8>| planted!(HoleBoundWrong) && *key == gap.lower;
        if first.is_some_and(|key| gap.is_below_upper(&key) && !is_missed(&key)) {
            return Ok(None);
        }
    }
    reached!("compaction: an L2 file has nothing for a partition");
    let mut lower = Vec::new();
    if let Some(last) = last_below(local, table, &range.lower).await? {
        lower = successor(&last);
    }
    let upper = match &range.upper {
        None => None,
        Some(upper) => first_from(local, table, upper).await?.map(|mut key| {
            if planted!(HoleTooWide) {
                key.push(0);
            }
            key
        }),
    };
    Ok(Some(KeyRange { lower, upper }))
}

/// The first key of the file at or above `key`.
async fn first_from(local: &Local, table: &Arc<Table>, key: &[u8]) -> Result<Option<Vec<u8>>> {
    if key <= table.min_key() {
        return Ok(Some(table.min_key().to_vec()));
    }
    seek(local, TableCursor::uncached(Arc::clone(table), Direction::Forward), key).await
}

/// The last key of the file below `key`.
async fn last_below(local: &Local, table: &Arc<Table>, key: &[u8]) -> Result<Option<Vec<u8>>> {
    seek(local, TableCursor::uncached(Arc::clone(table), Direction::Backward), key).await
}

/// The key to which a cursor comes from `bound`.
async fn seek(local: &Local, mut cursor: TableCursor, bound: &[u8]) -> Result<Option<Vec<u8>>> {
    let mut moved = cursor.seek(Some(bound));
    while let Err(needed) = moved {
        moved = cursor.supply(read_block(local, &needed.table, needed.block_no).await?);
    }
    Ok(cursor.head().map(|(key, _)| key.to_vec()))
}
