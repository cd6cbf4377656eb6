//! One core: its tasks and the turn that drives them and reads its mailbox.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use super::guest::contain;
use super::local::{Local, LocalTask, Operation, SLICE, State};
use super::mailbox::Mailbox;
use crate::base::coverage::reached;
use crate::base::error::{Error, Result};
use crate::base::planted::planted;
use crate::base::slab::Slab;
use crate::base::sync::Arc;
use crate::io::{CROWDED_PAUSE, Completion, Io, Lock, Op, Process, Queue, Unpark, Wait};

struct TaskWaker {
    mailbox: Arc<Mailbox>,
    task: u64,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.mailbox.wake(self.task);
    }
}

struct Task {
    /// `None` while it is being polled.
    future: Option<Pin<Box<dyn Future<Output = ()>>>>,
    waker: Waker,
    is_guest: bool,
    /// Whether it stands in line already.
    is_ready: bool,
}

/// What a turn found to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// Tasks ran or operations completed.
    Worked,
    /// Nothing was ready.
    Idle,
    /// The core was told to stop.
    Stopped,
}

/// One engine core. Lives on one thread.
pub(super) struct Core {
    mailbox: Arc<Mailbox>,
    local: Local,
    tasks: Slab<Task>,
    /// Tasks of the engine to be polled.
    ready: VecDeque<u64>,
    /// Guests to be polled.
    ready_guests: VecDeque<u64>,
    completions: Vec<Completion>,
    /// Set when the queue broke; the core then refuses to go on.
    broken: Option<Error>,
    /// Where it lives: a child that a guest forks has a copy, which must do nothing.
    process: Process,
}

impl Core {
    /// Makes a core with a queue of its own, on the calling thread.
    pub(super) fn new(io: &Arc<dyn Io>, number: usize, lock: &Lock) -> Result<Self> {
        let queue = io.queue(number, &lock.0)?;
        let unparker = queue.unparker();
        Ok(Self::of(io, queue, unparker, number > 0))
    }

    /// Makes a core of a queue. Who sends it a message while it sleeps uses the unparker.
    pub(super) fn of(
        io: &Arc<dyn Io>,
        queue: Box<dyn Queue>,
        unparker: Arc<dyn Unpark>,
        is_background: bool,
    ) -> Self {
        let mailbox = Arc::new(Mailbox::new(unparker));
        let local = Local(Rc::new(State::new(io, queue, is_background)));
        let (ready, ready_guests) = (VecDeque::new(), VecDeque::new());
        Self {
            mailbox,
            local,
            tasks: Slab::new(),
            ready,
            ready_guests,
            completions: Vec::new(),
            broken: None,
            process: Process::current(),
        }
    }

    /// For its tasks.
    pub(super) fn local(&self) -> &Local {
        &self.local
    }

    /// The earliest time at which a turn is due that nobody asks for: a timer's, or one for what is unsent.
    pub(super) fn next_deadline(&self) -> Option<Duration> {
        let timer = self.local.0.timers.borrow().next_deadline();
        // A child has no part of the queue.
        if !self.is_at_home() || !self.local.0.queue.borrow().is_crowded() {
            return timer;
        }
        let again = self.local.io().now() + CROWDED_PAUSE;
        Some(timer.map_or(again, |timer| timer.min(again)))
    }

    /// Why it has stopped.
    pub(super) fn broken(&self) -> Error {
        self.broken.clone().unwrap_or(Error::Closed)
    }

    /// Whether this is the process it was made in.
    pub(super) fn is_at_home(&self) -> bool {
        self.process.is_current()
    }

    /// Where other threads reach this core.
    pub(super) fn mailbox(&self) -> &Arc<Mailbox> {
        &self.mailbox
    }

    /// One turn: reads the mailbox, runs every ready task of the engine once, then guests for about a slice, then
    /// exchanges operations with the kernel, sleeping there if nothing is ready and `may_wait`.
    pub(super) fn turn(&mut self, may_wait: bool) -> Turn {
        if !self.process.is_current() || self.read_mailbox() || self.broken.is_some() {
            return Turn::Stopped;
        }
        let now = self.local.io().now();
        let expired = self.local.0.timers.borrow_mut().expired(now);
        let mut worked = !expired.is_empty();
        expired.into_iter().for_each(|waker| contain(|| waker.wake()));
        worked |= self.run_ready();
        worked |= self.run_guests();
        if !self.process.is_current() {
            return Turn::Stopped;
        }
        let wait = if may_wait && !worked { self.fall_asleep() } else { Wait::No };
        worked |= self.exchange(wait);
        self.mailbox.wake_up();
        if worked { Turn::Worked } else { Turn::Idle }
    }

    /// Returns whether the core was told to stop.
    fn read_mailbox(&mut self) -> bool {
        let messages = self.mailbox.take();
        messages.wakes.into_iter().for_each(|key| self.line_up(key));
        messages.starts.into_iter().for_each(|start| start(&self.local));
        self.adopt_spawned();
        messages.stop
    }

    /// Takes in what tasks and messages have spawned.
    fn adopt_spawned(&mut self) -> bool {
        let spawned = std::mem::take(&mut *self.local.0.spawned.borrow_mut());
        let any = !spawned.is_empty();
        for LocalTask { future, is_guest } in spawned {
            let waker = Waker::noop().clone();
            let key = self.tasks.insert(Task { future: Some(future), waker, is_guest, is_ready: false });
            let waker = TaskWaker { mailbox: Arc::clone(&self.mailbox), task: key };
            self.tasks.get_mut(key).expect("just inserted").waker = Waker::from(Arc::new(waker));
            self.line_up(key);
        }
        any
    }

    /// Has a task polled in its turn: once, however often it was woken. One that has ended is nobody's any more.
    fn line_up(&mut self, key: u64) {
        let Some(task) = self.tasks.get_mut(key).filter(|task| !task.is_ready) else { return };
        task.is_ready = true;
        if task.is_guest { &mut self.ready_guests } else { &mut self.ready }.push_back(key);
    }

    fn run_ready(&mut self) -> bool {
        let batch = self.ready.len();
        for _ in 0..batch {
            // A waker, or what a guest drops, may have forked.
            if !self.process.is_current() {
                break;
            }
            let Some(key) = self.ready.pop_front() else { break };
            self.run(key);
        }
        self.adopt_spawned() || batch > 0
    }

    /// Runs ready guests once each, until they have used a slice together: so long, and for one guest's own slice, the
    /// engine's tasks and completions wait for them.
    fn run_guests(&mut self) -> bool {
        let batch = self.ready_guests.len();
        if batch == 0 || !self.process.is_current() {
            return false;
        }
        let begin = self.local.io().now();
        for _ in 0..batch {
            let Some(key) = self.ready_guests.pop_front() else { break };
            self.run(key);
            // In a child that a guest has forked no other goes on.
            if self.local.0.slice_start.get().saturating_sub(begin) >= SLICE || !self.process.is_current() {
                break;
            }
        }
        self.adopt_spawned();
        true
    }

    fn run(&mut self, key: u64) {
        let Some(task) = self.tasks.get_mut(key) else { return };
        task.is_ready = task.is_guest && planted!(GuestForgotten);
        let Some(mut future) = task.future.take() else { return };
        let waker = task.waker.clone();
        self.local.0.slice_start.set(self.local.io().now());
        let mut context = Context::from_waker(&waker);
        if future.as_mut().poll(&mut context).is_pending() {
            self.tasks.get_mut(key).expect("a running task keeps its slot").future = Some(future);
        } else {
            self.tasks.remove(key);
        }
    }

    /// Announces sleep, unless there is mail already.
    fn fall_asleep(&self) -> Wait {
        if !self.mailbox.fall_asleep() {
            return Wait::No;
        }
        Wait::Until(self.local.0.timers.borrow().next_deadline())
    }

    fn exchange(&mut self, wait: Wait) -> bool {
        let result = self.local.0.queue.borrow_mut().turn(wait, &mut self.completions);
        if let Err(error) = result {
            tracing::error!(%error, "a core's queue broke: the core stops");
            self.broken = Some(error);
        }
        let any = !self.completions.is_empty();
        for done in self.completions.drain(..) {
            let mut operations = self.local.0.operations.borrow_mut();
            let token = done.token;
            match operations.get_mut(token) {
                Some(Operation::Abandoned) => {
                    reached!("operation: completed after its waiter had gone");
                    drop(operations.remove(token));
                }
                Some(operation) => {
                    let old = std::mem::replace(operation, Operation::Done(done));
                    drop(operations);
                    if let Operation::Waiting(Some(waker)) = old {
                        contain(|| waker.wake());
                    }
                }
                None => unreachable!("an operation's slot lives until its completion"),
            }
        }
        any
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        if !self.process.is_current() {
            // A child that a guest has forked: all of this is its parent's.
            std::mem::forget((self.tasks.drain(), self.local.clone()));
            return;
        }
        // Tasks own handles to the local state: they end before the queue is dropped, which waits for the operations
        // in flight.
        self.local.0.has_ended.set(true);
        for task in self.tasks.drain() {
            // What one of them drops may fork: the others are the parent's then.
            if self.process.is_current() { drop(task) } else { std::mem::forget(task) }
        }
        if !self.process.is_current() {
            std::mem::forget(self.local.clone());
            return;
        }
        self.mailbox.end();
        let unborn = std::mem::take(&mut *self.local.0.spawned.borrow_mut());
        drop(unborn);
        // A handle that a guest has put away somewhere must not keep the queue, which holds the directory's lock.
        let queue = self.local.0.queue.replace(Box::new(NoQueue));
        drop(queue);
        self.local.end_waits();
    }
}

/// In place of the queue of a core that has ended.
struct NoQueue;

impl Queue for NoQueue {
    /// Nobody is left to poll who waits for it.
    fn submit(&mut self, _token: u64, _op: Op) {}

    fn turn(&mut self, _wait: Wait, _done: &mut Vec<Completion>) -> Result<()> {
        Ok(())
    }

    fn in_flight(&self) -> usize {
        0
    }

    fn unparker(&self) -> Arc<dyn Unpark> {
        struct Nobody;
        impl Unpark for Nobody {
            fn unpark(&self) {}
        }
        Arc::new(Nobody)
    }
}
