//! The table file, byte by byte. All integers are little-endian; `varint` is LEB128.
//!
//! ```text
//! file    | data block 0 | data block 1 | ... | filter block | index block | footer (104) |
//! block   | body | compression (1) | checksum (8) |
//! footer  | file id (8) | filter offset (8) | filter length (8) | index offset (8) | index length (8) |
//!         | entries (8) | deletes (8) | least seqno (8) | greatest seqno (8) | garbage (8) |
//!         | version (4) | overwrites (4) | checksum (8) | magic "rabi.tbl" (8) |
//! ```
//!
//! Blocks follow each other without gaps. Lengths and offsets of blocks include their trailers.
//! A checksum is XXH3-64 of everything before it in its block (footer: its first 88 bytes), seeded with
//! file id and offset, so that a block that ended up in another place or file is found out. Of the
//! compression byte, 0 means none; other values are for later versions.
//!
//! Every later version keeps the footer's length, its last 24 bytes and what its checksum covers. The bodies
//! are drawn in [`block_builder`](super::block_builder), [`filter`](super::filter) and
//! [`index`](super::index); `docs/format.md` shows the whole.

use std::path::Path;

use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::base::codec::Cursor;
use crate::base::error::{Error, Result};
use crate::base::ids::FileId;
use crate::base::key::SeqNo;
use crate::base::planted::planted;
use crate::io::Buffer;

/// Newest version this code reads, and the one it writes.
pub(crate) const VERSION: u32 = 1;

/// Last bytes of every table.
const MAGIC: [u8; 8] = *b"rabi.tbl";

/// Length of the footer in bytes.
pub(crate) const FOOTER_LEN: usize = 104;

/// Footer bytes under the footer's checksum: all before it.
const FOOTER_CHECKED_LEN: usize = FOOTER_LEN - 16;

/// Compression byte and checksum after each block's body.
pub(crate) const TRAILER_LEN: usize = 9;

const COMPRESSION_NONE: u8 = 0;

/// What a checksum is seeded with. The multiplier (2^64 / phi, odd) spreads file ids over all bits,
/// out of the way of offsets.
fn seed(file_id: FileId, offset: u64) -> u64 {
    file_id.0.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ offset
}

/// Appends the trailer to the body of the block that goes to `offset`.
pub(super) fn seal(body: &mut Vec<u8>, file_id: FileId, offset: u64) {
    body.reserve_exact(TRAILER_LEN);
    body.push(COMPRESSION_NONE);
    let checksum = xxh3_64_with_seed(body, seed(file_id, offset));
    body.extend_from_slice(&checksum.to_le_bytes());
}

/// As [`seal`], for a body in a buffer, which has room for it.
pub(super) fn seal_buffer(body: &mut Buffer, file_id: FileId, offset: u64) {
    body.extend_from_slice(&[COMPRESSION_NONE]);
    let checksum = xxh3_64_with_seed(body, seed(file_id, offset));
    body.extend_from_slice(&checksum.to_le_bytes());
}

/// Where a block was read from, for its checksum and for error messages.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    /// The file.
    pub(crate) path: &'a Path,
    /// Its id.
    pub(crate) file_id: FileId,
    /// Offset of the block in the file.
    pub(crate) offset: u64,
}

impl Place<'_> {
    /// Damage of this block.
    pub(super) fn damage(&self, what: &'static str, expected: impl ToString, found: impl ToString) -> Error {
        Error::corruption(self.path, self.offset, what, expected, found)
    }

    /// Length of the body of the sealed block `bytes`, after verifying its trailer.
    pub(super) fn verify(&self, bytes: &[u8]) -> Result<usize> {
        let Some((checked, checksum)) =
            bytes.split_last_chunk::<8>().filter(|(checked, _)| !checked.is_empty())
        else {
            let expected = format!("at least {TRAILER_LEN} bytes");
            return Err(self.damage("table block length", expected, bytes.len()));
        };
        let expected = xxh3_64_with_seed(checked, seed(self.file_id, self.offset));
        let found = u64::from_le_bytes(*checksum);
        if expected != found && !planted!(ChecksumIgnored) {
            return Err(self.damage("table block checksum", hex(expected), hex(found)));
        }
        let body_len = checked.len() - 1;
        if checked[body_len] != COMPRESSION_NONE {
            return Err(self.damage("table block compression", COMPRESSION_NONE, checked[body_len]));
        }
        Ok(body_len)
    }
}

/// A checksum as errors show it.
pub(super) fn hex(checksum: u64) -> String {
    format!("{checksum:016x}")
}

/// The last [`FOOTER_LEN`] bytes of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Footer {
    /// Id of the file these bytes were written for.
    pub(crate) file_id: FileId,
    /// Offset of the filter block; also the end of the data blocks.
    pub(crate) filter_offset: u64,
    /// Length of the filter block in bytes.
    pub(crate) filter_len: u64,
    /// Offset of the index block.
    pub(crate) index_offset: u64,
    /// Length of the index block in bytes.
    pub(crate) index_len: u64,
    /// Number of entries, deletes among them.
    pub(crate) entries: u64,
    /// Number of deletes.
    pub(crate) deletes: u64,
    /// Least seqno of an entry.
    pub(crate) seqno_min: SeqNo,
    /// Greatest seqno of an entry.
    pub(crate) seqno_max: SeqNo,
    /// Bytes of the entries that are garbage once no snapshot needs them: deletes, and what a newer version of
    /// the same key hides. For deletes that only holds where nothing older lies below.
    pub(crate) garbage_bytes: u64,
    /// About how many of the keys also stood in older runs that stayed when the file was written.
    pub(crate) overwrites: u32,
}

impl Footer {
    /// The bytes, which go behind the index block.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(FOOTER_LEN);
        for field in [
            self.file_id.0,
            self.filter_offset,
            self.filter_len,
            self.index_offset,
            self.index_len,
            self.entries,
            self.deletes,
            self.seqno_min.0,
            self.seqno_max.0,
            self.garbage_bytes,
            u64::from(VERSION) | u64::from(self.overwrites) << 32,
        ] {
            out.extend_from_slice(&field.to_le_bytes());
        }
        let checksum = xxh3_64_with_seed(&out, seed(self.file_id, self.index_offset + self.index_len));
        out.extend_from_slice(&checksum.to_le_bytes());
        out.extend_from_slice(&MAGIC);
        debug_assert_eq!(out.len(), FOOTER_LEN);
        out
    }

    /// Reads the footer of the file `file_id` of `file_len` bytes from `tail`: at least its last
    /// [`FOOTER_LEN`] bytes, more if the caller read more in one go.
    ///
    /// # Errors
    /// `UnsupportedFormat`, or `Corruption` if any of it is not what a builder writes.
    pub(crate) fn decode(path: &Path, file_id: FileId, file_len: u64, tail: &[u8]) -> Result<Self> {
        let footer_offset = file_len.checked_sub(FOOTER_LEN as u64);
        let (Some(offset), Some(bytes)) = (footer_offset, tail.last_chunk::<FOOTER_LEN>()) else {
            let expected = format!("at least {FOOTER_LEN} bytes");
            return Err(Error::corruption(
                path,
                0,
                "table file length",
                expected,
                file_len.min(tail.len() as u64),
            ));
        };
        let damage =
            |what, expected: String, found: String| Error::corruption(path, offset, what, expected, found);
        let (checked, end) = bytes.split_at(FOOTER_CHECKED_LEN);
        let (checksum, magic) = end.split_at(8);
        if magic != MAGIC {
            return Err(damage(
                "table magic",
                MAGIC.escape_ascii().to_string(),
                magic.escape_ascii().to_string(),
            ));
        }
        let expected = xxh3_64_with_seed(checked, seed(file_id, offset));
        let found = Cursor::new(checksum).u64().expect("the slice has eight bytes");
        if expected != found {
            return Err(damage("table footer checksum", hex(expected), hex(found)));
        }
        let (footer, version) = Self::fields(checked).expect("the slice has the length of all fields");
        if version != VERSION {
            return Err(Error::UnsupportedFormat {
                path: path.to_path_buf(),
                found: version,
                supported: VERSION,
            });
        }
        footer
            .check(offset, file_id)
            .map_err(|(what, expected, found)| damage(what, expected.to_string(), found.to_string()))?;
        Ok(footer)
    }

    /// Bytes of all data blocks.
    pub(crate) fn data_bytes(&self) -> u64 {
        self.filter_offset
    }

    /// Length of the file that ends with this footer.
    pub(crate) fn file_len(&self) -> u64 {
        self.index_offset + self.index_len + FOOTER_LEN as u64
    }

    fn fields(bytes: &[u8]) -> Option<(Self, u32)> {
        let mut cursor = Cursor::new(bytes);
        let mut footer = Self {
            file_id: FileId(cursor.u64()?),
            filter_offset: cursor.u64()?,
            filter_len: cursor.u64()?,
            index_offset: cursor.u64()?,
            index_len: cursor.u64()?,
            entries: cursor.u64()?,
            deletes: cursor.u64()?,
            seqno_min: SeqNo(cursor.u64()?),
            seqno_max: SeqNo(cursor.u64()?),
            garbage_bytes: cursor.u64()?,
            overwrites: 0,
        };
        let version = cursor.u32()?;
        footer.overwrites = cursor.u32()?;
        Some((footer, version))
    }

    /// The relations between the fields; an error is what was wrong, expected and found.
    fn check(
        &self,
        footer_offset: u64,
        file_id: FileId,
    ) -> std::result::Result<(), (&'static str, u64, u64)> {
        let equal =
            |what, expected, found| if expected == found { Ok(()) } else { Err((what, expected, found)) };
        equal("table file id", file_id.0, self.file_id.0)?;
        let filter_end = self.filter_offset.saturating_add(self.filter_len);
        equal("table index offset", filter_end, self.index_offset)?;
        let index_end = self.index_offset.saturating_add(self.index_len);
        equal("table footer offset", index_end, footer_offset)?;
        equal("table delete count", self.deletes.min(self.entries), self.deletes)?;
        equal("table garbage bytes", self.garbage_bytes.min(self.data_bytes()), self.garbage_bytes)?;
        equal("table greatest seqno", self.seqno_max.0.min(SeqNo::MAX.0), self.seqno_max.0)?;
        equal("table least seqno", self.seqno_min.min(self.seqno_max).0, self.seqno_min.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE_ID: FileId = FileId(7);

    fn footer() -> Footer {
        Footer {
            file_id: FILE_ID,
            filter_offset: 1000,
            filter_len: 80,
            index_offset: 1080,
            index_len: 20,
            entries: 10,
            deletes: 2,
            seqno_min: SeqNo(5),
            seqno_max: SeqNo(50),
            garbage_bytes: 30,
            overwrites: 6,
        }
    }

    fn decode(bytes: &[u8]) -> Result<Footer> {
        Footer::decode(Path::new("000007.table"), FILE_ID, 1100 + FOOTER_LEN as u64, bytes)
    }

    /// Puts `value` at `at` and makes the checksum fit again.
    fn forge(at: usize, value: u64) -> Vec<u8> {
        let mut bytes = footer().encode();
        bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
        let checksum = xxh3_64_with_seed(&bytes[..FOOTER_CHECKED_LEN], seed(FILE_ID, 1100));
        bytes[FOOTER_CHECKED_LEN..FOOTER_CHECKED_LEN + 8].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    #[test]
    fn a_footer_comes_back_also_from_a_longer_tail() {
        let mut tail = vec![9; 33];
        tail.extend(footer().encode());
        assert_eq!(decode(&tail).expect("decodes"), footer());
        assert_eq!(decode(&tail[33..]).expect("decodes"), footer());
    }

    #[test]
    fn every_changed_byte_and_every_cut_is_found() {
        let bytes = footer().encode();
        for at in 0..FOOTER_LEN {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert!(matches!(decode(&changed), Err(Error::Corruption { offset: 1100, .. })), "{at}");
            assert!(matches!(decode(&bytes[..at]), Err(Error::Corruption { .. })), "{at}");
        }
        let elsewhere = Footer::decode(Path::new("t"), FILE_ID, 5000, &bytes);
        assert!(matches!(elsewhere, Err(Error::Corruption { .. })));
        let other_file = Footer::decode(Path::new("t"), FILE_ID.next(), 1204, &bytes);
        assert!(matches!(other_file, Err(Error::Corruption { .. })));
    }

    #[test]
    fn another_version_is_named() {
        let e = decode(&forge(80, 2)).expect_err("version 2 is unknown");
        assert_eq!(
            e.to_string(),
            "000007.table has format version 2, this release reads version 1: open it with the release that \
             wrote it"
        );
        assert!(matches!(decode(&forge(80, 0)), Err(Error::UnsupportedFormat { found: 0, .. })));
    }

    #[test]
    fn fields_that_contradict_each_other_are_damage() {
        let (entries, seqno_max, garbage) = (40, 64, 72);
        for at in (0..80).step_by(8).filter(|&at| at != entries) {
            for value in [u64::MAX, u64::MAX - 100, 51] {
                let is_fine = [(seqno_max, 51), (garbage, 51)].contains(&(at, value));
                assert_eq!(decode(&forge(at, value)).is_ok(), is_fine, "{at} {value}");
            }
        }
        assert!(decode(&forge(entries, 1)).is_err(), "fewer entries than deletes");
    }

    #[test]
    fn a_block_is_accepted_in_its_place_only() {
        let mut bytes = b"body".to_vec();
        seal(&mut bytes, FILE_ID, 4096);
        let path = Path::new("t");
        let verify = |file_id, offset, bytes: &[u8]| Place { path, file_id, offset }.verify(bytes);
        assert_eq!(verify(FILE_ID, 4096, &bytes).expect("intact"), 4);
        assert!(verify(FILE_ID, 8192, &bytes).is_err());
        assert!(verify(FILE_ID.next(), 4096, &bytes).is_err());
        for len in 0..bytes.len() {
            assert!(verify(FILE_ID, 4096, &bytes[..len]).is_err());
        }
    }
}
