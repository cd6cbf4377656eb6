//! Reading on the caller's thread: the loop around a [lookup](crate::tree::lookup), and the blocks that
//! lookups and scans need.

use std::io;

use super::Engine;
use super::at_hand::AtHand;
use crate::base::coverage::reached;
use crate::base::error::{Error, Result};
use crate::base::key::SeqNo;
use crate::base::key_range::KeyRange;
use crate::base::metrics::Counter;
use crate::base::sync::Arc;
use crate::base::sync::epoch;
use crate::base::value::Value;
use crate::cursor::{NeedsBlock, Passed};
use crate::exec::Event;
use crate::io::{Io, Process, ReadAt};
use crate::table::{Block, Bytes};
use crate::tree::Tree;
use crate::tree::lookup::{Fetched, Lookup, look_in_block, look_up};
use crate::tree::scan_credit::{ScanCredit, Scanned};
use crate::tree::scan_length::ScanLength;

impl Engine {
    /// The value of `key`, at a snapshot's seqno or now.
    pub(crate) fn get(&self, key: &[u8], at: Option<SeqNo>) -> Result<Option<Value>> {
        self.get_with(key, at, Value::copy_of)
    }

    /// Replaces what is in `buffer` by the value of `key`; whether there is one.
    pub(crate) fn get_into(&self, key: &[u8], at: Option<SeqNo>, buffer: &mut Vec<u8>) -> Result<bool> {
        let fill = |value: &[u8]| {
            buffer.clear();
            buffer.extend_from_slice(value);
        };
        Ok(self.get_with(key, at, fill)?.is_some())
    }

    /// Whether `key` has a value, at a snapshot's seqno or now.
    pub(crate) fn contains_key(&self, key: &[u8], at: Option<SeqNo>) -> Result<bool> {
        Ok(self.get_with(key, at, |_| ())?.is_some())
    }

    /// About how many bytes the keys of a range take, from what is in memory.
    pub(crate) fn approximate_size(&self, range: &KeyRange) -> Result<u64> {
        self.check_open()?;
        Ok(self.trees.default_tree().approximate_size(range))
    }

    /// What `take` makes of the value of `key`. Nobody sleeps with the epoch pinned: the guard is dropped
    /// before a block is read.
    pub(crate) fn get_with<R>(
        &self,
        key: &[u8],
        at: Option<SeqNo>,
        take: impl FnOnce(&[u8]) -> R,
    ) -> Result<Option<R>> {
        self.check_open()?;
        let mut take = Some(take);
        let mut take = |value: &[u8]| take.take().expect("a lookup ends with the value it finds")(value);
        let mut fetched = Fetched::default();
        loop {
            let guard = epoch::pin();
            let (view, newest) = self.visible.moment(&self.trees.default_tree().published, &guard);
            let reader = at.unwrap_or(newest);
            match look_up(view, key, reader, &fetched, &guard, &mut take) {
                Lookup::Found(found) => return Ok(found),
                Lookup::NeedsBlock(needed) => {
                    drop(guard);
                    let block = self.blocks.read(&needed)?;
                    if let Some(found) = look_in_block((&needed, &block), key, reader, &mut take) {
                        return Ok(found);
                    }
                    reached!("read: began again with a block in hand");
                    fetched.add(&needed, block);
                }
            }
        }
    }
}

/// Entries that iterators passed without showing them.
#[derive(Default)]
pub(crate) struct Skipped {
    /// Deletes included.
    pub(crate) entries: Counter,
    pub(crate) tombstones: Counter,
}

impl Skipped {
    /// Counts what a scan has passed, at its end.
    fn add(&self, passed: Passed) {
        if passed.skipped() > 0 {
            self.entries.add(passed.skipped());
            self.tombstones.add(passed.deletes);
        }
    }
}

/// Reads blocks on the calling thread, and hears of scans that have ended.
pub(crate) struct BlockReader {
    io: Arc<dyn Io>,
    pub(crate) skipped: Skipped,
    scan_credit: Arc<ScanCredit>,
    scan_length: Arc<ScanLength>,
    /// Told when scans have earned work.
    work: Arc<Event>,
    process: Process,
}

impl BlockReader {
    pub(super) fn new(io: Arc<dyn Io>, tree: &Tree, work: &Arc<Event>) -> Self {
        let (scan_credit, scan_length) = (Arc::clone(&tree.scan_credit), Arc::clone(&tree.scan_length));
        let (skipped, process, work) = (Skipped::default(), Process::current(), Arc::clone(work));
        Self { io, skipped, scan_credit, scan_length, work, process }
    }

    /// A scan has ended, after having passed this, and having read so.
    pub(super) fn end_scan(&self, passed: Passed, read: &AtHand) {
        self.skipped.add(passed);
        if read.has_read() {
            self.scan_length.note(passed.entries());
        }
        // A child must not take the lock of the event: another thread may have held it at the fork.
        let scan = Scanned { entries: passed.entries(), reads_elsewhere: read.reads_elsewhere() };
        if self.scan_credit.earn(scan) && self.process.is_current() {
            self.work.notify();
        }
    }

    /// Reads and verifies a block that the cache does not have, and offers it to the cache. What is wrong with blocks that
    /// are read with it is no error.
    pub(crate) fn read(&self, needed: &NeedsBlock) -> Result<Arc<Block>> {
        announce(&*self.io, needed);
        let mut bytes = needed.room();
        let read = self.io.read_at(needed.table.file(), needed.location().0, bytes.as_mut());
        let block = take_in(needed, cut(bytes, read));
        match needed.without_others() {
            Some(alone) if block.is_err() => self.read(&alone),
            _ => block,
        }
    }

    /// The same for several blocks, whose reads are in flight together.
    pub(crate) fn read_many(&self, needed: &[NeedsBlock]) -> Vec<Result<Arc<Block>>> {
        let mut buffers: Vec<Bytes> = needed.iter().map(NeedsBlock::room).collect();
        let each = needed.iter().zip(&mut buffers);
        let mut reads: Vec<ReadAt<'_>> = each
            .map(|(needed, buffer)| ReadAt {
                file: needed.table.file(),
                offset: needed.location().0,
                buffer: buffer.as_mut(),
                result: Ok(0),
            })
            .collect();
        self.io.read_many(&mut reads);
        let results: Vec<_> = reads.into_iter().map(|read| read.result).collect();
        let each = needed.iter().zip(buffers).zip(results);
        each.map(|((needed, bytes), read)| take_in(needed, cut(bytes, read))).collect()
    }
}

/// Has the kernel begin with what will be read next.
pub(super) fn announce(io: &dyn Io, needed: &NeedsBlock) {
    if let Some((offset, len)) = needed.soon() {
        io.will_need(needed.table.file(), offset, len);
    }
}

/// The bytes of a buffer that were read into it.
fn cut(mut bytes: Bytes, read: io::Result<usize>) -> io::Result<Bytes> {
    bytes.truncate(read?);
    Ok(bytes)
}

/// Makes a block of what was read, and offers it to the cache.
pub(super) fn take_in(needed: &NeedsBlock, read: io::Result<Bytes>) -> Result<Arc<Block>> {
    let table = &needed.table;
    let bytes = read.map_err(|e| Error::io("read", table.file().path(), Some(needed.location().0), e))?;
    let block = needed.make(bytes)?;
    table.admit(needed.block_no, Arc::clone(&block));
    Ok(block)
}
