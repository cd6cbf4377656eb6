//! The task that drains the stage to the segments. One per database, on one core.
//!
//! One durable write is in flight at a time, of whatever has gathered meanwhile: the device holds a
//! prefix of the stream at every moment, and group commit clocks itself. A spare segment is kept
//! ready, so that what was staged always finds room; without one, new writes are refused until
//! there is room again.

use std::collections::VecDeque;
use std::time::Duration;

use super::Wal;
use super::segment::{Blank, Segment};
use crate::base::coverage::reached;
use crate::base::error::{Error, Result};
use crate::base::planted::planted;
use crate::base::sync::Arc;
use crate::base::sync::atomic::Ordering;
use crate::exec::Local;
use crate::files::Directory;

/// Released segments kept for reuse; more than these are removed.
pub(crate) const BLANKS_MAX: usize = 4;

/// How often a full device is asked again.
const RETRY_INTERVAL: Duration = Duration::from_millis(100);

/// What the writer task owns.
pub(crate) struct Writer {
    /// The log.
    wal: Arc<Wal>,
    directory: Directory,
    segment_len: u64,
    /// Segments in use, oldest first; the stream's end is in the last.
    segments: VecDeque<Segment>,
    blanks: Vec<Blank>,
}

impl Writer {
    /// A writer whose stream goes on at the start of `first`.
    pub(crate) fn new(
        wal: Arc<Wal>,
        directory: Directory,
        segment_len: u64,
        first: Segment,
        blanks: Vec<Blank>,
    ) -> Self {
        Self { wal, directory, segment_len, segments: VecDeque::from([first]), blanks }
    }

    /// Drains what there is to drain; returns whether there was anything.
    async fn drain(&mut self, local: &Local) -> Result<bool> {
        let durable = self.wal.durable_lsn();
        let demanded = self.wal.marks.demanded() > durable;
        let goal = if demanded { self.wal.pad() } else { self.wal.full_sectors() };
        if goal.end == durable || (!demanded && goal.end - durable < self.wal.piece_len) {
            return Ok(false);
        }
        let mut position = durable;
        while position < goal.end {
            position = self.drain_piece(local, position, goal.end).await?;
            if position < goal.end {
                reached!("log: drained in more than one piece");
            }
        }
        let whole = if planted!(WholeMarkAhead) { goal.end } else { goal.records_end };
        self.wal.drained_whole(whole);
        Ok(true)
    }

    async fn drain_piece(&mut self, local: &Local, position: u64, target: u64) -> Result<u64> {
        let segment = self.segment_at(local, position).await?;
        let stage = &self.wal.stage;
        let limits =
            [target - position, self.wal.piece_len, stage.until_wrap(position), segment.end() - position];
        let len = limits.into_iter().min().expect("there are four limits");
        let data = stage.lend(position, len as usize);
        local.write(&segment.file, segment.offset(position), data, true).await?;
        self.wal.groups.add(1);
        self.wal.bytes_written.add(len);
        self.wal.drained_to(position + len);
        Ok(position + len)
    }

    /// The segment that holds `position`, taking a new one into use at the end of the last.
    async fn segment_at(&mut self, local: &Local, position: u64) -> Result<Segment> {
        let last = self.segments.back().expect("there is always a segment in use");
        if last.holds(position) {
            return Ok(last.clone());
        }
        reached!("log: a segment was begun");
        assert_eq!(position, last.end(), "the stream has no gaps");
        while self.blanks.is_empty() {
            if !self.keep_spare(local).await? {
                reached!("log: waits for a spare segment");
                local.sleep(RETRY_INTERVAL).await;
            }
        }
        let blank = self.blanks.pop().expect("there is a spare");
        let whole = self.wal.durable_records.load(Ordering::Acquire);
        let segment = blank.begin(local, self.wal.generation, position, whole).await?;
        self.segments.push_back(segment.clone());
        Ok(segment)
    }

    /// Recycles released segments and sees to it that there is a spare; returns whether there is.
    async fn keep_spare(&mut self, local: &Local) -> Result<bool> {
        let release = self.wal.release.load(Ordering::Acquire);
        while self.segments.len() > 1 && self.segments[0].end() <= release {
            let segment = self.segments.pop_front().expect("there are two");
            self.wal.segments.add(1);
            reached!("log: a segment was recycled");
            self.blanks.push(Blank::recycled(segment));
        }
        while self.blanks.len() > BLANKS_MAX {
            let kind = self.blanks.swap_remove(0).kind();
            reached!("log: a spare too many was removed");
            self.directory.remove(local, kind).await?;
        }
        if self.blanks.is_empty() {
            match self.create_blank(local).await {
                Ok(blank) => self.blanks.push(blank),
                Err(error @ Error::DiskFull { .. }) => {
                    if !self.wal.full.load(Ordering::Relaxed) {
                        tracing::warn!(%error, "writes are refused until there is room");
                    }
                    reached!("log: the device is full");
                    self.wal.set_full(Some(error));
                    return Ok(false);
                }
                Err(error) => return Err(error),
            }
        }
        if self.wal.full.load(Ordering::Relaxed) {
            tracing::info!("there is room again: writes resume");
            reached!("log: there is room again");
            if !planted!(FullForever) {
                self.wal.set_full(None);
            }
        }
        Ok(true)
    }

    async fn create_blank(&self, local: &Local) -> Result<Blank> {
        let blank = Blank::create(local, &self.directory, self.segment_len).await?;
        if !planted!(SegmentNameNotSynced) {
            self.directory.sync(local).await?;
        }
        self.wal.segments.add(1);
        Ok(blank)
    }
}

/// Runs until the log fails or the core stops.
pub(crate) async fn write_log(local: Local, mut writer: Writer) {
    let wal = Arc::clone(&writer.wal);
    loop {
        let work = wal.marks.work.listen();
        let step = async {
            let drained = writer.drain(&local).await?;
            let spare = writer.keep_spare(&local).await?;
            Ok((drained, spare))
        };
        match step.await {
            Ok((true, _)) => {}
            Ok((false, true)) => work.await,
            Ok((false, false)) => local.sleep(RETRY_INTERVAL).await,
            Err(error) => {
                reached!("log: failed for good");
                tracing::error!(%error, "the log failed: writes are refused from now on");
                wal.fail(error);
                return;
            }
        }
    }
}
