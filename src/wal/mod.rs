//! The write-ahead log: one stream of records, staged in memory the kernel owns, drained to
//! segments on the device.
//!
//! Writers append in the *ordered section*, the one short lock of the write path, which this module
//! owns: the order of records is the total order of writes. A `Process` write is done once staged.
//! A `Power` write asks for the stream to be drained up to it. The writer task drains what has
//! gathered while the last drain was in flight, one durable write at a time, so that what is on the
//! device is always a prefix of the stream and concurrent writers share a device flush.

mod batch;
mod format;
#[cfg(all(test, loom))]
mod loom_tests;
mod marks;
mod reader;
mod segment;
mod stage;
mod writer;

pub(crate) use batch::{BatchBuffer, Entries};
pub(crate) use reader::{Batch, LogReader};
pub(crate) use segment::{Blank, Segment};
pub(crate) use stage::{Stage, StageImage};
pub(crate) use writer::{BLANKS_MAX, Writer, write_log};

use crate::base::coverage::reached;
use crate::base::error::{Error, Result};
use crate::base::key::SeqNo;
use crate::base::limits::SECTOR;
use crate::base::metrics::Counter;
use crate::base::planted::planted;
use crate::base::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use crate::base::sync::{Mutex, MutexGuard, lock};
use crate::exec::Event;
use format::{Place, RECORD_HEADER_LEN, RecordKind};
use marks::Marks;

/// State of the ordered section.
pub(crate) struct Tail {
    /// LSN at which the next record goes.
    pub(crate) head: u64,
    /// Seqno of the newest write.
    pub(crate) seqno: SeqNo,
    /// A batch larger than half the stage is on its way in; others wait for
    /// [`Wal::turned_free`].
    pub(crate) occupied: bool,
    /// The last border between two records at or below the last border between two sectors.
    border: u64,
}

/// How far the stream can be drained.
#[derive(Clone, Copy)]
struct Goal {
    /// The end of the last full sector.
    end: u64,
    /// The last border between two records up to there.
    records_end: u64,
}

fn floor(lsn: u64) -> u64 {
    lsn / SECTOR as u64 * SECTOR as u64
}

/// What becomes of an attempt to append.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Append {
    /// The record ends at this LSN.
    Done(u64),
    /// The stage is full: wait for [`Wal::progress`] and try again.
    Full,
}

/// The log of one opening.
pub(crate) struct Wal {
    // Constant after construction.
    generation: u64,
    stage: Stage,
    piece_len: u64,
    // The ordered section.
    tail: Mutex<Tail>,
    marks: Marks,
    // Written by the writer task, read by the ordered section: every record that begins below is
    // durable as a whole. What records say about those before them.
    durable_records: AtomicU64,
    // Raised by the engine: nothing below is needed for recovery.
    release: AtomicU64,
    // Why writes are refused: for good, or while the device has no room for another segment.
    // The flags are read on the write path; the errors behind them only when one is set.
    failed: AtomicBool,
    failure: Mutex<Option<Error>>,
    full: AtomicBool,
    full_error: Mutex<Option<Error>>,
    /// Tells waiting threads that a large batch has left the ordered section.
    pub(crate) turned_free: Event,
    /// Drains written.
    pub(crate) groups: Counter,
    /// Bytes written to segments.
    pub(crate) bytes_written: Counter,
    /// Segments made or recycled.
    pub(crate) segments: Counter,
}

impl Wal {
    /// A log that goes on at `start` after `seqno`.
    pub(crate) fn new(generation: u64, stage: Stage, start: u64, seqno: SeqNo) -> Self {
        assert!(start.is_multiple_of(SECTOR as u64));
        let piece_len = (stage.size() / 4).min(crate::base::limits::REQUEST_LEN_MAX as u64);
        Self {
            generation,
            stage,
            piece_len,
            tail: Mutex::new(Tail { head: start, seqno, occupied: false, border: start }),
            marks: Marks::new(start),
            durable_records: AtomicU64::new(start),
            release: AtomicU64::new(start),
            failed: AtomicBool::new(false),
            failure: Mutex::default(),
            full: AtomicBool::new(false),
            full_error: Mutex::default(),
            turned_free: Event::default(),
            groups: Counter::default(),
            bytes_written: Counter::default(),
            segments: Counter::default(),
        }
    }

    /// Enters the ordered section.
    pub(crate) fn enter(&self) -> MutexGuard<'_, Tail> {
        lock(&self.tail)
    }

    /// Refuses writes after a failure, or while the device is full.
    #[inline]
    pub(crate) fn check(&self) -> Result<()> {
        // Acquire pairs with the Release in `fail`.
        let failed = self.failed.load(Ordering::Acquire) && !planted!(FailureForgotten);
        if failed || self.full.load(Ordering::Relaxed) {
            return Err(self.why_refused());
        }
        Ok(())
    }

    /// Refuses to wait for a log that has failed.
    pub(crate) fn check_failed(&self) -> Result<()> {
        if self.failed.load(Ordering::Acquire) { Err(self.why_refused()) } else { Ok(()) }
    }

    #[cold]
    fn why_refused(&self) -> Error {
        if let Some(error) = lock(&self.failure).clone() {
            reached!("write: refused after a failure");
            return match error {
                Error::Closed | Error::Poisoned { .. } => error,
                error => Error::Poisoned { cause: error.to_string() },
            };
        }
        reached!("write: refused by a full device");
        let path = std::path::PathBuf::from("the log");
        lock(&self.full_error).clone().unwrap_or(Error::DiskFull { operation: "extend", path })
    }

    /// Refuses writes while the device has no room for a spare segment; `None` ends that.
    fn set_full(&self, error: Option<Error>) {
        let full = error.is_some();
        *lock(&self.full_error) = error;
        self.full.store(full, Ordering::Relaxed);
    }

    /// Stages a batch: gives it the next seqnos and its place in the stream. The caller then
    /// inserts its entries and only after that leaves the ordered section.
    pub(crate) fn append(&self, tail: &mut Tail, batch: &mut BatchBuffer) -> Append {
        let record = batch.record_len() as u64;
        // Acquire pairs with the Release in `Marks::drained`: the drain is over before its bytes are
        // overwritten.
        let free = self.stage.size() - (tail.head - self.marks.durable());
        let free = if planted!(StageOverrun) { free + SECTOR as u64 } else { free };
        if record > free {
            return Append::Full;
        }
        let bytes = self.seal(tail, batch);
        // SAFETY: `tail` proves that this is the ordered section, and the room was just checked.
        unsafe { self.stage.put(tail.head, bytes) };
        self.advance(tail, tail.head + record, batch.count());
        Append::Done(tail.head)
    }

    /// Whether a batch is too large to be staged in one piece: see [`Wal::append_piece`].
    pub(crate) fn is_large(&self, batch: &BatchBuffer) -> bool {
        batch.record_len() as u64 > self.stage.size() / 2
    }

    /// Stages as much of a large batch as there is room for, from its byte `done` on, and returns
    /// how far it got. The caller has set [`Tail::occupied`], calls again after
    /// [`Wal::progress`] until the whole record is in, and ends with [`Wal::advance`].
    pub(crate) fn append_piece(&self, tail: &Tail, batch: &mut BatchBuffer, done: usize) -> usize {
        assert!(tail.occupied);
        let record = batch.record_len();
        let position = tail.head + done as u64;
        let bytes = self.seal_once(tail, batch, done);
        let free = (self.stage.size() - (position - self.marks.durable())) as usize;
        let end = record.min(done + free);
        // SAFETY: the section is occupied by this batch, and the room was just checked.
        unsafe { self.stage.put(position, &bytes[done..end]) };
        self.marks.staged(tail.head + end as u64);
        self.demand(tail.head + end as u64);
        end
    }

    fn seal_once<'a>(&self, tail: &Tail, batch: &'a mut BatchBuffer, done: usize) -> &'a [u8] {
        if done == 0 { self.seal(tail, batch) } else { batch.record() }
    }

    fn seal<'a>(&self, tail: &Tail, batch: &'a mut BatchBuffer) -> &'a [u8] {
        let place = Place { generation: self.generation, lsn: tail.head };
        batch.seal(place, self.durable_records.load(Ordering::Relaxed), tail.seqno + 1)
    }

    /// Ends a record at `end`, which took `count` seqnos, and tells the writer task when a piece's
    /// worth has gathered.
    pub(crate) fn advance(&self, tail: &mut Tail, end: u64, count: u64) {
        let crossed = tail.head / self.piece_len != end / self.piece_len;
        if floor(end) == end {
            tail.border = end;
        } else if floor(end) >= tail.head {
            tail.border = tail.head;
        }
        tail.head = end;
        tail.seqno += count;
        self.marks.staged(end);
        if crossed {
            self.marks.work.notify();
        }
    }

    /// Asks for the stream to be drained up to `lsn`.
    pub(crate) fn demand(&self, lsn: u64) {
        self.marks.demand(lsn);
    }

    /// Waits until the stream is on the device up to `lsn`.
    pub(crate) async fn wait_durable(&self, lsn: u64) -> Result<()> {
        self.marks.wait_durable(lsn, || self.check_failed()).await
    }

    /// Tells that the stream was drained further, or that the log failed.
    pub(crate) fn progress(&self) -> &Event {
        &self.marks.progress
    }

    /// How far the stream is on the device.
    pub(crate) fn durable_lsn(&self) -> u64 {
        self.marks.durable()
    }

    /// How far the stream goes.
    pub(crate) fn head_lsn(&self) -> u64 {
        self.marks.head()
    }

    /// Nothing below `lsn` is needed for recovery any more: the manifest says so durably.
    pub(crate) fn release(&self, lsn: u64) {
        self.release.fetch_max(lsn, Ordering::AcqRel);
        self.marks.work.notify();
    }

    /// Fails the log for good.
    pub(crate) fn fail(&self, error: Error) {
        lock(&self.failure).get_or_insert(error);
        self.failed.store(true, Ordering::Release);
        self.marks.progress.notify();
        self.turned_free.notify();
    }

    /// How far the stream can be drained as it stands.
    fn full_sectors(&self) -> Goal {
        self.goal(&self.enter())
    }

    fn goal(&self, tail: &Tail) -> Goal {
        // Ahead of the tail while a large batch is on its way in.
        let end = floor(self.marks.head());
        Goal { end, records_end: if end >= tail.head { tail.head } else { tail.border } }
    }

    /// Fills the last sector if it is partly used, so that all of the stream can be drained.
    fn pad(&self) -> Goal {
        let mut tail = self.enter();
        let head = self.marks.head();
        let gap = (head.next_multiple_of(SECTOR as u64) - head) as usize;
        if gap == 0 || tail.occupied {
            return self.goal(&tail);
        }
        let len = if gap < RECORD_HEADER_LEN { gap + SECTOR } else { gap };
        let free = self.stage.size() - (head - self.marks.durable());
        if len as u64 > free {
            reached!("log: no room to pad");
            return self.goal(&tail);
        }
        reached!("log: padded");
        let payload_len = len - RECORD_HEADER_LEN;
        let mut record = vec![0; len];
        let hash = format::payload_hash(&record[RECORD_HEADER_LEN..]);
        let place = Place { generation: self.generation, lsn: head };
        let durable = self.durable_records.load(Ordering::Relaxed);
        format::seal(&mut record, payload_len, hash, place, durable, tail.seqno, RecordKind::Padding);
        // SAFETY: in the ordered section, not occupied, and the room was just checked.
        unsafe { self.stage.put(head, &record) };
        tail.head = head + len as u64;
        tail.border = tail.head;
        self.marks.staged(tail.head);
        self.goal(&tail)
    }

    /// The segments hold the stream durably up to `lsn`.
    fn drained_to(&self, lsn: u64) {
        self.stage.set_drained(lsn);
        self.marks.drained(lsn);
    }

    /// The segments hold every record that begins below `lsn` durably as a whole.
    fn drained_whole(&self, lsn: u64) {
        self.stage.set_whole(lsn);
        self.durable_records.store(lsn, Ordering::Release);
    }
}
