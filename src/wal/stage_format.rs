//! Bytes of the stage file: header, marks, the mark of the head.
//!
//! ```text
//! 0      8         12  16           24                32           48
//! | "RABISTG1" | version u32 | 0 | generation u64 | size u64 | boot id u128 | check
//!        size: of the largest ring, to which the file's length is fixed
//! at 64  | drained | complete | ring size | check, u64 each; the same once more at 128
//!        drained: LSN up to which segments hold the stream
//!        complete: LSN up to which they hold complete records
//!        ring size: bytes of the ring in use, a power of two; it only grows
//! at 192 | LSN of the head: low half of lsn / 8 (u32), check (u32)
//! the ring begins at 4096
//! ```
//!
//! A process may die between any two stores. The first copy of the marks is stored before the second, and
//! nobody acts upon new marks before both are stored. So a reader takes the first copy if it is complete, else
//! the second. The mark of the head is one word, which is stored at once.

use std::path::Path;

use xxhash_rust::xxh3::xxh3_64;

use super::format::{get_header, put_header};
use crate::base::error::Result;
use crate::base::limits::SECTOR;
use crate::base::lsn::{Generation, Lsn};

/// Where the ring begins in the stage file.
pub(crate) const STAGE_HEADER_LEN: usize = SECTOR;
/// Where the two copies of the marks stand.
pub(super) const MARKS_OFFSETS: [usize; 2] = [64, 128];
/// Where the mark of the head stands.
pub(super) const HEAD_OFFSET: usize = 192;
/// Length of one copy of the marks.
pub(super) const MARKS_LEN: usize = 32;
/// Where size and generation stand in the header, for messages.
pub(super) const GENERATION_OFFSET: u64 = 16;
pub(super) const SIZE_OFFSET: u64 = 24;

const MAGIC: &[u8; 8] = b"RABISTG1";

/// What a stage file is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StageHeader {
    /// Generation of the log it belongs to.
    pub(crate) generation: Generation,
    /// Size of the largest ring in bytes.
    pub(crate) size: u64,
    /// The start of the system that it was made under; zero if unknown.
    pub(crate) boot_id: u128,
}

impl StageHeader {
    /// The first sector of the file, without marks.
    pub(super) fn encode(&self) -> [u8; SECTOR] {
        let mut sector = [0; SECTOR];
        let (low, high) = (self.boot_id as u64, (self.boot_id >> 64) as u64);
        put_header(&mut sector, MAGIC, &[self.generation.0, self.size, low, high]);
        sector
    }

    /// Reads the header; `None` if it is none.
    pub(super) fn decode(path: &Path, sector: &[u8]) -> Result<Option<Self>> {
        let fields = get_header(path, sector, MAGIC)?;
        Ok(fields.map(|[generation, size, low, high]| {
            let boot_id = u128::from(high) << 64 | u128::from(low);
            Self { generation: Generation(generation), size, boot_id }
        }))
    }
}

/// What the log's writer task says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct StageMarks {
    pub(super) drained: Lsn,
    pub(super) complete: Lsn,
    pub(super) size: u64,
}

impl StageMarks {
    fn check(fields: &[u8], generation: Generation) -> [u8; 8] {
        let mut input = [0; MARKS_LEN];
        input[..24].copy_from_slice(fields);
        input[24..].copy_from_slice(&generation.0.to_le_bytes());
        xxh3_64(&input).to_le_bytes()
    }

    /// One copy.
    pub(super) fn encode(&self, generation: Generation) -> [u8; MARKS_LEN] {
        let mut bytes = [0; MARKS_LEN];
        for (place, field) in bytes.chunks_exact_mut(8).zip([self.drained.0, self.complete.0, self.size]) {
            place.copy_from_slice(&field.to_le_bytes());
        }
        let check = Self::check(&bytes[..24], generation);
        bytes[24..].copy_from_slice(&check);
        bytes
    }

    /// The copy that counts; `None` if neither is complete.
    pub(super) fn decode(sector: &[u8], generation: Generation) -> Option<Self> {
        MARKS_OFFSETS.into_iter().find_map(|at| {
            let (fields, check) = sector.get(at..at + MARKS_LEN)?.split_at(24);
            let word = |at: usize| u64::from_le_bytes(fields[at..at + 8].try_into().expect("eight bytes"));
            let is_complete = Self::check(fields, generation) == check;
            is_complete.then(|| Self { drained: Lsn(word(0)), complete: Lsn(word(8)), size: word(16) })
        })
    }
}

fn head_check(lsn: Lsn, generation: Generation) -> u32 {
    // Cheap, since it is computed for each write. A change of any bit of the LSN changes the upper half.
    ((lsn.0 ^ generation.0.rotate_left(32)).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as u32
}

/// The mark of a head, in one word.
pub(super) fn head_word(lsn: Lsn, generation: Generation) -> u64 {
    u64::from(head_check(lsn, generation)) << 32 | lsn.0 >> 3 & 0xffff_ffff
}

/// The head that a mark stands for, which is not further than 16 GiB from `near`; `None` if the mark is damaged.
pub(super) fn head_of(word: u64, near: Lsn, generation: Generation) -> Option<Lsn> {
    let distance = (word as u32).wrapping_sub((near.0 >> 3) as u32).cast_signed();
    let lsn = Lsn((near.0 >> 3).checked_add_signed(i64::from(distance))?.checked_mul(8)?);
    (head_check(lsn, generation) == (word >> 32) as u32).then_some(lsn)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::error::Error;

    const GENERATION: Generation = Generation(0x0123_4567_89ab_cdef);

    #[test]
    fn marks_are_old_or_new_after_each_store_and_survive_damage_to_one_copy() {
        let marks = |drained| StageMarks { drained: Lsn(drained), complete: Lsn(drained - 8), size: 65536 };
        let (old, new) = (marks(8192), marks(12288));
        let mut sector = [0; SECTOR];
        for at in MARKS_OFFSETS {
            sector[at..at + MARKS_LEN].copy_from_slice(&old.encode(GENERATION));
        }
        let mut seen_new = false;
        for (copy, at) in MARKS_OFFSETS.into_iter().enumerate() {
            for (word, bytes) in new.encode(GENERATION).chunks(8).enumerate() {
                sector[at + word * 8..at + word * 8 + 8].copy_from_slice(bytes);
                let found = StageMarks::decode(&sector, GENERATION).expect("one copy is complete");
                assert!(found == new || (found == old && copy == 0 && !seen_new), "{found:?}");
                seen_new |= found == new;
            }
        }
        assert!(seen_new);
        for bit in 0..MARKS_LEN * 8 {
            for at in MARKS_OFFSETS {
                let mut damaged = sector;
                damaged[at + bit / 8] ^= 1 << (bit % 8);
                assert_eq!(StageMarks::decode(&damaged, GENERATION), Some(new), "bit {bit} of {at}");
            }
        }
        assert_eq!(StageMarks::decode(&sector, Generation(GENERATION.0 + 1)), None);
        assert_eq!(StageMarks::decode(&[0; 100], GENERATION), None);
    }

    #[test]
    fn a_head_is_found_from_near_and_no_changed_bit_passes() {
        for near in [0_u64, 8192, 1 << 34, (1 << 35) - 8, 1 << 35, 1 << 50, u64::MAX - 4095] {
            for head in [near, near.saturating_sub(1 << 30), near.saturating_add(1 << 30)] {
                let (near, head) = (Lsn(near), Lsn(head & !7));
                let word = head_word(head, GENERATION);
                assert_eq!(head_of(word, near, GENERATION), Some(head));
                for bit in 0..64 {
                    assert_eq!(head_of(word ^ 1 << bit, near, GENERATION), None, "bit {bit} of {head}");
                }
            }
        }
    }

    #[test]
    fn another_version_is_named() {
        let mut sector = StageHeader { generation: Generation(1), size: 65536, boot_id: 7 }.encode();
        assert_eq!(StageHeader::decode(Path::new("s"), &sector).unwrap().unwrap().boot_id, 7);
        sector[8..12].copy_from_slice(&1_u32.to_le_bytes());
        let check = xxh3_64(&sector[..48]);
        sector[48..56].copy_from_slice(&check.to_le_bytes());
        let error = StageHeader::decode(Path::new("/db/stage-1"), &sector).unwrap_err();
        assert!(matches!(error, Error::UnsupportedFormat { .. }));
        assert_eq!(
            error.to_string(),
            "/db/stage-1 has format version 1, this release reads version 2: open it with the \
             release that wrote it"
        );
    }
}
