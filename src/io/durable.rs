//! Which way a write is made durable: with a flag of its own, or by a sync behind it.
//!
//! With the flag (`RWF_DSYNC`) the kernel writes past the device's cache where the device can do that (FUA), which some
//! devices are slow at, and flushes that cache behind the write where it cannot. A sync behind the write is a call more.
//! So the first durable writes of a database go one way and the other in turn, and those that follow the way that took
//! less. Nothing is written for the trial, and who writes nothing durably has none.

use std::time::Duration;

use crate::base::sync::atomic::{AtomicU8, AtomicU32, Ordering::Relaxed};
use crate::base::sync::{Mutex, lock};

/// Writes that are timed of each way.
const TRIES: usize = 32;

/// So many per cent of what the flag takes a sync may take at most to be chosen: what is measured in a busy system is not
/// exact, and the flag is one call.
const SYNC_PERCENT_MAX: u32 = 80;

/// How a write is made durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    /// By a flag of the write.
    Flag,
    /// By a sync that follows.
    Sync,
}

/// How a write goes, and when it began if that is of interest.
#[derive(Clone, Copy, Debug)]
pub(super) struct Begun {
    pub(super) by: By,
    at: Option<Duration>,
}

impl Begun {
    /// Of anything that nobody times.
    pub(super) const UNTIMED: Self = Self { by: By::Flag, at: None };
}

/// Which way the durable writes of one database go.
#[derive(Debug, Default)]
pub(super) struct DurableWrites {
    turn: AtomicU32,
    /// Nothing yet, the flag, or a sync: 0, 1, 2.
    chosen: AtomicU8,
    /// What writes have taken with the flag, and with a sync.
    took: Mutex<[Vec<Duration>; 2]>,
}

impl DurableWrites {
    /// A durable write begins.
    pub(super) fn begin(&self, now: impl FnOnce() -> Duration) -> Begun {
        match self.chosen() {
            Some(by) => Begun { by, at: None },
            None => {
                let by = if self.turn.fetch_add(1, Relaxed).is_multiple_of(2) { By::Flag } else { By::Sync };
                Begun { by, at: Some(now()) }
            }
        }
    }

    /// One has ended, and it is durable.
    pub(super) fn end(&self, begun: Begun, now: impl FnOnce() -> Duration) {
        let Some(at) = begun.at else { return };
        let mut took = lock(&self.took);
        let times = &mut took[usize::from(begun.by == By::Sync)];
        if times.len() < TRIES && self.chosen().is_none() {
            times.push(now().saturating_sub(at));
        }
        if self.chosen().is_none() && took.iter().all(|times| times.len() == TRIES) {
            let [flag, sync] = took.each_mut().map(|times| undisturbed(times));
            let by_sync = sync * 100 < flag * SYNC_PERCENT_MAX;
            tracing::debug!(?flag, ?sync, by_sync, "durable writes have been tried both ways");
            self.chosen.store(if by_sync { 2 } else { 1 }, Relaxed);
        }
    }

    fn chosen(&self) -> Option<By> {
        match self.chosen.load(Relaxed) {
            0 => None,
            1 => Some(By::Flag),
            _ => Some(By::Sync),
        }
    }

    /// What was found out, for people.
    pub(super) fn way(&self) -> &'static str {
        match self.chosen() {
            None => "both ways, while it is not known which is faster",
            Some(By::Flag) => "by the flag DSYNC",
            Some(By::Sync) => "by fdatasync",
        }
    }
}

/// What a write takes while little else is done: the lower quartile.
fn undisturbed(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times[times.len() / 4]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The way after writes that take so many microseconds each, by way; the last of each kind many times that.
    fn way_after(writes: usize, flag_us: u64, sync_us: u64) -> &'static str {
        let durable = DurableWrites::default();
        let mut now = Duration::ZERO;
        for number in 0..writes {
            let begun = durable.begin(|| now);
            let us = if begun.by == By::Flag { flag_us } else { sync_us };
            now += Duration::from_micros(if number + 2 < writes { us } else { 100 * us });
            durable.end(begun, || now);
        }
        durable.way()
    }

    #[test]
    fn the_faster_way_is_taken_once_both_were_tried() {
        let tries = 2 * TRIES;
        assert_eq!(way_after(tries - 1, 100, 10), "both ways, while it is not known which is faster");
        assert_eq!(way_after(tries, 100, 75), "by fdatasync");
        assert_eq!(way_after(tries, 100, 85), "by the flag DSYNC");
        assert_eq!(way_after(tries, 75, 100), "by the flag DSYNC");
        assert_eq!(way_after(10 * tries, 100, 75), "by fdatasync");
    }

    #[test]
    fn as_long_as_one_way_fails_no_more_is_kept_of_the_other() {
        let durable = DurableWrites::default();
        let end = |by: By, us| {
            let begun = Begun { by, at: Some(Duration::ZERO) };
            durable.end(begun, || Duration::from_micros(us));
        };
        (0..5 * TRIES).for_each(|_| end(By::Flag, 100));
        assert_eq!(lock(&durable.took)[0].len(), TRIES);
        (0..TRIES).for_each(|_| end(By::Sync, 50));
        assert_eq!(durable.way(), "by fdatasync");
    }

    #[test]
    fn writes_in_flight_when_it_is_decided_change_nothing() {
        let durable = DurableWrites::default();
        let late: Vec<Begun> = (0..6).map(|_| durable.begin(|| Duration::ZERO)).collect();
        for number in 0..2 * TRIES {
            let begun = durable.begin(|| Duration::ZERO);
            durable.end(begun, || Duration::from_micros(if number % 2 == 0 { 100 } else { 50 }));
        }
        assert_eq!(durable.way(), "by fdatasync");
        let kept = || lock(&durable.took).iter().map(Vec::len).sum::<usize>();
        assert_eq!(kept(), 2 * TRIES);
        late.into_iter().for_each(|begun| durable.end(begun, || Duration::from_secs(9)));
        assert_eq!((durable.way(), kept()), ("by fdatasync", 2 * TRIES));
        assert_eq!(durable.begin(|| unreachable!("nobody times it")).by, By::Sync);
    }
}
