//! Blocks and records in one byte budget.
//!
//! Blocks need no hash table and no list. Each table owns [`Slots`], one per block, so a lookup is an
//! array access (only where indexes are not in memory as a whole do tables [share](shared_slots) some); under an
//! epoch guard a reader gets a plain reference and writes nothing but, once, the slot's visited bit. When the budget is exceeded the admitting thread moves one clock hand over
//! the slots of all tables: a visited slot loses its bit, an unvisited one its block. [Records](records) are found by hash,
//! and a second hand goes over them.
//!
//! A record is a copy of what a block has, and spares a lookup the filters, the index and the block. So records are made of
//! what lookups find again and again while there is room for both; where memory is short there are blocks alone, and records
//! that were made before as long as they are read.
//!
//! Invariants: `used_bytes` is counted up before a block becomes reachable and down after it has been
//! unlinked, so it never wraps; a block unlinked from a slot is dropped only after every guard that
//! may have seen it is gone, or with its table, which no reader has any more. Slots belong to the clock's list exactly as long as their [`Slots`] live.
//!
//! Generic over what is cached; the table layer instantiates it with its blocks.

mod clock;
mod lookups;
#[cfg(all(test, loom))]
mod loom_tests;
mod pieces;
mod record;
mod records;
#[cfg(all(test, not(loom)))]
mod records_tests;
mod shared_slots;
#[cfg(all(test, not(loom)))]
mod shared_slots_tests;
mod slot_array;
mod slots;
#[cfg(test)]
mod tests;
mod waiting;

use std::sync::OnceLock;

use crate::base::ablation::ablated;
use crate::base::key::Tag;
use crate::base::metrics::Counter;
use crate::base::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use crate::base::sync::epoch::{self, Guard};
use crate::base::sync::{Arc, Mutex, lock, mapped};
use crate::io::{Io, PreparedPages};
use clock::Hands;
use lookups::Lookups;
use pieces::{Pieces, sheet_len};
use record::{OwnedRecord, record_bytes};
use records::Records;
use shared_slots::SharedSlots;
use slot_array::SlotArray;

pub(crate) use pieces::Piece;
pub(crate) use record::{RecordId, RecordRef};
pub(crate) use records::RecordLine;
pub(crate) use slots::Slots;
pub(crate) use waiting::Waiting;

/// One block may take at most this part of the budget: a single 512 MiB value must not push out
/// everything else.
const SHARE_MAX: usize = 8;

/// Up to this part above the budget no thread waits for another to make room.
const EXCESS_SHARE: usize = 16;

/// Values that are in memory without being in a slot come to at most about this part of the budget.
const BEYOND_SHARE: usize = 16;

/// While they come to more, one value in so many is cached.
const BEYOND_ADMITTED: u64 = 8;

/// Indexes and filters take at most this part of the budget; what they are beyond comes on top. So once they come to that,
/// indexes that may be read in parts are.
const RESERVED_SHARE: usize = 2;

/// One in so many lookups that find what they look for in a block makes a record of it: what is read again and again soon
/// is one, and where all is read alike not everything is copied in vain.
const RECORDED_INTERVAL: u64 = 2;

/// Keys and values that are shorter together lie in blocks with many others, in which landmarks find them as fast; those that
/// are longer fill a block.
const RECORDED_LEN_MIN: usize = 512;
const RECORDED_LEN_MAX: usize = 4096;

/// Records are at most this part of the budget.
const RECORDED_SHARE: usize = 4;

/// Those that a flush renews may be longer than they were: then they come to this part more at most.
const RENEWED_SHARE: usize = 32;

/// And none is made when less than this part is left for blocks that are still to come.
const UNRECORDED_SHARE: usize = 4;

/// Of what is mapped for values up to this part of the budget may be unused; beyond, more is evicted than has come.
const UNUSED_SHARE: usize = 8;

/// So much more each time.
const UNUSED_STEP_BYTES: usize = 16 << 10;

/// Garbage of this many bytes is handed to the epoch collector at once instead of waiting until the
/// thread's bag is full, so that large evicted blocks do not linger in memory.
const FLUSH_BYTES: usize = 64 << 10;

/// Something with a size. The size must not change while the value is shared.
pub(crate) trait Weigh: Send + Sync + 'static {
    /// Memory the value occupies, in bytes.
    fn weight_bytes(&self) -> usize;

    /// Whether it is the value of that number of that owner.
    fn is(&self, owner: u64, number: usize) -> bool;
}

/// Counters of a cache at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct CacheStats {
    /// Lookups that found their block, or their record.
    pub(crate) hits: u64,
    /// Those of them that found a record.
    pub(crate) record_hits: u64,
    /// Lookups that did not find their block.
    pub(crate) misses: u64,
    /// Blocks and records removed to make room.
    pub(crate) evictions: u64,
    /// Bytes of all blocks and records in slots.
    pub(crate) used_bytes: usize,
    /// Those of records.
    pub(crate) record_bytes: usize,
    /// Memory that blocks and records lie in, those that are not in slots among them, what is kept for those to
    /// come, and slots that tables share.
    pub(crate) memory_bytes: usize,
    /// The budget.
    pub(crate) capacity_bytes: usize,
}

/// The budget and the clock. Share it as `Arc`; readers go through their [`Slots`].
pub(crate) struct Cache<T: Weigh> {
    records: Records,
    capacity_bytes: usize,
    used_bytes: AtomicUsize,
    /// Of those, bytes of records.
    record_bytes: AtomicUsize,
    /// Of those, bytes of values whose slots are not there yet.
    waiting_bytes: AtomicUsize,
    /// What is always in memory and takes part of the budget: indexes, filters and slots.
    reserved_bytes: mapped::AtomicU64,
    /// Of that, what tables take that are not soon gone.
    lasting_bytes: mapped::AtomicU64,
    /// Made when the first table comes that has none of its own.
    shared_slots: OnceLock<Arc<SharedSlots<T>>>,
    /// Values that came while too many were in memory.
    declined: mapped::AtomicU64,
    /// Whether values that are in memory without being in a slot count.
    counts_beyond: bool,
    /// Least length of key and value together of which records are made.
    recorded_len_min: usize,
    evictions: Counter,
    hands: Mutex<Hands<T>>,
    lookups: Lookups,
    pieces: Arc<Pieces>,
    /// With the thread that it ends.
    prepared: Option<Arc<PreparedPages>>,
}

impl<T: Weigh> Drop for Cache<T> {
    fn drop(&mut self) {
        self.stop();
    }
}

impl<T: Weigh> Cache<T> {
    /// A cache of at most `capacity_bytes`; zero caches nothing.
    #[cfg(any(test, feature = "sim"))]
    pub(crate) fn new(capacity_bytes: usize) -> Self {
        Self::with_pages(capacity_bytes, None)
    }

    /// A cache of at most `capacity_bytes`, in huge pages that a thread of `io` prepares if that is much.
    pub(crate) fn new_with_thread(capacity_bytes: usize, io: &Arc<dyn Io>) -> Self {
        let is_large = sheet_len(capacity_bytes) == PreparedPages::LEN;
        Self::with_pages(capacity_bytes, is_large.then(|| Arc::new(PreparedPages::new(Arc::clone(io)))))
    }

    fn with_pages(capacity_bytes: usize, prepared: Option<Arc<PreparedPages>>) -> Self {
        Self {
            records: Records::default(),
            capacity_bytes,
            used_bytes: AtomicUsize::new(0),
            record_bytes: AtomicUsize::new(0),
            waiting_bytes: AtomicUsize::new(0),
            reserved_bytes: mapped::AtomicU64::new(0),
            lasting_bytes: mapped::AtomicU64::new(0),
            shared_slots: OnceLock::new(),
            declined: mapped::AtomicU64::new(0),
            counts_beyond: true,
            recorded_len_min: RECORDED_LEN_MIN,
            evictions: Counter::default(),
            hands: Mutex::new(Hands::default()),
            lookups: Lookups::default(),
            pieces: Arc::new(Pieces::new(capacity_bytes, prepared.clone())),
            prepared,
        }
    }

    /// A cache in a simulated world, where what was evicted counts for nothing: when it is freed hangs on the threads of
    /// other worlds, since they share the epoch, and one world must go as it does alone. Its values are short, and records are
    /// made of them all the same.
    #[cfg(feature = "sim")]
    pub(crate) fn new_on_one_thread(capacity_bytes: usize) -> Self {
        let mut cache = Self::new(capacity_bytes);
        cache.counts_beyond = false;
        cache.recorded_len_min = 0;
        cache
    }

    /// The counters, each read by itself.
    pub(crate) fn stats(&self) -> CacheStats {
        let (hits, misses) = self.lookups.sums();
        CacheStats {
            hits,
            record_hits: self.lookups.records(),
            misses,
            evictions: self.evictions.get(),
            used_bytes: self.used_bytes.load(Relaxed),
            record_bytes: self.record_bytes.load(Relaxed),
            memory_bytes: self.pieces.mapped_bytes() + self.prepared_bytes() + self.shared_slots_bytes(),
            capacity_bytes: self.capacity_bytes,
        }
    }

    /// Nobody will fill it any more: ends its thread.
    pub(crate) fn stop(&self) {
        if let Some(pages) = &self.prepared {
            pages.stop();
        }
    }

    /// Memory of slots that tables share.
    fn shared_slots_bytes(&self) -> usize {
        self.shared_slots.get().map_or(0, |shared| shared.array().memory_bytes())
    }

    /// Memory that nothing is in yet.
    fn prepared_bytes(&self) -> usize {
        self.prepared.as_ref().map_or(0, |pages| pages.ready_bytes())
    }

    /// Lookups so far.
    pub(crate) fn lookups(&self) -> u64 {
        let (hits, misses) = self.lookups.sums();
        hits + misses
    }

    fn register(&self, array: Arc<SlotArray<T>>) {
        lock(&self.hands).insert(array);
    }

    /// The slots that tables share, for values of about this length if nobody was here before.
    fn shared_slots(&self, value_len: usize) -> Arc<SharedSlots<T>> {
        let shared = self.shared_slots.get_or_init(|| {
            let shared = SharedSlots::new(self.capacity_bytes, value_len);
            self.register(Arc::clone(shared.array()));
            self.reserved_bytes.fetch_add(shared.array().memory_bytes() as u64, Relaxed);
            Arc::new(shared)
        });
        Arc::clone(shared)
    }

    /// Whether a value of `weight_bytes` may be cached now.
    ///
    /// Values that were evicted, and those that cursors have, are in memory, too. While they come to more than
    /// [`BEYOND_SHARE`], because a thread that was preempted holds the epoch back, say, only one in
    /// [`BEYOND_ADMITTED`] is cached: the others go as soon as they were used, and not by way of the epoch.
    fn admits(&self, weight_bytes: usize) -> bool {
        if weight_bytes > self.capacity_bytes / SHARE_MAX {
            return false;
        }
        if !self.counts_beyond
            || self.pieces.used_bytes() <= self.capacity_bytes + self.capacity_bytes / BEYOND_SHARE
        {
            return true;
        }
        epoch::pin().flush();
        self.declined.fetch_add(1, Relaxed).is_multiple_of(BEYOND_ADMITTED)
    }

    fn charge(&self, bytes: usize) {
        self.used_bytes.fetch_add(bytes, Relaxed);
    }

    fn credit(&self, bytes: usize) {
        let before = self.used_bytes.fetch_sub(bytes, Relaxed);
        assert!(before >= bytes, "more bytes left the cache than entered it");
    }

    /// Where records of this hash are, which is asked for; none if there are no records at all.
    #[inline]
    pub(crate) fn record_line(&self, hash: u64) -> Option<RecordLine<'_>> {
        self.records.line(hash)
    }

    /// The record, if it is in the line of its hash; only that counts as a lookup.
    #[inline]
    pub(crate) fn find_record<'g>(
        &'g self,
        line: RecordLine<'g>,
        id: &RecordId<'_>,
        guard: &'g Guard,
    ) -> Option<RecordRef<'g>> {
        let found = line.find(id, guard)?;
        self.lookups.count_record();
        Some(found)
    }

    /// Whether it is the turn of what the calling thread has found in a block to become a record, so long a key and value
    /// together.
    #[inline]
    pub(crate) fn is_turn_of_record(&self, len: usize) -> bool {
        // Scrambled: of keys that are read in turn, each is to have its turn.
        let is_turn = || {
            self.lookups.own_hits().wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32 < (1 << 32) / RECORDED_INTERVAL
        };
        self.is_recorded(len) && is_turn()
    }

    #[inline]
    fn is_recorded(&self, len: usize) -> bool {
        (self.recorded_len_min..=RECORDED_LEN_MAX).contains(&len)
    }

    /// Offers the newest version that files have of a key. It is taken while there is room. `is_current` says whether no
    /// flush has begun since these files were published.
    pub(crate) fn add_record(
        &self,
        id: &RecordId<'_>,
        tag: Tag,
        value: &[u8],
        is_current: impl FnOnce() -> bool,
    ) {
        if !self.has_room_for_record(id.key, value) {
            return;
        }
        let records = &self.records;
        if records.begin(self.capacity_bytes / RECORDED_SHARE) {
            self.reserved_bytes.fetch_add(records.memory_bytes() as u64, Relaxed);
        }
        let record = self.charged_record(id, tag, value);
        self.credit_records(records.add(id, record, &epoch::pin(), is_current));
        self.make_room();
    }

    /// Whether there is room for a record. When there are as many as there may be, one that nobody has read lately goes.
    fn has_room_for_record(&self, key: &[u8], value: &[u8]) -> bool {
        let (bytes, room_bytes) = (record_bytes(key, value), self.room_bytes());
        let has_room = !ablated!(RecordCache)
            && self.is_recorded(key.len() + value.len())
            && self.used_bytes.load(Relaxed) + bytes <= room_bytes - room_bytes / UNRECORDED_SHARE
            && self.admits(bytes);
        let has_share = || self.record_bytes.load(Relaxed) + bytes <= room_bytes / RECORDED_SHARE;
        if !has_room || has_share() {
            return has_room;
        }
        let Ok(mut hands) = self.hands.try_lock() else { return false };
        let guard = epoch::pin();
        hands.begin(&self.records);
        let swept = hands.sweep_records(&self.records, &guard);
        self.credit_records(swept.record_bytes);
        self.evictions.add(swept.records);
        has_share()
    }

    fn credit_records(&self, bytes: usize) {
        if bytes > 0 {
            self.record_bytes.fetch_sub(bytes, Relaxed);
            self.credit(bytes);
        }
    }

    /// Before the first of several [renewals](Self::renew_record): whether there is any record. Whoever asks has counted a
    /// new generation before.
    pub(crate) fn begin_renewal(&self) -> bool {
        Records::begin_renewal();
        self.records.is_used()
    }

    /// The key has a new newest version in files, which replaces that in the cache, if there is one and records of such
    /// values are made; no value if it is a delete.
    pub(crate) fn renew_record(&self, id: &RecordId<'_>, tag: Tag, value: Option<&[u8]>) {
        let newest = || {
            let value = value.filter(|value| self.may_renew(id.key, value))?;
            Some(self.charged_record(id, tag, value))
        };
        let freed = self.records.renew(id, &epoch::pin(), newest);
        if freed > 0 {
            self.credit_records(freed);
            self.make_room();
        }
    }

    fn may_renew(&self, key: &[u8], value: &[u8]) -> bool {
        let (bytes, room_bytes) = (record_bytes(key, value), self.room_bytes());
        let share = room_bytes / RECORDED_SHARE + room_bytes / RENEWED_SHARE;
        self.is_recorded(key.len() + value.len())
            && self.record_bytes.load(Relaxed) + bytes <= share
            && self.admits(bytes)
    }

    /// A record that counts against the budget already, since others may find it, and take it out, at once.
    fn charged_record(&self, id: &RecordId<'_>, tag: Tag, value: &[u8]) -> OwnedRecord {
        let record = OwnedRecord::new(&self.pieces, id, tag, value);
        self.charge(record.weight_bytes());
        self.record_bytes.fetch_add(record.weight_bytes(), Relaxed);
        record
    }

    /// What values may take: the budget, but for what indexes and filters take of it.
    pub(crate) fn room_bytes(&self) -> usize {
        let reserved = self.reserved_bytes.load(Relaxed) as usize;
        let reserved = reserved.min(self.capacity_bytes / RESERVED_SHARE);
        self.capacity_bytes - reserved
    }

    /// Bytes above the budget.
    fn excess_bytes(&self) -> usize {
        self.used_bytes.load(Relaxed).saturating_sub(self.room_bytes())
    }

    /// Bytes to be evicted now. When blocks give way to records, or records to longer ones, memory is left in which what has
    /// come does not fit: as long as that is much, what lies in it goes, too.
    fn superfluous_bytes(&self) -> usize {
        let unused_max = self.capacity_bytes / UNUSED_SHARE;
        let is_scattered = self.counts_beyond && self.pieces.open_bytes() > self.capacity_bytes + unused_max;
        self.excess_bytes() + if is_scattered { UNUSED_STEP_BYTES.min(unused_max) } else { 0 }
    }

    /// Whether there is room for the index, the filter and the slots of a table, so many bytes together, as a whole, once
    /// others have freed what they take. A cache of nothing is no way for what is read in parts.
    pub(crate) fn has_room_for_index(&self, bytes: usize, freed_bytes: usize) -> bool {
        let lasting_bytes = (self.lasting_bytes.load(Relaxed) as usize).saturating_sub(freed_bytes);
        self.capacity_bytes == 0
            || lasting_bytes.saturating_add(bytes) <= self.capacity_bytes / RESERVED_SHARE
    }

    /// A table with so many bytes of index and filter has come; whether it may stay for long.
    fn reserve(&self, bytes: usize, is_lasting: bool) {
        self.reserved_bytes.fetch_add(bytes as u64, Relaxed);
        self.lasting_bytes.fetch_add(if is_lasting { bytes as u64 } else { 0 }, Relaxed);
        self.make_room();
        self.pieces.set_room(self.room_bytes());
    }

    /// It is gone.
    fn unreserve(&self, bytes: usize, is_lasting: bool) {
        self.lasting_bytes.fetch_sub(if is_lasting { bytes as u64 } else { 0 }, Relaxed);
        let before = self.reserved_bytes.fetch_sub(bytes as u64, Relaxed);
        assert!(before >= bytes as u64, "more bytes of indexes went than came");
        self.pieces.set_room(self.room_bytes());
    }

    /// Evicts until the budget holds. A thread that finds the hands in use leaves the work to their
    /// holder, who sees the bytes of both; but if the holder was preempted and the excess grows, it
    /// waits. So the excess stays below [`EXCESS_SHARE`] and one block per thread.
    fn make_room(&self) {
        let excess_bytes = self.excess_bytes();
        if excess_bytes == 0 {
            return;
        }
        let mut hands = match self.hands.try_lock() {
            Ok(hands) => hands,
            Err(_) if excess_bytes > self.capacity_bytes / EXCESS_SHARE => lock(&self.hands),
            Err(_) => return,
        };
        let guard = epoch::pin();
        let (wanted_bytes, mut freed_bytes) = (self.superfluous_bytes(), 0);
        hands.begin(&self.records);
        while freed_bytes < wanted_bytes || self.excess_bytes() > 0 {
            let Some(swept) = hands.sweep(&self.records, &guard) else { break };
            self.credit(swept.block_bytes);
            self.credit_records(swept.record_bytes);
            self.evictions.add(swept.records + u64::from(swept.block_bytes > 0));
            freed_bytes += swept.block_bytes + swept.record_bytes;
        }
        if freed_bytes >= FLUSH_BYTES {
            guard.flush();
        }
    }
}
