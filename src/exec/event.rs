//! A condition that many may wait for, across threads.
//!
//! Use: `let listener = event.listen();`, check the condition, and if it does not hold,
//! `listener.await`. A notification between the two is not lost, since the listener remembers
//! how many there were when it began. One that is dropped leaves nothing behind. In a child of the process one that was
//! begun in the parent waits for ever.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use super::wake::wake;
use crate::base::slab::Slab;
use crate::base::sync::{Mutex, lock, mutant};
use crate::io::Process;

/// Tells its listeners that something has changed.
pub(crate) struct Event {
    state: Mutex<State>,
    /// A child must not take the lock, which another thread may have held at the fork.
    process: Process,
}

struct State {
    generation: u64,
    /// Of the listeners that wait, since the last notification.
    wakers: Slab<Waker>,
}

impl Default for State {
    fn default() -> Self {
        Self { generation: 0, wakers: Slab::new() }
    }
}

impl Default for Event {
    fn default() -> Self {
        Self { state: Mutex::default(), process: Process::current() }
    }
}

impl Event {
    /// Starts listening: notifications from now on count.
    pub(crate) fn listen(&self) -> Listener<'_> {
        Listener { event: self, generation: lock(&self.state).generation, place: None }
    }

    /// Wakes all listeners.
    pub(crate) fn notify(&self) {
        let wakers = {
            let mut state = lock(&self.state);
            state.generation += 1;
            if mutant!("event_wakes_one") {
                state.wakers.drain().pop().into_iter().collect()
            } else {
                state.wakers.drain()
            }
        };
        wakers.into_iter().for_each(wake);
    }
}

/// Ends at the first notification after [`Event::listen`].
pub(crate) struct Listener<'a> {
    event: &'a Event,
    generation: u64,
    /// Where its waker is, once it has been polled.
    place: Option<u64>,
}

impl Future for Listener<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if !self.event.process.is_current() {
            return Poll::Pending;
        }
        // A waker is code of the caller's, its clone and its drop, too: none of it runs under the lock.
        let (waker, event) = (context.waker().clone(), self.event);
        let mut state = lock(&event.state);
        if state.generation != self.generation && !mutant!("event_forgets") {
            drop(state);
            self.place = None;
            return Poll::Ready(());
        }
        let before = match self.place.and_then(|place| state.wakers.get_mut(place)) {
            Some(kept) => Some(std::mem::replace(kept, waker)),
            None => {
                let place = state.wakers.insert(waker);
                self.place = Some(place);
                None
            }
        };
        drop(state);
        drop(before);
        Poll::Pending
    }
}

impl Drop for Listener<'_> {
    fn drop(&mut self) {
        let Some(place) = self.place.filter(|_| self.event.process.is_current()) else { return };
        let mut state = lock(&self.event.state);
        // A notification since has taken all wakers out, and others may have their places.
        let waker = if state.generation == self.generation { state.wakers.remove(place) } else { None };
        drop(state);
        drop(waker);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::sync::Arc;
    use crate::exec::block_on;
    use crate::io::ends_in_child;

    #[test]
    fn a_notification_between_listening_and_waiting_is_not_lost() {
        let event = Event::default();
        let listener = event.listen();
        event.notify();
        block_on(listener);
    }

    #[test]
    fn a_listener_that_is_dropped_leaves_no_waker() {
        let event = Event::default();
        let waker = crate::exec::event::Waker::noop();
        for _ in 0..3 {
            let mut waiting: Vec<_> = (0..5).map(|_| event.listen()).collect();
            for _ in 0..2 {
                let mut context = Context::from_waker(waker);
                waiting.iter_mut().for_each(|one| assert!(Pin::new(one).poll(&mut context).is_pending()));
            }
            assert_eq!(lock(&event.state).wakers.len(), 5);
            drop(waiting);
            assert_eq!(lock(&event.state).wakers.len(), 0);
        }
    }

    /// A caller's waker, whose drop may call the engine.
    struct Watched(Arc<Event>);

    impl std::task::Wake for Watched {
        fn wake(self: Arc<Self>) {}
    }

    impl Drop for Watched {
        fn drop(&mut self) {
            assert!(self.0.state.try_lock().is_ok(), "dropped under the lock");
            self.0.notify();
        }
    }

    #[test]
    fn a_waker_is_dropped_outside_of_the_lock() {
        let event = Arc::new(Event::default());
        let mut listener = event.listen();
        for _ in 0..3 {
            let waker = Waker::from(Arc::new(Watched(Arc::clone(&event))));
            let _ = Pin::new(&mut listener).poll(&mut Context::from_waker(&waker));
        }
    }

    /// Counts its calls, and panics in the first.
    struct Panics(std::sync::atomic::AtomicUsize);

    impl std::task::Wake for Panics {
        fn wake(self: Arc<Self>) {
            assert_ne!(self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed), 0, "a waker of the host's");
        }
    }

    #[test]
    fn a_waker_that_panics_keeps_nobody_waiting() {
        let event = Event::default();
        let called = Arc::new(Panics(0.into()));
        let waker = Waker::from(Arc::clone(&called));
        let mut waiting: Vec<_> = (0..3).map(|_| event.listen()).collect();
        for one in &mut waiting {
            assert!(Pin::new(one).poll(&mut Context::from_waker(&waker)).is_pending());
        }
        event.notify();
        assert_eq!(called.0.load(std::sync::atomic::Ordering::Relaxed), 3);
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

    #[test]
    fn in_a_child_nobody_waits_for_the_lock() {
        let event = Event::default();
        let mut listener = Box::pin(event.listen());
        assert!(listener.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        // As another thread may at the moment of a fork.
        let held = lock(&event.state);
        let mut of_child = Some(listener);
        let has_ended = ends_in_child(|| {
            let mut listener = of_child.take().expect("the child's copy");
            assert!(listener.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        });
        drop(held);
        assert!(has_ended);
    }
}
