//! Whose turn it is to drain the stage, and who waits for what others drain.
//!
//! One at a time drains: the writer task, or a caller who waits for a `Power` write and finds nobody at it. Such a caller
//! *leads*: it writes on its own thread what has gathered, its own record and those of all who came before it closed the
//! group. They *follow*: each sleeps once, until its record is on the device. Who came later waits for the next turn,
//! which whoever leaves the turn hands on: to one of them who may lead, or to the writer task.
//!
//! What a leader cannot do by one write (begin a segment, make room, drain much) it *reserves* for the writer task: until
//! that has drained, no caller leads.
//!
//! Invariant: while somebody waits for what is not durable, the turn is taken, or somebody who may take it was called
//! and has not come yet. Wakers are the callers' code: none is cloned, called or dropped under the lock.

use std::task::Waker;

use crate::base::lsn::Lsn;
use crate::base::planted::planted;
use crate::base::sync::{Mutex, mutant};

/// The turn.
#[derive(Default)]
pub(super) struct Turn(pub(super) Mutex<State>);

/// Who has it, and who waits.
#[derive(Default)]
pub(super) struct State {
    pub(super) holder: Holder,
    /// The writer task is to have the next turn.
    pub(super) is_reserved: bool,
    /// A caller has ended in the middle of a write, or its write failed: nobody drains any more.
    pub(super) is_broken: bool,
    /// In the order of their coming.
    pub(super) waiting: Vec<Waiting>,
    pub(super) next_number: u64,
    /// Whether the last group was that of several callers.
    pub(super) was_shared: bool,
}

/// Who drains.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Holder {
    #[default]
    Nobody,
    Caller,
    Task,
}

/// One who waits.
pub(super) struct Waiting {
    pub(super) number: u64,
    pub(super) lsn: Lsn,
    pub(super) may_lead: bool,
    pub(super) waker: Waker,
}

/// Whether the writer task may drain.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum ForTask {
    /// It has the turn.
    Taken,
    /// A caller has it. The writer task is told when it is left.
    Later,
    /// Nobody drains any more.
    Never,
}

/// How a turn ends.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Left {
    /// Whoever comes may be next.
    Open,
    /// The writer task has to be next.
    Reserved,
    /// It was the last one.
    Broken,
}

/// Whom to call, once the lock is free.
#[derive(Default)]
pub(super) struct Calls {
    /// The next to lead.
    pub(super) next: Option<Waker>,
    /// The writer task is the next.
    pub(super) task: bool,
    /// Those who need not wait any more.
    pub(super) done: Vec<Waker>,
}

impl State {
    /// Takes out those whose records are durable.
    pub(super) fn take_covered(&mut self, durable: Lsn) -> Vec<Waker> {
        self.waiting.extract_if(.., |waiting| waiting.lsn <= durable).map(|waiting| waiting.waker).collect()
    }

    /// Chooses who is next, if nobody is at it and somebody waits.
    pub(super) fn call_next(&mut self) -> Calls {
        let mut calls = Calls::default();
        if self.holder != Holder::Nobody || planted!(LeadNotHandedOn) {
            return calls;
        }
        let leader = self.waiting.iter().position(|waiting| waiting.may_lead);
        match leader {
            Some(at) if !self.is_reserved && !mutant!("turn_not_handed_on") => {
                calls.next = Some(self.waiting.remove(at).waker);
            }
            _ => calls.task = self.is_reserved || !self.waiting.is_empty(),
        }
        calls
    }
}
