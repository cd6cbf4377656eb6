//! Sector-aligned memory for direct I/O.
//!
//! A [`Buffer`] has a fixed capacity, a multiple of the sector size, and a length up to which its
//! bytes are initialised. It is moved into an operation and comes back with its completion. The memory of those that
//! tables are read and written with is used again and again.

use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;

use super::memory::{Memory, for_buffer, give_back};
use crate::base::limits::SECTOR;

/// Owned, sector-aligned bytes.
pub(crate) struct Buffer {
    /// Where the bytes begin: with the memory, unless some were taken off.
    pointer: NonNull<u8>,
    len: usize,
    capacity: usize,
    /// What the pointer points to; none if the buffer holds nothing.
    memory: Option<Memory>,
}

// SAFETY: the buffer is the only owner of its memory, as a Vec<u8> would be.
unsafe impl Send for Buffer {}
// SAFETY: shared references only read.
unsafe impl Sync for Buffer {}

impl Buffer {
    /// An empty buffer that holds at least `capacity` bytes, rounded up to whole sectors.
    pub(crate) fn with_capacity(capacity: usize) -> Self {
        let capacity = capacity.max(1).next_multiple_of(SECTOR);
        let memory = for_buffer(capacity);
        Self { pointer: memory.start(), len: 0, capacity, memory: Some(memory) }
    }

    /// A buffer that holds nothing and takes no memory.
    pub(crate) fn empty() -> Self {
        Self { pointer: NonNull::dangling(), len: 0, capacity: 0, memory: None }
    }

    /// Bytes that fit.
    pub(crate) fn capacity(&self) -> usize {
        self.capacity
    }

    /// Room left.
    pub(crate) fn room(&self) -> usize {
        self.capacity - self.len
    }

    /// Forgets the contents.
    pub(crate) fn clear(&mut self) {
        self.len = 0;
    }

    /// Appends bytes; panics if they do not fit.
    pub(crate) fn extend_from_slice(&mut self, bytes: &[u8]) {
        assert!(bytes.len() <= self.room(), "buffer overrun");
        // SAFETY: the destination lies inside the allocation as asserted, and `bytes` cannot
        // overlap memory this value owns exclusively.
        unsafe {
            self.pointer.as_ptr().add(self.len).copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
        }
        self.len += bytes.len();
    }

    /// Appends zeros until the length is `len`; panics beyond the capacity.
    pub(crate) fn zero_to(&mut self, len: usize) {
        assert!(len <= self.capacity, "buffer overrun");
        if len > self.len {
            // SAFETY: the range [self.len, len) lies inside the allocation as asserted.
            unsafe { self.pointer.as_ptr().add(self.len).write_bytes(0, len - self.len) };
            self.len = len;
        }
    }

    /// Shortens to `len` bytes, if longer.
    pub(crate) fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    /// Takes up to `len` bytes off the beginning, and out of the room: it begins behind them then, at no sector.
    pub(crate) fn drop_front(&mut self, len: usize) {
        let len = len.min(self.len);
        // SAFETY: inside the allocation, or at its end: the length is within it.
        self.pointer = unsafe { self.pointer.add(len) };
        self.len -= len;
        self.capacity -= len;
    }

    /// Start of the memory, for a backend to read from or write to.
    pub(crate) fn as_mut_ptr(&mut self) -> *mut u8 {
        self.pointer.as_ptr()
    }

    /// Declares the first `len` bytes initialised.
    ///
    /// # Safety
    /// They must be: by the kernel's account of what it wrote, or by the caller's own writes.
    pub(crate) unsafe fn set_len(&mut self, len: usize) {
        assert!(len <= self.capacity, "buffer overrun");
        self.len = len;
    }
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: the first `len` bytes are initialised by the invariant of the type.
        unsafe { std::slice::from_raw_parts(self.pointer.as_ptr(), self.len) }
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above, and `&mut self` is exclusive.
        unsafe { std::slice::from_raw_parts_mut(self.pointer.as_ptr(), self.len) }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if let Some(memory) = self.memory.take() {
            give_back(memory);
        }
    }
}

impl std::fmt::Debug for Buffer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Buffer({} of {} bytes)", self.len, self.capacity)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_is_aligned_grows_and_shrinks_within_its_capacity() {
        let mut buffer = Buffer::with_capacity(5000);
        assert_eq!(buffer.capacity(), 2 * SECTOR);
        assert_eq!(buffer.as_mut_ptr() as usize % SECTOR, 0);
        buffer.extend_from_slice(b"abc");
        buffer.zero_to(5);
        assert_eq!(&buffer[..], b"abc\0\0");
        buffer.truncate(2);
        assert_eq!(&buffer[..], b"ab");
        assert_eq!(buffer.room(), 2 * SECTOR - 2);
        buffer.clear();
        assert!(buffer.is_empty());
    }

    #[test]
    fn what_is_left_behind_a_beginning_keeps_its_room() {
        let mut buffer = Buffer::with_capacity(8);
        buffer.extend_from_slice(b"abcdef");
        for (len, left, taken) in [(0, &b"abcdef"[..], 0), (2, b"cdef", 2), (1, b"def", 3), (9, b"", 6)] {
            buffer.drop_front(len);
            assert_eq!(&buffer[..], left);
            assert_eq!(buffer.capacity(), SECTOR - taken);
        }
        buffer.zero_to(buffer.capacity());
        assert_eq!(buffer.room(), 0);
    }

    #[test]
    fn an_empty_buffer_has_no_room_and_can_be_read() {
        let buffer = Buffer::empty();
        assert_eq!((buffer.capacity(), buffer.room(), &buffer[..]), (0, 0, &b""[..]));
    }

    #[test]
    #[should_panic(expected = "buffer overrun")]
    fn more_than_fits_is_refused() {
        let mut buffer = Buffer::with_capacity(1);
        buffer.extend_from_slice(&[0; SECTOR + 1]);
    }
}
