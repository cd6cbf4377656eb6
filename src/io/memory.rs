//! Large pieces of memory, from the kernel and back to it.
//!
//! `malloc` of the C library keeps what is freed: a piece lies in the arena of the thread that asked for it, of
//! which there are eight for each CPU, and stays there until all above it are freed, too. With large pieces
//! that go from thread to thread a process came to five times what its budgets said. So whatever is large and comes and goes
//! has pages of its own. Small pieces come from the global allocator as ever.

use std::alloc::{self, Layout};
use std::ops::Deref;
use std::ptr::NonNull;

use rustix::mm::{MapFlags, ProtFlags};

use super::huge_pages::{HUGE_PAGE, advise_huge};
use crate::base::limits::{REQUEST_LEN_MAX, SECTOR};
use crate::base::sync::mapped::{AtomicPtr, AtomicU64, Ordering};

/// From this length on a piece has pages of its own.
const LARGE_MIN: usize = 64 << 10;

const PAGE: usize = 4096;
const _: () = assert!(PAGE.is_multiple_of(SECTOR), "buffers begin where a sector does");

/// A piece of memory, uninitialised if it is small, and otherwise all zeros at first.
#[derive(Debug)]
pub(crate) struct Memory {
    start: NonNull<u8>,
    layout: Layout,
}

// SAFETY: it is memory that the value owns, and nothing that belongs to a thread.
unsafe impl Send for Memory {}
// SAFETY: whoever reads or writes it through the pointer sees to that.
unsafe impl Sync for Memory {}

impl Memory {
    /// `len` bytes, not zero, that begin at a multiple of `align`, a power of two.
    pub(crate) fn new(len: usize, align: usize) -> Self {
        // SAFETY: `made` sees to it that the length is not zero.
        Self::made(len, align, |layout| NonNull::new(unsafe { alloc::alloc(layout) }))
    }

    /// As [`new`](Self::new), and all zeros also if it is small.
    pub(crate) fn zeroed(len: usize, align: usize) -> Self {
        // SAFETY: `made` sees to it that the length is not zero.
        Self::made(len, align, |layout| NonNull::new(unsafe { alloc::alloc_zeroed(layout) }))
    }

    /// As [`zeroed`](Self::zeroed), and if it is a multiple of a huge page, in such pages where the system has them.
    pub(crate) fn huge(len: usize, align: usize) -> Self {
        if !len.is_multiple_of(HUGE_PAGE) || !is_mapped(len) {
            return Self::zeroed(len, align);
        }
        let memory = Self::zeroed(len, align.max(HUGE_PAGE));
        advise_huge(memory.start, len);
        memory
    }

    /// One huge page that is touched; small ones where the system has none, and nothing if it has no memory.
    pub(super) fn ready() -> Option<Self> {
        let layout = Layout::from_size_align(HUGE_PAGE, HUGE_PAGE).expect("a page is far below isize::MAX");
        let memory = Self { start: map(layout)?, layout };
        advise_huge(memory.start, HUGE_PAGE);
        // SAFETY: the value owns the byte, and nobody else has it. Volatile: the write is made although zero is there.
        unsafe { memory.start.write_volatile(0) };
        Some(memory)
    }

    fn made(len: usize, align: usize, small: impl FnOnce(Layout) -> Option<NonNull<u8>>) -> Self {
        assert!(len > 0);
        let layout = Layout::from_size_align(len, align).expect("a piece is far below isize::MAX");
        let start = if is_mapped(len) { map(layout) } else { small(layout) };
        let start = start.unwrap_or_else(|| alloc::handle_alloc_error(layout));
        Self { start, layout }
    }

    /// Where it begins.
    pub(crate) fn start(&self) -> NonNull<u8> {
        self.start
    }

    /// How many bytes it has.
    pub(crate) fn len(&self) -> usize {
        self.layout.size()
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        if is_mapped(self.len()) {
            unmap(self.start.as_ptr(), self.len());
        } else {
            // SAFETY: allocated in `new` with this layout, freed once.
            unsafe { alloc::dealloc(self.start.as_ptr(), self.layout) };
        }
    }
}

/// A list of a fixed length, of plain values.
#[derive(Debug)]
pub(crate) struct Array<T: Copy> {
    start: NonNull<T>,
    len: usize,
    /// What it lies in, unless it is empty.
    _memory: Option<Memory>,
}

// SAFETY: it owns its values, which may be sent.
unsafe impl<T: Copy + Send> Send for Array<T> {}
// SAFETY: shared references only read.
unsafe impl<T: Copy + Sync> Sync for Array<T> {}

impl<T: Copy> Array<T> {
    /// What `value` gives for each place.
    pub(crate) fn from_fn(len: usize, mut value: impl FnMut(usize) -> T) -> Self {
        let bytes = len.checked_mul(size_of::<T>()).expect("lists are far below isize::MAX");
        let memory = (bytes > 0).then(|| Memory::new(bytes, align_of::<T>()));
        let start: NonNull<T> = memory.as_ref().map_or(NonNull::dangling(), |memory| memory.start().cast());
        for place in 0..len {
            // SAFETY: inside the memory, which is as long as so many values and aligned for them; nobody else has it yet.
            unsafe { start.add(place).write(value(place)) };
        }
        Self { start, len, _memory: memory }
    }
}

impl<T: Copy> Deref for Array<T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        // SAFETY: `from_fn` has written so many.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }
}

/// Miri does not know the system call.
fn is_mapped(len: usize) -> bool {
    len >= LARGE_MIN && !cfg!(miri)
}

/// Maps so many zeros; what is mapped beside them for the alignment's sake is given back.
fn map(layout: Layout) -> Option<NonNull<u8>> {
    let len = layout.size().next_multiple_of(PAGE);
    let slack = layout.align().max(PAGE) - PAGE;
    // SAFETY: a fresh mapping at an address of the kernel's choice aliases nothing of ours.
    let mapped = unsafe {
        rustix::mm::mmap_anonymous(
            std::ptr::null_mut(),
            len.checked_add(slack)?,
            ProtFlags::READ | ProtFlags::WRITE,
            MapFlags::PRIVATE,
        )
    };
    let mapped = mapped.ok()?.cast::<u8>();
    let before = mapped.addr().next_multiple_of(layout.align()) - mapped.addr();
    if before > 0 {
        unmap(mapped, before);
    }
    if slack > before {
        unmap(mapped.wrapping_add(before + len), slack - before);
    }
    NonNull::new(mapped.wrapping_add(before))
}

/// Gives pages of a mapping back, which nobody uses any more.
fn unmap(start: *mut u8, len: usize) {
    // SAFETY: the callers own these pages of a mapping made in `map`. A failure leaves them in place, which is harmless.
    let _unmapped = unsafe { rustix::mm::munmap(start.cast(), len.next_multiple_of(PAGE)) };
}

/// Lengths of pieces that are kept for the next who asks: of a block and the sectors around it, for which `malloc` takes as
/// long as its copy does; of half a request, with which tables are read and written; and of a whole one.
const KEPT_LENS: [usize; 3] = [16 << 10, REQUEST_LEN_MAX / 2, REQUEST_LEN_MAX];

/// How many of each are kept: 14 MiB for the process, of which the whole ones are made for large values alone.
const KEPT_MAX: [usize; 3] = [64, 28, 12];

/// Pieces that nobody has, those of the first length first. No lock: a child may be forked while somebody is here.
static KEPT: [AtomicPtr<u8>; KEPT_MAX[0] + KEPT_MAX[1] + KEPT_MAX[2]] =
    [const { AtomicPtr::new(std::ptr::null_mut()) }; KEPT_MAX[0] + KEPT_MAX[1] + KEPT_MAX[2]];

/// Memory of all buffers of the process of these lengths or more than [`LARGE_MIN`], and of pieces that are kept for the next.
static BUFFER_BYTES: AtomicU64 = AtomicU64::new(0);

/// Memory of all buffers of the process with which files are read and written, in bytes.
pub(crate) fn buffer_bytes() -> u64 {
    BUFFER_BYTES.load(Ordering::Relaxed)
}

/// Where pieces of a length are kept; none if they are not.
fn places(len: usize) -> &'static [AtomicPtr<u8>] {
    let Some(kept) = KEPT_LENS.iter().position(|kept| *kept == len) else { return &[] };
    let start = KEPT_MAX[..kept].iter().sum();
    &KEPT[start..][..KEPT_MAX[kept]]
}

/// Whether a buffer's memory is one of the pieces that count, and may be kept: neither a sector, nor such as nobody keeps.
fn is_counted(len: usize) -> bool {
    len >= LARGE_MIN || len == KEPT_LENS[0]
}

fn layout_of_buffer(capacity: usize) -> Layout {
    Layout::from_size_align(capacity, PAGE).expect("a piece is far below isize::MAX")
}

/// Memory of at least so many bytes for a buffer, at a multiple of a page, to be [given back](give_back): what is in it is
/// anything. A page of a piece that was used before need not be made anew.
pub(super) fn for_buffer(capacity: usize) -> Memory {
    let len = match KEPT_LENS.into_iter().find(|len| capacity <= *len).unwrap_or(capacity) {
        len if capacity > SECTOR && (len == KEPT_LENS[0] || capacity >= LARGE_MIN) => len,
        _ => return Memory::new(capacity, PAGE),
    };
    for place in places(len) {
        // Relaxed: a look. Acquire pairs with the Release in `give_back`: what its last owner did to it is done.
        if !place.load(Ordering::Relaxed).is_null()
            && let Some(start) = NonNull::new(place.swap(std::ptr::null_mut(), Ordering::Acquire))
        {
            return Memory { start, layout: layout_of_buffer(len) };
        }
    }
    BUFFER_BYTES.fetch_add(len as u64, Ordering::Relaxed);
    Memory::new(len, PAGE)
}

/// Takes the memory of a buffer back: keeps it, or gives it to the system if enough is kept.
pub(super) fn give_back(memory: Memory) {
    let len = memory.len();
    if !is_counted(len) {
        return;
    }
    let start = memory.start.as_ptr();
    let is_kept = |place: &AtomicPtr<u8>| {
        let empty = std::ptr::null_mut();
        place.load(Ordering::Relaxed).is_null()
            && place.compare_exchange(empty, start, Ordering::Release, Ordering::Relaxed).is_ok()
    };
    if places(len).iter().any(is_kept) {
        std::mem::forget(memory);
    } else {
        BUFFER_BYTES.fetch_sub(len as u64, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_where_they_shall_be_and_can_be_written() {
        for (len, align) in [(1, 1), (5000, 64), (LARGE_MIN, 8), (LARGE_MIN + 1, 4096), (3 << 20, 2 << 20)] {
            let memory = Memory::new(len, align);
            assert_eq!((memory.len(), memory.start().as_ptr().addr() % align), (len, 0));
            // SAFETY: the piece is so long, and this test's alone.
            unsafe { memory.start().as_ptr().write_bytes(7, len) };
        }
    }

    #[test]
    fn pieces_of_huge_pages_begin_where_one_does_and_others_where_they_are_asked_to() {
        for (len, align) in
            [(HUGE_PAGE, HUGE_PAGE), (2 * HUGE_PAGE, HUGE_PAGE), (HUGE_PAGE + 64, 64), (64, 64)]
        {
            let memory = Memory::huge(len, 64);
            let start = memory.start().as_ptr();
            assert_eq!((memory.len(), if cfg!(miri) { 0 } else { start.addr() % align }), (len, 0));
            // SAFETY: the piece is so long, and this test's alone.
            assert!((0..len).step_by(64).all(|at| unsafe { *start.add(at) } == 0));
        }
    }

    #[test]
    fn a_kept_piece_is_one_persons_at_a_time() {
        for len in KEPT_LENS {
            let mut taken: Vec<Memory> = (0..80).map(|_| for_buffer(len - 5)).collect();
            let mut starts: Vec<_> = taken.iter().map(Memory::start).collect();
            starts.sort_unstable();
            starts.dedup();
            assert_eq!(starts.len(), 80);
            taken.drain(..).for_each(give_back);
            let again = for_buffer(len);
            assert_eq!(again.len(), len);
            give_back(again);
        }
    }
}
