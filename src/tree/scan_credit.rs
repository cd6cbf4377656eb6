//! What scans have earned: compaction that nothing but scans needs.
//!
//! A scan merges what the memtables, L2 and the runs of a partition have for its range, and each of them costs it memory
//! that is far away. One run would do, but to write it costs too. So every scan earns about as many bytes as it would
//! spare later ones in the end, and when the scans of a tree have earned what a partition has, it is rewritten as one run.
//! That bounds the work by the scans, whatever is written meanwhile: a tree that is scanned much has one run nearly
//! everywhere, one that is written much and scanned little has as many as it may. (Rent or buy: Karlin, Manasse, Rudolph,
//! Sleator, "Competitive snoopy caching", Algorithmica 3, 1988.)

use crate::base::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Bytes that a scan earns for its beginning. To seek in a few sources more than one takes a microsecond or two, in which a
/// compaction writes a kilobyte or two.
const PER_SCAN: u64 = 2 << 10;

/// And this part of the bytes that it has passed, in entries of average length: those of a range lie in as many more
/// blocks as there are sources. Scans of 50 entries of 1 KB took 9 us longer among five sources than in one, those of
/// 100 B 2 us.
const ENTRY_SHARE: u64 = 4;

/// Entries that are longer lie in few blocks, and a few of them make a great average.
const ENTRY_LEN_MAX: u64 = 1 << 10;

/// And for each read in another file than the one before, of which one run would have spared most: a compaction reads and
/// writes about as much in the time that the device takes for one.
const PER_READ: u64 = 16 << 10;

/// Until the first look.
const ENTRY_LEN_FIRST: u64 = 100;

/// Each time so many bytes have been earned it is time to look what to do with them.
const LOOK_BYTES: u64 = 16 << 20;

/// Bytes that scans have earned and nobody has spent. Alone on its lines: every scan adds to it.
#[repr(align(128))]
pub(crate) struct ScanCredit {
    earned: AtomicU64,
    /// Bytes that were spent, or were more than there was to do.
    spent: AtomicU64,
    /// What is earned for an entry that was passed.
    per_entry: AtomicU64,
}

/// What a scan has done.
#[derive(Clone, Copy, Default)]
pub(crate) struct Scanned {
    /// Entries that it has passed.
    pub(crate) entries: u64,
    /// Reads from the device in another file than the one before.
    pub(crate) reads_elsewhere: u64,
}

impl Default for ScanCredit {
    fn default() -> Self {
        let per_entry = AtomicU64::new(ENTRY_LEN_FIRST / ENTRY_SHARE);
        Self { earned: AtomicU64::new(0), spent: AtomicU64::new(0), per_entry }
    }
}

impl ScanCredit {
    /// A scan has ended; whether it is time to look again.
    #[inline]
    pub(crate) fn earn(&self, scan: Scanned) -> bool {
        let bytes = PER_SCAN + self.per_entry.load(Relaxed) * scan.entries + PER_READ * scan.reads_elsewhere;
        let before = self.earned.fetch_add(bytes, Relaxed);
        before / LOOK_BYTES != (before + bytes) / LOOK_BYTES
    }

    /// Entries are so long on the average.
    pub(super) fn set_entry_len(&self, bytes: u64) {
        self.per_entry.store(bytes.min(ENTRY_LEN_MAX) / ENTRY_SHARE, Relaxed);
    }

    /// What there is to spend. What is beyond `useful_bytes` goes: else scans of a settled tree would pay for whatever comes.
    pub(super) fn available(&self, useful_bytes: u64) -> u64 {
        let left = self.earned.load(Relaxed).saturating_sub(self.spent.load(Relaxed));
        let surplus = left.saturating_sub(useful_bytes);
        self.spend(surplus);
        left - surplus
    }

    /// A compaction of so many bytes is done for scans.
    pub(super) fn spend(&self, bytes: u64) {
        self.spent.fetch_add(bytes, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_kept_than_can_be_spent() {
        let credit = ScanCredit::default();
        credit.set_entry_len(ENTRY_SHARE * 20);
        let scan = Scanned { entries: 50, reads_elsewhere: 2 };
        let looks = (0..100_000).filter(|_| credit.earn(scan)).count() as u64;
        let earned = 100_000 * (PER_SCAN + 50 * 20 + 2 * PER_READ);
        assert_eq!(looks, earned / LOOK_BYTES);
        assert_eq!(credit.available(u64::MAX), earned);
        credit.spend(100);
        assert_eq!(credit.available(u64::MAX), earned - 100);
        assert_eq!(credit.available(1000), 1000);
        assert_eq!(credit.available(u64::MAX), 1000);
    }
}
