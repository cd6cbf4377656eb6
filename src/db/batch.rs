//! A batch of writes.

use crate::base::error::{Error, Result};
use crate::base::key::Kind;
use crate::base::keyspace::KeyspaceId;
use crate::base::limits::{BATCH_LEN_MAX, KEY_LEN_MAX, VALUE_LEN_MAX};
use crate::wal::{BatchBuffer, LogEntry};

/// Writes that take effect together, in the order they were added: of several of one key the last counts. Readers and
/// snapshots see all of them or none, and after a crash all or none are there. It is held in memory until it is written,
/// at most [`BATCH_LEN_MAX`] bytes; what is larger or has too large a key is refused by the write, as a whole.
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// # let db = rabi::Db::open(dir.path(), rabi::Options::new())?;
/// use rabi::{Durability, WriteBatch, WriteOptions};
/// let mut batch = WriteBatch::new();
/// batch.put("from", "90");
/// batch.put("to", "110");
/// batch.delete("pending");
/// db.write(batch, WriteOptions::new().durability(Durability::Power))?;
/// # db.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "a batch changes nothing until it is written"]
pub struct WriteBatch {
    buffer: BatchBuffer,
    /// The first entry that was too large; reported by the write.
    refused: Option<Error>,
}

impl WriteBatch {
    /// An empty batch.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds setting a value. A key or value that is too large makes the whole batch fail when it is
    /// written.
    pub fn put(&mut self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        if let Err(error) = self.try_put(key.as_ref(), value.as_ref()) {
            self.refused.get_or_insert(error);
        }
    }

    /// Adds removing a key.
    pub fn delete(&mut self, key: impl AsRef<[u8]>) {
        if let Err(error) = self.try_delete(key.as_ref()) {
            self.refused.get_or_insert(error);
        }
    }

    /// Number of writes in it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.buffer.count() as usize
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Encoded size in bytes; at most [`BATCH_LEN_MAX`].
    #[must_use]
    pub fn len_bytes(&self) -> usize {
        self.buffer.payload_len()
    }

    /// Forgets all writes, keeps the memory.
    pub fn clear(&mut self) {
        self.buffer.clear();
        self.refused = None;
    }

    pub(super) fn try_put(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        if value.len() > VALUE_LEN_MAX {
            return Err(Error::ValueTooLarge { len: value.len(), max: VALUE_LEN_MAX });
        }
        self.push(Kind::Put, key, value)
    }

    pub(super) fn try_delete(&mut self, key: &[u8]) -> Result<()> {
        self.push(Kind::Delete, key, &[])
    }

    fn push(&mut self, kind: Kind, key: &[u8], value: &[u8]) -> Result<()> {
        if key.len() > KEY_LEN_MAX {
            return Err(Error::KeyTooLarge { len: key.len(), max: KEY_LEN_MAX });
        }
        // Kind, keyspace and the two lengths take at most 14 bytes for lengths within the limits.
        let len = self.len_bytes() + key.len() + value.len() + 14;
        if len > BATCH_LEN_MAX {
            return Err(Error::BatchTooLarge { len, max: BATCH_LEN_MAX });
        }
        self.buffer.push(LogEntry { keyspace: KeyspaceId::DEFAULT, kind, key, value });
        Ok(())
    }

    pub(super) fn check(&self) -> Result<()> {
        self.refused.clone().map_or(Ok(()), Err)
    }

    pub(super) fn buffer(&mut self) -> &mut BatchBuffer {
        &mut self.buffer
    }
}
