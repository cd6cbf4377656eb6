//! What a task may do on its core: I/O, time, yielding, and spawning more tasks.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::io;
use std::ops::Range;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use super::guest::{Guest, Outcome, contain};
use super::reply::{Promise, Reply, reply};
use super::timers::{Sleeper, Timers};
use crate::base::coverage::reached;
use crate::base::error::{Error, Result};
use crate::base::limits::REQUEST_LEN_MAX;
use crate::base::planted::planted;
use crate::base::slab::Slab;
use crate::base::sync::Arc;
use crate::io::{Buffer, Completion, Data, Dir, File, Io, Op, Queue, Reach, Unpark, cannot_reserve, sectors};

/// How long a task may compute before it should yield: a WAL write or another task that became
/// ready on this core waits no longer than this.
pub(super) const SLICE: Duration = Duration::from_micros(200);

/// So many calls of a guest pass between two looks at the clock. Those that find everything in memory take less than
/// a microsecond.
const CALLS_PER_LOOK: u32 = 16;

/// Pieces of zeros on their way at a time: enough to keep the device busy.
const FILLS_IN_FLIGHT_MAX: usize = 4;

/// A future that stays on its core.
pub(super) struct LocalTask {
    pub(super) future: Pin<Box<dyn Future<Output = ()>>>,
    /// Whether it is the host program's.
    pub(super) is_guest: bool,
}

/// A task's handle to the core it runs on. Cheap to clone; never leaves the core.
#[derive(Clone)]
pub(crate) struct Local(pub(super) Rc<State>);

pub(super) struct State {
    pub(super) io: Arc<dyn Io>,
    pub(super) queue: RefCell<Box<dyn Queue>>,
    pub(super) operations: RefCell<Slab<Operation>>,
    pub(super) timers: RefCell<Timers>,
    pub(super) spawned: RefCell<VecDeque<LocalTask>>,
    pub(super) slice_start: Cell<Duration>,
    /// Of guests, since the last look at the clock.
    calls: Cell<u32>,
    /// The core is gone: no task would run.
    pub(super) has_ended: Cell<bool>,
    /// Of a driver, while it takes no turns: whom to call for what is begun then. It is called once.
    pub(super) outside: RefCell<Option<Arc<dyn Unpark>>>,
    /// Whether work on this core may wait for what callers do: it is not the first, on which the log is written.
    pub(super) is_background: bool,
}

/// Life of an operation as its waiter sees it. The queue owns the buffers until completion in
/// every case.
pub(super) enum Operation {
    /// In flight, somebody waits.
    Waiting(Option<Waker>),
    /// Completed, not yet picked up.
    Done(Completion),
    /// In flight, the waiter has gone: the completion is dropped when it comes.
    Abandoned,
    /// The core has ended: no completion comes.
    Ended,
}

impl State {
    pub(super) fn new(io: &Arc<dyn Io>, queue: Box<dyn Queue>, is_background: bool) -> Self {
        Self {
            io: Arc::clone(io),
            queue: RefCell::new(queue),
            operations: RefCell::new(Slab::new()),
            timers: RefCell::default(),
            spawned: RefCell::default(),
            slice_start: Cell::default(),
            calls: Cell::default(),
            has_ended: Cell::default(),
            outside: RefCell::default(),
            is_background,
        }
    }
}

impl Local {
    /// The world this core runs in.
    pub(crate) fn io(&self) -> &Arc<dyn Io> {
        &self.0.io
    }

    /// Starts another task on this core.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        self.adopt(LocalTask { future: Box::pin(task), is_guest: false });
    }

    /// Starts a guest on this core; tells what it comes to.
    pub(crate) fn spawn_guest<T: Future + 'static>(&self, future: T) -> Reply<Outcome<T::Output>> {
        let (promise, answer) = reply();
        self.promise_guest(future, promise);
        answer
    }

    pub(super) fn promise_guest<T>(&self, future: T, promise: Promise<Outcome<T::Output>>)
    where
        T: Future + 'static,
    {
        self.adopt(LocalTask { future: Box::pin(Guest::new(future, promise)), is_guest: true });
    }

    fn adopt(&self, task: LocalTask) {
        if !self.0.has_ended.get() {
            self.0.spawned.borrow_mut().push_back(task);
            self.call_from_outside();
        }
    }

    fn call_from_outside(&self) {
        if let Some(outside) = self.0.outside.take() {
            outside.unpark();
        }
    }

    /// Begins to read `len` bytes from `offset` on. The read goes on even if the returned future is dropped.
    pub(crate) fn begin_read(&self, file: &File, offset: u64, len: usize) -> Reading {
        let (start, skip) = if file.is_direct() { sectors::start(offset) } else { (offset, 0) };
        // A buffer holds whole sectors.
        let (file, buffer) = (file.clone(), Buffer::with_capacity(skip + len));
        Reading { submitted: self.submit(Op::Read { file, offset: start, buffer }), skip, len }
    }

    /// Begins to write all of `data`; it ends when that has come as far as `reach` says. The write goes on even if the
    /// returned future is dropped.
    pub(crate) fn begin_write(&self, file: &File, offset: u64, data: Data, reach: Reach) -> Writing {
        Writing(self.submit(Op::Write { file: file.clone(), offset, data, reach }))
    }

    fn submit(&self, op: Op) -> Submitted {
        if self.0.has_ended.get() {
            let token = self.0.operations.borrow_mut().insert(Operation::Ended);
            return Submitted { local: self.clone(), token };
        }
        let token = self.0.operations.borrow_mut().insert(Operation::Waiting(None));
        self.0.queue.borrow_mut().submit(token, op);
        self.call_from_outside();
        Submitted { local: self.clone(), token }
    }

    /// Whether the core is gone. Reads end with an error then, and sleeps at once: those who have a handle of it still
    /// would wait for ever.
    pub(crate) fn has_ended(&self) -> bool {
        self.0.has_ended.get()
    }

    /// Tells those who wait for what the core would have done, and are none of its tasks. When it has ended.
    pub(super) fn end_waits(&self) {
        assert!(self.has_ended());
        let mut wakers = self.0.timers.borrow_mut().expired(Duration::MAX);
        for operation in self.0.operations.borrow_mut().values_mut() {
            if let Operation::Waiting(waker) = operation {
                wakers.extend(waker.take());
                *operation = Operation::Ended;
            }
        }
        wakers.into_iter().for_each(|waker| contain(|| waker.wake()));
    }

    /// Reads up to `len` bytes; fewer only at the end of the file.
    pub(crate) async fn read(&self, file: &File, offset: u64, len: usize) -> Result<Buffer> {
        let read = self.begin_read(file, offset, len).await;
        read.map_err(|e| Error::io("read", file.path(), Some(offset), e))
    }

    /// Writes all of `data`, as far as `reach` says.
    pub(crate) async fn write(&self, file: &File, offset: u64, data: Data, reach: Reach) -> Result<()> {
        let written = self.begin_write(file, offset, data, reach).await;
        written.map_err(|e| Error::io("write", file.path(), Some(offset), e))
    }

    /// Makes a file's writes, or a directory's names, durable.
    pub(crate) async fn sync(&self, file: &File) -> Result<()> {
        let done = self.submit(Op::Sync { file: file.clone() }).await;
        done.and_then(|done| done.result).map_err(|e| Error::io("sync", file.path(), None, e))?;
        Ok(())
    }

    /// Reserves space for the first `len` bytes of a file, by filling it up with zeros where the file
    /// system cannot reserve.
    pub(crate) async fn allocate(&self, file: &File, len: u64) -> Result<()> {
        if !self.reserve(file, len).await? {
            reached!("allocate: zeros were written instead");
            let end = self.io().file_len(file)?;
            // In order: where this ends early, the next attempt goes on from the file's length.
            self.fill_by(1, file, end..len, |_| true).await?;
        }
        Ok(())
    }

    /// Reserves space for the first `len` bytes of a file; returns whether the file system can.
    pub(crate) async fn reserve(&self, file: &File, len: u64) -> Result<bool> {
        let done = self.submit(Op::Allocate { file: file.clone(), len }).await;
        match done.and_then(|done| done.result) {
            Ok(_) => Ok(true),
            Err(e) if cannot_reserve(&e) => Ok(false),
            Err(e) => Err(Error::io("allocate", file.path(), None, e)),
        }
    }

    /// Shortens a file, which has more, to `len` bytes.
    pub(crate) async fn shorten(&self, file: &File, len: u64) -> Result<()> {
        let done = self.submit(Op::Shorten { file: file.clone(), len }).await;
        let shortened = done.and_then(|done| done.result);
        shortened.map(drop).map_err(|e| Error::io("shorten", file.path(), None, e))
    }

    /// Writes zeros over a range of a file, a few pieces at a time.
    pub(crate) async fn fill(&self, file: &File, range: Range<u64>) -> Result<()> {
        self.fill_while(file, range, |_| true).await.map(drop)
    }

    /// The same from the range's start on for as long as `goes_on`, which is told what is not written yet; returns whether
    /// all of it is filled.
    pub(crate) async fn fill_while(
        &self,
        file: &File,
        range: Range<u64>,
        goes_on: impl FnMut(&Range<u64>) -> bool,
    ) -> Result<bool> {
        self.fill_by(FILLS_IN_FLIGHT_MAX, file, range, goes_on).await
    }

    async fn fill_by(
        &self,
        in_flight_max: usize,
        file: &File,
        range: Range<u64>,
        mut goes_on: impl FnMut(&Range<u64>) -> bool,
    ) -> Result<bool> {
        let (mut offset, mut end, mut in_flight) = (range.start, range.end, VecDeque::new());
        let (mut left, mut filled) = (range.clone(), Ok(()));
        loop {
            if offset < end && (filled.is_err() || !goes_on(&left)) {
                end = offset;
            }
            if offset < end && in_flight.len() < in_flight_max {
                let len = (end - offset).min(REQUEST_LEN_MAX as u64) as usize;
                let mut zeros = Buffer::with_capacity(len);
                zeros.zero_to(len);
                let write = self.begin_write(file, offset, Data::Owned(zeros), Reach::PageCache);
                in_flight.push_back((offset, write));
                offset += len as u64;
                continue;
            }
            // Also after an error: nothing writes to the file any more when this returns.
            let Some((at, write)) = in_flight.pop_front() else { break };
            let written = write.await.map_err(|e| Error::io("write", file.path(), Some(at), e));
            filled = filled.and(written);
            left.start = in_flight.front().map_or(offset, |(at, _)| *at);
        }
        filled.map(|()| end == range.end)
    }

    /// Removes a file.
    pub(crate) async fn remove(&self, dir: &Dir, name: &str) -> Result<()> {
        let done = self.submit(Op::Remove { dir: dir.clone(), name: name.to_owned() }).await;
        done.and_then(|done| done.result).map_err(|e| Error::io("remove", &dir.path_of(name), None, e))?;
        Ok(())
    }

    /// Lets other tasks of this core run.
    pub(crate) async fn yield_now(&self) {
        let mut yielded = false;
        poll_fn(|context| {
            if yielded {
                return Poll::Ready(());
            }
            yielded = true;
            context.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }

    /// Yields if the running task has used up its slice. Call it every few microseconds of work.
    pub(crate) async fn yield_if_due(&self) {
        if self.is_slice_over() {
            self.yield_now().await;
        }
    }

    /// The same for work that may wait: on a core in the background other threads get the CPU first. Without this, a
    /// caller's thread that is interrupted waits for the system's next tick, which is milliseconds away.
    pub(crate) async fn give_way_if_due(&self) {
        if self.is_slice_over() {
            if self.0.is_background {
                self.0.io.give_way();
            }
            self.yield_now().await;
        }
    }

    /// For a guest, once for each `calls` calls: pending, to be polled again after others, if it has used up its slice.
    pub(crate) fn poll_turn(&self, context: &mut Context<'_>, calls: u32) -> Poll<()> {
        let calls = self.0.calls.get() + calls;
        if calls < CALLS_PER_LOOK {
            self.0.calls.set(calls);
            return Poll::Ready(());
        }
        self.0.calls.set(0);
        if !self.is_slice_over() || planted!(GuestTurnEndless) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }

    fn is_slice_over(&self) -> bool {
        self.0.io.now().saturating_sub(self.0.slice_start.get()) >= SLICE
    }

    /// Waits for a time.
    pub(crate) fn sleep(&self, duration: Duration) -> Sleep {
        let deadline = self.0.io.now().saturating_add(duration);
        Sleep { local: self.clone(), deadline, sleeper: None }
    }
}

/// Waits for a time. Leaves nothing behind when it is dropped.
pub(crate) struct Sleep {
    local: Local,
    deadline: Duration,
    /// In the timers, once it was polled.
    sleeper: Option<Sleeper>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.local.0.io.now() >= self.deadline || self.local.has_ended() {
            return Poll::Ready(());
        }
        // A waker's clone and drop may be code of a guest's, which may call the core.
        let waker = context.waker().clone();
        let before = {
            let mut timers = self.local.0.timers.borrow_mut();
            match self.sleeper.and_then(|sleeper| timers.waker(sleeper)) {
                Some(kept) => Some(std::mem::replace(kept, waker)),
                None => {
                    let sleeper = timers.add(self.deadline, waker);
                    drop(timers);
                    self.sleeper = Some(sleeper);
                    None
                }
            }
        };
        drop(before);
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        let Some(sleeper) = self.sleeper else { return };
        let waker = self.local.0.timers.borrow_mut().remove(sleeper);
        drop(waker);
    }
}

/// A read in flight; ends with what was asked for, or less at the end of the file.
pub(crate) struct Reading {
    submitted: Submitted,
    /// Bytes before what was asked for, and its length.
    skip: usize,
    len: usize,
}

impl Future for Reading {
    type Output = io::Result<Buffer>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<Buffer>> {
        let done = ready!(Pin::new(&mut self.submitted).poll(context))?;
        Poll::Ready(done.result.map(|_| {
            let mut buffer = done.op.into_buffer();
            buffer.drop_front(self.skip);
            buffer.truncate(self.len);
            buffer
        }))
    }
}

/// A write in flight.
pub(crate) struct Writing(Submitted);

impl Future for Writing {
    type Output = io::Result<()>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll(context).map(|done| done?.result.map(drop))
    }
}

/// An operation in flight; ends with its completion, or with an error if its core has ended before.
struct Submitted {
    local: Local,
    token: u64,
}

impl Future for Submitted {
    type Output = io::Result<Completion>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        // A waker's clone and drop may be code of a guest's, which may call the core.
        let new = context.waker().clone();
        let mut operations = self.local.0.operations.borrow_mut();
        match operations.get_mut(self.token) {
            Some(Operation::Waiting(waker)) => {
                let before = waker.replace(new);
                drop(operations);
                drop(before);
                Poll::Pending
            }
            _ => match operations.remove(self.token) {
                Some(Operation::Done(done)) => Poll::Ready(Ok(done)),
                Some(Operation::Ended) => Poll::Ready(Err(io::Error::other("its core has ended"))),
                _ => unreachable!("polled after completion"),
            },
        }
    }
}

impl Drop for Submitted {
    fn drop(&mut self) {
        let mut operations = self.local.0.operations.borrow_mut();
        let before = match operations.get_mut(self.token) {
            Some(operation @ Operation::Waiting(_)) => {
                Some(std::mem::replace(operation, Operation::Abandoned))
            }
            Some(Operation::Done(_) | Operation::Ended) => operations.remove(self.token),
            Some(Operation::Abandoned) | None => None,
        };
        drop(operations);
        drop(before);
    }
}
