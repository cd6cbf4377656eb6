//! How much writers are slowed: the delay is a pure function of how far flushes and compaction lag behind.
//!
//! The delay is a time for each byte, which is to say a rate for all writers together, however many they are. It grows
//! with the debt in bytes, not in whole files, so that it moves in small steps and stalls are rare. A writer that is
//! ahead of the rate by [`AHEAD_NS`] sleeps until it is not.

use std::ops::Range;
use std::time::Duration;

use super::Tree;
use super::view::View;
use crate::base::sync::atomic::{AtomicU64, Ordering};

/// Delay in picoseconds for each byte once L2 is full: 60 ns a byte leave writers 17 MB/s.
const FULL_L2_PS: u64 = 60_000;

/// Writers may be this far ahead of the rate before they sleep: shorter sleeps cost more than they delay.
const AHEAD_NS: u64 = 100_000;

/// A write sleeps no longer than this, however large it is; the rest of its delay is forgiven.
const SLEEP_NS_MAX: u64 = 20_000_000;

/// While writers are slowed, the debt is looked at this often: L0 fills meanwhile.
const REFRESH_NS: u64 = 1_000_000;

/// The delay that is asked of writers, and how far they are. Nothing is ordered by these numbers.
#[derive(Default)]
pub(crate) struct Throttle {
    /// Zero if writers are not slowed; then nothing else here counts.
    delay_ps_per_byte: AtomicU64,
    /// When what was written so far is due at the rate.
    due_ns: AtomicU64,
    /// When the debt was looked at last.
    refreshed_ns: AtomicU64,
    /// When a writer first met the delay that there is now; zero if none has.
    met_ns: AtomicU64,
}

impl Throttle {
    /// Whether writers are slowed now.
    #[inline]
    pub(crate) fn is_on(&self) -> bool {
        self.delay_ps_per_byte() > 0
    }

    /// Whether compaction must not wait for anything any more.
    pub(crate) fn is_high(&self) -> bool {
        self.delay_ps_per_byte() > FULL_L2_PS / 2
    }

    /// The delay now.
    #[inline]
    pub(crate) fn delay_ps_per_byte(&self) -> u64 {
        self.delay_ps_per_byte.load(Ordering::Relaxed)
    }

    /// Since when writers are slowed without a break, if they are and one has noticed.
    pub(crate) fn since(&self) -> Option<Duration> {
        let met_ns = self.met_ns.load(Ordering::Relaxed);
        (self.is_on() && met_ns > 0).then(|| Duration::from_nanos(met_ns))
    }

    /// How long the writer of so many bytes has to sleep; `None` while it may go on.
    fn charge(&self, bytes: u64, now: Duration) -> Option<Duration> {
        let now_ns = now.as_nanos() as u64;
        let cost_ns = (bytes.saturating_mul(self.delay_ps_per_byte()) / 1000).min(SLEEP_NS_MAX);
        let due = |due_ns: u64| (due_ns.max(now_ns) + cost_ns).min(now_ns + SLEEP_NS_MAX);
        let update =
            self.due_ns.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |due_ns| Some(due(due_ns)));
        let ahead_ns = update.map_or(0, due) - now_ns;
        (ahead_ns >= AHEAD_NS).then(|| Duration::from_nanos(ahead_ns))
    }

    fn set(&self, delay_ps_per_byte: u64) {
        self.delay_ps_per_byte.store(delay_ps_per_byte, Ordering::Relaxed);
        if delay_ps_per_byte == 0 {
            self.met_ns.store(0, Ordering::Relaxed);
        }
    }

    /// Whether the debt is to be looked at again. Two writers at once may both be told so.
    fn is_stale(&self, now_ns: u64) -> bool {
        let is_stale = now_ns.saturating_sub(self.refreshed_ns.load(Ordering::Relaxed)) >= REFRESH_NS;
        if is_stale {
            self.refreshed_ns.store(now_ns, Ordering::Relaxed);
        }
        is_stale
    }
}

impl Tree {
    /// How long the writer of so many bytes has to sleep; `None` while it may go on.
    pub(crate) fn charge(&self, bytes: u64, now: Duration) -> Option<Duration> {
        let now_ns = now.as_nanos() as u64;
        if self.throttle.is_on() && self.throttle.is_stale(now_ns) {
            self.set_throttle(&self.view());
        }
        if !self.throttle.is_on() {
            return None;
        }
        if self.throttle.met_ns.load(Ordering::Relaxed) == 0 {
            self.throttle.met_ns.store(now_ns.max(1), Ordering::Relaxed);
        }
        self.throttle.charge(bytes, now)
    }

    /// Sets how much writers are slowed, from the debt that a view shows.
    pub(crate) fn set_throttle(&self, view: &View) {
        self.throttle.set(delay_ps_per_byte(&self.debt(view)));
    }

    /// What flushes and compaction have still to do.
    pub(crate) fn debt(&self, view: &View) -> Debt {
        let options = &self.options;
        let memtables = view.frozen.iter().chain([&view.memtable]);
        let filled = view.memtable.memory_bytes().saturating_mul(1000) / options.memtable_size_bytes.max(1);
        Debt {
            memory: memtables.map(|memtable| memtable.bytes()).sum(),
            memory_max: options.memtable_size_bytes * (options.max_frozen_memtables as u64 + 1),
            files_per_mille: files_per_mille(view, filled.min(1000)),
            files_per_mille_soon: files_per_mille(view, 1000),
            files_max: options.max_flushed_files as u64,
            live_per_mille: view.files.live_per_mille(),
            trigger: options.compaction_trigger() as u64,
        }
    }
}

/// What flushes and compaction have still to do, with the limits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Debt {
    /// Bytes in L0 and L1.
    memory: u64,
    memory_max: u64,
    /// Files of L2 and the one to come, in thousandths: now, and once L0 is full.
    files_per_mille: u64,
    files_per_mille_soon: u64,
    files_max: u64,
    /// What is left of them to be compacted, in thousandths of a file.
    live_per_mille: u64,
    /// Files from which on compaction works.
    trigger: u64,
}

/// How many files L2 has, in thousandths, with the one that memory is about to become. Of that counts as much as is in L0,
/// of the oldest file what is left of it: if the number made steps, so would the rate of writers, from all there is to a
/// tenth of it and back several times a second. More memtables that wait to be flushed count for no more: they are there
/// to take bursts.
fn files_per_mille(view: &View, filled_per_mille: u64) -> u64 {
    let waiting = 1000 * view.frozen.len() as u64 + filled_per_mille;
    let gone = 1000 - view.files.oldest_live_per_mille();
    1000 * view.files.flushed.len() as u64 + waiting.min(1000) - gone
}

impl Debt {
    /// How far L0 and L1 are on the way from half full to full, in thousandths.
    fn of_memory(&self) -> u64 {
        above(self.memory, self.memory_max / 2..self.memory_max)
    }

    /// How far L2 is on the way to full, in thousandths. Its limit is a number of files; of those that are partly
    /// compacted, only what is left counts until three quarters of the limit are reached, with the file that L0 becomes.
    fn of_files(&self) -> u64 {
        let free = self.trigger + self.files_max.saturating_sub(self.trigger) / 4;
        let left = above(self.live_per_mille, 1000 * free..1000 * self.files_max);
        left.max(self.above_free(self.files_per_mille))
    }

    /// Whether it will be before L0 is full: until then nobody looks but writers that are slowed.
    fn is_of_files_soon(&self) -> bool {
        self.above_free(self.files_per_mille_soon) > 0
    }

    fn above_free(&self, files_per_mille: u64) -> u64 {
        above(files_per_mille, 750 * self.files_max + 1000..1000 * self.files_max + 1000)
    }

    /// Whether flushes lag behind rather than compaction.
    pub(crate) fn is_of_memory(&self) -> bool {
        self.of_memory() >= self.of_files()
    }
}

/// Delay in picoseconds for each byte written. Not zero from where debt begins to count.
fn delay_ps_per_byte(debt: &Debt) -> u64 {
    let (memory, files) = (debt.of_memory(), debt.of_files());
    if memory == 0 && files == 0 {
        return u64::from(debt.is_of_files_soon());
    }
    // With the square of what L2 has, and ever steeper as memory runs out, behind which there is nothing but a stall.
    let for_files = FULL_L2_PS * files * files / 1_000_000;
    let for_memory = FULL_L2_PS * memory * memory / 1000 / (1016 - memory);
    1 + for_files + for_memory
}

/// How far `n` is on its way from the start to the end of `range`, in thousandths.
fn above(n: u64, range: Range<u64>) -> u64 {
    let len = range.end.saturating_sub(range.start).max(1);
    n.min(range.end).saturating_sub(range.start) * 1000 / len
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_delay_rises_with_the_debt() {
        // Of 400 in memory, 12 files, and in tenths what is left of them.
        let check = |memory, files: u64, live: u64, expected| {
            let debt = Debt {
                memory,
                memory_max: 400,
                files_per_mille: 1000 * files + 1000,
                files_per_mille_soon: 1000 * files + 1000,
                files_max: 12,
                live_per_mille: 100 * live,
                trigger: 4,
            };
            assert_eq!(delay_ps_per_byte(&debt), expected, "{debt:?}");
        };
        check(0, 0, 0, 0);
        check(200, 9, 60, 0);
        check(202, 9, 60, 6);
        check(300, 6, 60, 29_070);
        check(390, 6, 60, 820_455);
        check(500, 6, 60, 3_750_001);
        check(0, 9, 63, 151);
        check(0, 9, 90, 15_001);
        check(0, 10, 70, 6654);
        check(0, 12, 70, 60_001);
        check(0, 99, 990, 60_001);
        check(300, 12, 120, 89_070);
    }

    #[test]
    fn the_delay_begins_before_it_counts() {
        let delay = |files_per_mille| {
            let (memory, live_per_mille) = (0, 0);
            let files_per_mille_soon = files_per_mille / 1000 * 1000 + 1000;
            delay_ps_per_byte(&Debt {
                memory,
                memory_max: 400,
                files_per_mille,
                files_per_mille_soon,
                files_max: 12,
                live_per_mille,
                trigger: 4,
            })
        };
        assert_eq!([8500, 9000, 10_000, 10_001, 10_300, 10_900].map(delay), [0, 0, 1, 1, 601, 5401]);
    }

    #[test]
    fn writers_sleep_when_they_are_ahead_of_the_rate() {
        let throttle = Throttle::default();
        throttle.set(10_000);
        let us = |us| Some(Duration::from_micros(us));
        let charge = |bytes, at_us| throttle.charge(bytes, Duration::from_micros(at_us));
        // 50 us a write.
        assert_eq!(charge(5000, 1_000), None);
        assert_eq!(charge(5000, 1_000), us(100));
        // After the sleep; another writer meanwhile finds both.
        assert_eq!(charge(5000, 1_050), us(100));
        assert_eq!(charge(5000, 1_150), None);
        // Slower than the rate: nothing is owed.
        assert_eq!(charge(5000, 2_000), None);
        assert_eq!(charge(u64::MAX, 3_000), us(20_000));
        assert_eq!(charge(5000, 3_000), us(20_000));
    }
}
