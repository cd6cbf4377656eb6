//! Flush: one frozen memtable (L1) becomes one file (L2).

use super::levels::{Change, FlushedRecord, LogMark};
use super::output::{Output, PendingOutputs, TableWriter};
use super::ranges::RangeSet;
use super::replayed::Replayed;
use super::retention::{Need, Retention};
use super::table_files::TableFiles;
use crate::base::error::Result;
use crate::base::key::{Kind, SeqNo, Tag};
use crate::base::planted::planted;
use crate::exec::Local;
use crate::memtable::Memtable;

/// Entries written between two looks at the clock.
const YIELD_INTERVAL: usize = 64;

/// Writes what somebody can still see of `memtable`; `None` if it is empty. The file is synced and
/// its name is durable.
pub(crate) async fn flush(
    local: &Local,
    files: &TableFiles,
    memtable: &Memtable,
    snapshots: Vec<SeqNo>,
) -> Result<Option<Output>> {
    if memtable.is_empty() {
        return Ok(None);
    }
    let mut pending = PendingOutputs::default();
    let written = write(local, files, memtable.entries(), snapshots, &mut pending).await;
    if written.is_err() {
        pending.remove(local, files.directory()).await;
    }
    written.map(Some)
}

/// Writes the newest version of each key of the log of an earlier opening; nobody has a snapshot.
/// `None` if there is nothing. The file is synced and its name is durable.
pub(crate) async fn flush_replayed(
    local: &Local,
    files: &TableFiles,
    replayed: &Replayed,
) -> Result<Option<Output>> {
    if replayed.len() == 0 {
        return Ok(None);
    }
    let mut pending = PendingOutputs::default();
    let written = write(local, files, replayed.iter(), Vec::new(), &mut pending).await;
    if written.is_err() {
        pending.remove(local, files.directory()).await;
    }
    written.map(Some)
}

/// Writes what somebody can still see of entries in the order of a table.
async fn write<'a>(
    local: &Local,
    files: &TableFiles,
    entries: impl Iterator<Item = (&'a [u8], Tag, &'a [u8])>,
    snapshots: Vec<SeqNo>,
    pending: &mut PendingOutputs,
) -> Result<Output> {
    let mut retention = Retention::new(snapshots, false);
    let mut writer = TableWriter::create(local, files, pending)?;
    let mut key_before = None;
    for (number, (key, tag, value)) in entries.enumerate() {
        if key_before.replace(key) != Some(key) {
            retention.next_key();
        }
        let dropped = planted!(TombstoneDropped) && tag.kind() == Kind::Delete;
        let need = retention.need(tag.seqno());
        if need != Need::Nobody && !dropped {
            writer.add(key, tag, value, need);
        }
        if number % YIELD_INTERVAL == 0 {
            writer.write_full(local).await?;
            local.yield_if_due().await;
        }
    }
    let output = writer.finish(local, files).await?;
    files.directory().sync(local).await?;
    Ok(output)
}

/// The change that a flush makes: the log up to `flushed_to` is in tables.
pub(crate) fn change(output: Option<&Output>, flushed_to: LogMark) -> Change {
    let file = output.map(|output| FlushedRecord {
        table: output.record,
        min: output.table.min_key().to_vec(),
        max: output.table.max_key().to_vec(),
        consumed: RangeSet::default(),
    });
    Change::Flush { file, flushed_to }
}
