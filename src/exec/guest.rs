//! Guests: futures of the host program that live on a core. What goes wrong in one stays with it.
//!
//! A panic in a guest's code, also in what is dropped with it, is caught here: no task of the engine, and no other guest,
//! notices. While code of a guest runs, its thread may not wait by [`block_on`](super::block_on()): the core that would
//! have to go on is the one that waits.

use std::any::Any;
use std::cell::Cell;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use super::reply::Promise;
use crate::base::coverage::reached;
use crate::base::planted::planted;

/// What a guest has come to: its output, or what it panicked with.
pub(crate) type Outcome<R> = Result<R, Box<dyn Any + Send>>;

thread_local! {
    static GUEST_RUNS: Cell<bool> = const { Cell::new(false) };
}

/// Whether code of a guest runs on this thread.
pub(super) fn guest_runs() -> bool {
    GUEST_RUNS.try_with(Cell::get).unwrap_or(false)
}

/// Runs code of a guest.
fn catch<R>(code: impl FnOnce() -> R) -> Outcome<R> {
    if planted!(GuestPanicUncaught) {
        return Ok(code());
    }
    let before = GUEST_RUNS.try_with(|runs| runs.replace(true));
    // What a panic leaves half done is the guest's own, and goes with it; the engine's locks and cells are whole at
    // each step.
    let outcome = catch_unwind(AssertUnwindSafe(code));
    let _after = GUEST_RUNS.try_with(|runs| runs.set(before.unwrap_or(false)));
    outcome
}

/// Runs code that is told of its own panics, and may not wait by calls that block, either.
pub(super) fn as_guest<R>(code: impl FnOnce() -> R) -> R {
    struct Before(bool);
    impl Drop for Before {
        fn drop(&mut self) {
            let _after = GUEST_RUNS.try_with(|runs| runs.set(self.0));
        }
    }
    let _before = Before(GUEST_RUNS.try_with(|runs| runs.replace(true)).unwrap_or(false));
    code()
}

/// Runs code of a guest whose panic nobody can be told of: what drops its values, and wakes who joins it.
pub(super) fn contain(code: impl FnOnce()) {
    if let Err(panic) = catch(code) {
        reached!("guest: panicked while it was dropped");
        tracing::error!("a task on a core panicked while it was dropped");
        // The panic's own drop is the guest's code as well.
        std::mem::forget(panic);
    }
}

/// The task of a guest. Told to whoever joins it: how it ended, or, by the drop of the promise, that it was ended.
pub(super) struct Guest<T: Future> {
    future: Option<Pin<Box<T>>>,
    promise: Option<Promise<Outcome<T::Output>>>,
}

impl<T: Future> Guest<T> {
    pub(super) fn new(future: T, promise: Promise<Outcome<T::Output>>) -> Self {
        Self { future: Some(Box::pin(future)), promise: Some(promise) }
    }
}

impl<T: Future> Future for Guest<T> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let Some(future) = &mut self.future else { return Poll::Ready(()) };
        let outcome = match catch(|| future.as_mut().poll(context)) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(output)) => Ok(output),
            Err(panic) => {
                reached!("guest: panicked");
                Err(panic)
            }
        };
        let future = self.future.take();
        contain(|| drop(future));
        if let Some(promise) = self.promise.take() {
            // Wakes who joins, and drops the output if nobody does.
            contain(|| promise.fulfil(outcome));
        }
        Poll::Ready(())
    }
}

impl<T: Future> Drop for Guest<T> {
    fn drop(&mut self) {
        let (future, promise) = (self.future.take(), self.promise.take());
        contain(|| drop(future));
        contain(|| drop(promise));
    }
}
