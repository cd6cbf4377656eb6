//! Futures that take turns on one thread.
//!
//! As small as it can be, so that what is measured is the engine: a queue of those that can go on, a list of those that
//! wake-ups from other threads have named, and a heap of those that wait for a time. The thread sleeps when nobody can go
//! on. Which future is polled next is decided by who was ready first.

use std::cell::Cell;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
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
    thread: Thread,
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
        woken.any.store(true, Ordering::Release);
        woken.thread.unpark();
    }
}

/// One of the futures.
pub type Task<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

/// Polls these futures on the calling thread until all have ended. With `spin` the thread does not sleep while one of
/// them waits for a time.
pub fn run<'a>(local: &Local, spin: bool, futures: impl IntoIterator<Item = Task<'a>>) {
    let woken = Arc::new(Woken {
        any: AtomicBool::new(false),
        list: Mutex::new(Vec::new()),
        thread: std::thread::current(),
    });
    let mut tasks: Vec<Option<Task<'a>>> = futures.into_iter().map(Some).collect();
    let bell = |place| Arc::new(Bell { place, rung: AtomicBool::new(false), woken: Arc::clone(&woken) });
    let bells: Vec<Arc<Bell>> = (0..tasks.len()).map(bell).collect();
    let wakers: Vec<Waker> = bells.iter().map(|bell| Waker::from(Arc::clone(bell))).collect();
    let mut queue: VecDeque<usize> = (0..tasks.len()).collect();
    let mut sleepers: BinaryHeap<Reverse<(Moment, usize)>> = BinaryHeap::new();
    let mut left = tasks.len();
    while left > 0 {
        take_woken(&woken, &mut queue);
        take_due(local, &mut sleepers, &mut queue);
        let Some(place) = queue.pop_front() else {
            idle(local, spin, sleepers.peek().map(|Reverse((time, _))| *time));
            continue;
        };
        let Some(task) = &mut tasks[place] else { continue };
        bells[place].rung.store(false, Ordering::Release);
        match task.as_mut().poll(&mut Context::from_waker(&wakers[place])) {
            Poll::Ready(()) => {
                tasks[place] = None;
                left -= 1;
            }
            Poll::Pending if local.yields.take() => queue.push_back(place),
            Poll::Pending => {
                sleepers.extend(local.sleeps_until.take().map(|time| Reverse((time, place))));
            }
        }
    }
}

fn take_woken(woken: &Woken, queue: &mut VecDeque<usize>) {
    if woken.any.load(Ordering::Acquire) && woken.any.swap(false, Ordering::Acquire) {
        queue.extend(woken.list.lock().unwrap_or_else(PoisonError::into_inner).drain(..));
    }
}

fn take_due(local: &Local, sleepers: &mut BinaryHeap<Reverse<(Moment, usize)>>, queue: &mut VecDeque<usize>) {
    if sleepers.is_empty() {
        return;
    }
    let now = local.clock.before();
    while let Some(Reverse((time, place))) = sleepers.peek().copied() {
        if time > now {
            return;
        }
        sleepers.pop();
        queue.push_back(place);
    }
}

/// Nobody can go on: waits for a wake-up, or the first time that somebody waits for.
fn idle(local: &Local, spin: bool, time: Option<Moment>) {
    match time.map(|time| time.ns_since(local.clock.before())) {
        None => std::thread::park(),
        Some(left_ns) if !spin && left_ns > SPIN_NS => {
            std::thread::park_timeout(Duration::from_nanos(left_ns - SPIN_NS));
        }
        Some(_) => std::hint::spin_loop(),
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
