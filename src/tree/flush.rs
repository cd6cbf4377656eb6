//! Flush: one frozen memtable (L1) becomes one file (L2).

use super::levels::{Edit, FlushedRecord};
use super::output::{Made, Output, TableWriter};
use super::ranges::RangeSet;
use super::replayed::Replayed;
use super::retention::{Need, Retention};
use super::table_files::TableFiles;
use crate::base::direction::Direction;
use crate::base::error::Result;
use crate::base::key::{Kind, SeqNo};
use crate::base::lsn::Lsn;
use crate::base::planted::planted;
use crate::exec::Local;
use crate::memtable::Memtable;

/// Entries copied from the memtable between two looks at the clock.
const STEP: usize = 64;

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
    let mut made = Made::default();
    let written = write(local, files, memtable, snapshots, &mut made).await;
    if written.is_err() {
        made.remove(local, files.directory()).await;
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
    let mut made = Made::default();
    let written = write_replayed(local, files, replayed, &mut made).await;
    if written.is_err() {
        made.remove(local, files.directory()).await;
    }
    written.map(Some)
}

async fn write_replayed(
    local: &Local,
    files: &TableFiles,
    replayed: &Replayed,
    made: &mut Made,
) -> Result<Output> {
    let mut retention = Retention::new(Vec::new());
    let mut writer = TableWriter::create(local, files, made)?;
    let mut key_before = None;
    for (number, (key, tag, value)) in replayed.iter().enumerate() {
        if key_before.replace(key) != Some(key) {
            retention.next_key();
        }
        let need = retention.need(tag.seqno());
        if need != Need::Nobody {
            writer.add(key, tag, value, need);
        }
        if number % STEP == 0 {
            writer.write_full(local).await?;
            local.yield_if_due().await;
        }
    }
    let output = writer.finish(local, files).await?;
    files.directory().sync(local).await?;
    Ok(output)
}

async fn write(
    local: &Local,
    files: &TableFiles,
    memtable: &Memtable,
    snapshots: Vec<SeqNo>,
    made: &mut Made,
) -> Result<Output> {
    let mut retention = Retention::new(snapshots);
    let mut writer = TableWriter::create(local, files, made)?;
    let mut last: Option<(Vec<u8>, SeqNo)> = None;
    loop {
        let after = last.as_ref().map(|(key, seqno)| (key.as_slice(), *seqno));
        let mut key_before = after.map(|(key, _)| key.to_vec());
        let mut seqno_before = SeqNo::ZERO;
        let walked = memtable.walk(Direction::Forward, after, STEP, |key, tag, value| {
            if key_before.as_deref() != Some(key) {
                retention.next_key();
                let buffer = key_before.get_or_insert_default();
                buffer.clear();
                buffer.extend_from_slice(key);
            }
            seqno_before = tag.seqno();
            let dropped = planted!(TombstoneDropped) && tag.kind() == Kind::Delete;
            let need = retention.need(seqno_before);
            if need != Need::Nobody && !dropped {
                writer.add(key, tag, value, need);
            }
        });
        if walked == 0 {
            break;
        }
        last = key_before.map(|key| (key, seqno_before));
        writer.write_full(local).await?;
        local.yield_if_due().await;
    }
    let output = writer.finish(local, files).await?;
    files.directory().sync(local).await?;
    Ok(output)
}

/// The edit that commits a flush.
pub(crate) fn edit(output: Option<&Output>, log_lsn: Lsn, seqno: SeqNo, files: &TableFiles) -> Edit {
    let file = output.map(|output| FlushedRecord {
        table: output.record,
        min: output.table.min_key().to_vec(),
        max: output.table.max_key().to_vec(),
        consumed: RangeSet::default(),
    });
    Edit::Flush { file, log_lsn, seqno, next_file: files.directory().next_id() }
}
