//! Opening the tables that a manifest names, on all cores: of each, index and filter are read, checked and decoded.

use std::collections::BTreeMap;

use super::state::State;
use crate::base::error::{Error, Result};
use crate::base::ids::FileId;
use crate::base::key::SeqNo;
use crate::base::sync::Arc;
use crate::base::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use crate::exec::{Cores, Local, together};
use crate::table::{IndexIn, Table};
use crate::tree::levels::TableRecord;
use crate::tree::table_files::TableFiles;

/// So many tables each core opens side by side, so that the device has something to do; of each, index and filter are in
/// memory twice for a moment.
const OPENED_TOGETHER_MAX: usize = 16;

/// What the cores take the next table from.
struct Queue {
    files: Arc<TableFiles>,
    records: Vec<(TableRecord, IndexIn)>,
    /// No table of the tree has a greater one.
    seqno_max: SeqNo,
    next: AtomicUsize,
}

impl Queue {
    /// Opens one table after the other until none is left; each with its place in the queue.
    async fn work(&self, local: &Local) -> Vec<(usize, Result<Table>)> {
        let mut opened = Vec::new();
        loop {
            let place = self.next.fetch_add(1, Relaxed);
            let Some(record) = self.records.get(place) else { return opened };
            opened.push((place, self.open(local, record).await));
        }
    }

    async fn open(&self, local: &Local, (record, index_in): &(TableRecord, IndexIn)) -> Result<Table> {
        let table = self.files.open(local, *record, *index_in).await?;
        let (_, newest) = table.seqno_range();
        if newest > self.seqno_max {
            let (path, expected) = (table.file().path(), format!("at most {}", self.seqno_max));
            return Err(Error::corruption(path, 0, "newest seqno", expected, newest));
        }
        Ok(table)
    }

    async fn work_on_core(self: Arc<Self>, local: Local) -> Vec<(usize, Result<Table>)> {
        let workers = OPENED_TOGETHER_MAX.min(self.records.len());
        together((0..workers).map(|_| self.work(&local))).await.into_iter().flatten().collect()
    }
}

/// Opens the tables that the state names. Of several errors that of the first table counts.
pub(super) async fn open_tables(
    cores: &Cores,
    files: &Arc<TableFiles>,
    state: &State,
) -> Result<BTreeMap<FileId, Arc<Table>>> {
    let mut tables = BTreeMap::new();
    for levels in state.trees.values() {
        let flushed = levels.flushed_tables().map(|table| (table, IndexIn::Memory));
        let runs = levels.runs().map(|run| (run, IndexIn::MemoryOrCache { freed_bytes: 0 }));
        let queue = Queue {
            files: Arc::clone(files),
            records: flushed.chain(runs).collect(),
            seqno_max: levels.flushed_to.seqno,
            next: AtomicUsize::new(0),
        };
        for table in open_all(cores, queue).await? {
            tables.insert(table.id(), Arc::new(table));
        }
    }
    Ok(tables)
}

/// In the order of their records.
async fn open_all(cores: &Cores, queue: Queue) -> Result<Vec<Table>> {
    let queue = Arc::new(queue);
    let replies: Vec<_> = (0..cores.count())
        .map(|core| {
            let queue = Arc::clone(&queue);
            cores.run(core, move |local| queue.work_on_core(local))
        })
        .collect();
    let mut opened = BTreeMap::new();
    for reply in replies {
        opened.extend(reply.await?);
    }
    opened.into_values().collect()
}
