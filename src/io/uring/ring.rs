//! One ring: its setup, down to what the kernel has, and its two shared queues.
//!
//! A [`Ring`] is used by the thread that made it and by no other (it is neither `Send` nor `Sync`):
//! the kernel enforces that for single-issuer rings, and the unsafe code here relies on it.
//! Whoever pushes a request answers for the memory it names; see [`Ring::push`].

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::ptr::NonNull;
use std::time::Duration;

use io_uring::types::{SubmitArgs, Timespec};
use io_uring::{Builder, IoUring, Probe, Submitter, squeue};
use rustix::io::Errno;

use crate::io::Process;

/// Flags of the newest kernel we know; see [`builder`].
const FEATURE_LEVEL_MAX: u32 = 5;

/// How long an enter may sleep for a completion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sleep {
    /// Not at all.
    No,
    /// At most this long.
    For(Duration),
    /// As long as it takes.
    Forever,
    /// As long as it takes for so many completions, unless a signal ends it.
    UntilThere(u32),
}

/// What an enter came to, unless the ring is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entered {
    /// Requests were sent; completions, time out or a signal may have ended the sleep.
    Fine,
    /// The kernel lacks memory or room for completions: take some out, then enter again.
    Crowded,
}

/// The ring failed, and the kernel has no request that was not answered.
pub(super) struct RingBroken(pub(super) io::Error);

/// A ring and the handle through which it is entered.
pub(super) struct Ring {
    /// Borrows from `ring`, and is taken out before that is freed.
    submitter: Option<Submitter<'static>>,
    /// Owned; on the heap so that the borrow above survives a move of this value.
    ring: NonNull<IoUring>,
    /// A child has the descriptor, and not the queues.
    process: Process,
}

impl Ring {
    /// A ring for `entries` requests between two enters and four times as many in flight, with
    /// every helpful flag the kernel accepts.
    pub(super) fn open(entries: u32) -> io::Result<Self> {
        Self::open_below(FEATURE_LEVEL_MAX, entries)
    }

    /// As [`Self::open`], beginning with the flags of this feature level.
    fn open_below(mut feature_level: u32, entries: u32) -> io::Result<Self> {
        let ring = loop {
            match builder(feature_level, entries).build(entries) {
                Err(e) if Errno::from_io_error(&e) == Some(Errno::INVAL) && feature_level > 0 => {
                    feature_level -= 1
                }
                other => break other?,
            }
        };
        // Both came with or before 5.11, as did unlinking through a ring.
        if !ring.params().is_feature_ext_arg() || !ring.params().is_feature_nodrop() {
            return Err(Errno::INVAL.into());
        }
        let ring = NonNull::from(Box::leak(Box::new(ring)));
        // SAFETY: the ring was leaked just now, lives until `drop` frees it, and is only ever used
        // through shared references.
        let mut submitter = unsafe { ring.as_ref() }.submitter();
        // Saves a descriptor lookup in every enter. Kernels before 5.18 cannot, and a thread has
        // room for sixteen: without, entering works all the same.
        let _registered = submitter.register_ring_fd();
        Ok(Self { submitter: Some(submitter), ring, process: Process::current() })
    }

    /// Whether the calling process made this ring. In another, which was forked from that one, it
    /// can be dropped and nothing else.
    pub(super) fn is_ours(&self) -> bool {
        self.process.is_current()
    }

    fn ring(&self) -> &IoUring {
        // SAFETY: freed in `drop` only, and never borrowed exclusively.
        unsafe { self.ring.as_ref() }
    }

    fn submitter(&self) -> &Submitter<'static> {
        self.submitter.as_ref().expect("taken out in drop only")
    }

    fn submission(&self) -> squeue::SubmissionQueue<'_> {
        // SAFETY: the ring belongs to this thread, and no other submission queue exists: each is a
        // temporary of one method here.
        unsafe { self.ring().submission_shared() }
    }

    /// Requests that may be in flight without their completions overflowing.
    pub(super) fn in_flight_max(&self) -> usize {
        self.ring().params().cq_entries() as usize
    }

    /// Whether no request can be pushed before the next enter.
    pub(super) fn is_full(&self) -> bool {
        self.submission().is_full()
    }

    /// Whether every request pushed has been taken over by the kernel.
    pub(super) fn is_sent(&self) -> bool {
        self.submission().is_empty()
    }

    /// Requests pushed that the kernel has not taken over.
    pub(super) fn unsent(&self) -> usize {
        self.submission().len()
    }

    /// Whether an enter without sleep would change anything: there are requests to send, or
    /// completions that the kernel delivers only inside an enter.
    pub(super) fn needs_enter(&self) -> bool {
        let submission = self.submission();
        !submission.is_empty() || submission.taskrun() || submission.cq_overflow()
    }

    /// Queues a request for the next enter; `false` if there is no room.
    ///
    /// # Safety
    /// All memory and descriptors the request names must stay valid, and memory to be filled must
    /// be accessed by nobody else, until the request's completion has come out of [`Self::pop`]
    /// or the ring was dropped before any enter.
    pub(super) unsafe fn push(&self, entry: &squeue::Entry) -> bool {
        // SAFETY: as promised by the caller.
        unsafe { self.submission().push(entry) }.is_ok()
    }

    /// Sends what was pushed and sleeps as told, unless a completion is already there.
    pub(super) fn enter(&self, sleep: Sleep) -> io::Result<Entered> {
        let submitter = self.submitter();
        let result = match sleep {
            Sleep::No => submitter.submit(),
            Sleep::Forever => submitter.submit_and_wait(1),
            Sleep::UntilThere(count) => submitter.submit_and_wait(count as usize),
            Sleep::For(time) => {
                let time = Timespec::from(time);
                submitter.submit_with_args(1, &SubmitArgs::new().timespec(&time))
            }
        };
        let Err(e) = result else { return Ok(Entered::Fine) };
        match Errno::from_io_error(&e) {
            Some(Errno::TIME | Errno::INTR) => Ok(Entered::Fine),
            Some(Errno::AGAIN | Errno::BUSY) => Ok(Entered::Crowded),
            _ => Err(e),
        }
    }

    /// Takes out one completion: its request's user data, and the result or negative errno.
    pub(super) fn pop(&self) -> Option<(u64, i32)> {
        // SAFETY: the ring belongs to this thread, and the completion queue is a temporary.
        let entry = unsafe { self.ring().completion_shared() }.next()?;
        Some((entry.user_data(), entry.result()))
    }

    /// Makes the ring hold `file` open, for as long as the ring or a request of it lives.
    pub(super) fn hold(&self, file: impl AsFd) -> io::Result<()> {
        self.submitter().register_files(&[file.as_fd().as_raw_fd()])
    }

    /// Adds to an eventfd when there are completions, or will be once it is entered.
    pub(super) fn signal_completions(&self, eventfd: BorrowedFd<'_>) -> io::Result<()> {
        self.submitter().register_eventfd(eventfd.as_raw_fd())
    }

    /// Lets go of the file held.
    pub(super) fn let_go(&self) -> io::Result<()> {
        loop {
            match self.submitter().unregister_files() {
                // Kernels before 6.13 wait for what uses the files, and a signal ends that wait.
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                done => return done,
            }
        }
    }

    /// Whether the kernel knows all these requests; "invalid" if not, as it would say of each.
    pub(super) fn check_requests(&self, codes: &[u8]) -> io::Result<()> {
        let mut probe = Probe::new();
        self.submitter().register_probe(&mut probe)?;
        let known = codes.iter().all(|code| probe.is_supported(*code));
        if known { Ok(()) } else { Err(Errno::INVAL.into()) }
    }

    /// Limits the kernel threads that work for this thread's rings. They execute what cannot be
    /// started without waiting (syncs, allocations, buffered writes on ext4); left alone, their
    /// number grows with the requests, and they take the processor from the engine's own threads.
    pub(super) fn limit_workers(&self, bounded: u32, unbounded: u32) -> io::Result<()> {
        self.submitter().register_iowq_max_workers(&mut [bounded, unbounded])
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        if !self.is_ours() {
            // Neither the registration nor what is mapped at the addresses of the queues is this
            // ring's. The descriptor stays open: closing it is part of taking the rest down.
            return;
        }
        if let Some(mut submitter) = self.submitter.take() {
            // Refused where the registration was refused.
            let _unregistered = submitter.unregister_ring_fd();
        }
        // SAFETY: allocated as a Box in `open`, freed once, and its only borrower is gone.
        drop(unsafe { Box::from_raw(self.ring.as_ptr()) });
    }
}

/// The setup of a feature level: each level is what one more kernel release understands.
fn builder(feature_level: u32, entries: u32) -> Builder {
    let mut builder = IoUring::builder();
    builder.setup_clamp().setup_cqsize(4 * entries);
    // A child after a fork must not scribble into its parent's requests.
    builder.dontfork();
    if feature_level >= 1 {
        // 5.18: one bad request does not hold back those behind it.
        builder.setup_submit_all();
    }
    if feature_level >= 2 {
        // 5.19: completions wait for the next system call instead of interrupting us, and a flag
        // in shared memory says that some do.
        builder.setup_taskrun_flag();
        if feature_level < 4 {
            builder.setup_coop_taskrun();
        }
    }
    if feature_level >= 3 {
        // 6.0: only one thread submits.
        builder.setup_single_issuer();
    }
    if feature_level >= 4 {
        // 6.1: completions wait until we ask for them, all together.
        builder.setup_defer_taskrun();
    }
    if feature_level >= 5 {
        // 6.6: requests are found by position, without an array of indices.
        builder.setup_no_sqarray();
    }
    builder
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use io_uring::opcode;

    use super::*;
    use crate::io::uring::test_ring;

    #[test]
    fn rings_of_every_step_work_and_time_out() {
        if let Err(e) = test_ring() {
            return println!("not checked: rings are denied: {e:?}");
        }
        for feature_level in 0..=FEATURE_LEVEL_MAX {
            let ring = Ring::open_below(feature_level, 4).unwrap();
            assert_eq!(ring.in_flight_max(), 16);
            assert!(!ring.needs_enter());
            for user_data in 0..9 {
                let entry = opcode::Nop::new().build().user_data(user_data);
                // SAFETY: the request names no memory and no descriptor.
                while !unsafe { ring.push(&entry) } {
                    assert!(ring.is_full());
                    assert_eq!(ring.enter(Sleep::No).unwrap(), Entered::Fine);
                }
            }
            assert!(ring.needs_enter());
            assert_eq!(ring.enter(Sleep::Forever).unwrap(), Entered::Fine);
            assert!(ring.is_sent());
            let mut seen = Vec::new();
            while let Some((user_data, 0)) = ring.pop() {
                seen.push(user_data);
            }
            assert_eq!(seen, (0..9).collect::<Vec<_>>(), "feature_level {feature_level}");
            let (begin, time) = (Instant::now(), Duration::from_millis(5));
            assert_eq!(ring.enter(Sleep::For(time)).unwrap(), Entered::Fine);
            assert!(begin.elapsed() >= time);
            assert_eq!(ring.pop(), None);
        }
    }
}
