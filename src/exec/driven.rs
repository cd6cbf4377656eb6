//! A core without a thread: the host's own loop waits for its descriptor, and then has it take its turns.
//!
//! Between two runs it sleeps, as far as senders can tell: a message rings the bell, and so do a completion and what a run
//! leaves to be done. Or the thread has no loop, and waits here, in the queue, for a future of its own.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::os::fd::{AsFd, BorrowedFd};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::block_on::assert_may_block;
use super::core::{Core, Turn};
use super::guest::as_guest;
use super::local::Local;
use super::waits::Waits;
use crate::base::error::{Error, Result};
use crate::base::sync::Arc;
use crate::io::{Bell, File, Io, Unpark};

/// How long a run goes on: the loop has other things to do.
const RUN_MAX: Duration = Duration::from_millis(1);

/// See the module.
pub(crate) struct Driven {
    core: Core,
    bell: Arc<Bell>,
    waits: Arc<Waits>,
}

impl Driven {
    /// Belongs to the calling thread. Its queue only reads; `held` stays open meanwhile.
    pub(crate) fn new(io: &Arc<dyn Io>, number: usize, held: &File) -> Result<Self> {
        let queue = io.queue(number, held)?;
        let bell = Bell::new(&*queue).map_err(|e| Error::io("wait for", held.path(), None, e))?;
        let bell = Arc::new(bell);
        let waits = Arc::new(Waits::new(Arc::clone(&bell) as Arc<dyn Unpark>, queue.unparker()));
        let core = Core::of(io, queue, Arc::clone(&waits) as Arc<dyn Unpark>, true);
        let driven = Self { core, bell, waits };
        driven.sleep(false);
        Ok(driven)
    }

    pub(crate) fn local(&self) -> &Local {
        self.core.local()
    }

    /// Takes turns until nobody has anything to do, but not for long.
    ///
    /// # Errors
    /// The queue is broken.
    pub(crate) fn run_ready(&mut self) -> Result<()> {
        if !self.core.is_at_home() {
            return Err(Error::Forked);
        }
        let io = Arc::clone(self.local().io());
        let end = io.now() + RUN_MAX;
        self.local().0.outside.take();
        let is_left = loop {
            match self.core.turn(false) {
                // What has rung meanwhile may have been seen by that turn, or not.
                Turn::Idle if self.bell.clear() => {}
                Turn::Idle => break false,
                Turn::Stopped => return Err(self.stopped()),
                Turn::Worked if io.now() >= end => break true,
                Turn::Worked => {}
            }
        };
        self.sleep(is_left);
        Ok(())
    }

    /// Runs the tasks, and a future that is none of them, until that ends; sleeps in the queue while nobody can go on.
    ///
    /// # Errors
    /// The queue is broken, or this is a child of the process.
    ///
    /// # Panics
    /// In code of a guest, and if `future` does. It may not wait by a call that blocks, either.
    pub(crate) fn block_on<F: Future>(&mut self, future: F) -> Result<F::Output> {
        assert_may_block();
        if !self.core.is_at_home() {
            return Err(Error::Forked);
        }
        let visit = Visit::begin(self);
        let mut future = pin!(future);
        // Neither a turn nor a lock in a child that a task or the future has forked.
        while visit.driven.core.is_at_home() && visit.driven.core.turn(true) != Turn::Stopped {
            let Some(waker) = visit.call.take() else { continue };
            let polled = as_guest(|| future.as_mut().poll(&mut Context::from_waker(&waker)));
            if let Poll::Ready(output) = polled {
                return Ok(output);
            }
        }
        Err(visit.driven.stopped())
    }

    /// Why it takes no turns.
    fn stopped(&self) -> Error {
        if self.core.is_at_home() { self.core.broken() } else { Error::Forked }
    }

    /// From here on messages ring the bell, and so does what is begun outside of a run; something that is there already
    /// does so now.
    fn sleep(&self, is_left: bool) {
        *self.local().0.outside.borrow_mut() = Some(Arc::clone(&self.bell) as Arc<dyn Unpark>);
        if !self.core.mailbox().fall_asleep() || is_left {
            self.bell.unpark();
        }
    }

    /// How long until there is something to do that does not ring; `None` if there is nothing.
    pub(crate) fn timeout(&self) -> Option<Duration> {
        let now = self.local().io().now();
        self.core.next_deadline().map(|deadline| deadline.saturating_sub(now))
    }
}

/// While the thread waits in the queue. A task stands for its future there: to wake that is to wake the task.
struct Visit<'a> {
    driven: &'a mut Driven,
    /// Set when the future is to be polled.
    call: Rc<Cell<Option<Waker>>>,
    /// Ends the task.
    end: Rc<RefCell<Option<Waker>>>,
}

impl<'a> Visit<'a> {
    fn begin(driven: &'a mut Driven) -> Self {
        let (call, end) = (Rc::new(Cell::new(None)), Rc::new(RefCell::new(Some(Waker::noop().clone()))));
        let (called, is_over) = (Rc::clone(&call), Rc::clone(&end));
        driven.local().0.outside.take();
        driven.local().spawn(poll_fn(move |context| match &mut *is_over.borrow_mut() {
            None => Poll::Ready(()),
            Some(waker) => {
                waker.clone_from(context.waker());
                called.set(Some(context.waker().clone()));
                Poll::Pending
            }
        }));
        driven.waits.next_in_queue();
        Self { driven, call, end }
    }
}

impl Drop for Visit<'_> {
    fn drop(&mut self) {
        // In a child other threads do not exist, and a lock that one of them held stays locked.
        if !self.driven.core.is_at_home() {
            return;
        }
        if let Some(waker) = self.end.take() {
            waker.wake();
        }
        self.driven.waits.next_in_loop();
        // What is left to be done is not known.
        self.driven.sleep(true);
    }
}

impl AsFd for Driven {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }
}
