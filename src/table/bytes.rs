//! The bytes of a block in memory: a piece of the cache's memory, or a part of a buffer that was read for several blocks.

use std::ops::{Deref, Range};
use std::ptr::NonNull;

use crate::base::sync::Arc;
use crate::cache::Piece;
use crate::io::Buffer;

/// Owned or shared bytes, initialised, which nobody changes once a block is made of them.
pub(crate) struct Bytes {
    start: NonNull<u8>,
    len: usize,
    owner: Owner,
}

/// What keeps the memory.
enum Owner {
    Piece(Piece),
    /// Shared with other blocks.
    Buffer(Arc<Buffer>),
    #[cfg(test)]
    Vec(Vec<u8>),
}

// SAFETY: the memory is the owner's, which may go to another thread; shared references only read.
unsafe impl Send for Bytes {}
// SAFETY: as above.
unsafe impl Sync for Bytes {}

impl Bytes {
    /// The first `len` bytes of a piece.
    pub(super) fn of_piece(piece: Piece, len: usize) -> Self {
        assert!(len <= piece.len());
        Self { start: piece.start(), len, owner: Owner::Piece(piece) }
    }

    /// A part of a buffer; where the buffer is too short, as much as there is.
    pub(crate) fn of_buffer(buffer: &Arc<Buffer>, range: Range<usize>) -> Self {
        let bytes = &buffer[range.start.min(buffer.len())..range.end.min(buffer.len())];
        Self {
            start: NonNull::from(bytes).cast(),
            len: bytes.len(),
            owner: Owner::Buffer(Arc::clone(buffer)),
        }
    }

    /// The bytes, to be filled. Panics if they are shared.
    pub(crate) fn as_mut(&mut self) -> &mut [u8] {
        assert!(matches!(self.owner, Owner::Piece(_)), "what is shared is read only");
        // SAFETY: initialised, as a piece is; of this value alone, which is borrowed.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.len) }
    }

    /// Shortens to `len` bytes, if longer.
    pub(crate) fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    /// Memory that they keep, in bytes.
    pub(super) fn memory_bytes(&self) -> usize {
        match &self.owner {
            Owner::Piece(piece) => piece.len(),
            Owner::Buffer(buffer) => buffer.len(),
            #[cfg(test)]
            Owner::Vec(bytes) => bytes.capacity(),
        }
    }
}

#[cfg(test)]
impl From<Vec<u8>> for Bytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self { start: NonNull::from(&bytes[..]).cast(), len: bytes.len(), owner: Owner::Vec(bytes) }
    }
}

impl Deref for Bytes {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        // SAFETY: so many initialised bytes, which the owner keeps where they are.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }
}
