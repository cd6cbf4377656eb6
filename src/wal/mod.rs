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

mod append;
mod batch;
mod follow;
mod format;
mod lead;
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
mod turn;
mod writer;

pub(crate) use append::Append;
pub(crate) use batch::{BatchBuffer, Entries, LogEntry};
pub(crate) use reader::{Batch, LogReader};
pub(crate) use segment::{FreeSegment, Segment};
pub(crate) use spares::{FREE_SEGMENTS_MAX, Spares};
pub(crate) use stage::Stage;
pub(crate) use stage_image::StageImage;
pub(crate) use writer::{Writer, write_log};

use std::ops::Range;

use crate::base::coverage::reached;
use crate::base::error::{Error, Result};
use crate::base::key::SeqNo;
use crate::base::lsn::{Generation, Lsn};
use crate::base::metrics::Counter;
use crate::base::planted::planted;
use crate::base::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use crate::base::sync::{Mutex, MutexGuard, lock};
use crate::exec::Event;
use marks::Marks;
use refusal::Refusal;
use room::Room;

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

/// The log of one opening.
pub(crate) struct Wal {
    // Constant after construction.
    generation: Generation,
    stage: Stage,
    // Under the commit lock.
    state: Mutex<LogState>,
    marks: Marks,
    // Written by whoever has the turn, read under the commit lock: every record that begins below is
    // durable as a whole. Each new record states it in its header.
    durable_records: AtomicU64,
    // Raised by the engine: nothing below is needed for recovery.
    release: AtomicU64,
    // Whether a segment was begun since nobody has written for a while. By tasks of the writer's core.
    is_busy: AtomicBool,
    // The segment that holds the end of the stream. By the writer task, read by whoever has the turn.
    in_use: Mutex<Option<Segment>>,
    // Why writes are refused: for good; or while what is staged cannot be drained.
    failure: Refusal,
    stuck: Refusal,
    // Why room was refused, the last time it was.
    no_room: Mutex<Option<Error>>,
    /// Tells waiting threads that a large batch is in the log, or has been given up.
    pub(crate) large_batch_done: Event,
    /// Drains written, and those of them that callers wrote.
    pub(crate) groups: Counter,
    pub(crate) groups_led: Counter,
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
            is_busy: AtomicBool::new(false),
            in_use: Mutex::default(),
            failure: Refusal::default(),
            stuck: Refusal::default(),
            no_room: Mutex::default(),
            large_batch_done: Event::default(),
            groups: Counter::default(),
            groups_led: Counter::default(),
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

    /// The stage.
    pub(crate) fn stage(&self) -> &Stage {
        &self.stage
    }

    /// Wakes the writer task: there is something more to do.
    pub(crate) fn look_again(&self) {
        self.marks.work.notify();
    }

    /// Asks for the stream to be drained up to `lsn`.
    pub(crate) fn demand(&self, lsn: Lsn) {
        self.marks.demand(lsn);
    }

    /// Waits until every record there is now is on the device; see [`wait_durable`](Self::wait_durable).
    pub(crate) async fn sync(&self, may_lead: bool) -> Result<()> {
        // Not the head of the marks: while a large batch is staged in pieces, that lies inside its record.
        let lsn = self.lock().head;
        self.wait_durable(lsn, may_lead).await
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
        self.marks.call_all();
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

    /// Lets go of room that was asked for and not used, once nobody has written for a while: spares beyond the usual are
    /// removed. A writer that is still there asks again.
    pub(crate) fn forget_unused_room(&self) {
        let was_busy = self.is_busy.swap(false, Ordering::Relaxed);
        let mut state = self.lock();
        let forgot = !state.large_batch_active && state.room.forget_granted();
        drop(state);
        if was_busy || forgot {
            self.look_again();
        }
    }

    /// Bytes of room that are wanted and not there.
    fn missing_room(&self) -> u64 {
        self.lock().room.missing()
    }

    /// Bytes of room that nothing is staged for yet.
    fn room_ahead(&self) -> u64 {
        let state = self.lock();
        state.room.ahead_of(state.head)
    }

    /// Whether there is [time](Room::has_time_to_fill) to fill what is `left` of a spare that was begun when the stream
    /// ended at `begun_at`.
    fn has_time_to_fill(&self, left: &Range<u64>, begun_at: Lsn) -> bool {
        let state = self.lock();
        state.room.has_time_to_fill(left, begun_at..state.head)
    }

    /// Whether spares are made and kept for a stream that goes on as it has: more than the usual number, if their
    /// capacity is at most twice the stage's.
    fn is_busy(&self) -> bool {
        self.is_busy.load(Ordering::Relaxed)
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
        self.marks.call_all();
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

    /// How far complete records are durable, as records and marks say.
    fn durable_records(&self) -> Lsn {
        Lsn(self.durable_records.load(Ordering::Relaxed))
    }

    /// The segment that holds the end of the stream.
    fn segment_in_use(&self) -> Segment {
        lock(&self.in_use).clone().expect("there is one since the log was opened")
    }

    /// The segments hold the stream durably up to `lsn`.
    fn drained_to(&self, lsn: Lsn) -> Result<()> {
        self.stage.set_marks(lsn, self.durable_records())?;
        self.drained(lsn);
        Ok(())
    }

    /// The segments hold the stream durably up to `goal`.
    fn drained_whole(&self, goal: Goal) -> Result<()> {
        let complete = self.complete_at(goal);
        self.stage.set_marks(goal.end, complete)?;
        self.durable_records.store(complete.0, Ordering::Release);
        self.drained(if planted!(LateFollowersAcknowledged) { self.marks.head() } else { goal.end });
        Ok(())
    }

    fn complete_at(&self, goal: Goal) -> Lsn {
        if planted!(CompleteMarkAhead) { goal.end } else { goal.records_end }
    }

    fn drained(&self, lsn: Lsn) {
        if self.stuck.is_set() && self.stuck.clear() {
            tracing::info!("the log can be drained again: writes resume");
            reached!("log: can be drained again");
        }
        self.marks.drained(lsn);
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
