//! Appending to the log under the commit lock: batches, the pieces of large ones, and padding.
//!
//! A record gets its place in the stream, is sealed for it and copied into the stage. The segments have room
//! for it before that, and the stage has its pages.

use super::format::{self, Place, RECORD_HEADER_LEN, RecordKind};
use super::room::Asked;
use super::{BatchBuffer, Goal, LogState, Wal};
use crate::base::coverage::reached;
use crate::base::error::{Error, Result};
use crate::base::limits::SECTOR;
use crate::base::lsn::Lsn;
use crate::base::planted::planted;
use crate::base::sync::lock;

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

impl Wal {
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

    /// Stages a batch: gives it the next seqnos and its place in the stream. The caller then
    /// inserts its entries, only after that releases the commit lock, and [tells](Self::tell_appended) of it.
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

    /// Tells the writer task when, with the `len` bytes that end at `end`, enough has gathered to be drained. After the
    /// commit lock was released: waking a thread takes longer than appending.
    pub(crate) fn tell_appended(&self, end: Lsn, len: u64) {
        let drain_len = self.drain_len();
        if (end.0 - len) / drain_len != end.0 / drain_len {
            self.marks.work.notify();
        }
    }

    /// Ends a record at `end`, which took `count` seqnos.
    fn advance(&self, state: &mut LogState, end: Lsn, count: u64) {
        if end.sector_floor() == end {
            state.record_boundary = end;
        } else if end.sector_floor() >= state.head {
            state.record_boundary = state.head;
        }
        state.head = end;
        state.seqno = state.seqno + count;
        self.marks.staged(end);
    }

    /// Fills the last sector if it is partly used, so that all of the stream can be drained.
    pub(super) fn pad(&self) -> Result<Goal> {
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
}
