//! Atomic pointers in lines of the processor's cache, in memory that the kernel gives when it is touched: many lines in
//! huge pages, since whoever looks for a hash looks anywhere.

use std::ops::Deref;
#[cfg(not(loom))]
use std::ptr::NonNull;

#[cfg(not(loom))]
use super::Memory;
use crate::base::sync::atomic::AtomicPtr;

/// So many pointers lie in a line; fewer in a model, which tries every order of looking at them.
pub(crate) const POINTERS_PER_LINE: usize = if cfg!(loom) { 2 } else { 8 };

/// Addresses of a process are below this: the bits above are free for what its owner likes.
pub(crate) const ADDRESS_BITS: u32 = 48;

/// A line of pointers.
#[repr(C, align(64))]
pub(crate) struct Line<T>(pub(crate) [AtomicPtr<T>; POINTERS_PER_LINE]);

/// Lines, all pointers null at first. What they point to is their owner's affair.
#[cfg(not(loom))]
pub(crate) struct Lines<T> {
    start: NonNull<Line<T>>,
    count: usize,
    _memory: Option<Memory>,
}

// SAFETY: lines that the value owns, made of atomics, which may be used by any thread.
#[cfg(not(loom))]
unsafe impl<T> Send for Lines<T> {}
// SAFETY: as above.
#[cfg(not(loom))]
unsafe impl<T> Sync for Lines<T> {}

#[cfg(not(loom))]
impl<T> Lines<T> {
    /// So many lines.
    pub(crate) fn of(count: usize) -> Self {
        let bytes = count.checked_mul(size_of::<Line<T>>()).expect("lines are far below isize::MAX");
        let memory = (count > 0).then(|| Memory::huge(bytes, align_of::<Line<T>>()));
        let start = memory.as_ref().map_or(NonNull::dangling(), |memory| memory.start().cast());
        Self { start, count, _memory: memory }
    }
}

#[cfg(not(loom))]
impl<T> Deref for Lines<T> {
    type Target = [Line<T>];

    #[inline]
    fn deref(&self) -> &[Line<T>] {
        // SAFETY: so many lines that the value owns, and null pointers are all zeros.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.count) }
    }
}

/// Lines, all pointers null at first.
#[cfg(loom)]
pub(crate) struct Lines<T>(Box<[Line<T>]>);

#[cfg(loom)]
impl<T> Lines<T> {
    /// So many lines.
    pub(crate) fn of(count: usize) -> Self {
        let empty = || AtomicPtr::new(std::ptr::null_mut());
        Self((0..count).map(|_| Line(std::array::from_fn(|_| empty()))).collect())
    }
}

#[cfg(loom)]
impl<T> Deref for Lines<T> {
    type Target = [Line<T>];

    fn deref(&self) -> &[Line<T>] {
        &self.0
    }
}
