//! Databases in a simulated world, and the calls of [`Db`] as futures, for callers that share one
//! thread with the cores.
//!
//! A call that needs a core would wait for ever on the thread that steps it. As a future it can be
//! polled between steps. Each owns a handle to the database.

use std::future::Future;
use std::path::Path;

use super::stepper::{self, OpeningDb, Stepper};
use super::{Db, WriteBatch};
use crate::base::error::Result;
use crate::base::options::{Options, WriteOptions};
use crate::base::sync::Arc;
use crate::engine::{Way, World};

impl Db {
    /// Opens a database in a simulated world. The option for the I/O backend has no meaning there.
    ///
    /// # Errors
    /// As [`open`](Self::open); what goes wrong later comes out of the [`OpeningDb`].
    pub fn open_simulated(
        world: &World,
        dir: impl AsRef<Path>,
        options: Options,
    ) -> Result<(Stepper, OpeningDb)> {
        stepper::open_simulated(world, dir.as_ref(), options)
    }

    /// [`put`](Self::put) with the durability of the options. Polled once, it has its place in the
    /// order of writes, unless it has to wait for room. Once polled it must be polled to its end.
    pub fn put_async(&self, key: &[u8], value: &[u8]) -> impl Future<Output = Result<()>> + use<> + 'static {
        let mut batch = WriteBatch::new();
        batch.put(key, value);
        self.write_async(batch, WriteOptions::new())
    }

    /// [`write`](Self::write), as a future; see [`put_async`](Self::put_async).
    pub fn write_async(
        &self,
        mut batch: WriteBatch,
        options: WriteOptions,
    ) -> impl Future<Output = Result<()>> + use<> + 'static {
        let handle = Arc::clone(&self.handle);
        async move {
            batch.check()?;
            handle.0.write(batch.buffer(), options).await
        }
    }

    /// [`sync`](Self::sync), as a future.
    pub fn sync_async(&self) -> impl Future<Output = Result<()>> + use<> + 'static {
        let handle = Arc::clone(&self.handle);
        async move { handle.0.sync(Way::Blocking).await }
    }

    /// [`flush`](Self::flush), as a future.
    pub fn flush_async(&self) -> impl Future<Output = Result<()>> + use<> + 'static {
        let handle = Arc::clone(&self.handle);
        async move { handle.0.flush().await }
    }

    /// [`compact`](Self::compact), as a future.
    pub fn compact_async(&self) -> impl Future<Output = Result<()>> + use<> + 'static {
        let handle = Arc::clone(&self.handle);
        async move { handle.0.compact_all().await }
    }

    /// Seqno of the newest write that readers see. A batch takes as many as it has entries, at the
    /// moment at which it gets its place in the order of writes.
    #[must_use]
    pub fn last_seqno(&self) -> u64 {
        self.handle.0.visible_seqno().0
    }

    /// [`close`](Self::close), as a future.
    ///
    /// # Errors
    /// As [`close`](Self::close).
    pub async fn close_async(self) -> Result<()> {
        self.handle.close().await
    }
}
