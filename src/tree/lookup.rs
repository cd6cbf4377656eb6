//! A lookup: L0, L1 newest first, the records of what files have, L2 newest first, the one partition of L3, its runs newest
//! first.
//!
//! Runs under an epoch guard, without a lock or a count, and does no I/O. A lookup that needs a block
//! which is not in memory ends with [`Lookup::NeedsBlock`]. Whoever drives it drops the guard, reads the
//! block, and [looks into it](look_in_block): nobody waits with the epoch pinned, and a blocking caller and
//! one that awaits the block run the same code.
//!
//! A version found in that block, at the seqno of the lookup that asked for it, is the answer, whatever has
//! been written, flushed or compacted since: the sources before the block had none, they and the file were
//! parts of one view that held all versions which a reader at that seqno sees, and neither the file nor
//! what was visible at that seqno changes. That moment lies within the call. Only if the block has no such
//! version must the lookup begin again, with the block in hand: the older sources are out of reach without
//! the guard.
//!
//! The first source that has a version which the reader sees decides: older ones lie in older sources.
//! With range tombstones, a lookup would take along the newest one that covers the key in the
//! sources it has passed, and tell [`is_value`] its seqno.

use super::view::{Files, View};
use crate::base::coverage::reached;
use crate::base::ids::FileId;
use crate::base::key::{SeqNo, Tag, key_hash};
use crate::base::planted::planted;
use crate::base::sync::Arc;
use crate::base::sync::epoch::Guard;
use crate::base::visibility::is_value;
use crate::cursor::NeedsBlock;
use crate::table::{Block, Table};

/// How many filters are fetched together: as many as a core has lines on their way at once, about.
const TABLES_AT_ONCE: usize = 16;

/// What a lookup comes to.
pub(crate) enum Lookup<R> {
    /// What was taken of the value; none, if the key has none.
    Found(Option<R>),
    /// This block must be read first.
    NeedsBlock(NeedsBlock),
}

/// Blocks read during one lookup, by file and number. Kept until its end, whether the cache takes them
/// or not.
#[derive(Default)]
pub(crate) struct Fetched(Vec<(FileId, usize, Arc<Block>)>);

impl Fetched {
    /// Adds a block that the lookup has asked for.
    pub(crate) fn add(&mut self, needed: &NeedsBlock, block: Arc<Block>) {
        self.0.push((needed.table.id(), needed.block_no, block));
    }

    fn get(&self, table: &Table, block_no: usize) -> Option<&Block> {
        let found = self.0.iter().find(|(id, number, _)| *id == table.id() && *number == block_no);
        found.map(|(_, _, block)| &**block)
    }
}

/// What `take` makes of the value that `key` has for a reader at `reader`. It is called once, if there is a value.
pub(crate) fn look_up<R>(
    view: &View,
    key: &[u8],
    reader: SeqNo,
    fetched: &Fetched,
    guard: &Guard,
    take: &mut impl FnMut(&[u8]) -> R,
) -> Lookup<R> {
    let mut found = |tag: Tag, value: &[u8]| is_value(tag).then(|| take(value));
    let hash = key_hash(key);
    view.frozen.iter().for_each(|memtable| memtable.prefetch(hash));
    if let Some(found) = view.memtable.get(key, hash, reader, &mut found) {
        return Lookup::Found(found);
    }
    let line = view.records.line(hash);
    for memtable in &view.frozen {
        if let Some(found) = memtable.get(key, hash, reader, &mut found) {
            reached!("read: found in L1");
            return Lookup::Found(found);
        }
    }
    if let Some(line) = line
        && let Some(record) = view.records.find(line, (key, hash), reader, guard)
    {
        reached!("read: found as a record");
        return Lookup::Found(Some(take(record.value())));
    }
    let mut tables = tables_for(&view.files, key);
    loop {
        // All filters' lines are on their way before the first is looked at.
        let (mut batch, mut count) = ([None; TABLES_AT_ONCE], 0);
        for (place, table) in batch.iter_mut().zip(&mut tables) {
            table.prefetch_filter(hash);
            *place = Some(table);
            count += 1;
        }
        for table in batch[..count].iter().flatten() {
            if !table.may_contain(hash) {
                reached!("read: a filter spared a block");
                continue;
            }
            let sought = Sought { view, key, hash, reader };
            if let Some(ended) = look_in(table, &sought, fetched, guard, take) {
                return ended;
            }
        }
        if count < TABLES_AT_ONCE {
            return Lookup::Found(None);
        }
    }
}

/// What is looked for, and where.
#[derive(Clone, Copy)]
pub(super) struct Sought<'a> {
    pub(super) view: &'a View,
    pub(super) key: &'a [u8],
    pub(super) hash: u64,
    pub(super) reader: SeqNo,
}

/// Looks into the block of a table that may hold the key; nothing if it does not. A function of its own, so that a
/// lookup that filters spare all blocks does not pay for the registers that decoding takes.
#[inline(never)]
fn look_in<R>(
    table: &Arc<Table>,
    sought: &Sought<'_>,
    fetched: &Fetched,
    guard: &Guard,
    take: &mut impl FnMut(&[u8]) -> R,
) -> Option<Lookup<R>> {
    let Sought { view, key, reader, .. } = *sought;
    let part = |number| fetched.get(table, number).or_else(|| table.cached_block(number, guard));
    let block_no = match table.find_block(key, part) {
        Ok(found) => found?,
        Err(part) => return Some(Lookup::NeedsBlock(NeedsBlock::alone(table, part))),
    };
    if let Some(block) = fetched.get(table, block_no) {
        return take_from_block(block, key, reader, take).map(Lookup::Found);
    }
    let Some(block) = table.cached_block(block_no, guard) else {
        return Some(Lookup::NeedsBlock(NeedsBlock::alone(table, block_no)));
    };
    let found = find_in_block(block, key, reader)?;
    if let Some(found) = found
        && view.records.is_turn(key.len() + found.1.len())
    {
        sought.make_record(found);
    }
    Some(Lookup::Found(found.map(|(_, value)| take(value))))
}

impl Sought<'_> {
    /// This was found in a cached block: the next who looks for it finds it as a record.
    #[cold]
    pub(super) fn make_record(&self, found: (Tag, &[u8])) {
        if self.view.files.seqno_max() <= self.reader {
            self.view.records.add(self.key, self.hash, found);
        }
    }
}

/// The newest version of `key` in a block that `reader` sees, its tag and its value: `Some(None)` if that is a delete,
/// nothing if there is none.
#[inline]
pub(super) fn find_in_block<'a>(
    block: &'a Block,
    key: &[u8],
    reader: SeqNo,
) -> Option<Option<(Tag, &'a [u8])>> {
    let (tag, range) = block.get(key, reader)?;
    Some(is_value(tag).then(|| (tag, block.slice(range))))
}

/// As [`take_from_block`], for a block that was needed. Nothing if it is a part of an index.
#[inline]
pub(crate) fn look_in_block<R>(
    (needed, block): (&NeedsBlock, &Block),
    key: &[u8],
    reader: SeqNo,
    take: &mut impl FnMut(&[u8]) -> R,
) -> Option<Option<R>> {
    if needed.is_index_part() { None } else { take_from_block(block, key, reader, take) }
}

/// What `take` makes of the value of the newest version of `key` in a block that `reader` sees: `Some(None)` if that is a
/// delete, nothing if there is none.
#[inline]
fn take_from_block<R>(
    block: &Block,
    key: &[u8],
    reader: SeqNo,
    take: &mut impl FnMut(&[u8]) -> R,
) -> Option<Option<R>> {
    let found = find_in_block(block, key, reader)?;
    Some(found.map(|(_, value)| take(value)))
}

/// The files that may hold `key`, newest first.
pub(super) fn tables_for<'a>(files: &'a Files, key: &[u8]) -> impl Iterator<Item = &'a Arc<Table>> {
    let flushed = files.flushed.iter().filter(move |file| {
        file.table.min_key() <= key
            && key <= file.table.max_key()
            && (file.consumed.find(key).is_none() || planted!(ConsumedIgnored))
    });
    let home = files.partitions[files.partition_of(key)].runs.iter();
    flushed.map(|file| &file.table).chain(home.map(|run| &run.table))
}
