//! The write batches within RocksDB's traces.
//!
//! ```text
//! batch  = sequence number (8) | count (4) | entries
//! entry  = tag (1) | [column family (varint)] | key, with its length | [value, with its length]
//! ```
//! After RocksDB 11.8.1, the head of `db/write_batch.cc`, and `ValueType` in `db/dbformat.h` for the tags.
//!
//! Puts that follow each other become one batch, which is all or nothing; a delete among them
//! stands alone. A merge becomes an update of its operand's length, a blind write as it is. A
//! removal of a range cannot be replayed, and is counted.

use super::bytes::{Cursor, Missing};
use super::step::{Action, KEY_BYTES_MAX, Record, VALUE_BYTES_MAX};

#[derive(Debug, Default, PartialEq, Eq)]
pub struct Decoded {
    pub actions: Vec<Action>,
    /// What of it cannot be replayed.
    pub skipped: Vec<&'static str>,
}

/// Takes a batch apart.
pub fn actions(batch: &[u8]) -> Result<Decoded, Missing> {
    let mut cursor = Cursor::new(batch);
    cursor.fixed_64("the sequence number of a write batch")?;
    cursor.fixed_32("the count of a write batch")?;
    let mut decoded = Decoded::default();
    let mut puts = Vec::new();
    while cursor.left() > 0 {
        match entry(&mut cursor)? {
            Entry::Put(record) => puts.push(record),
            Entry::Delete(key) => {
                decoded.put(&mut puts);
                decoded.actions.push(Action::Delete { key });
            }
            Entry::Skipped(kind) => {
                decoded.put(&mut puts);
                decoded.skipped.push(kind);
            }
            Entry::Nothing => {}
        }
    }
    decoded.put(&mut puts);
    Ok(decoded)
}

impl Decoded {
    fn put(&mut self, puts: &mut Vec<Record>) {
        let records = std::mem::take(puts);
        match <[Record; 1]>::try_from(records) {
            Ok([record]) => self.actions.push(Action::Update(record)),
            Err(records) if records.is_empty() => {}
            Err(records) => self.actions.push(Action::Batch { records }),
        }
    }
}

enum Entry {
    Put(Record),
    Delete(Vec<u8>),
    Skipped(&'static str),
    Nothing,
}

fn entry(cursor: &mut Cursor<'_>) -> Result<Entry, Missing> {
    let place = cursor.clone();
    let tag = cursor.byte("an entry of a write batch")?;
    // Those of another column family than the default one have its number first.
    if matches!(tag, 0x04..=0x06 | 0x08 | 0x0E | 0x17) {
        cursor.varint(u64::from(u32::MAX), "a column family")?;
    }
    Ok(match tag {
        // Deletion, SingleDeletion.
        0x00 | 0x04 | 0x07 | 0x08 => Entry::Delete(key(cursor)?.to_vec()),
        // Value, Merge, WideColumnEntity.
        0x01 | 0x05 | 0x02 | 0x06 | 0x16 | 0x17 => {
            let key = key(cursor)?;
            Entry::Put(Record::new(key, cursor.piece(VALUE_BYTES_MAX, "a value")?.len() as u64))
        }
        // RangeDeletion.
        0x0F | 0x0E => {
            key(cursor)?;
            key(cursor)?;
            Entry::Skipped("delete-range")
        }
        // LogData, and the ends of a prepared transaction.
        0x03 | 0x0A | 0x0B | 0x0C => {
            cursor.piece(VALUE_BYTES_MAX, "a name or blob")?;
            Entry::Nothing
        }
        // BeginPrepare in three forms, Noop.
        0x09 | 0x0D | 0x12 | 0x13 => Entry::Nothing,
        other => {
            let expected = "an entry of a write batch of a tag up to 0x17 that stands in logs";
            return Err(place.missing(expected, format!("{other:#04x}")));
        }
    })
}

fn key<'a>(cursor: &mut Cursor<'a>) -> Result<&'a [u8], Missing> {
    cursor.piece(KEY_BYTES_MAX, "a key")
}
