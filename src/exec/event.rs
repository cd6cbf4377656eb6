//! A condition that many may wait for, across threads.
//!
//! Use: `let listener = event.listen();`, check the condition, and if it does not hold,
//! `listener.await`. A notification between the two is not lost, since the listener remembers
//! how many there were when it began.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use crate::base::sync::{Mutex, lock, mutant};

/// Tells its listeners that something has changed.
#[derive(Default)]
pub(crate) struct Event(Mutex<State>);

#[derive(Default)]
struct State {
    generation: u64,
    wakers: Vec<Waker>,
}

impl Event {
    /// Starts listening: notifications from now on count.
    pub(crate) fn listen(&self) -> Listener<'_> {
        Listener { event: self, generation: lock(&self.0).generation }
    }

    /// Wakes all listeners.
    pub(crate) fn notify(&self) {
        let wakers = {
            let mut state = lock(&self.0);
            state.generation += 1;
            if mutant!("event_wakes_one") {
                state.wakers.pop().into_iter().collect()
            } else {
                std::mem::take(&mut state.wakers)
            }
        };
        wakers.into_iter().for_each(Waker::wake);
    }
}

/// Ends at the first notification after [`Event::listen`].
pub(crate) struct Listener<'a> {
    event: &'a Event,
    generation: u64,
}

impl Future for Listener<'_> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut state = lock(&self.event.0);
        if state.generation != self.generation && !mutant!("event_forgets") {
            return Poll::Ready(());
        }
        if !state.wakers.iter().any(|waker| waker.will_wake(context.waker())) {
            state.wakers.push(context.waker().clone());
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::sync::Arc;
    use crate::exec::block_on;

    #[test]
    fn a_notification_between_listening_and_waiting_is_not_lost() {
        let event = Event::default();
        let listener = event.listen();
        event.notify();
        block_on(listener);
    }

    #[test]
    fn all_listeners_wake() {
        let event = Arc::new(Event::default());
        let waiting: Vec<_> = (0..4)
            .map(|_| {
                let event = Arc::clone(&event);
                let (ready, started) = std::sync::mpsc::channel();
                let thread = std::thread::spawn(move || {
                    let listener = event.listen();
                    ready.send(()).unwrap();
                    block_on(listener);
                });
                started.recv().unwrap();
                thread
            })
            .collect();
        event.notify();
        waiting.into_iter().for_each(|thread| thread.join().unwrap());
    }
}
