//! A core's queue: operations in, completions out, one `enter` for each turn.
//!
//! Operations live in [`Slab`] from submission to completion, whatever happens to the future that
//! waits for them; the kernel works on their memory meanwhile. Requests wait in `ready` while the
//! ring is full. Dropping the queue waits for what the kernel has, and forgets what it has not.

use std::collections::VecDeque;
use std::io;
use std::mem;
use std::os::fd::BorrowedFd;
use std::thread;

use io_uring::types::Fd;
use io_uring::{opcode, squeue};
use rustix::io::Errno;

use super::flight::{Flight, Progress};
use super::park::Parker;
use super::ring::{Entered, Ring, Sleep};
use crate::base::error::{Error, Result};
use crate::base::limits::TABLE_PIECES_IN_FLIGHT_MAX;
use crate::base::metrics::IoCounters;
use crate::base::slab::Slab;
use crate::base::sync::Arc;
use crate::io::clock::Clock;
use crate::io::durable::{Begun, DurableWrites};
use crate::io::refusal::{Refusal, SETUP};
use crate::io::{Buffer, CROWDED_PAUSE, Completion, File, Op, Queue, Unpark, Wait, blocking};

/// Requests sent with one enter. A batch of 32 already brings nearly all that batching can bring;
/// the rest is room for bursts.
pub(super) const ENTRIES: u32 = 128;

/// Kernel threads that may work for one core on files. The write-back of a piece of a table is waited for in one of them;
/// on a single core a flush and a compaction have such pieces, and syncs of the log must not wait for them.
const FILE_WORKERS_MAX: u32 = 2 * TABLE_PIECES_IN_FLIGHT_MAX as u32 + 4;

/// Kernel threads that may work for one core on anything else.
const OTHER_WORKERS_MAX: u32 = 2;

/// Why a key taken from a completion is in the slab: a flight stays until its last completion.
const FLYING: &str = "an operation's slot lives until its completion";

/// User data of the eventfd's read; no key of [`Slab`] is all ones.
const WAKEUP: u64 = u64::MAX;

/// The queue of one core.
pub(super) struct UringQueue {
    ring: Ring,
    flights: Slab<Flight>,
    /// Flights whose next request has not been pushed.
    ready: VecDeque<u64>,
    /// Requests pushed and not yet popped, the wakeup's apart.
    pushed: usize,
    pushed_max: usize,
    parker: Arc<Parker>,
    /// Where the kernel puts the eventfd's count. Never read.
    wakeup_count: Buffer,
    /// Whether the eventfd's read is with the kernel.
    wakeup_armed: bool,
    clock: Clock,
    counters: Arc<IoCounters>,
    durable: Arc<DurableWrites>,
    /// What the ring holds.
    held: File,
}

impl UringQueue {
    /// A queue with a new ring, which belongs to the calling thread.
    pub(super) fn new(
        core: usize,
        held: &File,
        clock: Clock,
        (counters, durable): (Arc<IoCounters>, Arc<DurableWrites>),
    ) -> Result<Self> {
        let ring = Ring::open(ENTRIES).map_err(Refusal::of(SETUP))?;
        // The ring holds the lock's open file, so that the lock lasts until the ring is gone. When
        // the process is killed, that is after its last request in flight: whoever takes the lock
        // next cannot be overtaken by a write of its predecessor.
        ring.hold(held).map_err(Refusal::of("io_uring_register"))?;
        if let Err(e) = ring.limit_workers(FILE_WORKERS_MAX, OTHER_WORKERS_MAX) {
            tracing::debug!("core {core}: kernels before 5.15 do not limit ring workers: {e}");
        }
        let parker = Parker::new().map_err(|e| Refusal::of("eventfd2")(e.into()))?;
        Ok(Self {
            pushed_max: ring.in_flight_max() - 1,
            ring,
            flights: Slab::new(),
            ready: VecDeque::new(),
            pushed: 0,
            parker: Arc::new(parker),
            wakeup_count: Buffer::with_capacity(8),
            wakeup_armed: false,
            clock,
            counters,
            durable,
            held: held.clone(),
        })
    }

    /// Pushes the requests that are ready, as many as may be in flight; enters if they are more
    /// than the ring takes at once.
    fn push_ready(&mut self) -> Result<()> {
        self.arm_wakeup()?;
        while self.pushed < self.pushed_max && self.make_room()? {
            let Some(key) = self.ready.pop_front() else { break };
            let entry = self.flights.get_mut(key).expect(FLYING).request().user_data(key);
            // SAFETY: the request names memory and descriptors of a flight that stays in its slot
            // until `reap` has popped the completion, also if this queue is dropped.
            let pushed = unsafe { self.ring.push(&entry) };
            assert!(pushed, "there is room");
            self.pushed += 1;
            self.counters.ring_ops.add(1);
        }
        Ok(())
    }

    fn arm_wakeup(&mut self) -> Result<()> {
        if self.wakeup_armed || !self.make_room()? {
            return Ok(());
        }
        let entry = wakeup(&self.parker, &mut self.wakeup_count);
        // SAFETY: the count's memory and the eventfd belong to this queue, which waits in `drop`
        // for the completion before it lets go of either.
        self.wakeup_armed = unsafe { self.ring.push(&entry) };
        Ok(())
    }

    /// Whether a request can be pushed, after sending those before it if need be.
    fn make_room(&mut self) -> Result<bool> {
        if self.ring.is_full() {
            self.enter(Sleep::No).map_err(|e| self.broken(e))?;
        }
        Ok(!self.ring.is_full())
    }

    fn enter(&self, sleep: Sleep) -> io::Result<Entered> {
        if sleep == Sleep::No && !self.ring.needs_enter() {
            return Ok(Entered::Fine);
        }
        self.counters.ring_enters.add(1);
        self.ring.enter(sleep)
    }

    /// How long the coming enter may sleep. Anything but `No` has announced the sleep.
    fn sleep(&self, wait: Wait) -> Sleep {
        let sleep = match wait {
            Wait::No => Sleep::No,
            Wait::Until(None) => Sleep::Forever,
            Wait::Until(Some(deadline)) => self.clock.left_until(deadline).map_or(Sleep::No, Sleep::For),
        };
        // Without the wakeup nothing but a completion would end the sleep.
        let may = sleep != Sleep::No && self.wakeup_armed && self.parker.fall_asleep();
        if may { sleep } else { Sleep::No }
    }

    /// Takes out all completions there are; appends operations that have ended to `done`.
    fn reap(&mut self, done: &mut Vec<Completion>) -> Result<()> {
        while let Some((key, result)) = self.ring.pop() {
            if key == WAKEUP {
                self.wakeup_armed = false;
                self.check_wakeup(result)?;
                continue;
            }
            self.pushed -= 1;
            // SAFETY: the result is the kernel's for this flight's last request.
            match unsafe { self.flights.get_mut(key).expect(FLYING).advance(result) } {
                Progress::Again => self.ready.push_back(key),
                Progress::Plainly => {
                    let mut flight = self.flights.remove(key).expect(FLYING);
                    let result = blocking::perform(&mut flight.op, flight.begun.by);
                    done.push(self.completion(flight, result));
                }
                Progress::Done(result) => {
                    let flight = self.flights.remove(key).expect(FLYING);
                    done.push(self.completion(flight, result));
                }
            }
        }
        Ok(())
    }

    fn completion(&self, Flight { token, op, begun, .. }: Flight, result: io::Result<usize>) -> Completion {
        if result.is_ok() {
            self.durable.end(begun, || self.clock.now());
        }
        op.count(&self.counters, &result);
        Completion { token, result, op }
    }

    fn check_wakeup(&self, result: i32) -> Result<()> {
        if result >= 0 {
            return Ok(());
        }
        match Errno::from_raw_os_error(-result) {
            Errno::INTR | Errno::AGAIN | Errno::CANCELED => Ok(()),
            e => Err(self.broken(e.into())),
        }
    }

    fn broken(&self, e: io::Error) -> Error {
        Error::io("drive the ring that holds", self.held.path(), None, e)
    }
}

fn wakeup(parker: &Parker, count: &mut Buffer) -> squeue::Entry {
    opcode::Read::new(Fd(parker.raw_fd()), count.as_mut_ptr(), 8).build().user_data(WAKEUP)
}

impl Queue for UringQueue {
    fn submit(&mut self, token: u64, op: Op) {
        let begun = match op.is_durable_write() {
            true => self.durable.begin(|| self.clock.now()),
            false => Begun::UNTIMED,
        };
        let key = self.flights.insert(Flight::new(token, op, begun));
        self.ready.push_back(key);
    }

    fn turn(&mut self, wait: Wait, done: &mut Vec<Completion>) -> Result<()> {
        let (done_before, mut is_sent_on) = (done.len(), false);
        loop {
            self.push_ready()?;
            let sleep = self.sleep(wait);
            let entered = self.enter(sleep);
            let called = sleep != Sleep::No && self.parker.wake_up();
            self.reap(done)?;
            let entered = entered.map_err(|e| self.broken(e))?;
            // The rest of a transfer goes on its way now: who does not sleep may not come back before it has ended.
            if sleep == Sleep::No && !self.ready.is_empty() && !mem::replace(&mut is_sent_on, true) {
                continue;
            }
            // A sleep may also have ended by a signal, a late wakeup, or a piece of a transfer.
            if sleep == Sleep::No || called || done.len() > done_before {
                return Ok(());
            }
            if entered == Entered::Crowded {
                thread::sleep(CROWDED_PAUSE);
            }
        }
    }

    fn signal_completions(&self, eventfd: BorrowedFd<'_>) -> io::Result<()> {
        self.ring.signal_completions(eventfd)
    }

    fn is_crowded(&self) -> bool {
        // What waits in `ready` although more may be in flight has not found room in the ring.
        !self.ring.is_sent() || (!self.ready.is_empty() && self.pushed < self.pushed_max)
    }

    fn in_flight(&self) -> usize {
        self.flights.len()
    }

    fn unparker(&self) -> Arc<dyn Unpark> {
        Arc::clone(&self.parker) as Arc<dyn Unpark>
    }
}

impl Drop for UringQueue {
    fn drop(&mut self) {
        self.parker.signal();
        let mut done = Vec::new();
        while self.pushed > 0 || self.wakeup_armed {
            let entered = self.enter(Sleep::Forever);
            // An error of the wakeup's read says that the read has ended: all we wait for.
            let _wakeup = self.reap(&mut done);
            match entered {
                Ok(Entered::Fine) => {}
                Ok(Entered::Crowded) => thread::sleep(CROWDED_PAUSE),
                Err(e) => {
                    // The kernel may still use the memory, and nothing will tell us when it ends.
                    tracing::error!("{} operations are abandoned: {}", self.pushed, self.broken(e));
                    // So the directory stays locked, as long as the process lives.
                    mem::forget(self.held.clone());
                    mem::forget(mem::replace(&mut self.flights, Slab::new()));
                    mem::forget(mem::replace(&mut self.wakeup_count, Buffer::with_capacity(8)));
                    return;
                }
            }
        }
        // The ring is taken down in the background; without this the lock would outlast the close.
        if let Err(e) = self.ring.let_go() {
            tracing::debug!("the ring keeps {} a little longer: {e}", self.held.path().display());
        }
    }
}
