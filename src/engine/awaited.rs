//! Calls that are awaited instead of blocking: lookups and writes.
//!
//! They do what the blocking ones do. Where those would make the thread wait, these register a waker: for a block that a
//! core reads, for a memtable, the stage or the device, for a timer in place of a sleep. Any of them may be dropped at any
//! time. A lookup then leaves nothing behind. A write takes its place in the order within one poll: before that it has not
//! happened, from then on it has. Only a batch that enters the log in pieces is handed to a core first, which ends it
//! whether or not somebody still waits.

use super::Engine;
use super::arriving::read_block;
use super::caller::{Caller, take_turn};
use super::write::{Attempt, Way};
use crate::base::coverage::reached;
use crate::base::error::Result;
use crate::base::key::SeqNo;
use crate::base::lsn::Lsn;
use crate::base::options::{Durability, WriteOptions};
use crate::base::planted::planted;
use crate::base::sync::epoch;
use crate::cursor::NeedsBlock;
use crate::tree::lookup::{Fetched, Lookup, look_in_block, look_up};
use crate::wal::BatchBuffer;

/// The place of a batch in the order of writes, and in the log.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Placed {
    /// Of its last entry.
    pub(crate) seqno: SeqNo,
    /// Where its record ends.
    pub(crate) end: Lsn,
}

/// A block that a lookup needs, and the seqno it reads at.
struct Missing {
    needed: NeedsBlock,
    reader: SeqNo,
}

/// What `take` makes of the value of `key`, at a snapshot's seqno or now. In memory it ends with its first poll, unless
/// the caller has used up its turn.
pub(crate) async fn get_awaited<C: Caller, R>(
    caller: &C,
    key: &[u8],
    at: Option<SeqNo>,
    mut take: impl FnMut(&[u8]) -> R,
) -> Result<Option<R>> {
    take_turn(caller, 1).await?;
    let mut fetched = Fetched::default();
    loop {
        caller.check_open()?;
        let missing = match caller.engine().look(key, at, &fetched, &mut take) {
            Ok(found) => return Ok(found),
            Err(missing) => missing,
        };
        let block = read_block(caller, &missing.needed).await?;
        if let Some(found) = look_in_block((&missing.needed, &block), key, missing.reader, &mut take) {
            return Ok(found);
        }
        fetched.add(&missing.needed, block);
    }
}

impl Engine {
    /// One look, under a guard that ends with it.
    fn look<R>(
        &self,
        key: &[u8],
        at: Option<SeqNo>,
        fetched: &Fetched,
        take: &mut impl FnMut(&[u8]) -> R,
    ) -> std::result::Result<Option<R>, Missing> {
        let guard = epoch::pin();
        let (view, newest) = self.visible.moment(&self.trees.default_tree().published, &guard);
        let reader = at.unwrap_or(newest);
        match look_up(view, key, reader, fetched, &guard, take) {
            Lookup::Found(found) => Ok(found),
            Lookup::NeedsBlock(needed) => Err(Missing { needed, reader }),
        }
    }

    /// Waits until a batch that has its place is on the device.
    pub(crate) async fn wait_durable(&self, placed: Placed) -> Result<()> {
        self.check_open()?;
        self.wal.wait_durable(placed.end, false).await
    }

    /// Whether a batch that has its place is on the device.
    pub(crate) fn is_durable(&self, placed: Placed) -> bool {
        self.wal.durable_lsn() >= placed.end
    }
}

/// Applies a batch atomically.
pub(crate) async fn write_awaited<C: Caller>(
    caller: &C,
    batch: &mut BatchBuffer,
    options: WriteOptions,
) -> Result<()> {
    caller.check_open()?;
    let engine = caller.engine();
    let is_power = match options.durability.unwrap_or(engine.options.durability) {
        Durability::Process => false,
        Durability::Power => !planted!(AcknowledgedEarly),
    };
    if batch.count() == 0 {
        return if is_power { engine.wal.sync(false).await } else { Ok(()) };
    }
    let placed = place(caller, batch).await?;
    if is_power { engine.wal.wait_durable(placed.end, false).await } else { Ok(()) }
}

/// Applies a batch atomically; its durability is asked for later. An empty one gets the place of the newest write.
pub(crate) async fn submit<C: Caller>(caller: &C, batch: &mut BatchBuffer) -> Result<Placed> {
    caller.check_open()?;
    let engine = caller.engine();
    if batch.count() == 0 {
        let log = engine.wal.lock();
        return Ok(Placed { seqno: log.seqno, end: log.head });
    }
    place(caller, batch).await
}

/// Gives a batch with entries its place. It is visible then.
async fn place<C: Caller>(caller: &C, batch: &mut BatchBuffer) -> Result<Placed> {
    take_turn(caller, 1).await?;
    let engine = caller.engine();
    batch.prepare();
    if engine.is_throttled() {
        engine.pay_throttle(batch.record_len() as u64, Way::Awaited).await?;
    }
    if !engine.wal.is_large(batch) {
        let end = match engine.try_insert(batch)? {
            Attempt::Done(end) => end,
            _ => engine.insert(batch).await?,
        };
        return Ok(Placed { seqno: batch.last_seqno(), end });
    }
    if planted!(LargeBatchInCaller) {
        let end = engine.insert_large(batch).await?;
        return Ok(Placed { seqno: batch.last_seqno(), end });
    }
    reached!("write: a core enters a large batch");
    // The handle keeps the database open until the batch is in.
    let (handle, mut batch) = (caller.keep_open()?, std::mem::take(batch));
    engine
        .cores
        .run(0, move |_| async move {
            let end = handle.0.insert_large(&mut batch).await?;
            Ok(Placed { seqno: batch.last_seqno(), end })
        })
        .await?
}
