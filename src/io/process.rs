//! Tells a process from the children it forks.
//!
//! A child begins with a copy of its parent's memory, but without its threads: no core runs there, any lock may
//! be held for ever, and shared mappings are still its parent's. So everything that works on files notes the
//! process it was made in, and does nothing in any other.
//!
//! The kernel gives each child a page of zeros (`MADV_WIPEONFORK`) in place of the one that holds
//! the number of this process, so the question costs one load. Where the kernel does not do that (before 4.14,
//! some sandboxes), it costs a system call for the process number.

use std::sync::OnceLock;

use rustix::mm::{Advice, MapFlags, ProtFlags};

use crate::base::error::{Error, Result};
use crate::base::sync::mapped::{AtomicU64, Ordering::Relaxed};

/// The process in which this value was made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Process {
    /// Holds `number` in that process, and something else in its children.
    page: Option<&'static AtomicU64>,
    number: u64,
}

impl Process {
    /// The calling process.
    pub(crate) fn current() -> Self {
        static PAGE: OnceLock<Option<&'static AtomicU64>> = OnceLock::new();
        Self::marked_in(*PAGE.get_or_init(map_page))
    }

    fn marked_in(page: Option<&'static AtomicU64>) -> Self {
        /// A child goes on counting from its parent's value: no process has the number of one that it descends
        /// from.
        static NEWEST: AtomicU64 = AtomicU64::new(0);
        let Some(page) = page else { return Self { page, number: process_number() } };
        let fresh = NEWEST.fetch_add(1, Relaxed) + 1;
        let number =
            page.compare_exchange(0, fresh, Relaxed, Relaxed).map_or_else(|marked| marked, |_| fresh);
        Self { page: Some(page), number }
    }

    /// Whether this is the calling process, and not its parent or another ancestor.
    #[inline]
    pub(crate) fn is_current(self) -> bool {
        // Relaxed: the page changes in the fork alone, before the child runs.
        let number = self.page.map_or_else(process_number, |page| page.load(Relaxed));
        number == self.number
    }

    /// Refuses calls in a child.
    #[inline]
    pub(crate) fn check(self) -> Result<()> {
        if self.is_current() { Ok(()) } else { Err(Error::Forked) }
    }
}

#[cold]
fn process_number() -> u64 {
    u64::from(rustix::process::getpid().as_raw_nonzero().get().unsigned_abs())
}

/// A page that the kernel wipes in every child; it is never unmapped. `None` if there is no such page.
fn map_page() -> Option<&'static AtomicU64> {
    const LEN: usize = size_of::<AtomicU64>();
    let flags = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE);
    // SAFETY: a fresh mapping at an address of the kernel's choice aliases nothing of ours; the
    // advice is for this mapping alone.
    let page = unsafe {
        let page = rustix::mm::mmap_anonymous(std::ptr::null_mut(), LEN, flags.0, flags.1).ok()?;
        rustix::mm::madvise(page, LEN, Advice::LinuxWipeOnFork).ok().map(|()| page)
    }?;
    // SAFETY: zeros, at the beginning of a page, which stays mapped; all that use it do so as an atomic.
    Some(unsafe { AtomicU64::from_ptr(page.cast()) })
}

#[cfg(test)]
pub(crate) use tests::ends_in_child;

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use rustix::process::{Pid, WaitOptions, waitpid};

    use super::*;

    /// Whether a child of this thread's, forked here, comes to the end of `act` within a few seconds.
    pub(crate) fn ends_in_child(act: impl FnOnce()) -> bool {
        // SAFETY: what the child does is under test. It has one thread, and leaves by `_exit` or SIGALRM.
        match unsafe { libc::fork() } {
            0 => {
                // SAFETY: plain system calls.
                unsafe { libc::alarm(5) };
                let done = catch_unwind(AssertUnwindSafe(act));
                // SAFETY: as above.
                unsafe { libc::_exit(i32::from(done.is_err())) }
            }
            pid => {
                let child = Pid::from_raw(pid).expect("fork succeeds");
                let (_, status) = waitpid(Some(child), WaitOptions::empty()).unwrap().expect("it has ended");
                status.exit_status() == Some(0)
            }
        }
    }

    #[test]
    fn a_process_knows_itself_with_and_without_a_page() {
        for page in [map_page(), None] {
            let (first, second) = (Process::marked_in(page), Process::marked_in(page));
            assert!(first.is_current() && second.is_current());
            assert_eq!(first.number, second.number);
        }
        assert!(map_page().is_some(), "kernels since 4.14 wipe pages");
    }

    #[test]
    fn after_a_wipe_it_is_another_process() {
        let page = map_page();
        let parent = Process::marked_in(page);
        // As the kernel does in a child.
        page.unwrap().store(0, Relaxed);
        assert!(matches!(parent.check(), Err(Error::Forked)));
        let child = Process::marked_in(page);
        assert!(child.is_current() && !parent.is_current());
        page.unwrap().store(0, Relaxed);
        let grandchild = Process::marked_in(page);
        assert!(grandchild.is_current() && !child.is_current() && !parent.is_current());
    }
}
