//! Notes of gaps that scans leave for later scans, and puts that cut them.
//!
//! A scan that has crossed many dead entries notes the range in which it saw nothing; the next one jumps over it. What
//! must never happen is that a scan jumps over a put that it sees. So puts look at the notes, and a scan trusts a note
//! only if no put can have missed it:
//!
//! - A writer gives the seqno of its write out ([`give`](Gaps::give)), then looks at the notes and cuts those that
//!   have its key ([`put`](Gaps::put)), and only then makes the write visible. So whoever sees the write and looks at the
//!   notes afterwards finds them cut.
//! - A scan first notes the gap and then looks which seqno was given out last. Whoever has got a later one looks at the
//!   notes later, and finds this one. So the note is watched from that seqno on, and whoever reads at or above it and
//!   finds the range empty knows it.
//!
//! A single reader knows a gap as soon as it has crossed it. Where others write meanwhile, the next reader does.
//! Deletes do not look. Nothing here outlives the database's opening.

use super::gap_notes::{Left, Notes};
use super::published::Published;
use crate::base::coverage::reached;
use crate::base::direction::Direction;
use crate::base::key::SeqNo;
use crate::base::key_range::KeyRange;
use crate::base::planted::planted;
use crate::base::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use crate::base::sync::{Mutex, epoch, lock, mutant, weakened};

/// A line of the cache for itself: writers change it all the time, scans look beside it.
#[repr(align(64))]
struct Given(AtomicU64);

/// The notes of a tree.
pub(crate) struct Gaps {
    /// Seqno of the newest write that may look at the notes, or has.
    given: Given,
    /// Whether there are notes.
    any: AtomicBool,
    notes: Published<Notes>,
    /// Held while notes are changed.
    changing: Mutex<()>,
}

impl Default for Gaps {
    fn default() -> Self {
        Self {
            given: Given(AtomicU64::new(0)),
            any: AtomicBool::new(false),
            notes: Published::new(Notes::default()),
            changing: Mutex::new(()),
        }
    }
}

impl Gaps {
    /// A write has got its seqno, the last of which is `last`. Under the commit lock.
    #[inline]
    pub(crate) fn give(&self, last: SeqNo) {
        // Acquire pairs with the Release in `watch`: a write that comes behind it there sees the note.
        self.given.0.swap(last.0, weakened!("gaps_give", AcqRel));
    }

    /// Cuts the notes that have the key of a put, whose seqno was given out and which is not visible yet.
    #[inline]
    pub(crate) fn put(&self, key: &[u8]) {
        if self.any.load(Ordering::Relaxed) {
            self.cut(key);
        }
    }

    #[cold]
    fn cut(&self, key: &[u8]) {
        if planted!(GapOutlivesPut) || mutant!("gap_outlives_put") {
            return;
        }
        if self.notes.load(&epoch::pin()).of(key).is_none() {
            return;
        }
        let _changing = lock(&self.changing);
        let cut = self.notes.load(&epoch::pin()).cut(key);
        if let Some(notes) = cut {
            reached!("write: cut a gap");
            self.publish(notes);
        }
    }

    /// The known gap in which a reader at `reader` stands that has all keys from `point` on before it, or backward all
    /// below. The reader has taken its seqno before it asks.
    #[inline]
    pub(crate) fn around(
        &self,
        point: Option<&[u8]>,
        direction: Direction,
        reader: SeqNo,
    ) -> Option<KeyRange> {
        if !self.any.load(Ordering::Relaxed) {
            return None;
        }
        self.notes.load(&epoch::pin()).find(point, direction, reader).cloned()
    }

    /// A reader at `reader` has crossed about `dead` dead entries and seen nothing in `range`.
    #[cold]
    pub(crate) fn leave(&self, range: KeyRange, dead: u64, reader: SeqNo) {
        let _changing = lock(&self.changing);
        let left = self.notes.load(&epoch::pin()).crossed(range, dead, reader);
        match left {
            Left::Nothing => {}
            Left::Known(notes) => {
                reached!("range: a gap that was noted is known");
                self.publish(notes);
            }
            Left::Watched(notes) => {
                self.publish(notes);
                let given = self.watch();
                let notes = self.notes.load(&epoch::pin()).watched_from(given, reader);
                if given <= reader {
                    reached!("range: a gap is known at once");
                } else {
                    reached!("range: a gap was noted");
                }
                self.publish(notes);
            }
        }
    }

    /// The seqno that was given out last; whoever gets a later one sees what was published before.
    fn watch(&self) -> SeqNo {
        // A change of the same atomic as in `give`, so that one of the two comes first: if this does, its Release pairs
        // with the Acquire there.
        SeqNo(self.given.0.fetch_add(0, Ordering::AcqRel))
    }

    fn publish(&self, notes: Notes) {
        let any = !notes.is_empty();
        self.notes.update(|_| notes);
        self.any.store(any, Ordering::Relaxed);
    }
}
