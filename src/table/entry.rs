//! An entry of a data block, whose layout is drawn in [`block_builder`](super::block_builder).

use std::ops::Range;

use crate::base::codec::Cursor;
use crate::base::key::Tag;

/// One entry as it lies in a block.
pub(super) struct Entry {
    /// Bytes of the key that it has in common with the key before.
    pub(super) shared: usize,
    /// Where the rest of the key is.
    pub(super) suffix: Range<usize>,
    /// Seqno and kind.
    pub(super) tag: Tag,
    /// End of the entry; its value begins where the suffix ends.
    pub(super) end: usize,
}

impl Entry {
    /// Decodes the entry at `at`; `None` if it does not fit `entries` or its tag is unknown.
    #[inline(always)]
    pub(super) fn decode(entries: &[u8], at: usize) -> Option<Self> {
        let mut cursor = Cursor::new(entries.get(at..)?);
        let shared = cursor.varint_len()?;
        let unshared = cursor.varint_len()?;
        let value_len = cursor.varint_len()?;
        let tag = Tag::from_raw(cursor.u64()?)?;
        let start = at + cursor.position();
        let value_start = start.checked_add(unshared)?;
        let end = value_start.checked_add(value_len)?;
        (end <= entries.len()).then_some(Self { shared, suffix: start..value_start, tag, end })
    }

    /// The entry at `at`, the end of another one or a restart, of a verified block.
    #[inline(always)]
    pub(super) fn verified(entries: &[u8], at: usize) -> Self {
        match Self::decode_short(entries, at) {
            Some(entry) => entry,
            None => Self::decode(entries, at).expect("parse has decoded every entry"),
        }
    }

    /// As [`decode`](Self::decode), of entries whose lengths take a byte each, or the value's two: looked at together.
    #[inline(always)]
    fn decode_short(entries: &[u8], at: usize) -> Option<Self> {
        let bytes: &[u8; 12] = entries.get(at..)?.first_chunk()?;
        let lengths = u32::from_le_bytes(*bytes.first_chunk()?);
        let [shared, unshared, low, high] = lengths.to_le_bytes().map(usize::from);
        let (len, value_len, tag) = match lengths & 0x8080_8080 {
            0x0080_0000 => (12, low & 0x7f | high << 7, bytes.last_chunk::<8>()?),
            0 | 0x8000_0000 => (11, low, bytes[3..].first_chunk::<8>()?),
            _ => return None,
        };
        let suffix = at + len..at + len + unshared;
        let end = suffix.end + value_len;
        let tag = Tag::from_raw(u64::from_le_bytes(*tag))?;
        (end <= entries.len()).then_some(Self { shared, suffix, tag, end })
    }

    /// Where the value is.
    pub(super) fn value(&self) -> Range<usize> {
        self.suffix.end..self.end
    }
}
