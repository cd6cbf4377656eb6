//! Huge pages that a thread of its own has touched before anybody asks for them.
//!
//! The system makes a page of 2 MiB zero when it is first touched, which takes from a quarter of a millisecond to four, on
//! a virtual machine whose host has to find the memory, too. Whoever reads a block, or writes one, does not wait for that: it
//! takes a page that is ready, and small ones if there is none.

use super::huge_pages::HUGE_PAGE;
use super::{Io, Memory, Process, Thread};
use crate::base::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use crate::base::sync::parker::Parker;
use crate::base::sync::{Arc, Mutex, lock};

/// So many pages are ready at most.
const READY_MAX: usize = 8;

/// Huge pages for whoever takes them, until [`stop`](Self::stop).
pub(crate) struct PreparedPages {
    io: Arc<dyn Io>,
    /// A child has no such thread, and must not take a lock that it may have held at the fork.
    process: Process,
    shared: Arc<Shared>,
    thread: Mutex<Option<Box<dyn Thread>>>,
    is_begun: AtomicBool,
}

struct Shared {
    ready: Mutex<Vec<Memory>>,
    /// How many that are. Changed under the lock, read without it.
    ready_count: AtomicUsize,
    /// Where the thread sleeps while enough is ready.
    parker: Parker,
    is_over: AtomicBool,
}

impl PreparedPages {
    /// How many bytes a page has.
    pub(crate) const LEN: usize = HUGE_PAGE;

    /// None are ready yet: the thread starts when a page is first taken.
    pub(crate) fn new(io: Arc<dyn Io>) -> Self {
        let shared = Shared {
            ready: Mutex::default(),
            ready_count: AtomicUsize::new(0),
            parker: Parker::default(),
            is_over: AtomicBool::new(false),
        };
        Self {
            io,
            process: Process::current(),
            shared: Arc::new(shared),
            thread: Mutex::default(),
            is_begun: AtomicBool::new(false),
        }
    }

    /// [`LEN`](Self::LEN) bytes of zeros: a huge page if one is ready, otherwise small ones that nobody has touched.
    pub(crate) fn take(&self) -> Memory {
        let page = self.shared.change(Vec::pop);
        if !self.is_begun.swap(true, Ordering::Relaxed) {
            self.begin();
        } else if self.shared.ready_count() <= READY_MAX / 2 {
            self.shared.parker.unpark();
        }
        page.unwrap_or_else(|| Memory::zeroed(HUGE_PAGE, 64))
    }

    /// Bytes that are ready.
    pub(crate) fn ready_bytes(&self) -> usize {
        self.shared.ready_count() * HUGE_PAGE
    }

    /// Ends the thread. From now on there are small pages.
    pub(crate) fn stop(&self) {
        if !self.process.is_current() {
            return;
        }
        self.is_begun.store(true, Ordering::Relaxed);
        self.shared.is_over.store(true, Ordering::Relaxed);
        self.shared.parker.unpark();
        let thread = lock(&self.thread).take();
        thread.into_iter().for_each(Thread::join);
        drop(self.shared.change(std::mem::take));
    }

    #[cold]
    fn begin(&self) {
        let shared = Arc::clone(&self.shared);
        let mut thread = lock(&self.thread);
        match self.io.start_thread("rabi-pages".to_owned(), Box::new(move || shared.prepare())) {
            Ok(started) => *thread = Some(started),
            Err(error) => tracing::debug!(%error, "the cache goes without huge pages"),
        }
    }
}

impl Shared {
    fn ready_count(&self) -> usize {
        self.ready_count.load(Ordering::Relaxed)
    }

    fn change<T>(&self, how: impl FnOnce(&mut Vec<Memory>) -> T) -> T {
        let mut ready = lock(&self.ready);
        let result = how(&mut ready);
        self.ready_count.store(ready.len(), Ordering::Relaxed);
        result
    }

    fn prepare(&self) {
        while !self.is_over.load(Ordering::Relaxed) {
            if self.ready_count() == READY_MAX {
                self.parker.park();
                continue;
            }
            let Some(page) = Memory::ready() else {
                tracing::debug!("no memory for pages that nobody needs yet");
                return;
            };
            self.change(|ready| ready.push(page));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::options::IoBackend;
    use crate::io::probe;

    #[test]
    fn pages_become_ready_and_what_is_taken_is_nobody_elses() {
        let pages = PreparedPages::new(probe::choose(IoBackend::Auto).unwrap());
        let mut taken = vec![pages.take()];
        for _ in 0..3 * READY_MAX {
            while pages.ready_bytes() == 0 {
                std::thread::yield_now();
            }
            taken.push(pages.take());
        }
        while pages.ready_bytes() < READY_MAX * HUGE_PAGE {
            std::thread::yield_now();
        }
        pages.stop();
        assert_eq!(pages.ready_bytes(), 0);
        taken.push(pages.take());
        assert!(taken.iter().all(|page| page.len() == PreparedPages::LEN));
        let mut starts: Vec<usize> = taken.iter().map(|page| page.start().as_ptr().addr()).collect();
        starts.sort_unstable();
        assert!(starts.windows(2).all(|pair| pair[1] - pair[0] >= HUGE_PAGE));
    }

    #[test]
    fn in_a_child_nobody_waits_for_the_thread() {
        let pages = PreparedPages::new(probe::choose(IoBackend::Auto).unwrap());
        drop(pages.take());
        let held = lock(&pages.shared.ready);
        let has_ended = crate::io::ends_in_child(|| {
            pages.stop();
            pages.ready_bytes();
        });
        drop(held);
        assert!(has_ended);
        pages.stop();
    }
}
