//! Makes data blocks.
//!
//! ```text
//! body    | entry 0 | entry 1 | ... | restart offset (4) ... | restart count (4) |
//! entry   | shared (varint) | unshared (varint) | value length (varint) | tag (8) | key suffix | value |
//! ```
//!
//! `shared` is the exact number of bytes the key has in common with the key before it, `unshared` the
//! number of the suffix bytes that follow. A restart is an entry that stands for itself, with `shared`
//! zero: every 16th, and thus the first. A later version of the same user key has no suffix.
//!
//! All versions of a user key are in one block, so an index of user keys is enough. The caller sees to
//! that, and to the order.

use super::format::{self, TRAILER_LEN};
use crate::base::codec::{put_varint, varint_len};
use crate::base::ids::FileId;
use crate::base::key::Tag;

/// Every how many entries the key is written in full: a seek decodes half of that on average, and at
/// 16 the full keys cost 1/16 of what compression saves.
const RESTART_INTERVAL: usize = 16;

/// Bytes of an entry besides lengths, key suffix and value.
const TAG_LEN: usize = size_of::<u64>();

/// Whether entry `entry_no`, at `offset` in its block, is a restart. Offsets are 32 bits wide: many
/// versions of a huge value may pass that, and then simply get no further restarts.
pub(super) fn is_restart(entry_no: usize, offset: usize) -> bool {
    entry_no.is_multiple_of(RESTART_INTERVAL) && u32::try_from(offset).is_ok()
}

/// Length of the common prefix.
#[inline]
pub(super) fn common_prefix_len(a: &[u8], b: &[u8]) -> usize {
    let mut len = 0;
    let (mut a_words, mut b_words) = (a.chunks_exact(8), b.chunks_exact(8));
    while let (Some(a_word), Some(b_word)) = (a_words.next(), b_words.next()) {
        if a_word != b_word {
            break;
        }
        len += 8;
    }
    len + a[len..].iter().zip(&b[len..]).take_while(|(a_byte, b_byte)| a_byte == b_byte).count()
}

/// A data block in the making.
#[derive(Default)]
pub(super) struct BlockBuilder {
    bytes: Vec<u8>,
    restarts: Vec<u32>,
    entry_count: usize,
}

impl BlockBuilder {
    /// Whether it has no entries yet.
    pub(super) fn is_empty(&self) -> bool {
        self.entry_count == 0
    }

    /// How many entries it has.
    pub(super) fn entry_count(&self) -> usize {
        self.entry_count
    }

    /// Length the sealed block would have now.
    pub(super) fn len(&self) -> usize {
        self.bytes.len() + 4 * (self.restarts.len() + 1) + TRAILER_LEN
    }

    /// Upper bound of [`len`](Self::len) after one more entry.
    pub(super) fn len_with(&self, shared: usize, key: &[u8], value: &[u8]) -> usize {
        let suffix_len =
            if is_restart(self.entry_count, self.bytes.len()) { key.len() } else { key.len() - shared };
        let lengths_len =
            varint_len(shared as u64) + varint_len(suffix_len as u64) + varint_len(value.len() as u64);
        self.len() + 4 + lengths_len + TAG_LEN + suffix_len + value.len()
    }

    /// Adds an entry that sorts after all before. `shared` is the length of the common prefix of its
    /// key and the key added last. Returns the entry's length.
    pub(super) fn add(&mut self, shared: usize, key: &[u8], tag: Tag, value: &[u8]) -> u64 {
        let start = self.bytes.len();
        let mut shared = shared;
        if is_restart(self.entry_count, self.bytes.len()) {
            self.restarts.push(self.bytes.len() as u32);
            shared = 0;
        }
        let suffix = &key[shared..];
        self.bytes.reserve(30 + TAG_LEN + suffix.len() + value.len());
        put_varint(&mut self.bytes, shared as u64);
        put_varint(&mut self.bytes, suffix.len() as u64);
        put_varint(&mut self.bytes, value.len() as u64);
        self.bytes.extend_from_slice(&tag.raw().to_le_bytes());
        self.bytes.extend_from_slice(suffix);
        self.bytes.extend_from_slice(value);
        self.entry_count += 1;
        (self.bytes.len() - start) as u64
    }

    /// The block with its trailer, for its place in the file.
    pub(super) fn seal(&mut self, file_id: FileId, offset: u64) -> &[u8] {
        assert!(!self.is_empty(), "a block has at least one entry");
        self.bytes.reserve_exact(4 * (self.restarts.len() + 1) + TRAILER_LEN);
        for restart in &self.restarts {
            self.bytes.extend_from_slice(&restart.to_le_bytes());
        }
        let restart_count =
            u32::try_from(self.restarts.len()).expect("restarts have distinct 32-bit offsets");
        self.bytes.extend_from_slice(&restart_count.to_le_bytes());
        format::seal(&mut self.bytes, file_id, offset);
        &self.bytes
    }

    /// Starts the next block; memory is kept, but not that of a giant block.
    pub(super) fn clear(&mut self) {
        const KEEP_BYTES: usize = 1 << 20;
        self.bytes.clear();
        self.bytes.shrink_to(KEEP_BYTES);
        self.restarts.clear();
        self.entry_count = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::key::{Kind, SeqNo};

    #[test]
    fn common_prefixes_are_counted_across_words() {
        for len in 0..40 {
            let a = vec![7; len];
            for at in 0..len {
                let mut b = a.clone();
                b[at] = 8;
                assert_eq!(common_prefix_len(&a, &b), at);
                assert_eq!(common_prefix_len(&a, &a[..at]), at);
            }
            assert_eq!(common_prefix_len(&a, &a), len);
        }
    }

    #[test]
    fn an_entry_is_drawn_as_the_format_says() {
        let mut block = BlockBuilder::default();
        assert_eq!(block.add(0, b"ab", Tag::new(SeqNo(2), Kind::Put), b"xy"), 15);
        let bound = block.len_with(1, b"ac", b"");
        assert_eq!(block.add(1, b"ac", Tag::new(SeqNo(1), Kind::Delete), b""), 12);
        assert!(block.len() <= bound);
        let (len, sealed) = (block.len(), block.seal(FileId(3), 0));
        assert_eq!(sealed.len(), len);
        let body =
            [0, 2, 2, 1, 2, 0, 0, 0, 0, 0, 0, b'a', b'b', b'x', b'y', 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, b'c'];
        assert_eq!(sealed[..body.len()], body);
        assert_eq!(sealed[body.len()..][..8], [0, 0, 0, 0, 1, 0, 0, 0]);
    }

    #[test]
    fn restarts_end_where_offsets_pass_32_bits() {
        assert!(is_restart(32, 5000));
        assert!(!is_restart(33, 5000));
        assert!(is_restart(16, u32::MAX as usize));
        assert!(!is_restart(16, u32::MAX as usize + 1));
    }
}
