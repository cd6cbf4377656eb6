//! A place for one thread to sleep until another calls it.
//!
//! Not std's `park`, for which a thread needs a handle to itself: while the last of its locals are
//! destroyed it has none any more, and to ask for it would end the process.

use super::{Condvar, Mutex, lock, mutant};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Awake,
    Asleep,
    /// A call has come that no sleep has seen.
    Called,
}

/// One sleeps, any number call.
#[derive(Debug, Default)]
pub(crate) struct Parker {
    state: Mutex<State>,
    called: Condvar,
}

impl Parker {
    /// Sleeps until there is a call, and takes it. What the caller did before is seen after.
    pub(crate) fn park(&self) {
        let mut state = lock(&self.state);
        if mutant!("parker_forgets_a_call") {
            *state = State::Asleep;
        }
        while *state != State::Called {
            *state = State::Asleep;
            state = self.called.wait(state).unwrap_or_else(std::sync::PoisonError::into_inner);
        }
        *state = State::Awake;
    }

    /// Ends the sleep, or the next one. Makes a system call only if there is a sleep to be ended.
    pub(crate) fn unpark(&self) {
        let before = std::mem::replace(&mut *lock(&self.state), State::Called);
        if before == State::Asleep && !mutant!("parker_calls_nobody") {
            self.called.notify_one();
        }
    }
}
