//! Bringing down to L3, at a caller's wish, what the database holds at that moment.

use super::Engine;
use crate::base::error::Result;
use crate::base::sync::atomic::Ordering;
use crate::base::sync::lock;

impl Engine {
    /// Brings everything down to L3: no memtable and no L2 file is left of what is there now. What
    /// is written meanwhile is not waited for.
    pub(crate) async fn compact(&self) -> Result<()> {
        self.check_open()?;
        self.drains.fetch_add(1, Ordering::Relaxed);
        let result = self.drain_levels().await;
        self.drains.fetch_sub(1, Ordering::Relaxed);
        result
    }

    async fn drain_levels(&self) -> Result<()> {
        self.flush_memtables().await?;
        let present = self.flushed_files();
        self.work.notify();
        let failures = self.counters.background_failures.get();
        loop {
            let changed = self.work.listen();
            // The steps first: one that is over has published what it did.
            let busy = lock(&self.jobs).take_from(&present);
            if !busy && !self.flushed_files().iter().any(|id| present.contains(id)) {
                return Ok(());
            }
            self.wal.check_failed()?;
            if let Some(error) = self.failure_since(failures).or_else(|| self.why_not_compacting()) {
                return Err(error);
            }
            changed.await;
        }
    }

    /// The files of L2, by number.
    fn flushed_files(&self) -> Vec<u64> {
        self.published.get().files.flushed.iter().map(|file| file.table.id()).collect()
    }
}
