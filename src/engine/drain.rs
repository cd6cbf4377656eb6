//! Bringing down to L3, at a caller's wish, what the database holds at that moment, and giving back what
//! nobody needs.

use super::Engine;
use super::shape::removable_bytes;
use crate::base::error::Result;
use crate::base::ids::FileId;
use crate::base::sync::lock;

impl Engine {
    /// Brings everything down to L3: no memtable and no L2 file is left of what is there now, and no
    /// garbage but what snapshots need. What is written meanwhile is not waited for.
    pub(crate) async fn compact(&self) -> Result<()> {
        self.check_open()?;
        lock(&self.jobs).begin_drain();
        let mut unclean = Vec::new();
        let result = self.drain_levels(&mut unclean).await;
        lock(&self.jobs).end_drain(&unclean);
        result
    }

    async fn drain_levels(&self, unclean: &mut Vec<FileId>) -> Result<()> {
        self.flush_memtables().await?;
        let present = self.flushed_files();
        *unclean = self.files_with_garbage();
        lock(&self.jobs).want_clean(unclean);
        self.work.notify();
        let failures = self.counters.background_failures.get();
        loop {
            let changed = self.work.listen();
            // The steps first: one that is over has published what it did.
            let busy = lock(&self.jobs).take_from(&present);
            let is_left = self.flushed_files().iter().any(|id| present.contains(id));
            if !busy && !is_left && !self.has_partition_of(unclean) {
                return Ok(());
            }
            self.wal.check_failed()?;
            if let Some(error) = self.failure_since(failures).or_else(|| self.why_not_compacting()) {
                return Err(error);
            }
            changed.await;
        }
    }

    /// The files of partitions with garbage that nobody needs, by number. A snapshot that is gone does not
    /// come back, so each of them is work until it is rewritten.
    fn files_with_garbage(&self) -> Vec<FileId> {
        let (view, snapshots) = (self.published.get(), self.snapshots.list());
        let tables = view.files.partitions.iter().filter_map(|partition| partition.table.as_ref());
        let unclean = tables.filter(|table| removable_bytes(table, &snapshots) > 0);
        unclean.map(|table| table.id()).collect()
    }

    fn has_partition_of(&self, files: &[FileId]) -> bool {
        let view = self.published.get();
        let mut tables = view.files.partitions.iter().filter_map(|partition| partition.table.as_ref());
        tables.any(|table| files.contains(&table.id()))
    }

    /// The files of L2, by number.
    fn flushed_files(&self) -> Vec<FileId> {
        self.published.get().files.flushed.iter().map(|file| file.table.id()).collect()
    }
}
