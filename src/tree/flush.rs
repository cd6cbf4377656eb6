//! Flush: one frozen memtable (L1) becomes one file (L2).
//!
//! A tombstone that hides nothing goes, and with it the trace of a key that was written and deleted within one memtable, as
//! those of a queue are. It hides nothing if no older version of its key is kept in the same file, and no older file may
//! hold the key: all older memtables are flushed by then, so the files of the view have everything that is older.

use super::levels::{Change, FlushedRecord, LogMark};
use super::lookup::tables_for;
use super::output::{Output, OutputHint, PendingOutputs, TableWriter};
use super::ranges::RangeSet;
use super::replayed::Replayed;
use super::retention::{Need, Retention};
use super::table_files::TableFiles;
use super::view::Files;
use crate::base::coverage::reached;
use crate::base::error::Result;
use crate::base::key::{Kind, SeqNo, Tag, key_hash};
use crate::base::planted::planted;
use crate::exec::Local;
use crate::memtable::Memtable;
use crate::table::{IndexIn, Keep};

/// Entries written between two looks at the clock.
const YIELD_INTERVAL: usize = 64;

/// Writes what somebody can still see of `memtable`, the oldest one, above the files `older`; `None` if that is nothing.
/// The file is synced and its name is durable.
pub(crate) async fn flush(
    local: &Local,
    files: &TableFiles,
    memtable: &Memtable,
    older: &Files,
    snapshots: Vec<SeqNo>,
    keep: Keep,
) -> Result<Option<Output>> {
    if memtable.is_empty() {
        return Ok(None);
    }
    let mut pending = PendingOutputs::default();
    let hint = OutputHint { keep, len: memtable.bytes(), index_in: IndexIn::Memory };
    let written = write(local, files, memtable.entries(), Some(older), snapshots, hint, &mut pending).await;
    if written.is_err() {
        pending.remove(local, files.directory()).await;
    }
    written
}

/// Writes the newest version of each key of the log of an earlier opening; nobody has a snapshot.
/// `None` if there is nothing. The file is synced and its name is durable.
pub(crate) async fn flush_replayed(
    local: &Local,
    files: &TableFiles,
    mut replayed: Replayed,
) -> Result<Option<Output>> {
    if replayed.len() == 0 {
        return Ok(None);
    }
    replayed.sort();
    let mut pending = PendingOutputs::default();
    let len = replayed.payload_bytes() as u64;
    let hint = OutputHint { keep: Keep::Nothing, len, index_in: IndexIn::Memory };
    let written = write(local, files, replayed.iter(), None, Vec::new(), hint, &mut pending).await;
    if written.is_err() {
        pending.remove(local, files.directory()).await;
    }
    written
}

/// Writes what somebody can still see of entries in the order of a table; `None` if that is nothing. Without `older`, any
/// key may be in older files.
async fn write<'a>(
    local: &Local,
    files: &TableFiles,
    entries: impl Iterator<Item = (&'a [u8], Tag, &'a [u8])>,
    older: Option<&Files>,
    snapshots: Vec<SeqNo>,
    hint: OutputHint,
    pending: &mut PendingOutputs,
) -> Result<Option<Output>> {
    let mut retention = Retention::new(snapshots, false);
    let mut writer = None;
    let mut key_before = None;
    // A tombstone that goes unless an older version of its key is kept.
    let mut held_back = None;
    for (number, (key, tag, value)) in entries.enumerate() {
        if key_before.replace(key) != Some(key) {
            retention.next_key();
            held_back = None;
        }
        let is_delete = tag.kind() == Kind::Delete;
        let need = retention.need(tag.seqno());
        if need == Need::Newest && is_delete && !older.is_none_or(|older| may_hold(older, key)) {
            held_back = Some(tag);
        } else if need != Need::Nobody && !(planted!(TombstoneDropped) && is_delete) {
            let writer = match &mut writer {
                Some(writer) => writer,
                none => none.insert(TableWriter::create(local, files, hint, pending).await?),
            };
            if let Some(tombstone) = held_back.take() {
                reached!("flush: a tombstone was kept for a snapshot");
                writer.add(key, tombstone, &[], need);
            }
            writer.add(key, tag, value, need);
        }
        if number % YIELD_INTERVAL == 0 {
            if let Some(writer) = &mut writer {
                writer.write_full(local).await?;
            }
            local.yield_if_due().await;
        }
    }
    let Some(writer) = writer else {
        reached!("flush: nothing was left");
        return Ok(None);
    };
    let output = writer.finish(local, files).await?;
    files.directory().sync(local).await?;
    Ok(Some(output))
}

/// Whether a version of `key` may be in one of the files.
fn may_hold(files: &Files, key: &[u8]) -> bool {
    let hash = key_hash(key);
    tables_for(files, key).any(|table| table.may_contain(hash))
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
