//! Callers who drain: a `Power` write is brought to the device by the thread that waits for it, so that one client pays the
//! device's flush and no thread's wake-up.

use std::time::Duration;

use super::Wal;
use super::follow::Followed;
use super::turn::Left;
use crate::base::coverage::reached;
use crate::base::error::{Error, Result};
use crate::base::lsn::Lsn;
use crate::base::planted::planted;

/// How long a leader lets others come before it closes its group, at most: a third of what a device needs for it. (16 clients
/// on two cores: 61 k puts/s without, 77 k with; 64: 115 k and 138 k.)
const GATHER_MAX: Duration = Duration::from_micros(30);

/// The turn of a caller. A caller that ends in the middle of its write leaves nobody waiting for ever: whether the
/// device has the group is not known then, so the log fails.
struct Leading<'a> {
    wal: &'a Wal,
    is_left: bool,
}

impl Leading<'_> {
    fn leave(mut self, left: Left) {
        self.is_left = true;
        if left != Left::Open && planted!(LeadGivenUpUnseen) {
            return;
        }
        self.wal.marks.leave(left);
    }
}

impl Drop for Leading<'_> {
    fn drop(&mut self) {
        if self.is_left {
            return;
        }
        self.wal.fail(Error::Poisoned { cause: "a thread has ended while it wrote the log".into() });
        self.wal.marks.leave(Left::Broken);
    }
}

impl Wal {
    /// Waits until the stream is on the device up to `lsn`, or cannot be brought there for now. A caller that `may_lead`
    /// brings it there itself if nobody else is at it: then its thread waits for the device, in the middle of a poll.
    pub(crate) async fn wait_durable(&self, lsn: Lsn, may_lead: bool) -> Result<()> {
        let check_stuck = || if planted!(FullnessUnseen) { Ok(()) } else { self.check() };
        let check_process = || self.marks.process.check();
        let check = || check_process().and_then(|()| self.check_failed()).and_then(|()| check_stuck());
        while self.marks.follow(lsn, may_lead, check).await? == Followed::Leads {
            self.lead().await?;
        }
        Ok(())
    }

    /// Drains one group, with the turn.
    async fn lead(&self) -> Result<()> {
        let leading = Leading { wal: self, is_left: false };
        if let Err(error) = self.check_failed() {
            leading.leave(Left::Open);
            return Err(error);
        }
        match self.lead_group().await {
            Ok(true) => leading.leave(Left::Open),
            Ok(false) => {
                reached!("log: a caller leaves the next group to the writer task");
                leading.leave(Left::Reserved);
            }
            Err(error) if error.is_shortage() => {
                self.set_stuck(error);
                leading.leave(Left::Reserved);
            }
            Err(error) => {
                reached!("log: failed under a caller");
                self.fail(error);
                leading.leave(Left::Broken);
            }
        }
        Ok(())
    }

    /// Drains what there is, if that is one write to the segment in use; `false` if it is not.
    async fn lead_group(&self) -> Result<bool> {
        self.gather();
        let goal = self.pad()?;
        let position = self.durable_lsn();
        let segment = self.segment_in_use();
        let len = goal.end - position;
        let len_max = self.piece_len().min(self.stage.until_wrap(position));
        if len == 0 || len > len_max || !segment.holds(position) || goal.end > segment.end() {
            return Ok(false);
        }
        let (offset, data) = (segment.offset(position), self.stage.lend(position, len as usize));
        let written = self.stage.io().write_through(&segment.file, offset, data).await;
        written.map_err(|e| Error::io("write", segment.file.path(), Some(offset), e))?;
        reached!("log: a caller drained a group");
        self.groups.add(1);
        self.groups_led.add(1);
        self.bytes_written.add(len);
        self.drained_whole(goal)?;
        Ok(true)
    }

    /// Lets those come whom the last group has set free. Without this two halves of the callers wait for each other's
    /// groups in turn. Nobody sleeps: the core is left to threads that want to run, until none of them brings a record.
    fn gather(&self) {
        if !self.marks.is_shared() {
            return;
        }
        let io = self.stage.io();
        let (begin, mut quiet) = (io.now(), 0);
        while quiet < 2 && io.now().saturating_sub(begin) < GATHER_MAX {
            let head = self.marks.head();
            io.give_way();
            quiet = if self.marks.head() == head { quiet + 1 } else { 0 };
        }
    }

    /// Waits until no caller is at a write. No other begins once the log has failed, or is closed.
    pub(crate) async fn wait_for_leader(&self) {
        loop {
            let progress = self.progress().listen();
            if !self.marks.is_led_by_caller() {
                return;
            }
            reached!("close: waits for a caller's write");
            progress.await;
        }
    }
}
