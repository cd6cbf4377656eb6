//! Huge pages for large pieces of memory.

use std::ptr::NonNull;

use crate::base::ablation::ablated;
use rustix::mm::{Advice, madvise};

/// Length of a huge page.
pub(super) const HUGE_PAGE: usize = 2 << 20;

/// Asks for huge pages where `len` bytes from `start` on are. Without them it goes, too.
pub(super) fn advise_huge(start: NonNull<u8>, len: usize) {
    if ablated!(HugePages) {
        return;
    }
    // SAFETY: the advice changes no byte of the memory, and frees nothing.
    let advised = unsafe { madvise(start.as_ptr().cast(), len, Advice::LinuxHugepage) };
    if let Err(error) = advised {
        tracing::debug!(%error, "no huge pages");
    }
}
