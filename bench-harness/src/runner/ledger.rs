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
//! The table takes 36 bytes for each record.
//!
//! For `crash` the ledger outlives the process: each change also goes into a file (`kept`), and who opens
//! the database after the death judges by that. Then every record is *settled* as it was found: a write
//! that was under way has happened or it has not, and one that has not may not come back later.

use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::kept::{Kept, Note};

/// Locks are shared by every 1024th record.
const STRIPES: u64 = 1024;

/// Stands for no version in a note.
const NEVER: u32 = u32::MAX;

/// What is known of one record. The default is a record that is not there.
#[derive(Debug, Clone, Copy)]
struct Entry {
    /// The oldest version that may be read.
    floor: u32,
    next: u32,
    /// The first version of the burst that is under way or was the last.
    burst: u32,
    /// The newest version that means absence, if there is one.
    absent: Option<u32>,
    writers: u32,
    /// Versions between the floor and this one were under way when a process died, and were not there
    /// afterwards.
    swallowed: u32,
    acknowledged: u32,
    /// The batch that the newest version belongs to; 0 for none.
    batch: u32,
}

impl Default for Entry {
    fn default() -> Entry {
        let (floor, next, burst, absent) = (0, 1, 0, Some(0));
        Entry { floor, next, burst, absent, writers: 0, swallowed: 0, acknowledged: 0, batch: 0 }
    }
}

impl Entry {
    /// What outlives the process; nobody is writing any more when it is read.
    fn note(&self) -> Note {
        let absent = self.absent.unwrap_or(NEVER);
        [self.next, self.floor, absent, self.swallowed, self.acknowledged, self.burst, self.batch]
    }

    fn from_note([next, floor, absent, swallowed, acknowledged, burst, batch]: Note) -> Entry {
        let absent = Some(absent).filter(|version| *version != NEVER);
        Entry { floor, next, burst, absent, writers: 0, swallowed, acknowledged, batch }
    }

    fn is_there(&self) -> bool {
        self.absent.is_none_or(|version| version < self.floor)
    }

    fn is_absent(&self) -> bool {
        self.absent == Some(self.floor) && self.next == self.floor + 1
    }
}

/// Versions of all records, shared by the client threads.
#[derive(Debug)]
pub struct Ledger {
    stripes: Box<[Mutex<Vec<Entry>>]>,
    next_batch: AtomicU32,
    /// Where it outlives the process.
    kept: Option<Kept>,
}

/// The number of a batch, within one process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Batch(u32);

/// What a write does to its record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    Put,
    Delete,
}

/// The oldest version that a read which begins now may return.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Floor(u32);

impl Floor {
    /// Whether this version was overwritten for good.
    pub fn is_above(self, version: u32) -> bool {
        version < self.0
    }
}

impl Ledger {
    /// A ledger of a database without records.
    pub fn new() -> Ledger {
        let stripes = (0..STRIPES).map(|_| Mutex::default()).collect();
        Ledger { stripes, next_batch: AtomicU32::new(1), kept: None }
    }

    /// The ledger that a process which is dead has kept in this file, to be kept there on.
    pub fn kept_in(file: File) -> io::Result<Ledger> {
        let mut ledger = Ledger::new();
        let kept = Kept::new(file);
        kept.read(&mut |number, note| ledger.with(number, |entry| *entry = Entry::from_note(note)))?;
        ledger.kept = Some(kept);
        Ok(ledger)
    }

    /// Notes a record that is there before anything is written.
    pub fn found_at_start(&self, number: u64, version: u32) {
        self.change(number, |entry| {
            *entry = Entry { floor: version, next: version + 1, burst: version, ..Entry::default() };
            entry.absent = None;
        });
    }

    /// Takes for the truth what was found of a record after the process that wrote had died.
    pub fn settle(&self, number: u64, found: Option<u32>) {
        self.change(number, |entry| {
            (entry.writers, entry.batch) = (0, 0);
            match found {
                Some(version) => {
                    entry.next = entry.next.max(version + 1);
                    (entry.floor, entry.swallowed, entry.absent) = (version, entry.next, None);
                }
                None if entry.is_absent() => {}
                // Absence gets a version of its own, so that whatever was begun is older.
                None => {
                    (entry.floor, entry.absent) = (entry.next, Some(entry.next));
                    entry.next += 1;
                }
            }
            entry.burst = entry.floor;
        });
    }

    /// A number for a batch that is about to begin.
    pub fn new_batch(&self) -> Batch {
        // Only uniqueness counts.
        Batch(self.next_batch.fetch_add(1, Ordering::Relaxed))
    }

    /// A write begins; it gets this version.
    pub fn begin(&self, number: u64, change: Change) -> u32 {
        self.begin_in(number, change, Batch(0))
    }

    /// A write of a batch begins.
    pub fn begin_in(&self, number: u64, change: Change, batch: Batch) -> u32 {
        self.change(number, |entry| {
            let version = entry.next;
            entry.next += 1;
            if entry.writers == 0 {
                entry.burst = version;
            }
            entry.writers += 1;
            entry.batch = batch.0;
            if change == Change::Delete {
                entry.absent = Some(version);
            }
            version
        })
    }

    /// A write has ended, acknowledged or not.
    pub fn end(&self, number: u64, acknowledged: bool) {
        self.change(number, |entry| {
            entry.writers -= 1;
            if acknowledged {
                entry.floor = entry.burst;
                entry.acknowledged += 1;
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
            Some(version) if version == floor.0 => version < entry.next,
            Some(version) => version > floor.0 && version >= entry.swallowed && version < entry.next,
            None => may_be_absent,
        };
        if fine {
            return Ok(());
        }
        let newest = if entry.next == entry.swallowed { floor.0 } else { entry.next - 1 };
        Err(match (floor.0 == newest, may_be_absent) {
            (true, true) => "nothing: it was deleted".to_owned(),
            (true, false) => format!("version {newest}"),
            (false, true) => format!("a version from {} to {newest}, or nothing", floor.0),
            (false, false) => format!("a version from {} to {newest}", floor.0),
        })
    }

    /// What the version found, or its absence, says of the batch that wrote the record last, if one did and it says
    /// anything: whether the batch took effect. A version from before the batch's burst would have been overwritten
    /// by it; one from within the burst may have come later.
    pub fn fate_of_batch(&self, number: u64, found: Option<u32>) -> Option<(Batch, bool)> {
        let entry = self.with(number, |entry| *entry);
        let took_effect = match found {
            _ if entry.batch == 0 => return None,
            Some(version) if version + 1 == entry.next => true,
            Some(version) if version < entry.burst => false,
            None if entry.absent.is_none_or(|version| version < entry.burst) => false,
            _ => return None,
        };
        Some((Batch(entry.batch), took_effect))
    }

    /// One more than the largest record number that was ever written or found.
    pub fn numbers(&self) -> u64 {
        let longest = |(stripe, entries): (usize, &Mutex<Vec<Entry>>)| match lock(entries).len() as u64 {
            0 => 0,
            length => (length - 1) * STRIPES + stripe as u64 + 1,
        };
        self.stripes.iter().enumerate().map(longest).max().unwrap_or(0)
    }

    /// Writes acknowledged, of all records together.
    pub fn acknowledged(&self) -> u64 {
        let of_stripe = |entries: &Mutex<Vec<Entry>>| {
            lock(entries).iter().map(|entry| u64::from(entry.acknowledged)).sum::<u64>()
        };
        self.stripes.iter().map(of_stripe).sum()
    }

    /// The first record of the range that is known to be there, or known not to be.
    pub fn first(&self, range: std::ops::Range<u64>, is_there: bool) -> Option<u64> {
        range.into_iter().find(|number| {
            self.with(*number, |entry| if is_there { entry.is_there() } else { entry.is_absent() })
        })
    }

    /// Changes an entry, also where it outlives the process: before the engine's call when a write begins, and
    /// behind it when it ends. Within the lock, so that the file has changes of a record in their order.
    fn change<T>(&self, number: u64, act: impl FnOnce(&mut Entry) -> T) -> T {
        self.with(number, |entry| {
            let done = act(entry);
            if let Some(kept) = &self.kept {
                kept.write(number, entry.note());
            }
            done
        })
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
#[path = "ledger_tests.rs"]
mod tests;
