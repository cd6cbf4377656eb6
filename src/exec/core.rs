//! One core: its tasks and the turn that drives them and reads its mailbox.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Wake, Waker};

use super::local::{Local, LocalTask, Operation, State};
use super::mailbox::{Mailbox, Start};
use super::timers::Timers;
use crate::base::coverage::reached;
use crate::base::error::{Error, Result};
use crate::base::slab::Slab;
use crate::base::sync::Arc;
use crate::io::{Completion, Io, Lock, Wait};

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
    future: Option<LocalTask>,
    waker: Waker,
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
    ready: VecDeque<u64>,
    completions: Vec<Completion>,
    /// Set when the queue broke; the core then refuses to go on.
    broken: Option<Error>,
}

impl Core {
    /// Makes a core with a queue of its own, on the calling thread.
    pub(super) fn new(io: &Arc<dyn Io>, number: usize, lock: &Lock) -> Result<Self> {
        let queue = io.queue(number, lock)?;
        let mailbox = Arc::new(Mailbox::new(queue.unparker()));
        let local = Local(Rc::new(State {
            io: Arc::clone(io),
            queue: RefCell::new(queue),
            operations: RefCell::new(Slab::new()),
            timers: RefCell::new(Timers::default()),
            spawned: RefCell::default(),
            slice_start: Cell::default(),
            is_background: number > 0,
        }));
        let (tasks, ready, completions) = (Slab::new(), VecDeque::new(), Vec::new());
        Ok(Self { mailbox, local, tasks, ready, completions, broken: None })
    }

    /// Where other threads reach this core.
    pub(super) fn mailbox(&self) -> &Arc<Mailbox> {
        &self.mailbox
    }

    /// One turn: reads the mailbox, runs every ready task once, then exchanges operations with the
    /// kernel, sleeping there if nothing is ready and `may_wait`.
    pub(super) fn turn(&mut self, may_wait: bool) -> Turn {
        if self.read_mailbox() || self.broken.is_some() {
            return Turn::Stopped;
        }
        let now = self.local.io().now();
        let expired = self.local.0.timers.borrow_mut().expired(now);
        let mut worked = !expired.is_empty();
        expired.into_iter().for_each(Waker::wake);
        worked |= self.run_ready();
        let wait = if may_wait && !worked { self.fall_asleep() } else { Wait::No };
        worked |= self.exchange(wait);
        self.mailbox.wake_up();
        if worked { Turn::Worked } else { Turn::Idle }
    }

    /// Returns whether the core was told to stop.
    fn read_mailbox(&mut self) -> bool {
        let messages = self.mailbox.take();
        self.ready.extend(messages.wakes);
        for start in messages.starts {
            let task = start(self.local.clone());
            self.adopt(task);
        }
        messages.stop
    }

    fn adopt(&mut self, future: LocalTask) {
        let key = self.tasks.insert(Task { future: Some(future), waker: Waker::noop().clone() });
        let waker = Waker::from(Arc::new(TaskWaker { mailbox: Arc::clone(&self.mailbox), task: key }));
        self.tasks.get_mut(key).expect("just inserted").waker = waker;
        self.ready.push_back(key);
    }

    fn run_ready(&mut self) -> bool {
        let batch = self.ready.len();
        for _ in 0..batch {
            let Some(key) = self.ready.pop_front() else { break };
            self.run(key);
        }
        let spawned = std::mem::take(&mut *self.local.0.spawned.borrow_mut());
        let any = batch > 0 || !spawned.is_empty();
        spawned.into_iter().for_each(|task| self.adopt(task));
        any
    }

    fn run(&mut self, key: u64) {
        let Some(task) = self.tasks.get_mut(key) else { return };
        let Some(mut future) = task.future.take() else { return };
        let waker = task.waker.clone();
        self.local.0.slice_start.set(self.local.io().now());
        let mut context = Context::from_waker(&waker);
        if Pin::new(&mut future).poll(&mut context).is_pending() {
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
                        waker.wake();
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
        // Tasks may own handles to the local state: end them before the queue is dropped, which
        // waits for the operations in flight.
        drop(self.tasks.drain());
        self.mailbox.end();
        let unborn = std::mem::take(&mut *self.local.0.spawned.borrow_mut());
        drop(unborn);
    }
}

/// Boxes a task maker.
pub(super) fn start_of<F, T>(make: F) -> Start
where
    F: FnOnce(Local) -> T + Send + 'static,
    T: Future<Output = ()> + 'static,
{
    Box::new(move |local| Box::pin(make(local)))
}
