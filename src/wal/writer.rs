//! The task that drains the stage to the segments. One per database, on one core.
//!
//! One durable write is in flight at a time, and takes all that has gathered during the one before. So the
//! device holds a prefix of the stream at every moment, and group commit needs no timer. Segments have room
//! for whatever is staged ([`Spares`]). Only on file systems where overwriting takes space (copy on write) a
//! full device may refuse a write: then it is repeated until it succeeds, and waiting writers get the error.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use super::Wal;
use super::segment::Segment;
use super::spares::{RETRY_INTERVAL, Spares};
use crate::base::coverage::reached;
use crate::base::error::Result;
use crate::base::lsn::Lsn;
use crate::base::planted::planted;
use crate::base::sync::Arc;
use crate::base::sync::atomic::Ordering;
use crate::exec::Local;

/// What the writer task owns.
pub(crate) struct Writer {
    /// The log.
    wal: Arc<Wal>,
    /// Segments in use, oldest first; the stream's end is in the last.
    segments: VecDeque<Segment>,
    spares: Spares,
    /// The head when the stage was made or last grew, and the head from which growing may be tried again.
    grown_at: Lsn,
    grows_from: Lsn,
}

/// What a turn of the task has come to.
enum Turn {
    /// Something was drained: there may be more.
    Worked,
    /// There was nothing to do.
    Idle,
    /// There was nothing to do, and a spare could not be made.
    Short,
    /// What is staged cannot be drained for now.
    Stuck,
}

impl Writer {
    /// A writer whose stream goes on at the start of `first`.
    pub(crate) fn new(wal: Arc<Wal>, first: Segment, spares: Spares) -> Self {
        wal.grow_room(first.header.capacity + spares.capacity());
        let (grown_at, grows_from, segments) = (wal.head_lsn(), Lsn::ZERO, VecDeque::from([first]));
        Self { wal, segments, spares, grown_at, grows_from }
    }

    async fn turn(&mut self, local: &Local) -> Result<Turn> {
        let drained = match self.drain(local).await {
            Err(error) if error.is_shortage() => {
                reached!("log: cannot be drained for now");
                self.wal.set_stuck(error);
                None
            }
            drained => Some(drained?),
        };
        let has_spare = self.keep_spare(local).await?;
        Ok(match (drained, has_spare) {
            (None, _) => Turn::Stuck,
            (Some(true), _) => Turn::Worked,
            (Some(false), true) => Turn::Idle,
            (Some(false), false) => Turn::Short,
        })
    }

    /// Drains what there is to drain; returns whether there was anything.
    async fn drain(&mut self, local: &Local) -> Result<bool> {
        let durable = self.wal.durable_lsn();
        let demanded = self.wal.marks.demanded() > durable;
        self.grow_stage(local).await;
        let goal = if demanded { self.wal.pad()? } else { self.wal.full_sectors() };
        if goal.end == durable || (!demanded && goal.end - durable < self.wal.piece_len()) {
            return Ok(false);
        }
        let mut position = durable;
        while position < goal.end {
            position = self.drain_piece(local, position, goal.end).await?;
            if position < goal.end {
                reached!("log: drained in more than one piece");
            }
        }
        let complete = if planted!(CompleteMarkAhead) { goal.end } else { goal.records_end };
        self.wal.drained_complete(complete)?;
        if !demanded {
            self.wal.prepare_ahead();
        }
        Ok(true)
    }

    /// Doubles the stage's ring if it is busy: half of it waits to be drained, or four times its size has gone
    /// through. If there is no room for that, it is tried again after as much has gone through once more.
    async fn grow_stage(&mut self, local: &Local) {
        let (stage, head) = (self.wal.stage(), self.wal.head_lsn());
        let waits = head - self.wal.durable_lsn() > stage.size() / 2;
        let used = head >= self.grown_at + 4 * stage.size();
        if !stage.can_grow() || head < self.grows_from || !(waits || used) {
            return;
        }
        match self.try_grow_stage(local).await {
            Ok(()) => {
                reached!("log: the stage grew");
                self.grown_at = head;
            }
            Err(error) => {
                reached!("log: no room for a larger stage");
                tracing::debug!(%error, "the stage does not grow");
                self.grows_from = head + 4 * stage.size();
            }
        }
    }

    async fn try_grow_stage(&self, local: &Local) -> Result<()> {
        let stage = self.wal.stage();
        self.spares.check_room(local, stage.size())?;
        stage.prepare_growth(local).await?;
        self.wal.grow_stage()
    }

    async fn drain_piece(&mut self, local: &Local, position: Lsn, target: Lsn) -> Result<Lsn> {
        let segment = self.segment_at(local, position).await?;
        let stage = &self.wal.stage;
        let limits =
            [target - position, self.wal.piece_len(), stage.until_wrap(position), segment.end() - position];
        let len = limits.into_iter().min().expect("there are four limits");
        let data = stage.lend(position, len as usize);
        local.write(&segment.file, segment.offset(position), data, true).await?;
        self.wal.groups.add(1);
        self.wal.bytes_written.add(len);
        self.wal.drained_to(position + len)?;
        Ok(position + len)
    }

    /// The segment that holds `position`, taking a new one into use at the end of the last.
    async fn segment_at(&mut self, local: &Local, position: Lsn) -> Result<Segment> {
        let last = self.segments.back().expect("there is always a segment in use");
        if last.holds(position) {
            return Ok(last.clone());
        }
        reached!("log: a segment was begun");
        assert_eq!(position, last.end(), "the stream has no gaps");
        let complete = self.wal.durable_records();
        let segment = self.spares.next();
        let log = (self.wal.generation, self.wal.stage().id());
        let segment = segment.begin(local, log, position, complete).await?;
        self.spares.used();
        self.segments.push_back(segment.clone());
        Ok(segment)
    }

    /// Recycles released segments and makes a spare if there is none; returns whether there is one.
    async fn keep_spare(&mut self, local: &Local) -> Result<bool> {
        let release = Lsn(self.wal.release.load(Ordering::Acquire));
        while self.segments.len() > 1 && self.segments[0].end() <= release {
            let released = self.segments.pop_front();
            self.spares.recycle(local, &self.wal, released).await;
        }
        self.spares.recycle(local, &self.wal, None).await;
        let in_use = self.segments.iter().map(Segment::file_len).sum();
        self.spares.keep(local, &self.wal, in_use).await
    }
}

/// Runs until the log fails or the core stops.
pub(crate) async fn write_log(local: Local, mut writer: Writer) {
    let wal = Arc::clone(&writer.wal);
    loop {
        let work = wal.marks.work.listen();
        match writer.turn(&local).await {
            Ok(Turn::Worked) => {}
            Ok(Turn::Idle) => work.await,
            Ok(Turn::Short) => either(work, local.sleep(RETRY_INTERVAL)).await,
            Ok(Turn::Stuck) => local.sleep(RETRY_INTERVAL).await,
            Err(error) => {
                reached!("log: failed for good");
                tracing::error!(%error, "the log failed: writes are refused from now on");
                wal.fail(error);
                return;
            }
        }
    }
}

/// Ends when one of the two does.
async fn either(one: impl Future<Output = ()>, other: impl Future<Output = ()>) {
    let (mut one, mut other) = (pin!(one), pin!(other));
    poll_fn(|context| {
        if one.as_mut().poll(context).is_ready() || other.as_mut().poll(context).is_ready() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
}
