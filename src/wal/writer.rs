//! The task that drains the stage to the segments. One per database, on one core. Callers who wait for `Power` writes do
//! a part of that themselves ([`lead`](super::lead)): whoever has the [turn](super::turn) drains.
//!
//! One *group* is in flight at a time, and takes what has gathered during the one before: a single durable write if
//! it is small, else several writes that are in flight together, with one sync behind them. The next begins when the
//! device has all of the last. So what is durable before a group is a prefix of the stream, and group commit needs no
//! timer. What nobody waits for gathers until it is a part of the stage: the fewer syncs, the less they wait for each
//! other and for those of tables.
//!
//! Beside that, in the same task, spare segments are made ([`Spares`]), so that segments have room for whatever is
//! staged, and drains go on meanwhile. A full device may refuse a write only where overwriting takes space (copy on
//! write), or where the first write into reserved space does and the file system has set none aside for that, as ext4 and
//! XFS have (quotas were not tried): then it is repeated until it succeeds, and waiting writers get the error.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::ops::Range;
use std::pin::pin;
use std::task::Poll;

use super::Wal;
use super::segment::Segment;
use super::spares::{RETRY_INTERVAL, Spares};
use super::turn::{ForTask, Left};
use crate::base::coverage::reached;
use crate::base::error::{Error, Result};
use crate::base::limits::STAGE_SIZE_USUAL;
use crate::base::lsn::Lsn;
use crate::base::planted::planted;
use crate::base::sync::atomic::Ordering;
use crate::base::sync::{Arc, lock};
use crate::exec::Local;
use crate::io::Reach;

/// Most bytes of a group. Reads of the device wait behind it.
const GROUP_LEN_MAX: u64 = 8 << 20;

/// What the writer task owns. Nothing of it is borrowed across a wait.
pub(crate) struct Writer {
    /// The log.
    wal: Arc<Wal>,
    /// Segments in use, oldest first; the stream's end is in the last.
    segments: RefCell<VecDeque<Segment>>,
    spares: Spares,
}

/// What draining has come to, for the growth of the stage.
struct Growth {
    /// Half the ring waited to be drained since it last grew.
    was_tight: bool,
    /// The head when the stage was made or last grew, and the head from which growing may be tried again.
    grown_at: Lsn,
    grows_from: Lsn,
}

/// What a turn of the writer task has come to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Drained {
    Something,
    /// There was nothing, or so little that it may gather.
    Nothing,
    /// Somebody waits, and nothing can be done: a large batch is half staged.
    Hindered,
}

/// A turn of the writer task, which ends in whatever way.
struct TaskTurn<'a> {
    wal: &'a Wal,
    left: Left,
}

impl TaskTurn<'_> {
    /// Ends it; returns whether a caller is to be the next.
    fn end(self) -> bool {
        let turn = std::mem::ManuallyDrop::new(self);
        turn.wal.marks.leave(turn.left)
    }
}

impl Drop for TaskTurn<'_> {
    fn drop(&mut self) {
        self.wal.marks.leave(self.left);
    }
}

impl Writer {
    /// A writer whose stream goes on at the start of `first`.
    pub(crate) fn new(wal: Arc<Wal>, first: Segment, spares: Spares) -> Self {
        wal.grow_room(first.header.capacity + spares.capacity());
        *lock(&wal.in_use) = Some(first.clone());
        let segments = RefCell::new(VecDeque::from([first]));
        Self { wal, segments, spares }
    }

    /// Drains until the log fails.
    async fn drain_forever(&self, local: &Local) -> Error {
        let mut growth = Growth { was_tight: false, grown_at: self.wal.head_lsn(), grows_from: Lsn::ZERO };
        loop {
            let work = self.wal.marks.work.listen();
            self.recycle_released();
            match self.drain(local, &mut growth).await {
                Ok(true) => {}
                Ok(false) => work.await,
                Err(error) if error.is_shortage() => {
                    reached!("log: cannot be drained for now");
                    self.wal.set_stuck(error);
                    self.spares.make_way(local).await;
                    local.sleep(RETRY_INTERVAL).await;
                }
                Err(error) => return error,
            }
        }
    }

    /// Drains what there is to drain, if nobody else is at it; returns whether there may be more.
    async fn drain(&self, local: &Local, growth: &mut Growth) -> Result<bool> {
        match self.wal.marks.take_for_task() {
            ForTask::Taken => {}
            ForTask::Later => {
                reached!("log: the writer task waits for a caller's write");
                return Ok(false);
            }
            ForTask::Never => {
                self.wal.check_failed()?;
                unreachable!("a turn is broken once the log has failed");
            }
        }
        let mut turn = TaskTurn { wal: &self.wal, left: Left::Reserved };
        let drained = self.drain_in_turn(local, growth).await?;
        // By what the task saw, not by what is wanted now: who has come since waits to be called.
        turn.left = if drained == Drained::Hindered { Left::Reserved } else { Left::Open };
        Ok(!turn.end() && drained == Drained::Something)
    }

    /// Drains what there is to drain.
    async fn drain_in_turn(&self, local: &Local, growth: &mut Growth) -> Result<Drained> {
        let durable = self.wal.durable_lsn();
        let demanded = self.wal.marks.demanded() > durable;
        let goal = if demanded { self.wal.pad()? } else { self.wal.full_sectors() };
        if goal.end == durable || (!demanded && goal.end - durable < self.wal.drain_len()) {
            return Ok(if demanded { Drained::Hindered } else { Drained::Nothing });
        }
        let mut position = durable;
        while position < goal.end {
            position = self.drain_group(local, position, goal.end).await?;
            growth.was_tight |= self.wal.is_tight();
            if position < goal.end {
                reached!("log: drained in more than one group");
            }
        }
        self.wal.drained_complete(self.wal.complete_at(goal))?;
        self.grow_stage(local, growth).await;
        if !demanded {
            self.wal.prepare_ahead();
        }
        Ok(Drained::Something)
    }

    /// Doubles the stage's ring if half of it waited to be drained, or, up to its usual size, if four times its size
    /// has gone through. If there is no room for that, it is tried again after as much has gone through once more.
    async fn grow_stage(&self, local: &Local, growth: &mut Growth) {
        let (stage, head) = (self.wal.stage(), self.wal.head_lsn());
        let used = stage.size() < STAGE_SIZE_USUAL && head >= growth.grown_at + 4 * stage.size();
        if !stage.can_grow() || head < growth.grows_from || !(growth.was_tight || used) {
            return;
        }
        match self.try_grow_stage(local).await {
            Ok(()) => {
                reached!("log: the stage grew");
                growth.was_tight = false;
                growth.grown_at = head;
            }
            Err(error) => {
                reached!("log: no room for a larger stage");
                tracing::debug!(%error, "the stage does not grow");
                growth.grows_from = head + 4 * stage.size();
            }
        }
    }

    async fn try_grow_stage(&self, local: &Local) -> Result<()> {
        let stage = self.wal.stage();
        self.spares.check_room(local, stage.size())?;
        stage.prepare_growth(local).await?;
        self.wal.grow_stage()
    }

    /// Drains from `position` up to `target`, or as far as a group goes; returns how far.
    async fn drain_group(&self, local: &Local, position: Lsn, target: Lsn) -> Result<Lsn> {
        let last = self.segments.borrow().back().expect("there is always a segment in use").clone();
        let (end, len) = if last.holds(position) {
            let end = target.min(last.end()).min(position + GROUP_LEN_MAX);
            self.write_group(local, &last, position..end, false).await?;
            (end, end - position)
        } else {
            assert_eq!(position, last.end(), "the stream has no gaps");
            self.begin_segment(local, position, target).await?
        };
        self.wal.groups.add(1);
        self.wal.bytes_written.add(len);
        self.wal.drained_to(end)?;
        self.wal.marks.call_covered(end);
        Ok(end)
    }

    /// Takes a spare into use at `position`, with the first group in it.
    async fn begin_segment(&self, local: &Local, position: Lsn, target: Lsn) -> Result<(Lsn, u64)> {
        let log = (self.wal.generation, self.wal.stage().id());
        let spare = self.spares.take();
        let segment = spare.begin(log, position, self.wal.durable_records());
        let end = target.min(segment.end()).min(position + GROUP_LEN_MAX);
        if let Err(error) = self.write_group(local, &segment, position..end, true).await {
            // Its header is written again at the next attempt.
            self.spares.put_back(spare);
            return Err(error);
        }
        reached!("log: a segment was begun");
        *lock(&self.wal.in_use) = Some(segment.clone());
        self.segments.borrow_mut().push_back(segment);
        // There may be too few spares now.
        self.wal.is_busy.store(true, Ordering::Relaxed);
        self.wal.look_again();
        Ok((end, end - position))
    }

    /// Brings a part of the stream to a segment, durably, and with `begins` the segment's header too.
    async fn write_group(
        &self,
        local: &Local,
        segment: &Segment,
        range: Range<Lsn>,
        begins: bool,
    ) -> Result<()> {
        let stage = &self.wal.stage;
        let piece = |from: Lsn| {
            let len = (range.end - from).min(self.wal.piece_len()).min(stage.until_wrap(from));
            (stage.lend(from, len as usize), from + len)
        };
        let (data, end) = piece(range.start);
        // A durable write says nothing of writes before it. So it does for a group of one.
        if end == range.end && !begins {
            return local.write(&segment.file, segment.offset(range.start), data, Reach::Durable).await;
        }
        reached!("log: several writes in a group");
        let mut writes = Vec::new();
        if begins {
            writes.push(segment.begin_header(local, Reach::PageCache));
        }
        let mut from = range.start;
        while from < range.end {
            let (data, end) = piece(from);
            let reach = if planted!(HeaderNotSynced) { Reach::Durable } else { Reach::PageCache };
            writes.push(local.begin_write(&segment.file, segment.offset(from), data, reach));
            from = end;
        }
        let mut written = Ok(());
        for write in writes {
            // Also after an error: nothing is lent any more when this returns.
            let result = write.await;
            written = written.and(result);
        }
        written.map_err(|e| Error::io("write", segment.file.path(), Some(segment.offset(range.start)), e))?;
        if planted!(GroupNotSynced) {
            return Ok(());
        }
        if planted!(HeaderNotSynced) {
            return Ok(());
        }
        local.sync(&segment.file).await
    }

    /// Recycles released segments and makes the spares that are missing, until the log fails.
    async fn supply_forever(&self, local: &Local) -> Error {
        loop {
            let work = self.wal.marks.work.listen();
            match self.supply(local).await {
                Ok(true) => work.await,
                Ok(false) => either(work, local.sleep(RETRY_INTERVAL)).await,
                Err(error) => return error,
            }
        }
    }

    /// Recycles released segments and makes a spare if there is none; returns whether there is one.
    async fn supply(&self, local: &Local) -> Result<bool> {
        self.recycle_released();
        self.spares.remove_surplus(local, &self.wal).await;
        let in_use = self.segments.borrow().iter().map(Segment::file_len).sum();
        self.spares.keep(local, &self.wal, in_use).await
    }

    /// What is needed no more serves again at once, also while a spare is being made, which on a busy device takes long.
    fn recycle_released(&self) {
        let release = Lsn(self.wal.release.load(Ordering::Acquire));
        while let Some(released) = self.take_released(release) {
            self.spares.recycle(&self.wal, released);
        }
    }

    fn take_released(&self, release: Lsn) -> Option<Segment> {
        let mut segments = self.segments.borrow_mut();
        if segments.len() > 1 && segments[0].end() <= release { segments.pop_front() } else { None }
    }
}

/// Runs until the log fails or the core stops.
pub(crate) async fn write_log(local: Local, writer: Writer) {
    let error = either(writer.drain_forever(&local), writer.supply_forever(&local)).await;
    reached!("log: failed for good");
    tracing::error!(%error, "the log failed: writes are refused from now on");
    writer.wal.fail(error);
}

/// Ends when one of the two does.
async fn either<T>(one: impl Future<Output = T>, other: impl Future<Output = T>) -> T {
    let (mut one, mut other) = (pin!(one), pin!(other));
    poll_fn(|context| match one.as_mut().poll(context) {
        Poll::Pending => other.as_mut().poll(context),
        ready => ready,
    })
    .await
}
