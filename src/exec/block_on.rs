//! Waiting for a future on a thread that has no executor: the blocking face of the engine.

use std::cell::RefCell;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;

use crate::base::sync::Arc;
use crate::base::sync::atomic::{AtomicBool, Ordering};

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
        // by the poll that follows it.
        self.notified.store(true, Ordering::Release);
        self.thread.unpark();
    }
}

thread_local! {
    static PARKER: RefCell<Option<(Arc<Parker>, Waker)>> = const { RefCell::new(None) };
}

/// Runs `future` to its end, sleeping between polls. A future that is ready at once costs one
/// poll: no allocation and no system call.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let (parker, waker) = PARKER.with_borrow_mut(|slot| {
        slot.get_or_insert_with(|| {
            let parker =
                Arc::new(Parker { thread: std::thread::current(), notified: AtomicBool::new(false) });
            let waker = Waker::from(Arc::clone(&parker));
            (parker, waker)
        })
        .clone()
    });
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
        while !parker.notified.swap(false, Ordering::Acquire) {
            std::thread::park();
        }
    }
}
