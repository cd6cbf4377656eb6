//! A batch as it stands in the log: room for the record header, then the entries.
//!
//! The public `WriteBatch` collects its entries here. So an entry is encoded once, when it is added, and
//! copied once, into the stage.

use super::format::{Place, RECORD_HEADER_LEN, RecordKind, payload_hash, record_len, seal, sealed_seqno};
use crate::base::codec::{Cursor, put_bytes};
use crate::base::key::{Kind, SeqNo};
use crate::base::keyspace::KeyspaceId;
use crate::base::limits::KEY_LEN_MAX;
use crate::base::lsn::Lsn;

/// Encoded entries with room for a header in front.
#[derive(Clone, Debug)]
pub(crate) struct BatchBuffer {
    bytes: Vec<u8>,
    payload_len: usize,
    payload_hash: u64,
    count: u64,
}

impl Default for BatchBuffer {
    fn default() -> Self {
        Self { bytes: vec![0; RECORD_HEADER_LEN], payload_len: 0, payload_hash: 0, count: 0 }
    }
}

impl BatchBuffer {
    /// Forgets all entries, keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.bytes.truncate(RECORD_HEADER_LEN);
        (self.payload_len, self.payload_hash, self.count) = (0, 0, 0);
    }

    /// Adds an entry. Lengths are within the limits.
    pub(crate) fn push(&mut self, LogEntry { keyspace, kind, key, value }: LogEntry<'_>) {
        self.bytes.truncate(RECORD_HEADER_LEN + self.payload_len);
        self.bytes.push(kind as u8);
        keyspace.encode(&mut self.bytes);
        put_bytes(&mut self.bytes, key);
        if kind == Kind::Put {
            put_bytes(&mut self.bytes, value);
        }
        self.payload_len = self.bytes.len() - RECORD_HEADER_LEN;
        self.count += 1;
    }

    /// Number of entries.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// Encoded length of the entries in bytes.
    pub(crate) fn payload_len(&self) -> usize {
        self.payload_len
    }

    /// Bytes the record takes in the log.
    pub(crate) fn record_len(&self) -> usize {
        record_len(self.payload_len)
    }

    /// The entries.
    pub(crate) fn entries(&self) -> Entries<'_> {
        Entries::new(&self.bytes[RECORD_HEADER_LEN..RECORD_HEADER_LEN + self.payload_len])
    }

    /// Pads and hashes the entries: the part of sealing that needs no seqno and no LSN, done before the
    /// commit lock is taken.
    pub(crate) fn prepare(&mut self) {
        self.bytes.truncate(RECORD_HEADER_LEN + self.payload_len);
        self.payload_hash = payload_hash(&self.bytes[RECORD_HEADER_LEN..]);
        self.bytes.resize(self.record_len(), 0);
    }

    /// Writes the header; returns the record. The batch must be [prepared](Self::prepare).
    pub(super) fn seal(&mut self, place: Place, durable: Lsn, seqno: SeqNo) -> &[u8] {
        assert_eq!(self.bytes.len(), self.record_len(), "the batch was not prepared");
        seal(&mut self.bytes, self.payload_len, self.payload_hash, place, durable, seqno, RecordKind::Batch);
        &self.bytes
    }

    /// Its last seqno. The batch must have been written.
    pub(crate) fn last_seqno(&self) -> SeqNo {
        (sealed_seqno(&self.bytes) + self.count).saturating_sub(1)
    }

    /// The sealed record.
    pub(super) fn record(&self) -> &[u8] {
        &self.bytes
    }
}

/// One write of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LogEntry<'a> {
    /// The tree that it goes to.
    pub(crate) keyspace: KeyspaceId,
    /// What it does to the key.
    pub(crate) kind: Kind,
    pub(crate) key: &'a [u8],
    /// Empty for a delete.
    pub(crate) value: &'a [u8],
}

/// The entries of a payload, in order. Ends early, with [`Entries::is_damaged`] set, where they
/// make no sense.
pub(crate) struct Entries<'a> {
    cursor: Cursor<'a>,
    damaged: bool,
}

impl<'a> Entries<'a> {
    /// Reads a payload.
    pub(crate) fn new(payload: &'a [u8]) -> Self {
        Self { cursor: Cursor::new(payload), damaged: false }
    }

    /// Whether the entries stopped before the end of the payload, at one that makes no sense.
    pub(crate) fn is_damaged(&self) -> bool {
        self.damaged
    }

    fn entry(&mut self) -> Option<LogEntry<'a>> {
        let kind = match self.cursor.u8()? {
            0 => Kind::Delete,
            1 => Kind::Put,
            _ => return None,
        };
        let keyspace = KeyspaceId::decode(&mut self.cursor)?;
        let key = self.cursor.bytes()?;
        if key.len() > KEY_LEN_MAX {
            return None;
        }
        let value = if kind == Kind::Put { self.cursor.bytes()? } else { &[] };
        Some(LogEntry { keyspace, kind, key, value })
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = LogEntry<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.cursor.remaining() == 0 || self.damaged {
            return None;
        }
        let entry = self.entry();
        self.damaged = entry.is_none();
        entry
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry<'a>(keyspace: u8, kind: Kind, key: &'a [u8], value: &'a [u8]) -> LogEntry<'a> {
        let keyspace = KeyspaceId::decode(&mut Cursor::new(&[keyspace])).unwrap();
        LogEntry { keyspace, kind, key, value }
    }

    #[test]
    fn entries_come_back_in_order_also_after_preparing_and_adding_more() {
        let mut batch = BatchBuffer::default();
        let entries = [
            entry(0, Kind::Put, b"k", b"value"),
            entry(7, Kind::Delete, b"", b""),
            entry(0, Kind::Put, b"l", b""),
        ];
        batch.push(entries[0]);
        batch.prepare();
        batch.push(entries[1]);
        batch.push(entries[2]);
        batch.prepare();
        assert_eq!(batch.entries().collect::<Vec<_>>(), entries);
        batch.clear();
        assert_eq!((batch.count(), batch.entries().count()), (0, 0));
    }

    #[test]
    fn senseless_entries_end_damaged() {
        let no_keyspace: &[u8] = &[1, 0xff, 0xff, 0xff, 0xff, 0x7f, 1, b'k', 0];
        for payload in
            [&[9, 0, 1, b'k'][..], &[1, 0, 5, b'k'], &[1, 0, 1, b'k', 0xff], &[0], &[0, 0], no_keyspace]
        {
            let mut entries = Entries::new(payload);
            assert_eq!(entries.by_ref().count(), 0);
            assert!(entries.is_damaged(), "{payload:?}");
        }
    }
}
