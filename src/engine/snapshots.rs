//! Which snapshots are alive, so that the versions they see are kept, and no longer.

use std::collections::BTreeMap;

use super::Engine;
use crate::base::key::SeqNo;
use crate::base::sync::{Mutex, lock};

/// The live snapshots.
#[derive(Default)]
pub(crate) struct Snapshots(Mutex<Live>);

#[derive(Default)]
struct Live {
    /// Their seqnos with the number of snapshots at each.
    counts: BTreeMap<SeqNo, usize>,
    /// Whether the last one at a seqno has gone since somebody asked.
    any_gone: bool,
}

impl Snapshots {
    /// Registers a snapshot at the seqno that `newest` gives. It is asked under the lock: whoever
    /// lists the snapshots later either sees this one or listed before any write it does not see.
    pub(crate) fn take(&self, newest: impl FnOnce() -> SeqNo) -> SeqNo {
        let mut live = lock(&self.0);
        let seqno = newest();
        *live.counts.entry(seqno).or_default() += 1;
        seqno
    }

    /// Gives a snapshot up.
    pub(crate) fn release(&self, seqno: SeqNo) {
        let mut live = lock(&self.0);
        if let Some(count) = live.counts.get_mut(&seqno) {
            *count -= 1;
            if *count == 0 {
                live.counts.remove(&seqno);
                live.any_gone = true;
            }
        }
    }

    /// Whether some have gone since the last call, so that what they held may be garbage.
    pub(crate) fn take_gone(&self) -> bool {
        std::mem::take(&mut lock(&self.0).any_gone)
    }

    /// Their seqnos, ascending.
    pub(crate) fn list(&self) -> Vec<SeqNo> {
        lock(&self.0).counts.keys().copied().collect()
    }

    /// The least of their seqnos.
    pub(super) fn oldest(&self) -> Option<SeqNo> {
        lock(&self.0).counts.keys().next().copied()
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        lock(&self.0).counts.values().sum()
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
