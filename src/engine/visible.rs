//! Up to which seqno readers see: one number, from writers, in the order of their seqnos, to all readers.

use crate::base::key::SeqNo;
use crate::base::sync::atomic::AtomicU64;
use crate::base::sync::epoch::Guard;
use crate::base::sync::{Arc, give_way, mutant, weakened};
use crate::tree::published::Published;

/// Seqno of the newest write that readers see.
pub(crate) struct Visible(AtomicU64);

impl Visible {
    /// Everything up to `seqno` is there.
    pub(crate) fn new(seqno: SeqNo) -> Self {
        Self(AtomicU64::new(seqno.0))
    }

    /// Makes the writes after `before` and up to `seqno` visible, whose entries are inserted, as soon as those up
    /// to `before` are. These are inserted by other threads at the same time, which wait for nothing but their own
    /// predecessors: the wait is about as long as an insertion, unless one of them has lost its core.
    pub(crate) fn publish_after(&self, before: SeqNo, seqno: SeqNo) {
        let mut looks = 0;
        // Acquire pairs with the Release of the predecessor: who sees this seqno sees its entries, too.
        while self.0.load(weakened!("visible_predecessor", Acquire)) != before.0
            && !mutant!("visible_out_of_order")
        {
            looks += 1;
            give_way(looks);
        }
        self.publish(seqno);
    }

    /// Makes the writes up to `seqno` visible: all of them are inserted.
    pub(super) fn publish(&self, seqno: SeqNo) {
        // Release pairs with the Acquire in `newest`: who sees the seqno sees the entries.
        self.0.store(seqno.0, weakened!("visible_publish", Release));
    }

    /// The newest visible write.
    pub(crate) fn newest(&self) -> SeqNo {
        SeqNo(self.0.load(weakened!("visible_newest", Acquire)))
    }

    /// Whether readers see the writes up to `seqno`.
    pub(crate) fn has(&self, seqno: SeqNo) -> bool {
        self.newest() >= seqno
    }

    /// What a reader without a snapshot reads, and at which seqno.
    ///
    /// The view first, the seqno second: then every version that the view has dropped was already
    /// hidden at the seqno by a newer one. The other way round a flush in between may drop the
    /// version that is read, because no snapshot holds it.
    pub(crate) fn moment<'g, T: Send + Sync + 'static>(
        &self,
        published: &Published<T>,
        guard: &'g Guard,
    ) -> (&'g Arc<T>, SeqNo) {
        if mutant!("moment_seqno_first") {
            let seqno = self.newest();
            return (published.load(guard), seqno);
        }
        let view = published.load(guard);
        (view, self.newest())
    }
}
