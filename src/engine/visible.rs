//! Up to which seqno readers see: one number, from writers, in the order of their seqnos, to all readers.

use crate::base::key::SeqNo;
use crate::base::sync::atomic::{AtomicU64, Ordering};
use crate::base::sync::epoch::Guard;
use crate::base::sync::{Arc, give_way, mutant, weakened};
use crate::tree::published::Published;

/// Looks at a predecessor before a writer sleeps: enough for one that runs, and for one that is next on this core.
const LOOKS_AWAKE: u32 = 72;

/// Writes that may be inserted at the same time before the next one waits.
const PLACES: u64 = if cfg!(loom) { 4 } else { 256 };

/// Seqno of the newest write that readers see, and the writes that are inserted but stand behind one that is not.
pub(crate) struct Visible {
    newest: AtomicU64,
    /// Number of the next write, in the order of seqnos. Under the commit lock.
    numbers: AtomicU64,
    /// Number of the first write that is not published.
    first: AtomicU64,
    /// By number: whether it is inserted.
    inserted: Box<[Place]>,
}

/// An inserted write.
#[derive(Default)]
struct Place {
    /// Its number plus one.
    number: AtomicU64,
    seqno: AtomicU64,
}

/// The place of a write among those that are being inserted.
#[derive(Clone, Copy)]
pub(crate) struct WriteNumber(u64);

impl Visible {
    /// Everything up to `seqno` is there.
    pub(crate) fn new(seqno: SeqNo) -> Self {
        let inserted = (0..PLACES).map(|_| Place::default()).collect();
        let (numbers, first) = (AtomicU64::new(0), AtomicU64::new(0));
        Self { newest: AtomicU64::new(seqno.0), numbers, first, inserted }
    }

    /// The number of a write. Under the commit lock, so that numbers are in the order of seqnos.
    pub(crate) fn number(&self) -> WriteNumber {
        let number = self.numbers.load(Ordering::Relaxed);
        self.numbers.store(number + 1, Ordering::Relaxed);
        WriteNumber(number)
    }

    /// Makes the writes up to `seqno` visible, which are inserted, as soon as those before them are. Each is published by
    /// whoever finds it inserted and at the head; so a thread that has lost its core in the middle of an insertion
    /// holds others up until it has gone on, and then all go on at once. After some looks `sleep` is called before each,
    /// with how often it was: threads that only gave way to each other would keep it from its core.
    pub(crate) fn publish(&self, number: WriteNumber, seqno: SeqNo, sleep: impl Fn(u32)) {
        if mutant!("visible_out_of_order") {
            self.newest.fetch_max(seqno.0, Ordering::Release);
            return;
        }
        let mut looks = 0;
        let mut pause = || {
            looks += 1;
            if looks < LOOKS_AWAKE { give_way(looks) } else { sleep(looks - LOOKS_AWAKE) }
        };
        // The place belongs to a write long before this one until that is published.
        while number.0 - self.first.load(Ordering::Acquire) >= PLACES {
            self.publish_inserted();
            pause();
        }
        let place = &self.inserted[(number.0 % PLACES) as usize];
        place.seqno.store(seqno.0, Ordering::Relaxed);
        // Release pairs with the Acquire in `publish_inserted`: who publishes the write has its entries.
        place.number.store(number.0 + 1, weakened!("visible_inserted", Release));
        self.publish_inserted();
        while !self.has(seqno) {
            pause();
            self.publish_inserted();
        }
    }

    /// Publishes what is inserted, up to the first write that is not.
    fn publish_inserted(&self) {
        loop {
            // Acquire pairs with the Release of who published the write before: its entries are there, too.
            let first = self.first.load(Ordering::Acquire);
            let place = &self.inserted[(first % PLACES) as usize];
            if place.number.load(Ordering::Acquire) != first + 1 {
                return;
            }
            let seqno = place.seqno.load(Ordering::Relaxed);
            let published =
                self.first.compare_exchange(first, first + 1, Ordering::AcqRel, Ordering::Relaxed);
            if published.is_ok() {
                // Release pairs with the Acquire in `newest`: who sees the seqno sees the entries.
                self.newest.fetch_max(seqno, weakened!("visible_publish", Release));
            }
        }
    }

    /// The newest visible write.
    pub(crate) fn newest(&self) -> SeqNo {
        SeqNo(self.newest.load(weakened!("visible_newest", Acquire)))
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
