//! Waiting for a future on a thread that has no executor: the blocking face of the engine.

use std::cell::RefCell;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Wake, Waker};

use super::guest::guest_runs;
use crate::base::sync::Arc;
use crate::base::sync::parker::Parker;
use crate::io::Process;

/// Where a thread sleeps.
#[derive(Default)]
struct Wakeup(Parker);

impl Wake for Wakeup {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.unpark();
    }
}

/// A thread's place to sleep, and the waker that ends the sleep. Other threads have the waker too. In a forked
/// child they do not exist, and a lock that one of them held stays locked.
#[derive(Clone)]
struct Sleeper {
    process: Process,
    wakeup: Arc<Wakeup>,
    waker: Waker,
}

impl Sleeper {
    fn new() -> Self {
        let wakeup = Arc::<Wakeup>::default();
        Self { process: Process::current(), waker: Waker::from(Arc::clone(&wakeup)), wakeup }
    }

    /// The calling thread's.
    fn of(kept: &RefCell<Option<Self>>) -> Self {
        let mut kept = kept.borrow_mut();
        match &*kept {
            Some(sleeper) if sleeper.process.is_current() => sleeper.clone(),
            _ => kept.insert(Self::new()).clone(),
        }
    }
}

#[cfg(not(loom))]
thread_local! {
    static SLEEPER: RefCell<Option<Sleeper>> = const { RefCell::new(None) };
}
#[cfg(loom)]
loom::thread_local! {
    static SLEEPER: RefCell<Option<Sleeper>> = RefCell::new(None);
}

/// # Panics
/// In code of a guest.
pub(super) fn assert_may_block() {
    assert!(
        !guest_runs(),
        "a task on a core, or a future that a `Driver` runs, must not wait by a call that blocks: await the same call of \
         its `CoreDb`, a `JoinHandle`, or the future itself"
    );
}

/// Runs `future` to its end, sleeping between polls. A future that is ready at once costs one
/// poll: no allocation and no system call.
///
/// # Panics
/// On a core, in code of a guest, before anything is done: a core that sleeps here may be the one that it waits for.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    assert_may_block();
    // Not available to a call from a destructor of another thread-local that runs after this one's.
    let sleeper = SLEEPER.try_with(Sleeper::of).unwrap_or_else(|_| Sleeper::new());
    let mut context = Context::from_waker(&sleeper.waker);
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
        sleeper.wakeup.0.park();
    }
}
