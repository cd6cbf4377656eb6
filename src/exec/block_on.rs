//! Waiting for a future on a thread that has no executor: the blocking face of the engine.

use std::cell::RefCell;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Wake, Waker};

use crate::base::sync::atomic::AtomicBool;
use crate::base::sync::thread::{self, Thread};
use crate::base::sync::{Arc, mutant, weakened};

struct Parker {
    thread: Thread,
    notified: AtomicBool,
}

impl Wake for Parker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // Release pairs with the Acquire swap in `block_on`: what was done before the wake is seen
        // by the poll that follows it. A swap, as a model of it needs: for loom a plain store beside
        // swaps has no certain place in their order.
        if !mutant!("block_on_unparked_first") {
            self.notified.swap(true, weakened!("block_on_notified", Release));
        }
        self.thread.unpark();
        if mutant!("block_on_unparked_first") {
            self.notified.swap(true, weakened!("block_on_notified", Release));
        }
    }
}

#[cfg(not(loom))]
thread_local! {
    static PARKER: RefCell<Option<(Arc<Parker>, Waker)>> = const { RefCell::new(None) };
}
#[cfg(loom)]
loom::thread_local! {
    static PARKER: RefCell<Option<(Arc<Parker>, Waker)>> = RefCell::new(None);
}

/// Runs `future` to its end, sleeping between polls. A future that is ready at once costs one
/// poll: no allocation and no system call.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let (parker, waker) = PARKER.with(|slot| slot.borrow_mut().get_or_insert_with(parker_here).clone());
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
        while !parker.notified.swap(false, weakened!("block_on_woken", Acquire)) {
            thread::park();
        }
    }
}

/// The calling thread's parker, and the waker that ends its sleep.
fn parker_here() -> (Arc<Parker>, Waker) {
    let parker = Arc::new(Parker { thread: thread::current(), notified: AtomicBool::new(false) });
    let waker = Waker::from(Arc::clone(&parker));
    (parker, waker)
}
