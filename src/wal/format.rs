//! Bytes of the log: records and segment headers.
//!
//! The log is one endless stream of records; a position in it is an **LSN**, in bytes. The stage
//! holds its newest part at `lsn % stage size`, segments hold all of it that is needed:
//!
//! ```text
//! record    0        8             12              16              24
//!           | check  | payload len | durable back  | seqno << 8    | payload ... | zeros to
//!           | u64    | u32         | u32           | | kind, u64   |             | 8 bytes
//!
//! check     XXH3-64 of bytes 8..24, XXH3-64 of the payload, the LSN and the generation: a record
//!           is valid at one place of one opening's log only
//! durable   this record's LSN minus the LSN up to which complete records were durable when it was
//! back      written: if a record before that place is unreadable, it is damaged and no torn tail
//! kind      1: a batch, whose first entry has this seqno and the others follow
//!           2: padding up to the next sector, payload all zeros
//! batch     entries: kind u8 | key len varint | key | for puts: value len varint | value
//!
//! segment   0      8         12  16           24          32         40      48
//!           | "RABIWAL1" | version u32 | 0 | generation | start LSN | capacity | complete | stage | check, u64 each
//!           complete: LSN up to which complete records were durable when the segment was begun;
//!           stage: number of the stage that belongs to the log;
//!           the same header stands twice, at 0 and 4096; the stream begins at 8192
//! ```

use std::path::Path;

use xxhash_rust::xxh3::xxh3_64;

use crate::base::codec::Cursor;
use crate::base::error::{Error, Result};
use crate::base::ids::FileId;
use crate::base::key::SeqNo;
use crate::base::limits::{BATCH_LEN_MAX, SECTOR};
use crate::base::lsn::{Generation, Lsn};

/// Version of the log's format.
pub(crate) const VERSION: u32 = 2;
/// Bytes before a record's payload.
pub(crate) const RECORD_HEADER_LEN: usize = 24;
/// Where the stream begins in a segment file.
pub(crate) const SEGMENT_HEADER_LEN: usize = 2 * SECTOR;

const SEGMENT_MAGIC: &[u8; 8] = b"RABIWAL1";
const RECORD_ALIGN: usize = 8;

/// What a record holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RecordKind {
    /// A batch of writes.
    Batch = 1,
    /// Nothing: fills a sector.
    Padding = 2,
}

/// Bytes a record with this payload takes in the stream.
pub(crate) fn record_len(payload_len: usize) -> usize {
    (RECORD_HEADER_LEN + payload_len).next_multiple_of(RECORD_ALIGN)
}

/// What makes a record valid in one place only.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    /// Generation of the log: a random number of each opening.
    pub(crate) generation: Generation,
    /// Position of the record.
    pub(crate) lsn: Lsn,
}

fn checksum(fields: &[u8], payload_hash: u64, place: Place) -> u64 {
    let mut input = [0; 40];
    input[..16].copy_from_slice(fields);
    input[16..24].copy_from_slice(&payload_hash.to_le_bytes());
    input[24..32].copy_from_slice(&place.lsn.0.to_le_bytes());
    input[32..].copy_from_slice(&place.generation.0.to_le_bytes());
    xxh3_64(&input)
}

/// Writes a record's header over its first bytes. `payload_hash` is [`payload_hash`] of the
/// payload, computed before the commit lock is taken.
pub(crate) fn seal(
    header: &mut [u8],
    payload_len: usize,
    payload_hash: u64,
    place: Place,
    durable: Lsn,
    seqno: SeqNo,
    kind: RecordKind,
) {
    assert!(payload_len <= BATCH_LEN_MAX);
    assert!(durable <= place.lsn);
    let back = u32::try_from(place.lsn - durable).unwrap_or(u32::MAX);
    header[8..12].copy_from_slice(&(payload_len as u32).to_le_bytes());
    header[12..16].copy_from_slice(&back.to_le_bytes());
    header[16..24].copy_from_slice(&(seqno.0 << 8 | kind as u64).to_le_bytes());
    let check = checksum(&header[8..24], payload_hash, place);
    header[..8].copy_from_slice(&check.to_le_bytes());
}

/// The seqno in a sealed header.
pub(crate) fn sealed_seqno(header: &[u8]) -> SeqNo {
    let word = header[16..24].first_chunk().expect("eight bytes");
    SeqNo(u64::from_le_bytes(*word) >> 8)
}

/// Where the record at `lsn` ends according to its header, whose checksum is not verified; `None` if
/// `bytes` is shorter than a header.
pub(crate) fn claimed_end(bytes: &[u8], lsn: Lsn) -> Option<Lsn> {
    let mut cursor = Cursor::new(bytes.get(..RECORD_HEADER_LEN)?);
    let (_check, payload_len) = (cursor.u64()?, cursor.u32()?);
    Some(lsn + record_len(payload_len as usize) as u64)
}

/// Hash of a payload.
pub(crate) fn payload_hash(payload: &[u8]) -> u64 {
    xxh3_64(payload)
}

/// A record found in the stream.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Record<'a> {
    /// What it holds.
    pub(crate) kind: RecordKind,
    /// Seqno of its first entry.
    pub(crate) seqno: SeqNo,
    /// How far complete records were durable when it was written.
    pub(crate) durable: Lsn,
    /// Its entries.
    pub(crate) payload: &'a [u8],
    /// Bytes to the next record.
    pub(crate) len: usize,
}

/// What stands at a place of the stream.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Parsed<'a> {
    /// A valid record.
    Record(Record<'a>),
    /// Too few bytes to tell: with so many it can be decided.
    Incomplete(usize),
    /// No record.
    Invalid,
}

/// Looks for a record at the start of `bytes`.
pub(crate) fn parse(bytes: &[u8], place: Place) -> Parsed<'_> {
    let Some(header) = bytes.get(..RECORD_HEADER_LEN) else {
        return Parsed::Incomplete(RECORD_HEADER_LEN);
    };
    let mut cursor = Cursor::new(header);
    let (Some(check), Some(payload_len), Some(back), Some(word)) =
        (cursor.u64(), cursor.u32(), cursor.u32(), cursor.u64())
    else {
        return Parsed::Invalid;
    };
    let kind = match word & 0xff {
        1 => RecordKind::Batch,
        2 => RecordKind::Padding,
        _ => return Parsed::Invalid,
    };
    let payload_len = payload_len as usize;
    let seqno = SeqNo(word >> 8);
    if payload_len > BATCH_LEN_MAX || seqno > SeqNo::MAX {
        return Parsed::Invalid;
    }
    let len = record_len(payload_len);
    let Some(record) = bytes.get(..len) else { return Parsed::Incomplete(len) };
    let payload = &record[RECORD_HEADER_LEN..RECORD_HEADER_LEN + payload_len];
    if checksum(&header[8..24], payload_hash(payload), place) != check {
        return Parsed::Invalid;
    }
    let durable = place.lsn.saturating_sub(u64::from(back));
    Parsed::Record(Record { kind, seqno, durable, payload, len })
}

/// What a segment holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    /// Generation of the log it belongs to.
    pub(crate) generation: Generation,
    /// LSN of its first byte.
    pub(crate) start: Lsn,
    /// Bytes of the stream it holds.
    pub(crate) capacity: u64,
    /// How far complete records were durable when it was begun.
    pub(crate) complete: Lsn,
    /// Number of the stage that belongs to the log.
    pub(crate) stage: FileId,
}

impl SegmentHeader {
    /// The two sectors at the head of the file.
    pub(crate) fn encode(&self) -> [u8; SEGMENT_HEADER_LEN] {
        let mut sectors = [0; SEGMENT_HEADER_LEN];
        let (first, second) = sectors.split_at_mut(SECTOR);
        let fields = [self.generation.0, self.start.0, self.capacity, self.complete.0, self.stage.0];
        put_header(first, SEGMENT_MAGIC, &fields);
        second.copy_from_slice(first);
        sectors
    }

    /// Reads the first of the two copies that is complete; `None` if neither is. Then the file is no
    /// segment of any log.
    pub(crate) fn decode(path: &Path, sectors: &[u8]) -> Result<Option<Self>> {
        for copy in sectors.chunks_exact(SECTOR) {
            if let Some(fields) = get_header(path, copy, SEGMENT_MAGIC)? {
                let [generation, start, capacity, complete, stage] = fields;
                let (generation, start, complete) = (Generation(generation), Lsn(start), Lsn(complete));
                let stage = FileId(stage);
                return Ok(Some(Self { generation, start, capacity, complete, stage }));
            }
        }
        Ok(None)
    }
}

/// Writes magic, version, fields and their checksum.
pub(super) fn put_header(out: &mut [u8], magic: &[u8; 8], fields: &[u64]) {
    out[..8].copy_from_slice(magic);
    out[8..12].copy_from_slice(&VERSION.to_le_bytes());
    let mut end = 16;
    for field in fields {
        out[end..end + 8].copy_from_slice(&field.to_le_bytes());
        end += 8;
    }
    let check = xxh3_64(&out[..end]);
    out[end..end + 8].copy_from_slice(&check.to_le_bytes());
}

/// Reads what [`put_header`] wrote; `None` if it is not complete.
pub(super) fn get_header<const N: usize>(
    path: &Path,
    bytes: &[u8],
    magic: &[u8; 8],
) -> Result<Option<[u64; N]>> {
    let mut cursor = Cursor::new(bytes);
    if cursor.take(8) != Some(magic) {
        return Ok(None);
    }
    let (Some(version), Some(_)) = (cursor.u32(), cursor.u32()) else { return Ok(None) };
    let mut fields = [0; N];
    for field in &mut fields {
        let Some(value) = cursor.u64() else { return Ok(None) };
        *field = value;
    }
    let end = cursor.position();
    if cursor.u64() != Some(xxh3_64(&bytes[..end])) {
        return Ok(None);
    }
    if version != VERSION {
        return Err(Error::UnsupportedFormat {
            path: path.to_path_buf(),
            found: version,
            supported: VERSION,
        });
    }
    Ok(Some(fields))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: Place = Place { generation: Generation(7), lsn: Lsn(4096) };

    fn record(payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; record_len(payload.len())];
        bytes[RECORD_HEADER_LEN..RECORD_HEADER_LEN + payload.len()].copy_from_slice(payload);
        let hash = payload_hash(payload);
        seal(&mut bytes, payload.len(), hash, PLACE, Lsn(4000), SeqNo(5), RecordKind::Batch);
        bytes
    }

    #[test]
    fn a_record_is_valid_at_its_place_only() {
        let bytes = record(b"payload");
        let Parsed::Record(found) = parse(&bytes, PLACE) else { panic!("not found") };
        assert_eq!((found.payload, found.seqno, found.durable), (&b"payload"[..], SeqNo(5), Lsn(4000)));
        assert_eq!(found.len, bytes.len());
        assert_eq!(parse(&bytes, Place { lsn: Lsn(4104), ..PLACE }), Parsed::Invalid);
        assert_eq!(parse(&bytes, Place { generation: Generation(8), ..PLACE }), Parsed::Invalid);
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_noticed() {
        let bytes = record(b"some payload here");
        let covered = RECORD_HEADER_LEN + 17;
        for bit in 0..covered * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(!matches!(parse(&damaged, PLACE), Parsed::Record(_)), "bit {bit}");
        }
        for len in 0..bytes.len() {
            assert!(matches!(parse(&bytes[..len], PLACE), Parsed::Incomplete(_)), "length {len}");
        }
    }

    #[test]
    fn a_segment_header_survives_the_loss_of_either_copy() {
        let header = SegmentHeader {
            generation: Generation(3),
            start: Lsn(8192),
            capacity: 65536,
            complete: Lsn(8000),
            stage: FileId(9),
        };
        let path = Path::new("wal-1");
        for copy in 0..2 {
            let mut sectors = header.encode();
            sectors[copy * SECTOR + 20] ^= 1;
            assert_eq!(SegmentHeader::decode(path, &sectors).unwrap(), Some(header));
        }
        assert_eq!(SegmentHeader::decode(path, &[0; SEGMENT_HEADER_LEN]).unwrap(), None);
    }
}
