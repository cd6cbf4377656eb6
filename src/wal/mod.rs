//! The write-ahead log: one stream of records, staged in memory the kernel owns, drained to
//! segments on the device.
//!
//! Writers append under the *commit lock*, the one short lock of the write path, which this module
//! owns: the order of records is the total order of writes. A `Process` write is done once staged.
//! A `Power` write asks for the stream to be drained up to it. The writer task drains what has
//! gathered while the last drain was in flight, one durable write at a time, so that what is on the
//! device is always a prefix of the stream and concurrent writers share a device flush.
//!
//! A record is staged only once segments have room for it ([`room`]): on a full device writes are refused
//! and never stuck half way.

mod batch;
mod format;
#[cfg(all(test, loom))]
mod loom_tests;
mod marks;
mod pages;
mod reader;
mod refusal;
mod room;
mod segment;
mod spares;
mod stage;
mod stage_format;
mod stage_image;
mod writer;

pub(crate) use batch::{BatchBuffer, Entries};
pub(crate) use reader::{Batch, LogReader};
pub(crate) use segment::{FreeSegment, Segment};
pub(crate) use spares::{FREE_SEGMENTS_MAX, Spares};
pub(crate) use stage::Stage;
pub(crate) use stage_image::StageImage;
pub(crate) use writer::{Writer, write_log};

use crate::base::coverage::reached;
use crate::base::error::{Error, Result};
use crate::base::key::SeqNo;
use crate::base::limits::SECTOR;
use crate::base::lsn::{Generation, Lsn};
use crate::base::metrics::Counter;
use crate::base::planted::planted;
use crate::base::sync::atomic::{AtomicU64, Ordering};
use crate::base::sync::{Mutex, MutexGuard, lock};
use crate::exec::Event;
use format::{Place, RECORD_HEADER_LEN, RecordKind};
use marks::Marks;
use refusal::Refusal;
use room::{Asked, Room};

/// What the commit lock protects.
pub(crate) struct LogState {
    /// LSN at which the next record goes.
    pub(crate) head: Lsn,
    /// Seqno of the newest write.
    pub(crate) seqno: SeqNo,
    /// A batch larger than half the stage is being staged in pieces; others wait for
    /// [`Wal::large_batch_done`].
    pub(crate) large_batch_active: bool,
    /// The last boundary between two records at or below the last one between two sectors.
    record_boundary: Lsn,
    /// How far the segments reach.
    room: Room,
    /// LSN up to which the stage's pages were asked for.
    prepared: Lsn,
}

/// How far the stream can be drained.
#[derive(Clone, Copy)]
struct Goal {
    /// The end of the last full sector.
    end: Lsn,
    /// The last boundary between two records up to there.
    records_end: Lsn,
}

/// What becomes of an attempt to append.
#[derive(Debug)]
pub(crate) enum Append {
    /// The record ends at this LSN.
    Done(Lsn),
    /// The record has its place in the order, but its end could not be marked in the stage, for this reason:
    /// it may be lost with the process.
    Unmarked(Error),
    /// The stage is full, or the segments are: wait for [`Wal::progress`] and try again.
    Full,
}

/// The log of one opening.
pub(crate) struct Wal {
    // Constant after construction.
    generation: Generation,
    stage: Stage,
    // Under the commit lock.
    state: Mutex<LogState>,
    marks: Marks,
    // Written by the writer task, read under the commit lock: every record that begins below is
    // durable as a whole. Each new record states it in its header.
    durable_records: AtomicU64,
    // Raised by the engine: nothing below is needed for recovery.
    release: AtomicU64,
    // Why writes are refused: for good; or while what is staged cannot be drained.
    failure: Refusal,
    stuck: Refusal,
    // Why room was refused, the last time it was.
    no_room: Mutex<Option<Error>>,
    /// Tells waiting threads that a large batch is in the log, or has been given up.
    pub(crate) large_batch_done: Event,
    /// Drains written.
    pub(crate) groups: Counter,
    /// Bytes written to segments.
    pub(crate) bytes_written: Counter,
    /// Segments made or recycled.
    pub(crate) segments: Counter,
}

impl Wal {
    /// A log that goes on at `start` after `seqno`.
    pub(crate) fn new(generation: Generation, stage: Stage, start: Lsn, seqno: SeqNo) -> Self {
        assert_eq!(start, start.sector_floor());
        Self {
            generation,
            stage,
            state: Mutex::new(LogState {
                head: start,
                seqno,
                large_batch_active: false,
                record_boundary: start,
                room: Room::new(start),
                prepared: start,
            }),
            marks: Marks::new(start),
            durable_records: AtomicU64::new(start.0),
            release: AtomicU64::new(start.0),
            failure: Refusal::default(),
            stuck: Refusal::default(),
            no_room: Mutex::default(),
            large_batch_done: Event::default(),
            groups: Counter::default(),
            bytes_written: Counter::default(),
            segments: Counter::default(),
        }
    }

    /// Takes the commit lock.
    pub(crate) fn lock(&self) -> MutexGuard<'_, LogState> {
        lock(&self.state)
    }

    /// Refuses writes after a failure, or while what is staged cannot be drained.
    #[inline]
    pub(crate) fn check(&self) -> Result<()> {
        let failed = self.failure.is_set() && !planted!(FailureForgotten);
        if failed || self.stuck.is_set() { self.refuse() } else { Ok(()) }
    }

    /// Refuses to wait for a log that has failed.
    pub(crate) fn check_failed(&self) -> Result<()> {
        if self.failure.is_set() { self.refuse() } else { Ok(()) }
    }

    #[cold]
    fn refuse(&self) -> Result<()> {
        if let Some(error) = self.failure.error() {
            reached!("write: refused after a failure");
            return Err(match error {
                Error::Closed | Error::Poisoned { .. } => error,
                error => Error::Poisoned { cause: error.to_string() },
            });
        }
        // No error: it was cleared between the two looks.
        self.stuck.error().map_or(Ok(()), |error| {
            reached!("write: refused while the log cannot be drained");
            Err(error)
        })
    }

    /// Whether the segments have room for a record that ends at `lsn`. If not, room is being made: wait for
    /// [`Wal::progress`] and ask again.
    fn ask_for_room(&self, state: &mut LogState, lsn: Lsn) -> Result<bool> {
        match state.room.ask(lsn) {
            Asked::Granted => Ok(true),
            Asked::Refused => {
                reached!("write: refused by a full device");
                let path = std::path::PathBuf::from("the log");
                let full = || Error::DiskFull { operation: "extend", path };
                Err(lock(&self.no_room).clone().unwrap_or_else(full))
            }
            Asked::Wait => {
                reached!("write: waits for room");
                self.marks.work.notify();
                Ok(false)
            }
        }
    }

    /// Keeps room for all of a large batch, so that it is never stopped half way by a full device; `false` while
    /// there is none, as with [`Append::Full`]. The caller has set [`LogState::large_batch_active`].
    pub(crate) fn reserve(&self, state: &mut LogState, batch: &BatchBuffer) -> Result<bool> {
        assert!(state.large_batch_active);
        let end = state.head + batch.record_len() as u64;
        let there = match self.ask_for_room(state, end) {
            Err(_) if planted!(LargeBatchBlind) => false,
            asked => asked?,
        };
        if there {
            state.room.promise(end);
        }
        Ok(there)
    }

    /// The stage.
    pub(crate) fn stage(&self) -> &Stage {
        &self.stage
    }

    /// Stages a batch: gives it the next seqnos and its place in the stream. The caller then
    /// inserts its entries and only after that releases the commit lock.
    pub(crate) fn append(&self, state: &mut LogState, batch: &mut BatchBuffer) -> Result<Append> {
        let record = batch.record_len() as u64;
        if !state.room.has(state.head + record) && !self.ask_for_room(state, state.head + record)? {
            return Ok(Append::Full);
        }
        // Acquire pairs with the Release in `Marks::drained`: the drain is over before its bytes are
        // overwritten.
        let free = self.stage.size() - (state.head - self.marks.durable());
        let free = if planted!(StageOverrun) { free + SECTOR as u64 } else { free };
        if record > free {
            return Ok(Append::Full);
        }
        self.prepare(state, state.head, record)?;
        let bytes = self.seal(state, batch);
        let end = state.head + record;
        // If this fails nothing has happened: the next record goes to the same place.
        // SAFETY: `state` proves that the commit lock is held, the room was just checked and prepared.
        unsafe { self.stage.put(state.head, bytes)? };
        // From here on the record is complete, and a crash may leave it in the stage: it keeps its place in the
        // order even if the mark cannot be set.
        // SAFETY: as above.
        let marked = unsafe { self.stage.set_head(end) };
        self.advance(state, end, batch.count());
        Ok(marked.map_or_else(Append::Unmarked, |()| Append::Done(end)))
    }

    /// Ends a large batch, all of which was staged, at `end`. The caller then inserts its entries, also after
    /// an error: the device has the record, so a recovery may find it, and the log has to be
    /// [failed](Self::fail). Only after a [shortage](Error::is_shortage) nothing has happened, and the caller
    /// tries again.
    pub(crate) fn end_large(&self, state: &mut LogState, end: Lsn, count: u64) -> Result<()> {
        // SAFETY: `state` proves that the commit lock is held; the first page was prepared with the pieces.
        let marked = self.check_failed().and_then(|()| unsafe { self.stage.set_head(end) });
        if !matches!(marked, Err(ref error) if error.is_shortage()) {
            self.advance(state, end, count);
        }
        marked
    }

    /// Whether a batch is too large to be staged in one piece: see [`Wal::append_piece`].
    pub(crate) fn is_large(&self, batch: &BatchBuffer) -> bool {
        batch.record_len() as u64 > self.stage.size() / 2
    }

    /// Stages as much of a large batch as there is room for, from its byte `done` on, and returns
    /// how far it got. The caller has set [`LogState::large_batch_active`], calls again after
    /// [`Wal::progress`] until the whole record is in, and ends with [`Wal::end_large`].
    pub(crate) fn append_piece(
        &self,
        state: &mut LogState,
        batch: &mut BatchBuffer,
        done: usize,
    ) -> Result<usize> {
        assert!(state.large_batch_active);
        // Under the lock, as for small batches: a log that was closed gets nothing more.
        self.check_failed()?;
        let record = batch.record_len();
        let position = state.head + done as u64;
        let free = (self.stage.size() - (position - self.marks.durable())) as usize;
        let end = record.min(done + free);
        self.prepare(state, position, (end - done) as u64)?;
        let bytes = self.seal_once(state, batch, done);
        // SAFETY: the commit lock is held, this batch is the active one, and the room was just checked and prepared.
        unsafe { self.stage.put(position, &bytes[done..end])? };
        self.marks.staged(state.head + end as u64);
        self.demand(state.head + end as u64);
        Ok(end)
    }

    fn seal_once<'a>(&self, state: &LogState, batch: &'a mut BatchBuffer, done: usize) -> &'a [u8] {
        if done == 0 { self.seal(state, batch) } else { batch.record() }
    }

    fn seal<'a>(&self, state: &LogState, batch: &'a mut BatchBuffer) -> &'a [u8] {
        let place = Place { generation: self.generation, lsn: state.head };
        batch.seal(place, self.durable_records(), state.seqno.next())
    }

    /// Ends a record at `end`, which took `count` seqnos, and tells the writer task when a piece's
    /// worth has gathered.
    fn advance(&self, state: &mut LogState, end: Lsn, count: u64) {
        let crossed = state.head.0 / self.piece_len() != end.0 / self.piece_len();
        if end.sector_floor() == end {
            state.record_boundary = end;
        } else if end.sector_floor() >= state.head {
            state.record_boundary = state.head;
        }
        state.head = end;
        state.seqno = state.seqno + count;
        self.marks.staged(end);
        if crossed {
            self.marks.work.notify();
        }
    }

    /// Wakes the writer task: what it could not do beside a large batch it can do now.
    pub(crate) fn look_again(&self) {
        self.marks.work.notify();
    }

    /// Asks for the stream to be drained up to `lsn`.
    pub(crate) fn demand(&self, lsn: Lsn) {
        self.marks.demand(lsn);
    }

    /// Waits until the stream is on the device up to `lsn`, or cannot be brought there for now.
    pub(crate) async fn wait_durable(&self, lsn: Lsn) -> Result<()> {
        let check_stuck = || if planted!(FullnessUnseen) { Ok(()) } else { self.check() };
        self.marks.wait_durable(lsn, || self.check_failed().and_then(|()| check_stuck())).await
    }

    /// Waits until every record there is now is on the device.
    pub(crate) async fn sync(&self) -> Result<()> {
        // Not the head of the marks: while a large batch is staged in pieces, that lies inside its record.
        let lsn = self.lock().head;
        self.wait_durable(lsn).await
    }

    /// Tells that the stream was drained further, or that the log failed.
    pub(crate) fn progress(&self) -> &Event {
        &self.marks.progress
    }

    /// How far the stream is on the device.
    pub(crate) fn durable_lsn(&self) -> Lsn {
        self.marks.durable()
    }

    /// How far the stream goes.
    pub(crate) fn head_lsn(&self) -> Lsn {
        self.marks.head()
    }

    /// Nothing below `lsn` is needed for recovery any more: the manifest says so durably.
    pub(crate) fn release(&self, lsn: Lsn) {
        self.release.fetch_max(lsn.0, Ordering::AcqRel);
        self.marks.work.notify();
    }

    /// Fails the log for good.
    pub(crate) fn fail(&self, error: Error) {
        self.failure.set(error);
        self.marks.progress.notify();
        self.large_batch_done.notify();
    }

    /// Segments reach `bytes` further.
    fn grow_room(&self, bytes: u64) {
        self.lock().room.grow(bytes);
        self.marks.progress.notify();
    }

    /// Gives up room of a spare; `false` if it is needed.
    fn shrink_room(&self, bytes: u64) -> bool {
        let mut state = self.lock();
        let head = state.head;
        state.room.shrink(bytes, head)
    }

    /// Bytes of room that are wanted and not there.
    fn missing_room(&self) -> u64 {
        self.lock().room.missing()
    }

    /// Only `bytes` more room can be had now: refuses those who want more.
    fn refuse_room_beyond(&self, bytes: u64, error: Error) {
        *lock(&self.no_room) = Some(error);
        self.lock().room.refuse_beyond(bytes);
        self.marks.progress.notify();
    }

    /// Room that was refused may be asked for again.
    fn permit_room(&self) {
        self.lock().room.permit();
    }

    /// What is staged cannot be drained for now: tells those who wait for it.
    fn set_stuck(&self, error: Error) {
        if self.stuck.set(error.clone()) {
            tracing::warn!(%error, "the log cannot be drained: writes are refused until it can");
        }
        self.marks.progress.notify();
    }

    /// Why what is staged cannot be drained, if that is so.
    pub(crate) fn why_stuck(&self) -> Option<Error> {
        if self.stuck.is_set() { self.stuck.error() } else { None }
    }

    /// How far the stream can be drained as it stands.
    fn full_sectors(&self) -> Goal {
        self.goal(&self.lock())
    }

    fn goal(&self, state: &LogState) -> Goal {
        // Ahead of `state.head` while a large batch is staged in pieces.
        let end = self.marks.head().sector_floor();
        Goal { end, records_end: if end >= state.head { state.head } else { state.record_boundary } }
    }

    /// Fills the last sector if it is partly used, so that all of the stream can be drained.
    fn pad(&self) -> Result<Goal> {
        let mut state = self.lock();
        let head = self.marks.head();
        let gap = (head.sector_ceil() - head) as usize;
        if gap == 0 || state.large_batch_active {
            return Ok(self.goal(&state));
        }
        let len = if gap < RECORD_HEADER_LEN { gap + SECTOR } else { gap };
        let free = self.stage.size() - (head - self.marks.durable());
        if len as u64 > free {
            reached!("log: no room to pad");
            return Ok(self.goal(&state));
        }
        reached!("log: padded");
        let payload_len = len - RECORD_HEADER_LEN;
        let mut record = vec![0; len];
        let hash = format::payload_hash(&record[RECORD_HEADER_LEN..]);
        let place = Place { generation: self.generation, lsn: head };
        let durable = self.durable_records();
        format::seal(&mut record, payload_len, hash, place, durable, state.seqno, RecordKind::Padding);
        self.prepare(&mut state, head, len as u64)?;
        // SAFETY: under the commit lock, no large batch is active, and the room was just checked and prepared.
        unsafe { self.stage.put(head, &record)? };
        // The mark of the next record does for this one, which holds nothing that must be found.
        // SAFETY: as above.
        if unsafe { self.stage.set_head(head + len as u64) }.is_err() {
            reached!("log: the head could not be marked");
        }
        state.head = head + len as u64;
        state.record_boundary = state.head;
        self.marks.staged(state.head);
        Ok(self.goal(&state))
    }

    /// How far complete records are durable, as records and marks say.
    fn durable_records(&self) -> Lsn {
        Lsn(self.durable_records.load(Ordering::Relaxed))
    }

    /// The segments hold the stream durably up to `lsn`.
    fn drained_to(&self, lsn: Lsn) -> Result<()> {
        self.stage.set_marks(lsn, self.durable_records())?;
        if self.stuck.is_set() && self.stuck.clear() {
            tracing::info!("the log can be drained again: writes resume");
            reached!("log: can be drained again");
        }
        self.marks.drained(lsn);
        Ok(())
    }

    /// The segments hold every record that begins below `lsn` durably as a whole.
    fn drained_complete(&self, lsn: Lsn) -> Result<()> {
        match self.stage.set_marks(self.marks.durable(), lsn) {
            // The stage then says less than it could, which the next drain makes good.
            Err(error) if error.is_shortage() => reached!("log: no room to write the stage"),
            marked => marked?,
        }
        self.durable_records.store(lsn.0, Ordering::Release);
        Ok(())
    }
}
