//! Below which seqno nobody reads any more: what memtables may forget.
//!
//! Three kinds of readers are counted: snapshots, which are registered; scans, which register the seqno of
//! their [moment](super::moment); and lookups, which do not, but hold an epoch guard from before they look at the
//! newest visible seqno. So once every guard that there was when `v` was visible has ended, each lookup reads at
//! `v` or above. Whoever is registered then is looked up, and the least of all is the oldest reader. Those who
//! register later read at `v` or above as well: a scan reads the visible seqno and registers under one guard, a
//! snapshot does both under a lock.

use super::snapshots::Snapshots;
use crate::base::coverage::reached;
use crate::base::key::SeqNo;
use crate::base::planted::planted;
use crate::base::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use crate::base::sync::{Arc, epoch};
use crate::io::Process;

/// So many writes pass between two looks at the readers.
const LOOK_INTERVAL: u64 = 32;

/// Scans that register without a lock at the same time.
const SLOTS: usize = 16;

/// No scan. No reader has this seqno.
const EMPTY: u64 = u64::MAX;

/// The readers of a database.
pub(crate) struct Readers {
    snapshots: Arc<Snapshots>,
    scans: [AtomicU64; SLOTS],
    more_scans: Snapshots,
    /// Nobody reads below.
    oldest: AtomicU64,
    /// The next look at the readers waits for guards to end.
    is_waiting: AtomicBool,
    /// Visible seqno at the last look.
    looked: AtomicU64,
    /// All readers are on one thread, that of the writers: no guard is waited for.
    on_one_thread: bool,
    /// A child takes no lock of the snapshots.
    process: Process,
}

/// A registered scan.
pub(crate) struct ScanReader {
    seqno: SeqNo,
    slot: Option<usize>,
}

impl Readers {
    /// Nobody yet.
    pub(crate) fn new(snapshots: Arc<Snapshots>, on_one_thread: bool) -> Self {
        Self {
            snapshots,
            scans: std::array::from_fn(|_| AtomicU64::new(EMPTY)),
            more_scans: Snapshots::default(),
            oldest: AtomicU64::new(0),
            is_waiting: AtomicBool::new(false),
            looked: AtomicU64::new(0),
            on_one_thread,
            process: Process::current(),
        }
    }

    /// Nobody reads below this seqno, now or later.
    #[inline]
    pub(crate) fn oldest(&self) -> SeqNo {
        // Acquire pairs with the Release in `look`: whoever reads below has done so.
        SeqNo(self.oldest.load(Ordering::Acquire))
    }

    /// Looks for the oldest reader from time to time; `visible` is a visible seqno.
    #[inline]
    pub(crate) fn look_if_due(self: &Arc<Self>, visible: SeqNo) {
        if self.on_one_thread {
            #[cfg(all(feature = "sim", not(loom)))]
            if !epoch::is_pinned() {
                self.look(visible);
            }
        } else if visible.0.saturating_sub(self.looked.load(Ordering::Relaxed)) >= LOOK_INTERVAL {
            self.looked.store(visible.0, Ordering::Relaxed);
            self.look_later(visible);
        }
    }

    /// Looks once the guards of now have ended.
    pub(super) fn look_later(self: &Arc<Self>, visible: SeqNo) {
        let guard = epoch::pin();
        if !self.is_waiting.swap(true, Ordering::Relaxed) {
            let readers = Arc::clone(self);
            guard.defer(move || {
                readers.look(visible);
                readers.is_waiting.store(false, Ordering::Relaxed);
            });
        }
        // Gives the epoch a push.
        guard.flush();
    }

    fn look(&self, visible: SeqNo) {
        // Whoever pins in a child may be the one that the epoch has call this.
        if !self.process.is_current() {
            return;
        }
        // Snapshots first: a scan of a snapshot registers before the snapshot may be released.
        let snapshot = self.snapshots.oldest().filter(|_| !planted!(SnapshotVersionsCut));
        let slots = self.scans.iter().map(|slot| SeqNo(slot.load(Ordering::Acquire)));
        let scan = slots.filter(|seqno| seqno.0 != EMPTY).min().filter(|_| !planted!(ScanVersionsCut));
        let registered = [snapshot, scan, self.more_scans.oldest()];
        let oldest = registered.into_iter().flatten().min().map_or(visible, |oldest| oldest.min(visible));
        if oldest < visible {
            reached!("readers: an old one holds versions");
        }
        self.oldest.fetch_max(oldest.0, Ordering::Release);
    }

    /// Registers a scan at `seqno`, which its caller has found visible under a guard that it still holds, or that
    /// belongs to a live snapshot.
    pub(crate) fn begin_scan(&self, seqno: SeqNo) -> ScanReader {
        if !self.process.is_current() {
            return ScanReader { seqno, slot: None };
        }
        let take = |slot: &AtomicU64| {
            slot.load(Ordering::Relaxed) == EMPTY
                && slot.compare_exchange(EMPTY, seqno.0, Ordering::Release, Ordering::Relaxed).is_ok()
        };
        let slot = self.scans.iter().position(take);
        if slot.is_none() {
            self.more_scans.take(|| seqno);
        }
        ScanReader { seqno, slot }
    }

    /// Gives a scan up.
    pub(crate) fn end_scan(&self, scan: &ScanReader) {
        match scan.slot {
            // Release: what it has read, it has read before.
            Some(slot) => self.scans[slot].store(EMPTY, Ordering::Release),
            None => self.more_scans.release(scan.seqno),
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::io::ends_in_child;

    #[test]
    fn the_oldest_reader_is_the_least_of_all_and_never_goes_back() {
        let snapshots = Arc::new(Snapshots::default());
        let readers = Readers::new(Arc::clone(&snapshots), false);
        let look = |visible| {
            readers.look(SeqNo(visible));
            readers.oldest().0
        };
        assert_eq!(look(5), 5);
        snapshots.take(|| SeqNo(7));
        assert_eq!(look(9), 7);
        let scans: Vec<_> = (0..SLOTS as u64 + 3).map(|n| readers.begin_scan(SeqNo(8 + n))).collect();
        assert_eq!(look(60), 7);
        snapshots.release(SeqNo(7));
        assert_eq!(look(60), 8);
        for (number, scan) in scans.iter().enumerate() {
            readers.end_scan(scan);
            let expected = if number + 1 == scans.len() { 60 } else { 9 + number as u64 };
            assert_eq!(look(60), expected);
        }
        readers.begin_scan(SeqNo(50));
        assert_eq!(look(70), 60);
    }

    #[test]
    fn a_look_waits_for_the_guards_that_there_are() {
        let readers = Arc::new(Readers::new(Arc::default(), false));
        let guard = epoch::pin();
        for _ in 0..10 {
            std::thread::scope(|scope| scope.spawn(|| readers.look_later(SeqNo(3))).join().expect("looks"));
        }
        assert_eq!(readers.oldest(), SeqNo::ZERO);
        drop(guard);
        while readers.oldest() < SeqNo(3) {
            readers.look_later(SeqNo(3));
        }
    }

    #[test]
    fn a_scan_in_a_child_is_registered_nowhere() {
        let readers = Readers::new(Arc::default(), false);
        let _pinned = epoch::pin();
        assert!(ends_in_child(|| {
            // More than there are places: the one behind them would take a lock.
            for _ in 0..=readers.scans.len() {
                assert!(readers.begin_scan(SeqNo(1)).slot.is_none());
            }
            assert_eq!(readers.more_scans.oldest(), None);
        }));
    }
}
