//! The bytes of a record.
//!
//! ```text
//! check (4 bytes) | version (4 bytes) | length, bytes | length, bytes | ...
//! ```
//! Numbers are little-endian. `check` is the lower half of XXH3-64 of everything behind it, seeded
//! with XXH3-64 of the key, so a record that turns up under another key, cut short or damaged is
//! recognised. `version` counts the writes of the record under `--verify`, and is 0 without. Fields
//! follow in order without names; each length is a LEB128 varint. Ten fields of 100 bytes make
//! 1018 bytes.
//!
//! Records of a trace have the length it states, and random bytes in place of fields; those of fewer than eight
//! bytes are the first of XXH3-64 of the key.
//!
//! An update writes the whole record with fresh field values, also under
//! `writeallfields=false`: a plain key-value store can replace a value only as a whole, and a
//! hidden read would make an update cost what YCSB calls a read-modify-write. With
//! `readallfields=false` the whole record is fetched and one field is taken out of it.
//!
//! Field bytes are slices of a pool of random printable characters, as YCSB's values are, so
//! that making a record costs a copy. Under `dataintegrity` they are YCSB's deterministic values.

use std::io::Write;

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use super::lengths::LengthDistribution;
use crate::generator::{OpRandom, Stream};

const CHECK_BYTES: usize = 4;
const HEAD_BYTES: usize = 8;
/// Large enough that slices rarely overlap within what a compressor looks at.
const POOL_BYTES: usize = 4 << 20;
/// What the compressible part of a field is filled with.
const FILLER: u8 = b'.';

/// The number, the lengths and the bytes of the fields of a record.
#[derive(Debug, Clone)]
pub struct RecordShape {
    pub fields: u64,
    pub lengths: LengthDistribution,
    pub content: FieldContent,
}

/// What the bytes of a field are.
#[derive(Debug, Clone)]
pub enum FieldContent {
    Random {
        /// The share of each field, at its end, that is one repeated character.
        compressibility: f64,
    },
    /// What YCSB writes under `dataintegrity`: a function of key and field name.
    Deterministic {
        /// What field names begin with; the field's number follows.
        name_prefix: String,
    },
}

/// Random printable bytes shared by all threads.
#[derive(Debug)]
pub struct Pool {
    bytes: Box<[u8]>,
}

impl Pool {
    /// A pool from which fields of the shape can be cut.
    pub fn new(seed: u64, shape: &RecordShape) -> Pool {
        let mut random = Stream::new(seed, "value pool").operation(0);
        // 95 printable characters, from the space to the tilde.
        let bytes = POOL_BYTES + shape.lengths.max() as usize;
        Pool { bytes: (0..bytes).map(|_| b' ' + random.below(95) as u8).collect() }
    }

    /// A pool for records of which only the size is asked.
    pub fn of_zeros(shape: &RecordShape) -> Pool {
        let bytes = together_bytes(shape).unwrap_or(shape.lengths.max() as usize);
        Pool { bytes: vec![0; bytes + 1].into() }
    }

    fn slice(&self, length: usize, random: &mut OpRandom) -> &[u8] {
        let start = random.below((self.bytes.len() - length) as u64 + 1) as usize;
        &self.bytes[start..start + length]
    }

    /// One slice for the fields of a whole record: ten slices in ten places cost ten misses of the
    /// processor's caches.
    fn together(&self, shape: &RecordShape, random: &mut OpRandom) -> Option<&[u8]> {
        together_bytes(shape).map(|bytes| self.slice(bytes, random))
    }
}

/// The bytes of all fields, if that is little enough to leave many places to cut them from.
fn together_bytes(shape: &RecordShape) -> Option<usize> {
    let bytes_max = shape.fields.checked_mul(shape.lengths.max())?;
    (bytes_max <= POOL_BYTES as u64 / 256).then_some(bytes_max as usize)
}

/// Builds records into a buffer of its own.
#[derive(Debug)]
pub struct RecordBuilder<'a> {
    pool: &'a Pool,
    shape: RecordShape,
    buffer: Vec<u8>,
}

impl<'a> RecordBuilder<'a> {
    pub fn new(pool: &'a Pool, shape: RecordShape) -> RecordBuilder<'a> {
        RecordBuilder { pool, shape, buffer: Vec::new() }
    }

    /// Fills the buffer with the record that `random` determines for `key`, in version 0.
    pub fn fill(&mut self, key: &[u8], random: &mut OpRandom) -> &[u8] {
        self.buffer.clear();
        self.buffer.extend_from_slice(&[0; HEAD_BYTES]);
        let mut together = self.pool.together(&self.shape, random);
        for number in 0..self.shape.fields {
            let length = self.shape.lengths.draw(random);
            push_varint(&mut self.buffer, length as u64);
            match &self.shape.content {
                FieldContent::Random { compressibility } => {
                    let filler = (length as f64 * compressibility) as usize;
                    let bytes = match together.and_then(|rest| rest.split_at_checked(length - filler)) {
                        Some((bytes, rest)) => {
                            together = Some(rest);
                            bytes
                        }
                        None => self.pool.slice(length - filler, random),
                    };
                    self.buffer.extend_from_slice(bytes);
                    self.buffer.resize(self.buffer.len() + filler, FILLER);
                }
                FieldContent::Deterministic { name_prefix } => {
                    push_deterministic(&mut self.buffer, key, name_prefix, number, length);
                }
            }
        }
        self.seal(key);
        &self.buffer
    }

    /// Fills the buffer with a record of this length for `key`, in version 0 and without fields. What is
    /// too short for a check of its own consists of it; of no bytes nothing could be told, so that it
    /// gets one.
    pub fn fill_to_length(&mut self, key: &[u8], length: usize, random: &mut OpRandom) -> &[u8] {
        self.buffer.clear();
        if length < HEAD_BYTES {
            self.buffer.extend_from_slice(&short_record(key)[..length.max(1)]);
            return &self.buffer;
        }
        let compressibility = match self.shape.content {
            FieldContent::Random { compressibility } => compressibility,
            FieldContent::Deterministic { .. } => 0.0,
        };
        let filler = ((length - HEAD_BYTES) as f64 * compressibility) as usize;
        self.buffer.extend_from_slice(&[0; HEAD_BYTES]);
        while self.buffer.len() < length - filler {
            let piece = (length - filler - self.buffer.len()).min(POOL_BYTES / 4);
            self.buffer.extend_from_slice(self.pool.slice(piece, random));
        }
        self.buffer.resize(length, FILLER);
        self.seal(key);
        &self.buffer
    }

    /// Gives the record made last another version.
    pub fn set_version(&mut self, key: &[u8], version: u32) {
        self.buffer[CHECK_BYTES..HEAD_BYTES].copy_from_slice(&version.to_le_bytes());
        self.seal(key);
    }

    fn seal(&mut self, key: &[u8]) {
        let check = check_of(key, &self.buffer[CHECK_BYTES..]);
        self.buffer[..CHECK_BYTES].copy_from_slice(&check.to_le_bytes());
    }

    pub fn bytes(&self) -> &[u8] {
        &self.buffer
    }

    /// Whether `record` has the field values that its key determines, whichever its version;
    /// replaces the record made last.
    pub fn has_fields_of(&mut self, key: &[u8], record: &[u8]) -> bool {
        // Deterministic values of constant length draw nothing.
        let mut random = Stream::new(0, "unused").operation(0);
        self.fill(key, &mut random);
        record.get(HEAD_BYTES..) == Some(&self.buffer[HEAD_BYTES..])
    }
}

fn check_of(key: &[u8], body: &[u8]) -> u32 {
    xxh3_64_with_seed(body, xxh3_64(key)) as u32
}

/// What a record of fewer than eight bytes is the beginning of.
fn short_record(key: &[u8]) -> [u8; HEAD_BYTES] {
    xxh3_64(key).to_le_bytes()
}

/// The version of a record, if it is what was once written under `key`.
pub fn version(key: &[u8], record: &[u8]) -> Option<u32> {
    if record.len() < HEAD_BYTES {
        let written = !record.is_empty() && short_record(key).starts_with(record);
        return written.then_some(0);
    }
    let (check, rest) = record.split_first_chunk::<CHECK_BYTES>()?;
    let (version, _) = rest.split_first_chunk::<4>()?;
    (u32::from_le_bytes(*check) == check_of(key, rest)).then_some(u32::from_le_bytes(*version))
}

/// The bytes of one field, or nothing if the record has no such field.
pub fn field(record: &[u8], index: u64) -> Option<&[u8]> {
    let mut rest = record.get(HEAD_BYTES..)?;
    for _ in 0..index {
        let (length, behind) = read_varint(rest)?;
        rest = behind.get(length..)?;
    }
    let (length, behind) = read_varint(rest)?;
    behind.get(..length)
}

/// YCSB's `buildDeterministicValue`: `key:name`, then again and again a colon and Java's hash of
/// what there is so far, cut off at the length.
fn push_deterministic(buffer: &mut Vec<u8>, key: &[u8], name_prefix: &str, number: u64, length: usize) {
    let start = buffer.len();
    buffer.extend_from_slice(key);
    // Writing into a vector cannot fail.
    let _ = write!(buffer, ":{name_prefix}{number}");
    let (mut hash, mut hashed) = (0_i32, start);
    while buffer.len() - start < length {
        buffer.push(b':');
        for byte in &buffer[hashed..] {
            hash = hash.wrapping_mul(31).wrapping_add(i32::from(*byte));
        }
        hashed = buffer.len();
        let _ = write!(buffer, "{hash}");
    }
    buffer.truncate(start + length);
}

fn push_varint(buffer: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        buffer.push(number as u8 | 0x80);
        number >>= 7;
    }
    buffer.push(number as u8);
}

fn read_varint(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut number = 0_u64;
    for (index, byte) in bytes.iter().enumerate().take(9) {
        number |= u64::from(byte & 0x7F) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((number as usize, &bytes[index + 1..]));
        }
    }
    None
}

#[cfg(test)]
#[path = "record_tests.rs"]
mod tests;
