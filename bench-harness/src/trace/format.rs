//! The bytes of our own traces; `bench-harness/docs/trace-format.md` says the same in words.
//!
//! ```text
//! file   = header block* end
//! header = "rabitrac" (8) | version (4) | check (4)
//! block  = payload length (4) | operations (4) | check (8) | payload
//! end    = 8 (4) | 0 (4) | check (8) | operations of the whole file (8)
//! operation = kind (1) | time since the one before in ns (varint) | body
//! ```
//! Integers are little-endian. The header's check is the lower half of XXH3-64 of the twelve bytes before
//! it. A block's is XXH3-64 of length, count and payload, seeded with the block's offset in the
//! file: a block at another place is as wrong as a changed one. The time of the first operation of a
//! block is since the start of the trace. A file without its end was cut off.

use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use super::bytes::{Cursor, Missing, push_varint};
use super::step::{Action, KEY_BYTES_MAX, PARTS_MAX, Record, Step, VALUE_BYTES_MAX};

/// What every trace begins with.
pub const MAGIC: &[u8; 8] = b"rabitrac";
/// The version that is written, and the only one that is read.
pub const VERSION: u32 = 1;
pub const HEADER_BYTES: usize = 16;
/// The length of what stands before a payload.
pub const BLOCK_HEAD_BYTES: usize = 16;
/// The longest payload. A block is written when it has 64 KiB, so that only an operation of very many
/// keys comes near; one that does not fit is refused when it is written.
pub const PAYLOAD_BYTES_MAX: u32 = 16 << 20;

pub fn header() -> [u8; HEADER_BYTES] {
    let mut header = [0; HEADER_BYTES];
    header[..8].copy_from_slice(MAGIC);
    header[8..12].copy_from_slice(&VERSION.to_le_bytes());
    let check = xxh3_64(&header[..12]) as u32;
    header[12..].copy_from_slice(&check.to_le_bytes());
    header
}

/// What stands before a payload in a block at this offset.
pub fn block_head(payload: &[u8], operations: u32, offset: u64) -> [u8; BLOCK_HEAD_BYTES] {
    let mut head = [0; BLOCK_HEAD_BYTES];
    head[..4].copy_from_slice(&(payload.len() as u32).to_le_bytes());
    head[4..8].copy_from_slice(&operations.to_le_bytes());
    let check = check(&head[..8], payload, offset);
    head[8..].copy_from_slice(&check.to_le_bytes());
    head
}

/// The checksum of a block, of its first eight bytes and its payload.
pub fn check(head: &[u8], payload: &[u8], offset: u64) -> u64 {
    let mut hash = Xxh3::with_seed(offset);
    hash.update(head);
    hash.update(payload);
    hash.digest()
}

const READ: u8 = 1;
const INSERT: u8 = 2;
const UPDATE: u8 = 3;
const DELETE: u8 = 4;
const READ_MODIFY_WRITE: u8 = 5;
const SCAN: u8 = 6;
const REVERSE_SCAN: u8 = 7;
const MULTI_READ: u8 = 8;
const BATCH: u8 = 9;
const SIZED_READ: u8 = 10;

/// Appends an operation that began so many nanoseconds after the one before.
pub fn push(payload: &mut Vec<u8>, gap_ns: u64, action: &Action) {
    payload.push(match action {
        Action::Read { value_bytes: None, .. } => READ,
        Action::Read { value_bytes: Some(_), .. } => SIZED_READ,
        Action::Insert(_) => INSERT,
        Action::Update(_) => UPDATE,
        Action::ReadModifyWrite(_) => READ_MODIFY_WRITE,
        Action::Delete { .. } => DELETE,
        Action::Scan { .. } => SCAN,
        Action::ReverseScan { .. } => REVERSE_SCAN,
        Action::MultiRead { .. } => MULTI_READ,
        Action::Batch { .. } => BATCH,
    });
    push_varint(payload, gap_ns);
    match action {
        Action::Read { key, value_bytes: None } | Action::Delete { key } => push_key(payload, key),
        Action::Read { key, value_bytes: Some(number) }
        | Action::Scan { start: key, limit: number }
        | Action::ReverseScan { start: key, limit: number } => {
            push_key(payload, key);
            push_varint(payload, *number);
        }
        Action::Insert(record) | Action::Update(record) | Action::ReadModifyWrite(record) => {
            push_record(payload, record);
        }
        Action::MultiRead { keys } => {
            push_varint(payload, keys.len() as u64);
            keys.iter().for_each(|key| push_key(payload, key));
        }
        Action::Batch { records } => {
            push_varint(payload, records.len() as u64);
            records.iter().for_each(|record| push_record(payload, record));
        }
    }
}

fn push_key(payload: &mut Vec<u8>, key: &[u8]) {
    push_varint(payload, key.len() as u64);
    payload.extend_from_slice(key);
}

fn push_record(payload: &mut Vec<u8>, record: &Record) {
    push_key(payload, &record.key);
    push_varint(payload, record.value_bytes);
}

/// Takes one operation off the payload; `before_ns` is the time of the one before.
pub fn take(from: &mut Cursor<'_>, before_ns: u64) -> Result<Step, Missing> {
    let start = from.clone();
    let kind = from.byte("an operation")?;
    let gap_ns = from.varint(u64::MAX, "a time")?;
    let Some(time_ns) = before_ns.checked_add(gap_ns) else {
        return Err(start.missing("a time of at most 64 bits", "a later one"));
    };
    let action = match kind {
        READ => Action::Read { key: key(from)?, value_bytes: None },
        SIZED_READ => Action::Read { key: key(from)?, value_bytes: Some(value_bytes(from)?) },
        INSERT => Action::Insert(record(from)?),
        UPDATE => Action::Update(record(from)?),
        READ_MODIFY_WRITE => Action::ReadModifyWrite(record(from)?),
        DELETE => Action::Delete { key: key(from)? },
        SCAN => Action::Scan { start: key(from)?, limit: limit(from)? },
        REVERSE_SCAN => Action::ReverseScan { start: key(from)?, limit: limit(from)? },
        MULTI_READ => Action::MultiRead { keys: parts(from, key)? },
        BATCH => Action::Batch { records: parts(from, record)? },
        other => return Err(start.missing("an operation from 1 to 10", other.to_string())),
    };
    Ok(Step { time_ns, action })
}

fn key(from: &mut Cursor<'_>) -> Result<Vec<u8>, Missing> {
    from.piece(KEY_BYTES_MAX, "a key").map(<[u8]>::to_vec)
}

fn value_bytes(from: &mut Cursor<'_>) -> Result<u64, Missing> {
    from.varint(VALUE_BYTES_MAX, "a length of a value")
}

fn limit(from: &mut Cursor<'_>) -> Result<u64, Missing> {
    from.varint(u64::from(u32::MAX), "a length of a scan")
}

fn record(from: &mut Cursor<'_>) -> Result<Record, Missing> {
    Ok(Record { key: key(from)?, value_bytes: value_bytes(from)? })
}

fn parts<T>(
    from: &mut Cursor<'_>,
    part: impl Fn(&mut Cursor<'_>) -> Result<T, Missing>,
) -> Result<Vec<T>, Missing> {
    let count = from.varint(PARTS_MAX, "a number of keys")?;
    (0..count).map(|_| part(from)).collect()
}
