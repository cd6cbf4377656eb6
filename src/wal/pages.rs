//! The stage's pages, which are asked for ahead of the head, and its ring, which grows with use.

use super::LogState;
use super::Wal;
use crate::base::error::Result;
use crate::base::limits::REQUEST_LEN_MAX;
use crate::base::lsn::Lsn;

impl Wal {
    /// How much is written to a segment by one request.
    pub(super) fn piece_len(&self) -> u64 {
        (self.stage.size() / 4).min(REQUEST_LEN_MAX as u64)
    }

    /// How much gathers before it is drained, unless somebody waits for it.
    pub(super) fn drain_len(&self) -> u64 {
        self.piece_len().max(self.stage.size() / 8)
    }

    /// Whether half of the stage waits to be drained.
    pub(super) fn is_tight(&self) -> bool {
        self.head_lsn() - self.durable_lsn() > self.stage.size() / 2
    }

    /// The kernel may have written pages back since they were asked for: asks again, without the lock, for as many
    /// ahead of the head as the stream has used since it was at `before`; the rest is left to writers. On the core of
    /// the writer task.
    pub(crate) fn prepare_again(&self, before: Lsn) {
        let (from, upto) = {
            let mut state = self.lock();
            let head = self.marks.head();
            let used = (head - before).min(self.stage.size());
            state.prepared = state.prepared.min(head.max(state.head) + used);
            (head, state.prepared)
        };
        if from < upto && self.stage.prepare(from, upto - from).is_err() {
            // The next writer asks again, and gets the error.
            let mut state = self.lock();
            state.prepared = state.prepared.min(state.head);
        }
    }

    /// Asks for the stage's pages while no writer waits for them. By the writer task. Errors are left to the
    /// writers, which ask again.
    pub(super) fn prepare_ahead(&self) {
        let (from, upto) = {
            let state = self.lock();
            let head = self.marks.head();
            (state.prepared.max(head), head + (2 * self.drain_len()).min(self.stage.size()))
        };
        if from < upto
            && let Ok(prepared) = self.stage.prepare(from, upto - from)
        {
            let mut state = self.lock();
            state.prepared = state.prepared.max(prepared);
        }
    }

    /// Doubles the stage's ring. By the writer task, while nothing is lent.
    pub(super) fn grow_stage(&self) -> Result<()> {
        let mut state = self.lock();
        let live = self.marks.durable()..self.marks.head();
        state.prepared = state.head;
        // SAFETY: `state` proves that the commit lock is held; the writer task lends and grows, one after
        // the other, and has prepared this.
        unsafe { self.stage.grow(live, self.durable_records()) }
    }

    /// Asks for the stage's pages for `len` bytes from `from` on, unless that was done.
    #[inline]
    pub(super) fn prepare(&self, state: &mut LogState, from: Lsn, len: u64) -> Result<()> {
        if from + len > state.prepared {
            state.prepared = self.stage.prepare(from, len)?;
        }
        Ok(())
    }
}
