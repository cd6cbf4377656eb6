//! Which snapshots are alive, so that the versions they see are kept.

use std::collections::BTreeMap;

use super::Engine;
use crate::base::key::SeqNo;
use crate::base::sync::{Mutex, lock};

/// Seqnos of the live snapshots with the number of snapshots at each.
#[derive(Default)]
pub(crate) struct Snapshots(Mutex<BTreeMap<SeqNo, usize>>);

impl Snapshots {
    /// Registers a snapshot at the seqno that `newest` gives. It is asked under the lock: whoever
    /// lists the snapshots later either sees this one or listed before any write it does not see.
    pub(crate) fn take(&self, newest: impl FnOnce() -> SeqNo) -> SeqNo {
        let mut live = lock(&self.0);
        let seqno = newest();
        *live.entry(seqno).or_default() += 1;
        seqno
    }

    /// Gives a snapshot up.
    pub(crate) fn release(&self, seqno: SeqNo) {
        let mut live = lock(&self.0);
        if let Some(count) = live.get_mut(&seqno) {
            *count -= 1;
            if *count == 0 {
                live.remove(&seqno);
            }
        }
    }

    /// Their seqnos, ascending.
    pub(crate) fn list(&self) -> Vec<SeqNo> {
        lock(&self.0).keys().copied().collect()
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        lock(&self.0).values().sum()
    }
}

impl Engine {
    /// Registers a snapshot of now. In a child, where it is of no use, it gets a seqno and no more.
    pub(crate) fn take_snapshot(&self) -> SeqNo {
        if !self.process.is_current() {
            return self.visible_seqno();
        }
        self.snapshots.take(|| self.visible_seqno())
    }

    /// Registers another snapshot at the seqno of a live one.
    pub(crate) fn share_snapshot(&self, seqno: SeqNo) {
        if self.process.is_current() {
            self.snapshots.take(|| seqno);
        }
    }

    /// Gives a snapshot up.
    pub(crate) fn release_snapshot(&self, seqno: SeqNo) {
        if self.process.is_current() {
            self.snapshots.release(seqno);
        }
    }
}
