//! The bytes of a tree's levels and of their changes, as the manifest holds them.
//!
//! ```text
//! levels     flushed LSN | flushed seqno | count | files of L2 | count | partitions
//! file of L2 table | min key | max key | consumed ranges
//! partition  lower bound | count | runs, newest first: tables
//! table      number | length
//! flush      1 | flushed LSN | flushed seqno | 0 or 1 | file of L2
//! compact    2 | range | count | bounds | count | added: partition, table | count | removed | count | consumed
//! consume    3 | count | holes: number, range
//! ```
//!
//! Numbers are varints, keys have their length in front. What does not decode is no such thing: the
//! caller names the place.

use super::levels::{AddedRun, Change, FlushedRecord, Levels, LogMark, PartitionRecord, TableRecord};
use super::ranges::RangeSet;
use crate::base::codec::{Cursor, put_bytes, put_varint};
use crate::base::ids::FileId;
use crate::base::key::SeqNo;
use crate::base::key_range::KeyRange;
use crate::base::lsn::Lsn;

impl Levels {
    /// Appends the encoding.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        self.flushed_to.encode(out);
        put_all(out, &self.flushed, FlushedRecord::encode);
        put_all(out, &self.partitions, PartitionRecord::encode);
    }

    /// Reads an encoding; `None` if it is none.
    pub(crate) fn decode(cursor: &mut Cursor<'_>) -> Option<Self> {
        let flushed_to = LogMark::decode(cursor)?;
        let flushed = get_all(cursor, FlushedRecord::decode)?;
        Some(Self { flushed_to, flushed, partitions: get_all(cursor, PartitionRecord::decode)? })
    }
}

impl Change {
    /// Appends the encoding.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Flush { file, flushed_to } => {
                out.push(1);
                flushed_to.encode(out);
                out.push(u8::from(file.is_some()));
                file.iter().for_each(|file| file.encode(out));
            }
            Self::Compact { range, bounds, added, removed, consumed } => {
                out.push(2);
                range.encode(out);
                put_all(out, bounds, |bound, out| put_bytes(out, bound));
                put_all(out, added, AddedRun::encode);
                put_all(out, removed, |id, out| put_varint(out, id.0));
                put_all(out, consumed, |id, out| put_varint(out, id.0));
            }
            Self::Consume { holes } => {
                out.push(3);
                put_all(out, holes, |(id, hole), out| {
                    put_varint(out, id.0);
                    hole.encode(out);
                });
            }
        }
    }

    /// Reads an encoding; `None` if it is none.
    pub(crate) fn decode(cursor: &mut Cursor<'_>) -> Option<Self> {
        match cursor.u8()? {
            1 => {
                let flushed_to = LogMark::decode(cursor)?;
                let file = match cursor.u8()? {
                    0 => None,
                    _ => Some(FlushedRecord::decode(cursor)?),
                };
                Some(Self::Flush { file, flushed_to })
            }
            2 => Some(Self::Compact {
                range: KeyRange::decode(cursor)?,
                bounds: get_all(cursor, |cursor| Some(cursor.bytes()?.to_vec()))?,
                added: get_all(cursor, AddedRun::decode)?,
                removed: get_all(cursor, file_id)?,
                consumed: get_all(cursor, file_id)?,
            }),
            3 => {
                let hole = |cursor: &mut Cursor<'_>| Some((file_id(cursor)?, KeyRange::decode(cursor)?));
                Some(Self::Consume { holes: get_all(cursor, hole)? })
            }
            _ => None,
        }
    }
}

impl LogMark {
    fn encode(self, out: &mut Vec<u8>) {
        put_varint(out, self.lsn.0);
        put_varint(out, self.seqno.0);
    }

    fn decode(cursor: &mut Cursor<'_>) -> Option<Self> {
        Some(Self { lsn: Lsn(cursor.varint()?), seqno: SeqNo(cursor.varint()?) })
    }
}

impl TableRecord {
    fn encode(&self, out: &mut Vec<u8>) {
        put_varint(out, self.id.0);
        put_varint(out, self.len);
    }

    fn decode(cursor: &mut Cursor<'_>) -> Option<Self> {
        Some(Self { id: file_id(cursor)?, len: cursor.varint()? })
    }
}

impl AddedRun {
    fn encode(&self, out: &mut Vec<u8>) {
        put_varint(out, self.partition as u64);
        self.table.encode(out);
    }

    fn decode(cursor: &mut Cursor<'_>) -> Option<Self> {
        let partition = usize::try_from(cursor.varint()?).ok()?;
        Some(Self { partition, table: TableRecord::decode(cursor)? })
    }
}

impl FlushedRecord {
    fn encode(&self, out: &mut Vec<u8>) {
        self.table.encode(out);
        put_bytes(out, &self.min);
        put_bytes(out, &self.max);
        self.consumed.encode(out);
    }

    fn decode(cursor: &mut Cursor<'_>) -> Option<Self> {
        let table = TableRecord::decode(cursor)?;
        let (min, max) = (cursor.bytes()?.to_vec(), cursor.bytes()?.to_vec());
        Some(Self { table, min, max, consumed: RangeSet::decode(cursor)? })
    }
}

impl PartitionRecord {
    fn encode(&self, out: &mut Vec<u8>) {
        put_bytes(out, &self.lower);
        put_all(out, &self.runs, TableRecord::encode);
    }

    fn decode(cursor: &mut Cursor<'_>) -> Option<Self> {
        Some(Self { lower: cursor.bytes()?.to_vec(), runs: get_all(cursor, TableRecord::decode)? })
    }
}

fn file_id(cursor: &mut Cursor<'_>) -> Option<FileId> {
    cursor.varint().map(FileId)
}

/// Appends how many there are, and each.
pub(crate) fn put_all<T>(out: &mut Vec<u8>, all: &[T], put: impl Fn(&T, &mut Vec<u8>)) {
    put_varint(out, all.len() as u64);
    all.iter().for_each(|one| put(one, out));
}

/// Reads what [`put_all`] wrote. The count is not believed: memory is taken for what is there.
pub(crate) fn get_all<T>(
    cursor: &mut Cursor<'_>,
    get: impl Fn(&mut Cursor<'_>) -> Option<T>,
) -> Option<Vec<T>> {
    let mut all = Vec::new();
    for _ in 0..cursor.varint()? {
        all.push(get(cursor)?);
    }
    Some(all)
}
