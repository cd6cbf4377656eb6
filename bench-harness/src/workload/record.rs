//! The bytes of a record.
//!
//! ```text
//! check (8 bytes, little endian) | length, bytes | length, bytes | ...
//! ```
//! `check` is XXH3-64 of everything behind it, seeded with XXH3-64 of the key, so a record that
//! turns up under another key, cut short or damaged is recognised. Fields follow in order
//! without names; each length is a LEB128 varint. Ten fields of 100 bytes make 1018 bytes.
//!
//! An update writes the whole record with fresh field values, also under
//! `writeallfields=false`: a plain key-value store can replace a value only as a whole, and a
//! hidden read would make an update cost what YCSB calls a read-modify-write. With
//! `readallfields=false` the whole record is fetched and one field is taken out of it.
//!
//! Field bytes are slices of a pool of random printable characters, as YCSB's values are, so
//! that making a record costs a copy.

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use super::FieldLength;
use crate::generator::{OpRandom, Stream};

const CHECK_BYTES: usize = 8;
/// Large enough that slices rarely overlap within what a compressor looks at.
const POOL_BYTES: usize = 4 << 20;

/// Random printable bytes shared by all threads.
#[derive(Debug)]
pub struct Pool {
    bytes: Box<[u8]>,
}

impl Pool {
    /// A pool from which fields of up to `field_bytes_max` bytes can be cut.
    pub fn new(seed: u64, field_bytes_max: usize) -> Pool {
        let mut random = Stream::new(seed, "value pool").operation(0);
        // 95 printable characters, from the space to the tilde.
        let bytes = (0..POOL_BYTES + field_bytes_max).map(|_| b' ' + random.below(95) as u8).collect();
        Pool { bytes }
    }

    /// A pool for records of which only the size is asked.
    pub fn of_zeros(field_bytes_max: usize) -> Pool {
        Pool { bytes: vec![0; field_bytes_max + 1].into() }
    }

    fn slice(&self, length: usize, random: &mut OpRandom) -> &[u8] {
        let start = random.below((self.bytes.len() - length) as u64 + 1) as usize;
        &self.bytes[start..start + length]
    }
}

/// Builds records into a buffer of its own.
#[derive(Debug)]
pub struct RecordBuilder<'a> {
    pool: &'a Pool,
    fields: FieldLength,
    buffer: Vec<u8>,
}

impl<'a> RecordBuilder<'a> {
    /// A builder for records of the given shape.
    pub fn new(pool: &'a Pool, fields: FieldLength) -> RecordBuilder<'a> {
        RecordBuilder { pool, fields, buffer: Vec::new() }
    }

    /// Fills the buffer with the record that `random` determines for `key`.
    pub fn fill(&mut self, key: &[u8], random: &mut OpRandom) -> &[u8] {
        self.buffer.clear();
        self.buffer.extend_from_slice(&[0; CHECK_BYTES]);
        for _ in 0..self.fields.count {
            let length = self.fields.draw(random);
            push_varint(&mut self.buffer, length as u64);
            self.buffer.extend_from_slice(self.pool.slice(length, random));
        }
        let check = check_of(key, &self.buffer[CHECK_BYTES..]);
        self.buffer[..CHECK_BYTES].copy_from_slice(&check.to_le_bytes());
        &self.buffer
    }

    /// The record made last.
    pub fn bytes(&self) -> &[u8] {
        &self.buffer
    }
}

fn check_of(key: &[u8], body: &[u8]) -> u64 {
    xxh3_64_with_seed(body, xxh3_64(key))
}

/// Whether `record` is what was once written under `key`.
pub fn is_intact(key: &[u8], record: &[u8]) -> bool {
    match record.split_first_chunk::<CHECK_BYTES>() {
        Some((check, body)) => u64::from_le_bytes(*check) == check_of(key, body),
        None => false,
    }
}

/// The bytes of one field, or nothing if the record has no such field.
pub fn field(record: &[u8], index: u64) -> Option<&[u8]> {
    let mut rest = record.get(CHECK_BYTES..)?;
    for _ in 0..index {
        let (length, behind) = read_varint(rest)?;
        rest = behind.get(length..)?;
    }
    let (length, behind) = read_varint(rest)?;
    behind.get(..length)
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
mod tests {
    use super::*;
    use crate::workload::LengthDistribution;

    fn record(key: &[u8], count: u64, length: u64) -> Vec<u8> {
        let pool = Pool::new(1, length as usize);
        let fields = FieldLength { count, distribution: LengthDistribution::Constant(length) };
        let mut random = Stream::new(1, "load").operation(3);
        RecordBuilder::new(&pool, fields).fill(key, &mut random).to_vec()
    }

    #[test]
    fn ten_fields_of_a_hundred_bytes_make_one_kilobyte() {
        let record = record(b"user1", 10, 100);
        assert_eq!(record.len(), 1018);
        assert!((0..10).all(|index| field(&record, index).unwrap().len() == 100));
        assert_eq!(field(&record, 10), None);
    }

    #[test]
    fn long_fields_have_longer_lengths() {
        let record = record(b"user1", 2, 300);
        assert_eq!(record.len(), 8 + 2 * 302);
        assert_eq!(field(&record, 1).unwrap().len(), 300);
    }

    #[test]
    fn damage_and_a_foreign_key_are_recognised() {
        let intact = record(b"user1", 10, 100);
        assert!(is_intact(b"user1", &intact));
        assert!(!is_intact(b"user2", &intact));
        assert!(!is_intact(b"user1", &intact[..1017]));
        assert!(!is_intact(b"user1", &intact[..5]));
        for place in [0, 8, 500, 1017] {
            let mut damaged = intact.clone();
            damaged[place] ^= 1;
            assert!(!is_intact(b"user1", &damaged), "at {place}");
        }
    }
}
