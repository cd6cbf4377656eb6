//! The read path: L0, L1 newest first, L2 newest first, the one partition of L3.
//!
//! Runs on the caller's thread under an epoch guard, without a lock or a count. A lookup that needs
//! a block which is not in the cache ends, the guard is dropped, the block is read, and the lookup
//! begins again with the block in hand: nobody sleeps with the epoch pinned, and the same lookup
//! will serve callers that await the read instead.

use super::Engine;
use crate::base::coverage::reached;
use crate::base::error::{Error, Result};
use crate::base::key::{Kind, SeqNo, Tag};
use crate::base::metrics::Counter;
use crate::base::planted::planted;
use crate::base::sync::Arc;
use crate::base::sync::epoch::{self, Guard};
use crate::base::value::Value;
use crate::cursor::Fetch;
use crate::io::Io;
use crate::table::{Block, Table, key_hash};
use crate::tree::view::{Files, View};

/// What a lookup comes to.
enum Step<R> {
    /// What was taken of the newest visible version, unless it is a deletion.
    Done(Option<R>),
    /// This block must be read first.
    Read(Arc<Table>, usize),
}

/// Blocks read during one lookup. Kept until its end, whether the cache takes them or not.
type Fetched = Vec<(u64, usize, Arc<Block>)>;

impl Engine {
    /// The value of `key`, at a snapshot's seqno or now.
    pub(crate) fn get(&self, key: &[u8], at: Option<SeqNo>) -> Result<Option<Value>> {
        self.look_up(key, at, Value::copy_of)
    }

    /// Whether `key` has a value, at a snapshot's seqno or now.
    pub(crate) fn contains_key(&self, key: &[u8], at: Option<SeqNo>) -> Result<bool> {
        Ok(self.look_up(key, at, |_| ())?.is_some())
    }

    /// What `take` makes of the value of `key`.
    fn look_up<R>(&self, key: &[u8], at: Option<SeqNo>, take: impl Fn(&[u8]) -> R) -> Result<Option<R>> {
        self.check_open()?;
        let mut fetched = Fetched::new();
        loop {
            let guard = epoch::pin();
            let (view, newest) = self.visible.moment(&self.published, &guard);
            let seqno = at.unwrap_or(newest);
            match lookup(view, key, seqno, &fetched, &guard, &take) {
                Step::Done(found) => return Ok(found),
                Step::Read(table, number) => {
                    drop(guard);
                    let block = self.blocks.read(&table, number)?;
                    reached!("read: went on with a block in hand");
                    fetched.push((table.id(), number, block));
                }
            }
        }
    }
}

fn lookup<R>(
    view: &View,
    key: &[u8],
    seqno: SeqNo,
    fetched: &Fetched,
    guard: &Guard,
    take: &impl Fn(&[u8]) -> R,
) -> Step<R> {
    let found = |tag: Tag, value: &[u8]| (tag.kind() == Kind::Put).then(|| take(value));
    if let Some(found) = view.memtable.get(key, seqno, found) {
        return Step::Done(found);
    }
    for memtable in view.frozen.iter().filter(|memtable| memtable.may_hold(key)) {
        if let Some(found) = memtable.get(key, seqno, found) {
            reached!("read: found in L1");
            return Step::Done(found);
        }
    }
    let hash = key_hash(key);
    for table in tables_for(&view.files, key, hash) {
        if !table.may_contain(hash) {
            reached!("read: a filter spared a block");
            continue;
        }
        if let Some(step) = look_in(table, key, seqno, fetched, guard, take) {
            return step;
        }
    }
    Step::Done(None)
}

/// Looks into the block of a table that may hold `key`; nothing if it does not. A function of its own, so that a
/// lookup that filters spare all blocks does not pay for the registers that decoding takes.
#[inline(never)]
fn look_in<R>(
    table: &Arc<Table>,
    key: &[u8],
    seqno: SeqNo,
    fetched: &Fetched,
    guard: &Guard,
    take: &impl Fn(&[u8]) -> R,
) -> Option<Step<R>> {
    let number = table.find_block(key)?;
    let held = fetched.iter().find(|(id, block, _)| *id == table.id() && *block == number);
    let block = match held {
        Some((_, _, block)) => block,
        None => match table.cached_block(number, guard) {
            Some(block) => block,
            None => return Some(Step::Read(Arc::clone(table), number)),
        },
    };
    let (tag, range) = block.get(key, seqno)?;
    reached!("read: found in a file");
    let value = block.slice(range);
    Some(Step::Done((tag.kind() == Kind::Put).then(|| take(value))))
}

/// The files that may hold `key`, newest first. Their filters' lines are all on their way when the
/// first is looked at.
fn tables_for<'a>(files: &'a Files, key: &[u8], hash: u64) -> impl Iterator<Item = &'a Arc<Table>> {
    let flushed = files.flushed.iter().filter(move |file| {
        file.table.min_key() <= key
            && key <= file.table.max_key()
            && (file.consumed.find(key).is_none() || planted!(ConsumedIgnored))
    });
    let home = files.partitions[files.partition_of(key)].table.iter();
    let tables = flushed.map(|file| &file.table).chain(home);
    tables.inspect(move |table| table.prefetch_filter(hash))
}

/// Entries that iterators passed without showing them.
#[derive(Default)]
pub(crate) struct Skipped {
    /// Deletes included.
    pub(crate) entries: Counter,
    pub(crate) tombstones: Counter,
}

/// Reads blocks on the calling thread, through the cache.
pub(crate) struct BlockReader {
    io: Arc<dyn Io>,
    pub(crate) skipped: Skipped,
}

impl BlockReader {
    pub(crate) fn new(io: Arc<dyn Io>) -> Self {
        Self { io, skipped: Skipped::default() }
    }

    /// Reads and verifies a block, and offers it to the cache.
    fn read(&self, table: &Table, number: usize) -> Result<Arc<Block>> {
        let (offset, len) = table.block_location(number);
        let mut bytes = vec![0; len];
        let path = table.file().path();
        let read = self.io.read_at(table.file(), offset, &mut bytes);
        let read = read.map_err(|e| Error::io("read", path, Some(offset), e))?;
        if read < len {
            let (expected, found) = (offset + len as u64, offset + read as u64);
            return Err(Error::corruption(path, found, "length of the file", expected, found));
        }
        let block = Arc::new(table.parse_block(number, bytes)?);
        table.admit(number, Arc::clone(&block));
        Ok(block)
    }
}

impl Fetch for BlockReader {
    fn block(&self, table: &Table, number: usize) -> Result<Arc<Block>> {
        match table.cached_block_shared(number) {
            Some(block) => Ok(block),
            None => self.read(table, number),
        }
    }

    fn skipped(&self, entries: u64, tombstones: u64) {
        self.skipped.entries.add(entries);
        self.skipped.tombstones.add(tombstones);
    }
}
