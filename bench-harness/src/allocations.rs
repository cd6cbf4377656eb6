//! Counts the heap allocations of each thread.
//!
//! Always installed: a count is one addition to a variable of the thread, a few percent of the
//! cheapest allocation, and nothing where nothing is allocated. `ci` reads the count of the
//! thread that operates the engine; what the engine's own threads allocate is not in it, and
//! neither is what C libraries take from malloc.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    /// Constant from its start and without a destructor, so that it can be used at any time of
    /// a thread's life and allocates nothing itself.
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

/// The system's allocator with a counter before it.
struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Allocations and reallocations of the calling thread since it began.
pub fn on_this_thread() -> u64 {
    COUNT.with(Cell::get)
}

fn count_one() {
    // Fails only while the thread ends; that allocation belongs to no measurement.
    let _ = COUNT.try_with(|count| count.set(count.get() + 1));
}

// SAFETY: every call is handed on to the system's allocator with the arguments it came with, so
// its guarantees are ours; counting touches no memory that is being allocated.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count_one();
        // SAFETY: the caller's promise about the layout is the one `System` asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count_one();
        // SAFETY: as for `alloc`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count_one();
        // SAFETY: the pointer came from `System` through us, with this layout.
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the pointer came from `System` through us, with this layout.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_are_counted_on_the_thread_that_made_them() {
        let before = on_this_thread();
        let boxes: [Box<u64>; 3] = [1, 2, 3].map(|n| std::hint::black_box(Box::new(n)));
        assert_eq!(on_this_thread() - before, 3);
        drop(boxes);
        assert_eq!(on_this_thread() - before, 3);
        let elsewhere = std::thread::spawn(|| {
            let before = on_this_thread();
            drop(std::hint::black_box(Box::new(1)));
            on_this_thread() - before
        });
        assert_eq!(elsewhere.join().unwrap(), 1);
    }
}
