//! What scans have earned: compaction that nothing but scans needs.
//!
//! A scan merges what the memtables, L2 and the runs of a partition have for its range, and each of them costs it memory
//! that is far away. One run would do, but to write it costs too. So every scan earns the time that the sources beside one
//! have taken it, and when the scans of a tree have earned what a compaction takes that spares them sources, it is done.
//! That bounds the work by the scans, whatever is written meanwhile: it takes no more of the CPU than what it is meant to
//! spare. A tree that is scanned much has one run nearly everywhere, one that is written much and scanned little has as
//! many as it may. (Rent or buy: Karlin, Manasse, Rudolph, Sleator, "Competitive snoopy caching", Algorithmica 3, 1988.)

use crate::base::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What a seek in one source more takes: of data much larger than the processor's caches, each step of it is a line, and
/// often a page, that none of them has. Scans of 50 entries took about 3 us longer for each source beside one where the
/// entries had 100 B (600 MB in all), 4.6 us where they had 1 KB (1 GB).
const SEEK_NS: u64 = 2_500;

/// And the bytes passed, in entries of average length, for which a source more takes a nanosecond: those of a range lie in
/// as many more blocks as there are sources.
const BYTES_PER_NS: u64 = 22;

/// Entries that are longer lie in few blocks, and a few of them make a great average.
const ENTRY_LEN_MAX: u64 = 1 << 10;

/// And what counts for each read in another file than the one before, of which one run would have spared most: while the
/// device is at one, a compaction has it read and write as much as it merges in this time.
const READ_NS: u64 = 32_000;

/// What a compaction counts for beside its bytes: a file, its sync and an edit of the manifest.
pub(super) const COMPACTION_COST_BYTES: u64 = 512 << 10;

/// What a compaction takes for a byte and for an entry, in picoseconds. To settle 700 MB took 3.2 ns of the CPU for each
/// byte where entries had 100 B, 1 GB took 2.2 to 2.7 where they had 1 KB.
const COMPACTED_BYTE_PS: u64 = 2_400;
const COMPACTED_ENTRY_PS: u64 = 93_000;

/// Until the first look.
const ENTRY_LEN_FIRST: u64 = 100;

/// Each time so much has been earned it is time to look what to do with it.
const LOOK_NS: u64 = 16_000_000;

/// Time that scans have earned and nobody has spent. Alone on its lines: every scan adds to it.
#[repr(align(128))]
pub(crate) struct ScanCredit {
    earned_ns: AtomicU64,
    /// What was spent, or was more than there was to do.
    spent_ns: AtomicU64,
    /// Average length of the entries.
    entry_len: AtomicU64,
    /// Sources beside one that a scan has among files, on the average.
    others: AtomicU64,
}

/// What a scan has done.
#[derive(Clone, Copy, Default)]
pub(crate) struct Scanned {
    /// Entries that it has passed.
    pub(crate) entries: u64,
    /// Reads from the device in another file than the one before.
    pub(crate) reads_elsewhere: u64,
}

/// What scans find in files, on the average.
#[derive(Clone, Copy)]
pub(super) struct Found {
    /// Files of L2 and runs that have something for a range.
    pub(super) sources: u64,
    /// Length of the entries.
    pub(super) entry_len: u64,
}

impl Default for ScanCredit {
    fn default() -> Self {
        let (entry_len, others) = (AtomicU64::new(ENTRY_LEN_FIRST), AtomicU64::new(1));
        Self { earned_ns: AtomicU64::new(0), spent_ns: AtomicU64::new(0), entry_len, others }
    }
}

impl ScanCredit {
    /// A scan has ended; whether it is time to look again.
    #[inline]
    pub(crate) fn earn(&self, scan: Scanned) -> bool {
        let passed_bytes = scan.entries * self.entry_len.load(Relaxed).min(ENTRY_LEN_MAX);
        let for_a_source = SEEK_NS + passed_bytes / BYTES_PER_NS;
        let ns = for_a_source * self.others.load(Relaxed) + READ_NS * scan.reads_elsewhere;
        let before = self.earned_ns.fetch_add(ns, Relaxed);
        before / LOOK_NS != (before + ns) / LOOK_NS
    }

    /// From now on they earn by this. With one source as with two: a range may have more than the average.
    pub(super) fn set_found(&self, found: Found) {
        self.others.store(found.sources.saturating_sub(1).max(1), Relaxed);
        self.entry_len.store(found.entry_len.max(1), Relaxed);
    }

    /// Bytes of compaction that there is time for. What is beyond `useful_bytes` goes: else scans of a settled tree would
    /// pay for whatever comes.
    pub(super) fn available_bytes(&self, useful_bytes: u64) -> u64 {
        let left_ns = self.earned_ns.load(Relaxed).saturating_sub(self.spent_ns.load(Relaxed));
        let surplus_ns = left_ns.saturating_sub(self.compaction_ns(useful_bytes));
        self.spent_ns.fetch_add(surplus_ns, Relaxed);
        let (entry_len, entry_ps) = self.compacted_entry();
        u64::try_from(u128::from(left_ns - surplus_ns) * 1000 * entry_len / entry_ps).unwrap_or(u64::MAX)
    }

    /// A compaction of so many bytes is done for scans.
    pub(super) fn spend(&self, bytes: u64) {
        self.spent_ns.fetch_add(self.compaction_ns(bytes), Relaxed);
    }

    /// The time that a compaction of so many bytes takes, about. Rounded up, so that there is time for all that is of use.
    fn compaction_ns(&self, bytes: u64) -> u64 {
        let (entry_len, entry_ps) = self.compacted_entry();
        u64::try_from(u128::from(bytes) * entry_ps / (1000 * entry_len) + 1).unwrap_or(u64::MAX)
    }

    /// Length of an entry in bytes, and the time that a compaction takes for it in picoseconds.
    fn compacted_entry(&self) -> (u128, u128) {
        let entry_len = self.entry_len.load(Relaxed);
        let ps = u128::from(entry_len) * u128::from(COMPACTED_BYTE_PS) + u128::from(COMPACTED_ENTRY_PS);
        (u128::from(entry_len), ps)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_kept_than_can_be_spent() {
        let credit = ScanCredit::default();
        credit.set_found(Found { sources: 4, entry_len: 250 });
        let scan = Scanned { entries: 44, reads_elsewhere: 2 };
        let looks = (0..100_000).filter(|_| credit.earn(scan)).count() as u64;
        let earned_ns = 100_000 * (3 * (SEEK_NS + 500) + 2 * READ_NS);
        assert_eq!(looks, earned_ns / LOOK_NS);
        // An entry of 250 bytes takes 693 ns.
        assert_eq!(credit.available_bytes(u64::MAX / 4), earned_ns * 250 / 693);
        credit.spend(100_000);
        assert_eq!(credit.available_bytes(u64::MAX / 4), (earned_ns - 277_201) * 250 / 693);
        for useful_bytes in [1000, 999, 333, 1] {
            assert_eq!(credit.available_bytes(useful_bytes), useful_bytes);
        }
    }

    #[test]
    fn scans_of_one_source_earn_as_with_two() {
        let earned = |sources| {
            let credit = ScanCredit::default();
            credit.set_found(Found { sources, entry_len: 0 });
            credit.earn(Scanned { entries: 50, reads_elsewhere: 0 });
            credit.earned_ns.load(Relaxed) / SEEK_NS
        };
        assert_eq!([0, 1, 2, 3, 9].map(earned), [1, 1, 1, 2, 8]);
    }
}
