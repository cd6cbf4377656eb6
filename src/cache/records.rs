//! The record cache: records by hash, in the budget of the block cache.
//!
//! What is found here spares the filters, the index and the block. A line of slots for each hash, no list, no lock: a slot
//! is a record's address with sixteen bits of the hash above it and two marks below.
//!
//! A record is the newest version of its key in *files*. What makes it outdated is a flush, and nothing else: a compaction
//! moves versions, and what is in memtables is found before. So whoever flushes says so first (its tree counts a
//! [generation](crate::tree::records)), then [renews](Records::renew) the records of all keys that it has, then publishes
//! the files. Whoever adds a record puts it in pending, so that it is found by who renews and by nobody else, and only then looks
//! whether the generation still is that of the files in which it has read; if not, it takes it out again. Either it sees the
//! new generation, or the renewer sees the record: between storing one and loading the other both have a fence.

use std::ptr::NonNull;
use std::sync::OnceLock;

use super::record::{OwnedRecord, Record, RecordId, RecordRef};
use crate::base::planted::planted;
use crate::base::prefetch::prefetch;
use crate::base::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, SeqCst};
use crate::base::sync::atomic::{AtomicPtr, fence};
use crate::base::sync::epoch::Guard;
use crate::base::sync::{mutant, weakened};
use crate::io::{ADDRESS_BITS, Line, Lines, POINTERS_PER_LINE};

/// The record is not to be read yet.
const PENDING: usize = 1;
/// It was read since the hand last passed.
const VISITED: usize = 2;
const MARKS: usize = PENDING | VISITED;

/// There is a slot for so many bytes of the budget: for two small records about four.
const BYTES_PER_SLOT: usize = 256;

/// Lines of slots, at most: those of a cache of 128 GiB, in 4 GiB of addresses. A budget beyond all memory asks for no more.
const LINES_MAX: usize = 1 << 26;

/// The slots in which records of a hash are.
#[derive(Clone, Copy)]
pub(crate) struct RecordLine<'a>(&'a Line<Record>);

/// The slots. They are made when the first record comes. Alone on its lines: every lookup reads it.
#[derive(Default)]
#[repr(align(128))]
pub(super) struct Records {
    lines: OnceLock<Lines<Record>>,
}

impl Records {
    /// Whether a record was ever added.
    #[inline]
    pub(super) fn is_used(&self) -> bool {
        self.lines.get().is_some()
    }

    /// Number of slots.
    pub(super) fn slot_count(&self) -> usize {
        self.lines.get().map_or(0, |lines| lines.len() * POINTERS_PER_LINE)
    }

    /// Memory of the slots in bytes.
    pub(super) fn memory_bytes(&self) -> usize {
        self.slot_count() * size_of::<AtomicPtr<Record>>()
    }

    /// Makes the slots for a budget; true for who has made them.
    pub(super) fn begin(&self, capacity_bytes: usize) -> bool {
        let mut is_first = false;
        self.lines.get_or_init(|| {
            is_first = true;
            let lines = capacity_bytes / BYTES_PER_SLOT / POINTERS_PER_LINE;
            Lines::of(1 << lines.clamp(1, LINES_MAX).ilog2())
        });
        is_first
    }

    /// Where records of this hash are, which is asked for; none if there are no records at all.
    #[inline]
    pub(super) fn line(&self, hash: u64) -> Option<RecordLine<'_>> {
        let lines = self.lines.get()?;
        let line = &lines[(hash >> 32) as usize & (lines.len() - 1)];
        prefetch(line);
        Some(RecordLine(line))
    }

    /// Adds a record, unless it is there; another of the same line goes for it if none of its slots is free. `is_current`
    /// says whether no flush has begun since the files were published in which it was read. Returns the bytes of what went:
    /// of the record itself if it was not added.
    pub(super) fn add(
        &self,
        id: &RecordId<'_>,
        record: OwnedRecord,
        guard: &Guard,
        is_current: impl FnOnce() -> bool,
    ) -> usize {
        let bytes = record.weight_bytes();
        let Some(RecordLine(line)) = self.line(id.hash) else { return bytes };
        if line.0.iter().any(|slot| record_of(slot.load(Acquire), id).is_some()) {
            return bytes;
        }
        let Some((slot, replaced)) = slot_for(line, id.hash) else { return bytes };
        let pending = marked(tagged(record.borrow(), id.hash), PENDING);
        // Release, for those who find it; Acquire pairs with the Release of who stored what it replaces.
        if slot.compare_exchange(replaced, pending, AcqRel, Relaxed).is_err() {
            return bytes;
        }
        // The slot owns it now.
        let _in_slot = record.into_raw();
        let freed = retire(replaced, guard);
        // Pairs with the fence in `begin_renewal`.
        if !mutant!("records_add_fence") {
            fence(SeqCst);
        }
        let is_current = is_current();
        let ready = if is_current { marked(pending, 0) } else { std::ptr::null_mut() };
        let was_pending = slot.compare_exchange(pending, ready, AcqRel, Relaxed).is_ok();
        if was_pending && !is_current {
            return freed + retire(pending, guard);
        }
        freed
    }

    /// Before the first of several renewals, and after the generation was counted: records that are added from now on are
    /// current, or will be found.
    pub(super) fn begin_renewal() {
        if !mutant!("records_renew_fence") {
            fence(SeqCst);
        }
    }

    /// The key has a new version in files: `newest` makes the record of it, if there is to be one. Returns the bytes that
    /// went, those of records that `newest` has made in vain among them.
    pub(super) fn renew(
        &self,
        id: &RecordId<'_>,
        guard: &Guard,
        newest: impl Fn() -> Option<OwnedRecord>,
    ) -> usize {
        let (mut is_renewed, mut went) = (false, 0);
        let Some(RecordLine(line)) = self.line(id.hash) else { return 0 };
        for slot in &line.0 {
            loop {
                let entry = slot.load(Acquire);
                if record_of(entry, id).is_none() || planted!(RecordOutdated) {
                    break;
                }
                // Two may have added the same: one of them is enough.
                let is_wanted = !is_renewed && marks(entry) & PENDING == 0;
                let next = if is_wanted { newest() } else { None };
                let visited = marks(entry) & VISITED;
                let stored = next
                    .as_ref()
                    .map_or(std::ptr::null_mut(), |next| marked(tagged(next.borrow(), id.hash), visited));
                if slot.compare_exchange(entry, stored, AcqRel, Relaxed).is_ok() {
                    is_renewed |= next.map(OwnedRecord::into_raw).is_some();
                    went += retire(entry, guard);
                    break;
                }
                went += next.map_or(0, |in_vain| in_vain.weight_bytes());
            }
        }
        went
    }

    /// The hand passes: takes the mark, or else the record, whose bytes are returned; if `visited` the record in any case.
    /// Whether there was one.
    pub(super) fn sweep(&self, slot_no: usize, visited: bool, guard: &Guard) -> (bool, usize) {
        let Some(lines) = self.lines.get() else { return (false, 0) };
        let slot = &lines[slot_no / POINTERS_PER_LINE].0[slot_no % POINTERS_PER_LINE];
        let entry = slot.load(Relaxed);
        if entry.is_null() || marks(entry) & PENDING != 0 {
            return (false, 0);
        }
        if marks(entry) & VISITED != 0 && !visited {
            let _cleared = slot.compare_exchange(entry, marked(entry, 0), Relaxed, Relaxed);
            return (true, 0);
        }
        // Failing means that a reader has just set the mark, or that the record was renewed: it stays.
        let is_taken = slot.compare_exchange(entry, std::ptr::null_mut(), Acquire, Relaxed).is_ok();
        (true, if is_taken { retire(entry, guard) } else { 0 })
    }
}

impl RecordLine<'_> {
    /// The record, marked as visited, for as long as the guard. The line is that of its hash.
    pub(super) fn find<'g>(self, id: &RecordId<'_>, _guard: &'g Guard) -> Option<RecordRef<'g>> {
        for slot in &self.0.0 {
            // Acquire pairs with the Release with which `add` and `renew` store it: the record is complete.
            let entry = slot.load(weakened!("records_find", Acquire));
            if marks(entry) & PENDING != 0 && !mutant!("records_pending") {
                continue;
            }
            let Some(record) = record_of(entry, id) else { continue };
            if marks(entry) == 0 {
                // Failing is fine: another reader has set the mark, or the record has just gone.
                let _marked = slot.compare_exchange(entry, marked(entry, VISITED), Relaxed, Relaxed);
            }
            return Some(record);
        }
        None
    }
}

impl Drop for Records {
    fn drop(&mut self) {
        let lines = self.lines.get().into_iter().flat_map(|lines| lines.iter());
        for slot in lines.flat_map(|line| &line.0) {
            if let Some(record) = NonNull::new(untagged(slot.load(Relaxed))) {
                // SAFETY: the slot owns it, and with `&mut self` there is no reader.
                drop(unsafe { OwnedRecord::from_raw(record) });
            }
        }
    }
}

/// A slot of a line, and what is to be replaced in it: nothing if one is free, else a record that was not visited, or any.
/// None if all are pending.
fn slot_for(line: &Line<Record>, hash: u64) -> Option<(&AtomicPtr<Record>, *mut Record)> {
    let entries = || line.0.iter().map(|slot| (slot, slot.load(Relaxed)));
    if let Some(free) = entries().find(|(_, entry)| entry.is_null()) {
        return Some(free);
    }
    if let Some(unvisited) = entries().find(|(_, entry)| marks(*entry) == 0) {
        return Some(unvisited);
    }
    let visited = entries().filter(|(_, entry)| marks(*entry) & PENDING == 0);
    for (slot, entry) in visited.clone() {
        let _cleared = slot.compare_exchange(entry, marked(entry, 0), Relaxed, Relaxed);
    }
    let chosen = (hash >> 16) as usize % POINTERS_PER_LINE;
    let (slot, entry) = visited.clone().nth(chosen).or_else(|| visited.clone().next())?;
    Some((slot, marked(entry, 0)))
}

/// Gives a record that was taken out of its slot to the epoch; its bytes.
fn retire(entry: *mut Record, guard: &Guard) -> usize {
    let Some(record) = NonNull::new(untagged(entry)) else { return 0 };
    // SAFETY: the caller has taken it out of the slot that owned it, under a guard, so that it is still there.
    let bytes = unsafe { RecordRef::from_raw(record) }.weight_bytes();
    let address = record.as_ptr();
    let free = move || {
        // SAFETY: the exchange that took it out succeeded for one thread alone, and this runs when no guard is left under
        // which it may have been found.
        drop(NonNull::new(address).map(|record| unsafe { OwnedRecord::from_raw(record) }));
    };
    // SAFETY: a record may be dropped by any thread at any time: it is memory, and an `Arc` of what counts it.
    unsafe { guard.defer_unchecked(free) };
    bytes
}

/// The record of an entry, if it is this one. The caller holds a guard, and the load of the entry was an Acquire.
#[inline]
fn record_of<'g>(entry: *mut Record, id: &RecordId<'_>) -> Option<RecordRef<'g>> {
    if tag(entry) != id.hash as u16 {
        return None;
    }
    // SAFETY: it was in a slot under a guard that lives, so that it is retired later at the earliest; whoever put it there
    // had completed it.
    let record = unsafe { RecordRef::from_raw(NonNull::new(untagged(entry))?) };
    record.is(id).then_some(record)
}

fn tagged(record: RecordRef<'_>, hash: u64) -> *mut Record {
    let record = record.as_ptr();
    assert!(record.addr() >> ADDRESS_BITS == 0, "an address of more than 48 bits");
    assert!(record.addr() & MARKS == 0, "a record begins at a multiple of 64");
    record.map_addr(|address| address | usize::from(hash as u16) << ADDRESS_BITS)
}

#[inline]
fn tag(entry: *mut Record) -> u16 {
    (entry.addr() >> ADDRESS_BITS) as u16
}

#[inline]
fn marks(entry: *mut Record) -> usize {
    entry.addr() & MARKS
}

/// The entry with these marks alone.
#[inline]
fn marked(entry: *mut Record, marks: usize) -> *mut Record {
    entry.map_addr(|address| address & !MARKS | marks)
}

#[inline]
fn untagged(entry: *mut Record) -> *mut Record {
    entry.map_addr(|address| address & ((1 << ADDRESS_BITS) - 1) & !MARKS)
}
