//! Following whoever drains, until a record is on the device; taking the [turn](super::turn), and leaving it.

use std::future::poll_fn;
use std::task::{Poll, Waker};

use super::marks::Marks;
use super::turn::{Calls, ForTask, Holder, Left, Waiting};
use crate::base::lsn::Lsn;
use crate::base::planted::planted;
use crate::base::sync::{lock, mutant};
use crate::exec::wake;

/// What has come of following.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Followed {
    /// What was waited for is durable.
    Durable,
    /// The turn is the caller's, who has to [leave](Marks::leave) it.
    Leads,
}

/// One who follows; leaves nothing behind when it is dropped.
struct Follower<'a> {
    marks: &'a Marks,
    /// Its number while it waits, and while it was called and has not come yet.
    number: Option<u64>,
}

impl Drop for Follower<'_> {
    fn drop(&mut self) {
        let Some(number) = self.number else { return };
        if !self.marks.process.is_current() {
            return;
        }
        let mut state = lock(&self.marks.turn.0);
        let at = state.waiting.iter().position(|waiting| waiting.number == number);
        let left = at.map(|at| state.waiting.remove(at));
        // It may have been called to be the next: then another is.
        let calls = if left.is_none() { state.call_next() } else { Calls::default() };
        drop(state);
        drop(left);
        self.marks.call(calls);
    }
}

impl Marks {
    /// Waits until the stream is durable up to `lsn`, or the turn is the caller's, if it may lead. `check` is asked whenever
    /// there is something new, and its error ends the wait; it must refuse in a child, where nobody is told anything.
    pub(super) async fn follow<E>(
        &self,
        lsn: Lsn,
        may_lead: bool,
        check: impl Fn() -> Result<(), E>,
    ) -> Result<Followed, E> {
        self.raise_demand(lsn);
        let mut follower = Follower { marks: self, number: None };
        poll_fn(|context| {
            if self.durable() >= lsn {
                follower.number = None;
                return Poll::Ready(Ok(Followed::Durable));
            }
            if !self.process.is_current() {
                return check().map_or_else(|error| Poll::Ready(Err(error)), |()| Poll::Pending);
            }
            if let Some(followed) = self.join(&mut follower, lsn, may_lead, context.waker().clone()) {
                return Poll::Ready(Ok(followed));
            }
            // After it was put down: a failure from now on calls it.
            check().map_or_else(|error| Poll::Ready(Err(error)), |()| Poll::Pending)
        })
        .await
    }

    /// Takes the turn, or puts the follower down.
    fn join(&self, follower: &mut Follower<'_>, lsn: Lsn, may_lead: bool, waker: Waker) -> Option<Followed> {
        let mut state = lock(&self.turn.0);
        let before = follower.number.take();
        let at = before.and_then(|number| state.waiting.iter().position(|waiting| waiting.number == number));
        let old = at.map(|at| state.waiting.remove(at));
        // Once more: who leaves the turn raises the mark before it looks for those who wait.
        let is_durable = self.durable() >= lsn && !mutant!("turn_durable_looked_at_once");
        let is_free = state.holder == Holder::Nobody && !state.is_broken;
        let leads = is_free && may_lead && !state.is_reserved;
        if is_durable || leads {
            if !is_durable {
                state.holder = Holder::Caller;
            }
            drop(state);
            drop(old);
            return Some(if is_durable { Followed::Durable } else { Followed::Leads });
        }
        state.next_number += 1;
        let number = state.next_number;
        follower.number = Some(number);
        state.waiting.push(Waiting { number, lsn, may_lead, waker });
        drop(state);
        drop(old);
        if is_free {
            self.work.notify();
        }
        None
    }

    /// The writer task asks for the turn.
    pub(super) fn take_for_task(&self) -> ForTask {
        let mut state = lock(&self.turn.0);
        if state.is_broken {
            return ForTask::Never;
        }
        if state.holder == Holder::Caller {
            state.is_reserved = true;
            return ForTask::Later;
        }
        state.holder = Holder::Task;
        ForTask::Taken
    }

    /// Ends a turn: calls the next, and those whose records are durable. Returns whether a caller is to be the next.
    pub(super) fn leave(&self, left: Left) -> bool {
        let durable = self.durable();
        if mutant!("turn_told_before_free") {
            let told = std::mem::take(&mut lock(&self.turn.0).waiting);
            told.into_iter().for_each(|waiting| waiting.waker.wake());
            lock(&self.turn.0).holder = Holder::Nobody;
            return false;
        }
        let mut state = lock(&self.turn.0);
        let by_task = state.holder == Holder::Task;
        state.holder = Holder::Nobody;
        state.is_broken |= left == Left::Broken;
        // What a caller could not do stays reserved until the writer task has done it.
        state.is_reserved = left != Left::Open || (state.is_reserved && !by_task);
        let done = state.take_covered(durable);
        state.was_shared = done.len() > usize::from(by_task);
        let mut calls = Calls { done, ..state.call_next() };
        drop(state);
        // What the writer task could not do it tries again when there is something new.
        calls.task &= !(by_task && left == Left::Reserved);
        let is_called = calls.next.is_some();
        self.call(calls);
        // Not only callers wait for what is drained, and for the end of a turn.
        self.progress.notify();
        is_called
    }

    /// Calls those whose records are durable, in the middle of a turn.
    pub(super) fn call_covered(&self, durable: Lsn) {
        let done = lock(&self.turn.0).take_covered(durable);
        self.call(Calls { done, ..Calls::default() });
    }

    /// Calls all who wait: there is something that they must be told.
    pub(super) fn call_all(&self) {
        self.call_covered(Lsn::MAX);
        self.progress.notify();
    }

    /// Whether several callers are about: some wait, or shared the last group.
    pub(super) fn is_shared(&self) -> bool {
        let state = lock(&self.turn.0);
        state.was_shared || !state.waiting.is_empty()
    }

    /// Whether a caller drains now.
    pub(super) fn is_led_by_caller(&self) -> bool {
        lock(&self.turn.0).holder == Holder::Caller
    }

    fn call(&self, calls: Calls) {
        if planted!(WakeupLost) {
            return;
        }
        // The next first: the device has nothing to do until it comes.
        if let Some(next) = calls.next {
            wake(next);
        }
        if calls.task {
            self.work.notify();
        }
        calls.done.into_iter().for_each(wake);
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Context, Wake};

    use super::*;
    use crate::base::error::Error;
    use crate::io::ends_in_child;

    /// A caller's waker, which may panic.
    struct Called {
        count: AtomicUsize,
        panics: bool,
    }

    impl Wake for Called {
        fn wake(self: Arc<Self>) {
            self.count.fetch_add(1, Ordering::Relaxed);
            assert!(!self.panics, "a waker of the host's");
        }
    }

    #[test]
    fn a_waker_that_panics_keeps_nobody_waiting() {
        let marks = Marks::new(Lsn(0));
        let callers: Vec<_> =
            [true, false, true, false].map(|panics| Arc::new(Called { count: 0.into(), panics })).into();
        let waker = |at: usize| Waker::from(Arc::clone(&callers[at]));
        let check = || Ok::<(), ()>(());
        let futures = (0..4).map(|at| marks.follow(Lsn(1 + at), at > 0, check));
        let mut followers: Vec<_> = futures.map(Box::pin).collect();
        assert!(marks.take_for_task() == ForTask::Taken);
        for (at, follower) in followers.iter_mut().enumerate() {
            assert!(follower.as_mut().poll(&mut Context::from_waker(&waker(at))).is_pending());
        }
        let mut task = pin!(marks.work.listen());
        let mut progress = pin!(marks.progress.listen());
        let mut other = Context::from_waker(Waker::noop());
        assert!(
            task.as_mut().poll(&mut other).is_pending() && progress.as_mut().poll(&mut other).is_pending()
        );
        // The first two are done, the third is called to lead.
        marks.drained(Lsn(2));
        assert!(marks.leave(Left::Open));
        let counts: Vec<_> = callers.iter().map(|called| called.count.load(Ordering::Relaxed)).collect();
        assert_eq!(counts, [1, 1, 1, 0]);
        assert!(progress.as_mut().poll(&mut other).is_ready() && task.as_mut().poll(&mut other).is_pending());
    }

    #[test]
    fn in_a_child_nobody_waits_for_the_lock() {
        let marks = Marks::new(Lsn(0));
        let mut context = Context::from_waker(Waker::noop());
        let check = || marks.process.check();
        let mut followers: Vec<_> = (0..2).map(|_| Box::pin(marks.follow(Lsn(1), false, check))).collect();
        for follower in &mut followers {
            assert!(follower.as_mut().poll(&mut context).is_pending());
        }
        // As another thread may at the moment of a fork.
        let held = lock(&marks.turn.0);
        let mut of_child = Some(followers);
        let has_ended = ends_in_child(|| {
            let mut followers = of_child.take().unwrap();
            drop(followers.pop());
            let polled = followers[0].as_mut().poll(&mut context);
            assert!(matches!(polled, Poll::Ready(Err(Error::Forked))));
        });
        drop(held);
        assert!(has_ended);
        drop(of_child);
        assert!(lock(&marks.turn.0).waiting.is_empty());
    }
}
