//! What was acknowledged, for `--verify`: which versions of each record a read may return.
//!
//! Every write of a record gets the next version of that record when it begins, and carries it in
//! its value. Writes of one record that overlap in time form a *burst*: it begins with the first
//! write that begins while no other is under way, and ends when none is. The rule:
//!
//! - A read may return version v if v is not below the record's *floor* as of the read's beginning,
//!   and had begun when the read ended.
//! - The first acknowledgement in a burst sets the floor to the burst's first version: every older
//!   version was finished before this burst began, so it is overwritten for good.
//! - A read may find nothing if a delete has a version that the read may return, or if the record
//!   was absent from the beginning and the floor has not moved.
//! - A failed write may or may not have happened: its version may be read, and moves no floor.
//!
//! So no order that concurrent writers may have taken effect in raises an alarm. What the rule lets
//! pass: within one burst, the older of two versions. Everything else that is lost or stale is found.
//! The table takes 24 bytes for each record.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks are shared by every 1024th record.
const STRIPES: u64 = 1024;

/// What is known of one record. The default is a record that is not there.
#[derive(Debug, Clone, Copy)]
struct Entry {
    /// The oldest version that may be read.
    floor: u32,
    /// The version of the next write.
    next: u32,
    /// The first version of the burst that is under way or was the last.
    burst: u32,
    /// The newest version that means absence, if there is one.
    absent: Option<u32>,
    /// Writes under way.
    writers: u32,
}

impl Default for Entry {
    fn default() -> Entry {
        Entry { floor: 0, next: 1, burst: 0, absent: Some(0), writers: 0 }
    }
}

/// Versions of all records, shared by the client threads.
#[derive(Debug)]
pub struct Ledger {
    stripes: Box<[Mutex<Vec<Entry>>]>,
}

/// What a write does to its record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// A value takes its place.
    Put,
    /// It is removed.
    Delete,
}

/// The oldest version that a read which begins now may return.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Floor(u32);

impl Ledger {
    /// A ledger of a database without records.
    pub fn new() -> Ledger {
        Ledger { stripes: (0..STRIPES).map(|_| Mutex::default()).collect() }
    }

    /// Notes a record that is there before anything is written.
    pub fn found_at_start(&self, number: u64, version: u32) {
        self.with(number, |entry| {
            *entry = Entry { floor: version, next: version + 1, burst: version, absent: None, writers: 0 };
        });
    }

    /// A write begins; it gets this version.
    pub fn begin(&self, number: u64, change: Change) -> u32 {
        self.with(number, |entry| {
            let version = entry.next;
            entry.next += 1;
            if entry.writers == 0 {
                entry.burst = version;
            }
            entry.writers += 1;
            if change == Change::Delete {
                entry.absent = Some(version);
            }
            version
        })
    }

    /// A write has ended, acknowledged or not.
    pub fn end(&self, number: u64, acknowledged: bool) {
        self.with(number, |entry| {
            entry.writers -= 1;
            if acknowledged {
                entry.floor = entry.burst;
            }
        });
    }

    /// A read begins.
    pub fn floor(&self, number: u64) -> Floor {
        self.with(number, |entry| Floor(entry.floor))
    }

    /// Judges what a read that has ended found, a version or nothing; an error says what would have
    /// been right.
    pub fn judge(&self, number: u64, floor: Floor, found: Option<u32>) -> Result<(), String> {
        let entry = self.with(number, |entry| *entry);
        let may_be_absent = entry.absent.is_some_and(|version| version >= floor.0);
        let fine = match found {
            Some(version) => version >= floor.0 && version < entry.next,
            None => may_be_absent,
        };
        if fine {
            return Ok(());
        }
        let newest = entry.next - 1;
        Err(match (floor.0 == newest, may_be_absent) {
            (true, true) => "nothing: it was deleted".to_owned(),
            (true, false) => format!("version {newest}"),
            (false, true) => format!("a version from {} to {newest}, or nothing", floor.0),
            (false, false) => format!("a version from {} to {newest}", floor.0),
        })
    }

    /// One more than the largest record number that was ever written or found.
    pub fn numbers(&self) -> u64 {
        let longest = |(stripe, entries): (usize, &Mutex<Vec<Entry>>)| match lock(entries).len() as u64 {
            0 => 0,
            length => (length - 1) * STRIPES + stripe as u64 + 1,
        };
        self.stripes.iter().enumerate().map(longest).max().unwrap_or(0)
    }

    fn with<T>(&self, number: u64, act: impl FnOnce(&mut Entry) -> T) -> T {
        let mut entries = lock(&self.stripes[(number % STRIPES) as usize]);
        let place = (number / STRIPES) as usize;
        if entries.len() <= place {
            entries.resize(place + 1, Entry::default());
        }
        act(&mut entries[place])
    }
}

// A panic of another client thread leaves entries usable: every change is a few assignments.
fn lock(entries: &Mutex<Vec<Entry>>) -> MutexGuard<'_, Vec<Entry>> {
    entries.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The answer to a read that begins and ends now.
    fn judge(ledger: &Ledger, found: Option<u32>) -> Result<(), String> {
        ledger.judge(5, ledger.floor(5), found)
    }

    #[test]
    fn after_an_acknowledgement_older_versions_and_absence_are_lost_writes() {
        let ledger = Ledger::new();
        assert_eq!(judge(&ledger, None), Ok(()));
        assert_eq!(ledger.begin(5, Change::Put), 1);
        // Under way: both outcomes may be seen.
        assert_eq!((judge(&ledger, None), judge(&ledger, Some(1))), (Ok(()), Ok(())));
        ledger.end(5, true);
        assert_eq!(judge(&ledger, None), Err("version 1".to_owned()));
        assert_eq!(ledger.begin(5, Change::Put), 2);
        ledger.end(5, true);
        assert_eq!(judge(&ledger, Some(1)), Err("version 2".to_owned()));
        assert_eq!(judge(&ledger, Some(3)), Err("version 2".to_owned()));
        assert_eq!(judge(&ledger, Some(2)), Ok(()));
    }

    #[test]
    fn a_read_that_began_before_an_acknowledgement_may_return_what_was_there() {
        let ledger = Ledger::new();
        ledger.found_at_start(5, 7);
        let floor = ledger.floor(5);
        ledger.begin(5, Change::Put);
        ledger.end(5, true);
        assert_eq!(ledger.judge(5, floor, Some(7)), Ok(()));
        assert_eq!(ledger.judge(5, floor, Some(8)), Ok(()));
        assert!(ledger.judge(5, floor, Some(6)).is_err());
        assert!(ledger.judge(5, floor, None).is_err());
    }

    #[test]
    fn overlapping_writes_may_take_effect_in_either_order_and_end_what_was_before() {
        let ledger = Ledger::new();
        ledger.found_at_start(5, 3);
        assert_eq!((ledger.begin(5, Change::Put), ledger.begin(5, Change::Put)), (4, 5));
        ledger.end(5, true);
        ledger.end(5, true);
        assert_eq!((judge(&ledger, Some(4)), judge(&ledger, Some(5))), (Ok(()), Ok(())));
        assert_eq!(judge(&ledger, Some(3)), Err("a version from 4 to 5".to_owned()));
        // The next write alone ends the doubt.
        ledger.begin(5, Change::Put);
        ledger.end(5, true);
        assert_eq!(judge(&ledger, Some(5)), Err("version 6".to_owned()));
    }

    #[test]
    fn a_delete_makes_absence_right_and_every_value_before_it_wrong() {
        let ledger = Ledger::new();
        ledger.found_at_start(5, 1);
        assert_eq!(judge(&ledger, None), Err("version 1".to_owned()));
        assert_eq!(ledger.begin(5, Change::Delete), 2);
        assert_eq!((judge(&ledger, None), judge(&ledger, Some(1))), (Ok(()), Ok(())));
        ledger.end(5, true);
        assert_eq!(judge(&ledger, Some(1)), Err("nothing: it was deleted".to_owned()));
        ledger.begin(5, Change::Put);
        ledger.end(5, true);
        assert_eq!(judge(&ledger, None), Err("version 3".to_owned()));
    }

    #[test]
    fn a_failed_write_may_have_happened_or_not() {
        let ledger = Ledger::new();
        ledger.found_at_start(5, 1);
        ledger.begin(5, Change::Put);
        ledger.end(5, false);
        assert_eq!((judge(&ledger, Some(1)), judge(&ledger, Some(2))), (Ok(()), Ok(())));
        ledger.begin(5, Change::Put);
        ledger.end(5, true);
        assert_eq!(judge(&ledger, Some(2)), Err("version 3".to_owned()));
    }

    #[test]
    fn the_largest_number_is_known_whichever_stripe_it_is_in() {
        let ledger = Ledger::new();
        assert_eq!(ledger.numbers(), 0);
        ledger.found_at_start(3 * STRIPES + 9, 0);
        ledger.found_at_start(12, 0);
        assert_eq!(ledger.numbers(), 3 * STRIPES + 10);
        assert!(size_of::<Entry>() <= 24);
    }
}
