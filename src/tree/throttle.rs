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

/// Delay in picoseconds for each byte at most debt of L2: 60 ns a byte leave writers 17 MB/s.
const FULL_L2_PS: u64 = 60_000;

/// Writers may be this far ahead of the rate before they sleep: shorter sleeps cost more than they delay.
const AHEAD_NS: u64 = 100_000;

/// So much of the memtables that wait, in thousandths of one, counts as debt of L2. While writers are slowed there are
/// seldom more.
const WAITING_MAX: u64 = 2000;

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
            now: Pending::of(view, filled.min(1000)),
            soon: Pending::of(view, 1000),
            files_max: options.max_flushed_files as u64,
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
    /// What there is to compact now, and once L0 is full.
    now: Pending,
    soon: Pending,
    files_max: u64,
    /// Files from which on compaction works: nobody is slowed for what nobody would do.
    trigger: u64,
}

/// What is in L2, or on its way there, in thousandths of a file.
#[derive(Clone, Copy, Debug)]
struct Pending {
    /// What is left to be compacted, with what is in memory. It grows with what is written and shrinks with what is
    /// compacted; neither a flush changes it nor a file that is used up: if it made steps, so would the rate of writers. But
    /// of memtables that wait to be flushed no more than [`WAITING_MAX`] count, and no more than L2 has: they are there to
    /// take bursts.
    left: u64,
    /// Files, with the one that memory is about to become. Of that counts as much as is in L0, of the oldest file what is
    /// left of it.
    files: u64,
}

impl Pending {
    fn of(view: &View, filled_per_mille: u64) -> Self {
        let (waiting, live) = (1000 * view.frozen.len() as u64, view.files.live_per_mille());
        let gone = 1000 - view.files.oldest_live_per_mille();
        let to_come = (waiting + filled_per_mille).min(1000);
        Self {
            left: live + waiting.min(WAITING_MAX).min(live) + filled_per_mille,
            files: 1000 * view.files.flushed.len() as u64 + to_come - gone,
        }
    }
}

impl Debt {
    /// How far L0 and L1 are on the way from half full to full, in thousandths.
    fn of_memory(&self) -> u64 {
        above(self.memory, self.memory_max / 2..self.memory_max)
    }

    /// How far the debt of L2 is on the way to the most, in thousandths.
    fn of_files(&self) -> u64 {
        self.of_pending(&self.now)
    }

    /// Whether it will be before L0 is full: until then nobody looks but writers that are slowed.
    fn is_of_files_soon(&self) -> bool {
        self.of_pending(&self.soon) > 0
    }

    /// By what is left, which in a steady state is about half of the files; by their number only once it comes near the
    /// limit, at which flushes wait.
    fn of_pending(&self, pending: &Pending) -> u64 {
        let most = self.files_max + 1;
        let free = (400 * most).max(1000 * self.trigger);
        let full = (850 * most).max(free + 1000);
        above(pending.left, free..full).max(above(pending.files, 850 * most..1000 * most))
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

    fn delay(memory: u64, left: u64, files: u64) -> u64 {
        let now = Pending { left, files };
        delay_ps_per_byte(&Debt { memory, memory_max: 400, now, soon: now, files_max: 9, trigger: 3 })
    }

    #[test]
    fn the_delay_rises_with_the_debt() {
        // Of 400 in memory and 9 files, which L0 makes 10.
        assert_eq!(
            [0, 200, 202, 300, 390, 500].map(|memory| delay(memory, 4000, 8500)),
            [0, 0, 6, 29_070, 820_455, 3_750_001]
        );
        assert_eq!(
            [4000, 4450, 6250, 8500, 9000].map(|left| delay(0, left, 0)),
            [0, 601, 15_001, 60_001, 60_001]
        );
        assert_eq!([8500, 8800, 9250, 10_000].map(|files| delay(0, 0, files)), [0, 2401, 15_001, 60_001]);
        assert_eq!(delay(300, 8500, 0), 89_070);
    }

    #[test]
    fn the_delay_begins_before_it_counts() {
        let (now, soon) = (Pending { left: 3500, files: 0 }, Pending { left: 4010, files: 0 });
        let debt = Debt { memory: 0, memory_max: 400, now, soon, files_max: 9, trigger: 3 };
        assert_eq!(delay_ps_per_byte(&debt), 1);
        assert_eq!(delay_ps_per_byte(&Debt { soon: now, ..debt }), 0);
    }

    #[test]
    fn nobody_is_slowed_for_what_nobody_compacts() {
        // With so few files compaction begins at the second.
        let delay = |left, files| {
            let now = Pending { left, files };
            let (memory, memory_max, files_max, trigger) = (0, 400, 2, 2);
            delay_ps_per_byte(&Debt { memory, memory_max, now, soon: now, files_max, trigger })
        };
        assert_eq!([1999, 2000, 2500, 3000].map(|left| delay(left, 2000)), [0, 0, 15_001, 60_001]);
        assert_eq!([2550, 2775].map(|files| delay(1500, files)), [0, 15_001]);
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
