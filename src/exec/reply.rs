//! One value from one task to one waiter, across threads.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use super::wake::wake;
use crate::base::error::{Error, Result};
use crate::base::sync::{Arc, Mutex, lock, mutant};

enum State<T> {
    Empty(Option<Waker>),
    Full(T),
    /// The sender is gone, or the value was taken.
    Over,
}

/// The sending side. If it is dropped unused, because its task was stopped, the waiter gets
/// [`Error::Closed`].
pub(crate) struct Promise<T>(Arc<Mutex<State<T>>>);

/// The waiting side.
pub(crate) struct Reply<T>(Arc<Mutex<State<T>>>);

/// Makes both sides.
pub(crate) fn reply<T>() -> (Promise<T>, Reply<T>) {
    let state = Arc::new(Mutex::new(State::Empty(None)));
    (Promise(Arc::clone(&state)), Reply(state))
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
        put(&self.0, State::Full(value));
    }
}

impl<T> Reply<T> {
    /// Whether it would not wait.
    pub(crate) fn is_ready(&self) -> bool {
        !matches!(*lock(&self.0), State::Empty(_))
    }
}

impl<T> Drop for Promise<T> {
    fn drop(&mut self) {
        if matches!(*lock(&self.0), State::Empty(_)) && !mutant!("promise_dropped_in_silence") {
            put(&self.0, State::Over);
        }
    }
}

impl<T> Future for Reply<T> {
    type Output = Result<T>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<T>> {
        // A waker is code of the caller's, its clone and its drop, too: none of it runs under the lock.
        let waker = context.waker().clone();
        let mut state = lock(&self.0);
        if mutant!("reply_looks_twice") && matches!(*state, State::Empty(_)) {
            drop(state);
            *lock(&self.0) = State::Empty(Some(waker));
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
