//! One value from one task to one waiter, across threads. A child of the process gets none: who would send it is not there.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use super::wake::wake;
use crate::base::error::{Error, Result};
use crate::base::sync::{Arc, Mutex, lock, mutant};
use crate::io::Process;

enum State<T> {
    Empty(Option<Waker>),
    Full(T),
    /// The sender is gone, or the value was taken.
    Over,
}

/// The sending side. If it is dropped unused, because its task was stopped, the waiter gets
/// [`Error::Closed`].
pub(crate) struct Promise<T> {
    state: Arc<Mutex<State<T>>>,
    /// A task that has forked may come to its end in the child, too.
    process: Process,
}

/// The waiting side. In a child of the process it gets [`Error::Forked`].
pub(crate) struct Reply<T> {
    state: Arc<Mutex<State<T>>>,
    /// A child must not take the lock, which another thread may have held at the fork.
    process: Process,
}

/// Makes both sides.
pub(crate) fn reply<T>() -> (Promise<T>, Reply<T>) {
    let state = Arc::new(Mutex::new(State::Empty(None)));
    let process = Process::current();
    (Promise { state: Arc::clone(&state), process }, Reply { state, process })
}

fn put<T>(state: &Mutex<State<T>>, new: State<T>) {
    let old = std::mem::replace(&mut *lock(state), new);
    if let State::Empty(Some(waker)) = old {
        wake(waker);
    }
}

impl<T> Promise<T> {
    /// Delivers the value.
    pub(crate) fn fulfil(self, value: T) {
        if self.process.is_current() {
            put(&self.state, State::Full(value));
        }
    }
}

impl<T> Reply<T> {
    /// Whether it would not wait.
    pub(crate) fn is_ready(&self) -> bool {
        !self.process.is_current() || !matches!(*lock(&self.state), State::Empty(_))
    }
}

impl<T> Drop for Promise<T> {
    fn drop(&mut self) {
        if !self.process.is_current() {
            return;
        }
        if matches!(*lock(&self.state), State::Empty(_)) && !mutant!("promise_dropped_in_silence") {
            put(&self.state, State::Over);
        }
    }
}

impl<T> Future for Reply<T> {
    type Output = Result<T>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<T>> {
        self.process.check()?;
        // A waker is code of the caller's, its clone and its drop, too: none of it runs under the lock.
        let waker = context.waker().clone();
        let mut state = lock(&self.state);
        if mutant!("reply_looks_twice") && matches!(*state, State::Empty(_)) {
            drop(state);
            *lock(&self.state) = State::Empty(Some(waker));
            return Poll::Pending;
        }
        match &mut *state {
            State::Empty(kept) => {
                let before = kept.replace(waker);
                drop(state);
                drop(before);
                Poll::Pending
            }
            State::Full(_) | State::Over => match std::mem::replace(&mut *state, State::Over) {
                State::Full(value) => Poll::Ready(Ok(value)),
                _ => Poll::Ready(Err(Error::Closed)),
            },
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::pin::pin;

    use super::*;
    use crate::io::ends_in_child;

    #[test]
    fn a_child_neither_waits_nor_answers_and_does_not_take_the_lock() {
        let (promise, answer) = reply::<()>();
        let mut answer = pin!(answer);
        let mut context = Context::from_waker(Waker::noop());
        assert!(answer.as_mut().poll(&mut context).is_pending() && !answer.is_ready());
        // As another thread may at the moment of a fork.
        let state = Arc::clone(&answer.state);
        let held = lock(&state);
        let has_ended = ends_in_child(|| {
            assert!(answer.is_ready());
            assert!(matches!(answer.as_mut().poll(&mut context), Poll::Ready(Err(Error::Forked))));
        });
        let mut promises = Some((promise, reply::<()>().0));
        let both_end = ends_in_child(|| {
            let (promise, other) = promises.take().expect("the child's copy");
            promise.fulfil(());
            drop(other);
        });
        drop(held);
        assert!(has_ended && both_end);
        let (promise, _other) = promises.expect("the parent's");
        promise.fulfil(());
        assert!(answer.is_ready());
    }
}
