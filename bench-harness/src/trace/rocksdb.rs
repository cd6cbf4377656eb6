//! Reads the query traces that RocksDB writes (`DB::StartTrace`, `db_bench --trace_file`), of the
//! trace versions 0.1 and 0.2.
//!
//! ```text
//! record  = time in us (8) | type (1) | payload length (4) | payload
//! first   = type 1, payload "feedcafedeadbeef\tTrace Version: 0.2\tRocksDB Version: ...\tFormat: ...\n"
//! last    = type 2
//! payload = fields (8), a bit for each that follows; in version 0.1 there is no such number
//! ```
//! After RocksDB 11.8.1, `trace_replay/trace_replay.cc` (`EncodeTrace`, `DecodeTraceRecord`),
//! `trace_replay.h` (`TracePayloadType`) and `include/rocksdb/trace_record.h` (`TraceType`). There is no checksum:
//! damage within a key passes unseen. The trace does not say how far an iterator went after its
//! seek, nor how long a value read was. Column families become one key space.

use std::collections::{BTreeMap, VecDeque};
use std::io::Read;
use std::path::Path;

use super::bytes::{Cursor, Missing};
use super::error::{TraceError, shown};
use super::input::Input;
use super::rocksdb_batch;
use super::step::{Action, KEY_BYTES_MAX, PARTS_MAX, Source, Step};

/// What the payload of the first record begins with.
pub const MAGIC: &[u8] = b"feedcafedeadbeef";
/// What stands before a payload.
pub const HEAD_BYTES: usize = 13;
/// The longest payload: a write batch of RocksDB is below 4 GiB, those of traces are far smaller.
const PAYLOAD_BYTES_MAX: u64 = 256 << 20;

const BEGIN: u8 = 1;
const END: u8 = 2;
const WRITE: u8 = 3;
const GET: u8 = 4;
const SEEK: u8 = 5;
const SEEK_FOR_PREV: u8 = 6;
const MULTI_GET: u8 = 13;

#[derive(Debug)]
pub struct RocksDb<R> {
    input: Input<R>,
    has_fields: bool,
    first_us: Option<u64>,
    ready: VecDeque<Step>,
    skipped: BTreeMap<&'static str, u64>,
    ended: bool,
}

struct Head {
    time_us: u64,
    kind: u8,
    length: u64,
}

impl<R: Read> RocksDb<R> {
    /// Begins with the first record. `file` is for messages.
    pub fn new(file: &Path, from: R) -> Result<RocksDb<R>, TraceError> {
        let mut trace = RocksDb {
            input: Input::new(file, from),
            has_fields: true,
            first_us: None,
            ready: VecDeque::new(),
            skipped: BTreeMap::new(),
            ended: false,
        };
        let head = trace.head("the first record of a trace")?;
        let payload = trace.payload(head.length)?;
        if head.kind != BEGIN || !payload.starts_with(MAGIC) {
            let expected = format!("a first record of type 1 with '{}'", MAGIC.escape_ascii());
            return Err(trace.input.damaged(
                0,
                expected,
                format!("type {} with {}", head.kind, shown(&payload)),
            ));
        }
        let mut columns = payload.split(|byte| *byte == b'\t');
        let version = columns.nth(1).and_then(|column| column.strip_prefix(b"Trace Version: "));
        trace.has_fields = match version {
            Some(b"0.2") => true,
            Some(b"0.1") => false,
            other => {
                let found = shown(other.unwrap_or(&payload));
                return Err(trace.input.damaged(HEAD_BYTES as u64, "trace version 0.1 or 0.2", found));
            }
        };
        Ok(trace)
    }

    fn read_record(&mut self) -> Result<(), TraceError> {
        let at = self.input.offset;
        let head = self.head("a record, or the last one (type 2) that EndTrace writes")?;
        let payload = self.payload(head.length)?;
        let time_us = head.time_us.saturating_sub(*self.first_us.get_or_insert(head.time_us));
        let time_ns = time_us.saturating_mul(1_000);
        let missing = |missing: Missing| {
            self.input.damaged(at + HEAD_BYTES as u64 + missing.at, missing.expected, missing.found)
        };
        let mut actions = Vec::new();
        match head.kind {
            END => self.ended = true,
            WRITE => {
                let (batch, start) = batch_of(&payload, self.has_fields).map_err(missing)?;
                let decoded = rocksdb_batch::actions(batch)
                    .map_err(|error| missing(Missing { at: error.at + start, ..error }))?;
                actions = decoded.actions;
                for kind in decoded.skipped {
                    *self.skipped.entry(kind).or_default() += 1;
                }
            }
            GET => {
                let key = key_of(&payload, self.has_fields).map_err(missing)?;
                actions.push(Action::Read { key, value_bytes: None });
            }
            SEEK => {
                let start = key_of(&payload, self.has_fields).map_err(missing)?;
                actions.push(Action::Scan { start, limit: 1 });
            }
            SEEK_FOR_PREV => {
                let start = key_of(&payload, self.has_fields).map_err(missing)?;
                actions.push(Action::ReverseScan { start, limit: 1 });
            }
            MULTI_GET => actions.push(Action::MultiRead { keys: keys_of(&payload).map_err(missing)? }),
            other => {
                let expected = "a record of type 2 to 6 or 13 (a trace of queries, not of blocks or I/O)";
                return Err(self.input.damaged(at + 8, expected, format!("type {other}")));
            }
        }
        self.ready.extend(actions.into_iter().map(|action| Step { time_ns, action }));
        Ok(())
    }

    /// What stands before a payload.
    fn head(&mut self, what: &str) -> Result<Head, TraceError> {
        let at = self.input.offset;
        let bytes = self.input.bytes(HEAD_BYTES as u64, what)?;
        let mut cursor = Cursor::new(&bytes);
        let there = "thirteen bytes were read";
        let head = Head {
            time_us: cursor.fixed_64("a time").expect(there),
            kind: cursor.byte("a type").expect(there),
            length: u64::from(cursor.fixed_32("a length").expect(there)),
        };
        if head.length > PAYLOAD_BYTES_MAX {
            let expected = format!("a payload of at most {PAYLOAD_BYTES_MAX} bytes");
            return Err(self.input.damaged(at + 9, expected, head.length.to_string()));
        }
        Ok(head)
    }

    fn payload(&mut self, length: u64) -> Result<Vec<u8>, TraceError> {
        self.input.bytes(length, &format!("a payload of {length} bytes"))
    }
}

impl<R: Read + Send> Source for RocksDb<R> {
    fn next(&mut self) -> Result<Option<Step>, TraceError> {
        while self.ready.is_empty() && !self.ended {
            self.read_record()?;
        }
        Ok(self.ready.pop_front())
    }

    fn skipped(&self) -> Vec<(&'static str, u64)> {
        self.skipped.iter().map(|(kind, count)| (*kind, *count)).collect()
    }
}

/// The fields of a payload, each a bit of its first number by the place of `TracePayloadType`.
fn fields<'a>(payload: &'a [u8], expected: u64) -> Result<(Cursor<'a>, u64), Missing> {
    let mut cursor = Cursor::new(payload);
    let fields = cursor.fixed_64("the fields of a payload")?;
    // Later fields come last, and what this operation does not need may be passed over.
    if fields & expected != expected {
        return Err(Cursor::new(payload).missing(format!("the fields {expected:#x}"), format!("{fields:#x}")));
    }
    Ok((cursor, fields))
}

/// The bytes of a write batch, and where in the payload they begin.
fn batch_of(payload: &[u8], has_fields: bool) -> Result<(&[u8], u64), Missing> {
    const WRITE_BATCH_DATA: u64 = 1 << 1;
    if !has_fields {
        return Ok((payload, 0));
    }
    let (mut cursor, _) = fields(payload, WRITE_BATCH_DATA)?;
    let batch = cursor.piece(PAYLOAD_BYTES_MAX, "a write batch")?;
    Ok((batch, (payload.len() - cursor.left() - batch.len()) as u64))
}

/// The key of a get or a seek: both have a column family and a key, in bits 2 and 3 or 4 and 5.
fn key_of(payload: &[u8], has_fields: bool) -> Result<Vec<u8>, Missing> {
    const GET_CF_AND_KEY: u64 = 3 << 2;
    const ITERATOR_CF_AND_KEY: u64 = 3 << 4;
    let mut cursor = Cursor::new(payload);
    if has_fields {
        let of_get = cursor.fixed_64("the fields of a payload")? & GET_CF_AND_KEY == GET_CF_AND_KEY;
        cursor = fields(payload, if of_get { GET_CF_AND_KEY } else { ITERATOR_CF_AND_KEY })?.0;
    }
    cursor.fixed_32("a column family")?;
    Ok(cursor.piece(KEY_BYTES_MAX, "a key")?.to_vec())
}

fn keys_of(payload: &[u8]) -> Result<Vec<Vec<u8>>, Missing> {
    const SIZE_CFS_AND_KEYS: u64 = 7 << 8;
    let (mut cursor, _) = fields(payload, SIZE_CFS_AND_KEYS)?;
    let place = cursor.clone();
    let count = u64::from(cursor.fixed_32("a number of keys")?);
    if count == 0 || count > PARTS_MAX {
        return Err(place.missing(format!("1 to {PARTS_MAX} keys"), count.to_string()));
    }
    cursor.piece(PAYLOAD_BYTES_MAX, "the column families of a multi-get")?;
    // The keys' own length; they follow one after the other to the end of it.
    cursor.varint(PAYLOAD_BYTES_MAX, "a length of keys")?;
    (0..count).map(|_| cursor.piece(KEY_BYTES_MAX, "a key").map(<[u8]>::to_vec)).collect()
}

#[cfg(test)]
#[path = "rocksdb_tests.rs"]
mod tests;
