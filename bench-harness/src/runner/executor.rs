//! Futures that take turns on one thread.
//!
//! As small as it can be, so that what is measured is the engine: a queue of those that can go on, a list of those that
//! wake-ups have named, and a heap of those that wait for a time. When nobody can go on the thread sleeps, or, as one
//! future, waits where the engine has its threads wait. Which future is polled next is decided by who was ready first.

use std::cell::Cell;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

use crate::measure::{Clock, Moment};

/// How long before a time the thread wakes to spin, as in `turns`: a wake-up takes a few microseconds.
const SPIN_NS: u64 = 15_000;

/// What the futures of a thread tell their executor.
pub struct Local {
    clock: Clock,
    /// Whether the future that was just polled can go on.
    yields: Cell<bool>,
    /// Until when it wants to sleep.
    sleeps_until: Cell<Option<Moment>>,
}

impl Local {
    pub fn new(clock: Clock) -> Local {
        Local { clock, yields: Cell::new(false), sleeps_until: Cell::new(None) }
    }

    /// Lets the others go on first.
    pub async fn give_way(&self) {
        let mut gave_way = false;
        poll_fn(|_| {
            if gave_way {
                return Poll::Ready(());
            }
            gave_way = true;
            self.yields.set(true);
            Poll::Pending
        })
        .await;
    }

    /// Waits for a time; returns at once if it has passed.
    pub async fn sleep_until(&self, time: Moment) {
        poll_fn(|_| {
            if self.clock.before() >= time {
                return Poll::Ready(());
            }
            self.sleeps_until.set(Some(time));
            Poll::Pending
        })
        .await;
    }
}

/// Futures that wake-ups have named since the executor looked.
struct Woken {
    any: AtomicBool,
    list: Mutex<Vec<usize>>,
    thread: Waker,
}

/// The waker of one future.
struct Bell {
    place: usize,
    /// Whether it is named already.
    rung: AtomicBool,
    woken: Arc<Woken>,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // Whoever polls the future sets it back before the poll, and so sees all that was done before this.
        if self.rung.swap(true, Ordering::AcqRel) {
            return;
        }
        let woken = &self.woken;
        woken.list.lock().unwrap_or_else(PoisonError::into_inner).push(self.place);
        // Who has rung before has woken the thread, which has not looked since.
        if !woken.any.swap(true, Ordering::AcqRel) {
            woken.thread.wake_by_ref();
        }
    }
}

/// One of the futures.
pub type Task<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

/// What the futures of a thread have come to.
enum Left {
    /// All have ended.
    Nothing,
    /// Some can go on.
    Work,
    /// All wait; the first of those that wait for a time, if any, until then.
    Waiting(Option<Moment>),
}

struct Executor<'a> {
    local: &'a Local,
    woken: Arc<Woken>,
    tasks: Vec<Option<Task<'a>>>,
    bells: Vec<(Arc<Bell>, Waker)>,
    queue: VecDeque<usize>,
    sleepers: BinaryHeap<Reverse<(Moment, usize)>>,
    left: usize,
}

/// Polls these futures on the calling thread until all have ended. With `spin` the thread does not sleep while one of
/// them waits for a time.
pub fn run<'a>(local: &'a Local, spin: bool, futures: impl IntoIterator<Item = Task<'a>>) {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }

        fn wake_by_ref(self: &Arc<Self>) {
            self.0.unpark();
        }
    }
    let mut executor = Executor::new(local, Arc::new(Unpark(thread::current())).into(), futures);
    loop {
        match executor.turn() {
            Left::Nothing => return,
            Left::Work => {}
            Left::Waiting(None) => thread::park(),
            Left::Waiting(Some(time)) => match time.ns_since(local.clock.before()) {
                left_ns if !spin && left_ns > SPIN_NS => {
                    thread::park_timeout(Duration::from_nanos(left_ns - SPIN_NS));
                }
                _ => std::hint::spin_loop(),
            },
        }
    }
}

/// The same as one future, which sleeps by `sleep`. It is pending after each turn, so that whoever polls it has one, too.
pub async fn run_awaited<'a, S: Future<Output = ()>>(
    local: &'a Local,
    spin: bool,
    futures: impl IntoIterator<Item = Task<'a>>,
    sleep: impl Fn(Duration) -> S,
) {
    let (mut futures, mut executor) = (Some(futures), None);
    let mut sleeping: Option<Pin<Box<S>>> = None;
    poll_fn(|context| {
        let executor = executor.get_or_insert_with(|| {
            let futures = futures.take().expect("made once");
            Executor::new(local, context.waker().clone(), futures)
        });
        sleeping = None;
        match executor.turn() {
            Left::Nothing => return Poll::Ready(()),
            Left::Work => context.waker().wake_by_ref(),
            Left::Waiting(None) => {}
            Left::Waiting(Some(time)) => match time.ns_since(local.clock.before()) {
                left_ns if !spin && left_ns > SPIN_NS => {
                    let sleep = sleeping.insert(Box::pin(sleep(Duration::from_nanos(left_ns - SPIN_NS))));
                    if sleep.as_mut().poll(context).is_ready() {
                        context.waker().wake_by_ref();
                    }
                }
                _ => context.waker().wake_by_ref(),
            },
        }
        Poll::Pending
    })
    .await;
}

impl<'a> Executor<'a> {
    /// `thread` ends the sleep of the thread.
    fn new(local: &'a Local, thread: Waker, futures: impl IntoIterator<Item = Task<'a>>) -> Executor<'a> {
        let woken = Arc::new(Woken { any: AtomicBool::new(false), list: Mutex::default(), thread });
        let tasks: Vec<Option<Task<'a>>> = futures.into_iter().map(Some).collect();
        let bell = |place| {
            let bell = Arc::new(Bell { place, rung: AtomicBool::new(false), woken: Arc::clone(&woken) });
            (Arc::clone(&bell), Waker::from(bell))
        };
        let (bells, queue) = ((0..tasks.len()).map(bell).collect(), (0..tasks.len()).collect());
        Executor { local, woken, left: tasks.len(), tasks, bells, queue, sleepers: BinaryHeap::new() }
    }

    /// Polls each of those that can go on once.
    fn turn(&mut self) -> Left {
        self.take_woken();
        self.take_due();
        for _ in 0..self.queue.len() {
            let Some(place) = self.queue.pop_front() else { break };
            self.poll(place);
        }
        if self.left == 0 {
            Left::Nothing
        } else if !self.queue.is_empty() || self.woken.any.load(Ordering::Acquire) {
            Left::Work
        } else {
            Left::Waiting(self.sleepers.peek().map(|Reverse((time, _))| *time))
        }
    }

    fn poll(&mut self, place: usize) {
        let Some(task) = &mut self.tasks[place] else { return };
        let (bell, waker) = &self.bells[place];
        bell.rung.store(false, Ordering::Release);
        match task.as_mut().poll(&mut Context::from_waker(waker)) {
            Poll::Ready(()) => {
                self.tasks[place] = None;
                self.left -= 1;
            }
            Poll::Pending if self.local.yields.take() => self.queue.push_back(place),
            Poll::Pending => {
                self.sleepers.extend(self.local.sleeps_until.take().map(|time| Reverse((time, place))));
            }
        }
    }

    fn take_woken(&mut self) {
        if self.woken.any.load(Ordering::Acquire) && self.woken.any.swap(false, Ordering::AcqRel) {
            let mut list = self.woken.list.lock().unwrap_or_else(PoisonError::into_inner);
            self.queue.extend(list.drain(..));
        }
    }

    fn take_due(&mut self) {
        if self.sleepers.is_empty() {
            return;
        }
        let now = self.local.clock.before();
        while let Some(Reverse((time, place))) = self.sleepers.peek().copied() {
            if time > now {
                return;
            }
            self.sleepers.pop();
            self.queue.push_back(place);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    #[test]
    fn futures_that_give_way_go_on_in_turns() {
        let (local, order) = (Local::new(Clock::of_process()), RefCell::new(Vec::new()));
        let (local, order) = (&local, &order);
        let count = |name: char| -> Task<'_> {
            Box::pin(async move {
                for _ in 0..3 {
                    order.borrow_mut().push(name);
                    local.give_way().await;
                }
            })
        };
        run(local, false, [count('a'), count('b')]);
        assert_eq!(order.borrow().iter().collect::<String>(), "ababab");
    }

    #[test]
    fn who_waits_for_a_time_goes_on_then_and_in_order() {
        let clock = Clock::of_process();
        let (local, order) = (Local::new(clock), RefCell::new(Vec::new()));
        let (local, order, start) = (&local, &order, clock.before());
        let sleep = |ms: u64| -> Task<'_> {
            Box::pin(async move {
                local.sleep_until(start.plus_ns(ms * 1_000_000)).await;
                order.borrow_mut().push((ms, clock.after().since(start)));
            })
        };
        run(local, false, [sleep(20), sleep(5), sleep(0)]);
        let order = order.borrow();
        assert_eq!(order.iter().map(|(ms, _)| *ms).collect::<Vec<_>>(), [0, 5, 20]);
        assert!(order.iter().all(|(ms, at)| *at >= Duration::from_millis(*ms)), "{order:?}");
    }

    #[test]
    fn as_one_future_they_take_turns_and_wait_for_times_by_its_sleep() {
        let (local, order) = (Local::new(Clock::of_process()), RefCell::new(Vec::new()));
        let (local, order, start) = (&local, &order, local.clock.before());
        let slept = RefCell::new(Vec::new());
        let sleep = |time: Duration| {
            slept.borrow_mut().push(time);
            std::thread::sleep(time);
            std::future::ready(())
        };
        let task = |ms: u64| -> Task<'_> {
            Box::pin(async move {
                order.borrow_mut().push(ms);
                local.give_way().await;
                local.sleep_until(start.plus_ns(ms * 1_000_000)).await;
                order.borrow_mut().push(ms);
            })
        };
        let mut all = std::pin::pin!(run_awaited(local, false, [task(20), task(5)], sleep));
        struct Counts(std::sync::atomic::AtomicUsize);
        impl Wake for Counts {
            fn wake(self: Arc<Self>) {
                self.0.fetch_add(1, Ordering::Relaxed);
            }
        }
        let counts = Arc::new(Counts(0.into()));
        let waker = Waker::from(Arc::clone(&counts));
        let mut polls = 0;
        while all.as_mut().poll(&mut Context::from_waker(&waker)).is_pending() {
            polls += 1;
            // Pending without a call would be for ever.
            assert!(counts.0.load(Ordering::Relaxed) >= polls);
        }
        assert_eq!(*order.borrow(), [20, 5, 5, 20]);
        assert!(!slept.borrow().is_empty());
    }

    #[test]
    fn wake_ups_of_other_threads_are_never_lost() {
        let local = Local::new(Clock::of_process());
        let (sender, receiver) = std::sync::mpsc::channel::<(Arc<AtomicBool>, Waker)>();
        let waker = std::thread::spawn(move || {
            for (done, waker) in receiver {
                done.store(true, Ordering::Release);
                waker.wake();
            }
        });
        let wait = |sender: std::sync::mpsc::Sender<(Arc<AtomicBool>, Waker)>| -> Task<'_> {
            Box::pin(async move {
                for _ in 0..2_000 {
                    let (done, mut asked) = (Arc::new(AtomicBool::new(false)), false);
                    poll_fn(|context| {
                        if !asked {
                            asked = true;
                            sender.send((Arc::clone(&done), context.waker().clone())).unwrap();
                        }
                        if done.load(Ordering::Acquire) { Poll::Ready(()) } else { Poll::Pending }
                    })
                    .await;
                }
            })
        };
        run(&local, false, (0..4).map(|_| wait(sender.clone())));
        drop(sender);
        waker.join().unwrap();
    }
}
