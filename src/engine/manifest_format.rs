//! The bytes of a manifest: header and records. What the payloads of records are is in [`state`](super::state).
//!
//! ```text
//! file     0        8             12  16           24      32
//!          | magic  | version u32 | 0 | number u64 | check | records ... | zeros (preallocated)
//! record   | payload len u32 | check u64 | payload |
//! check    XXH3-64 of the payload, seeded with the file's number and the record's offset
//! ```

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use crate::base::codec::Cursor;
use crate::base::ids::FileId;

pub(super) const MAGIC: &[u8; 8] = b"RABIMAN1";
pub(super) const VERSION: u32 = 2;
pub(super) const HEADER_LEN: usize = 32;
pub(super) const RECORD_HEADER_LEN: usize = 12;

/// Space is reserved in steps of this, so that an append rarely changes the file's size.
pub(super) const STEP: u64 = 64 << 10;

/// An edit that is longer than this begins a new manifest instead: so nothing that an interrupted
/// commit leaves behind the last record is longer.
pub(super) const EDIT_LEN_MAX: usize = 16 << 20;

/// Most bytes behind the last valid record: an edit whose commit never completed, and what was reserved.
pub(super) const TAIL_LEN_MAX: usize = RECORD_HEADER_LEN + EDIT_LEN_MAX + STEP as usize;

pub(super) fn header(id: FileId) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER_LEN);
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend_from_slice(&id.0.to_le_bytes());
    let check = xxh3_64(&bytes);
    bytes.extend_from_slice(&check.to_le_bytes());
    bytes
}

/// What the checksum of the record at `offset` is seeded with.
pub(super) fn checksum_seed(id: FileId, offset: u64) -> u64 {
    id.0.rotate_left(40) ^ offset
}

pub(super) fn checksum(id: FileId, offset: u64, payload: &[u8]) -> u64 {
    xxh3_64_with_seed(payload, checksum_seed(id, offset))
}

pub(super) fn record(id: FileId, offset: u64, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(RECORD_HEADER_LEN + payload.len());
    let len = u32::try_from(payload.len()).expect("an edit names a few files");
    bytes.extend_from_slice(&len.to_le_bytes());
    bytes.extend_from_slice(&checksum(id, offset, payload).to_le_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

/// The length of the payload that a record at `offset` states, if it may be one: a payload is never empty,
/// and all but the first are edits.
pub(super) fn stated_at(bytes: &[u8], offset: usize) -> Option<usize> {
    let len = Cursor::new(bytes.get(offset..)?).u32()? as usize;
    let may_be = len > 0 && (len <= EDIT_LEN_MAX || offset == HEADER_LEN);
    may_be.then_some(len)
}

/// The payload of the record at `offset`, if there is a valid one.
pub(super) fn record_at(id: FileId, bytes: &[u8], offset: usize) -> Option<&[u8]> {
    let len = stated_at(bytes, offset)?;
    let mut cursor = Cursor::new(bytes.get(offset + 4..)?);
    let check = cursor.u64()?;
    let payload = cursor.take(len)?;
    (checksum(id, offset as u64, payload) == check).then_some(payload)
}
