//! How far a cursor over a table reads ahead.
//!
//! It begins with what a walk is likely to need; one that goes beyond has more blocks read each time, so that it makes
//! fewer requests and waits less often. With every seek it begins anew. What is read is the cursor's until it comes
//! there: the cache is offered the blocks that are used, and need not take any.
//! A long walk has the kernel read on meanwhile.

use std::ops::Range;

use super::NeedsBlock;
use crate::base::direction::Direction;
use crate::base::planted::planted;
use crate::base::sync::{Arc, Mutex, lock};
use crate::table::{Block, Stretch, Table};

/// So many bytes are read at once, unless a block is larger. A full scan of 1.5 GB that was not in the page cache took
/// 5.3 s with 32 KiB, 3.5 s with 64 and 3.3 s with 128.
const READ_BYTES_MAX: usize = 64 << 10;

/// Of a walk that goes beyond what was expected half as many blocks more are read, at least these, and then twice as many
/// each time; if nothing was expected 1, 3, 6, 12, so that at most twice what is used is read. Ten thousand cold scans of
/// 10 entries of 1 KB took 1.4 s with 2, 1.0 s with 4.
const BLOCKS_BEHIND_FIRST: usize = 3;

/// Once a window has more blocks than this, the kernel is told of those that are not read at once.
const BLOCKS_TO_READ: usize = 24;

/// The largest window. The same scan took 2.1 s once the kernel was told of what follows; by two threads, 1.8 s with 256
/// KiB and 1.4 s with 512 KiB or 1 MiB.
const WINDOW_BYTES_MAX: usize = 512 << 10;
const WINDOW_BLOCKS_MAX: usize = 128;

/// How many entries a walk is likely to pass, and what for.
#[derive(Clone, Copy, Default)]
pub(crate) struct Expected {
    /// Of all sources together; none if nothing is known.
    pub(crate) entries: u64,
    /// Of so many that they have where the table has its own.
    pub(crate) among: u64,
    /// Whether it looks at their values.
    pub(crate) values: bool,
}

impl Expected {
    /// How many blocks of the table that comes to: it has as many of the entries passed as of all.
    fn blocks(self, table: &Table) -> usize {
        let passed = self.entries.saturating_mul(table.block_count() as u64) / self.among.max(1);
        1 + usize::try_from(passed).unwrap_or(WINDOW_BLOCKS_MAX).min(WINDOW_BLOCKS_MAX - 1)
    }
}

/// How far a cursor reads ahead, and what was read.
#[derive(Default)]
pub(super) struct Window {
    /// How many blocks the last one was to have.
    blocks: usize,
    /// Whether that was the first.
    is_first: bool,
    /// The last block that the kernel was told of.
    told: Option<usize>,
    /// What the last read has left. Made with the first that has several blocks.
    read: Option<Arc<Mutex<Option<Stretch>>>>,
}

impl Window {
    /// Begins anew.
    pub(super) fn restart(&mut self) {
        *self = Self::default();
    }

    /// The block, if it was read ahead and is what was written there; it is offered to the cache.
    pub(super) fn take(
        &mut self,
        table: &Table,
        block_no: usize,
        direction: Direction,
    ) -> Option<Arc<Block>> {
        let mut read = lock(self.read.as_ref()?);
        let stretch = read.as_ref().filter(|stretch| stretch.blocks().contains(&block_no))?;
        let next = direction.next_of(block_no, table.block_count());
        let next = next.filter(|next| stretch.blocks().contains(next));
        // It is read again if something is wrong with it, and then whoever reads says what.
        let block = stretch.block(table, block_no).ok();
        if next.is_none() || block.is_none() {
            *read = None;
        }
        // The cache trusts whoever fills a slot.
        let slot_no = next.filter(|_| planted!(ReadAheadMisplaced)).unwrap_or(block_no);
        table.admit(slot_no, Arc::clone(block.as_ref()?));
        block
    }

    /// Asks for a block that is not there, to which a walk in `direction` has come, and for those behind it that are
    /// not cached either.
    pub(super) fn ask(
        &mut self,
        table: &Arc<Table>,
        block_no: usize,
        (direction, expected): (Direction, Expected),
    ) -> NeedsBlock {
        let was_first = std::mem::replace(&mut self.is_first, self.blocks == 0);
        self.blocks = match self.blocks {
            0 => expected.blocks(table),
            first if was_first => BLOCKS_BEHIND_FIRST.max(first / 2),
            blocks => (2 * blocks).min(WINDOW_BLOCKS_MAX),
        };
        let last = reach(table, block_no, direction, (self.blocks, READ_BYTES_MAX));
        let needed = NeedsBlock::alone(table, block_no);
        let needed = match self.soon(table, (block_no, last), direction) {
            Some(soon) => needed.and_soon(soon),
            None => needed,
        };
        if last == block_no {
            return needed;
        }
        needed.with(between(block_no, last), self.read.get_or_insert_default())
    }

    /// What the kernel is to be told of when blocks up to `last` are read.
    fn soon(
        &mut self,
        table: &Table,
        (block_no, last): (usize, usize),
        direction: Direction,
    ) -> Option<Range<usize>> {
        if self.blocks <= BLOCKS_TO_READ || self.is_first {
            return None;
        }
        let until = reach(table, block_no, direction, (self.blocks, WINDOW_BYTES_MAX));
        let known = match (direction, self.told) {
            (_, None) => last,
            (Direction::Forward, Some(told)) => told.max(last),
            (Direction::Backward, Some(told)) => told.min(last),
        };
        let is_beyond = match direction {
            Direction::Forward => until > known,
            Direction::Backward => until < known,
        };
        let first = direction.next_of(known, table.block_count()).filter(|_| is_beyond)?;
        self.told = Some(until);
        Some(between(first, until))
    }
}

/// So many cached blocks in a row are read with those around them: to wait once more takes longer.
const CACHED_BETWEEN_MAX: usize = 3;

/// The last of up to so many blocks, and up to so many bytes, from `block_no` on, that is not cached, nor behind many that
/// are.
fn reach(
    table: &Table,
    block_no: usize,
    direction: Direction,
    (blocks_max, bytes_max): (usize, usize),
) -> usize {
    let (mut last, mut at, mut bytes) = (block_no, block_no, table.block_location(block_no).1);
    for _ in 1..blocks_max {
        let Some(next) = direction.next_of(at, table.block_count()) else { break };
        bytes += table.block_location(next).1;
        if bytes > bytes_max {
            break;
        }
        at = next;
        if !table.is_cached(at) {
            last = at;
        } else if at.abs_diff(last) > CACHED_BETWEEN_MAX {
            break;
        }
    }
    last
}

/// The blocks from one to another, whichever of them comes first.
fn between(one: usize, other: usize) -> Range<usize> {
    one.min(other)..one.max(other) + 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::key::{Kind, SeqNo, Tag};
    use crate::cache::Cache;
    use crate::table::TableOptions;
    use crate::table::tests::{Entries, build, open, read_block};

    const NOTHING: Expected = Expected { entries: 0, among: 0, values: false };

    /// A table of many blocks of about `block_len` bytes, with its bytes.
    fn table_of(blocks: u64, block_len: usize) -> (Arc<Table>, Vec<u8>) {
        let entries: Entries = (0..blocks)
            .map(|n| (n.to_be_bytes().to_vec(), Tag::new(SeqNo(n + 1), Kind::Put), vec![7; block_len]))
            .collect();
        let bytes = build(&entries, TableOptions { block_size_bytes: 200, filter_bits_per_key: 10 });
        let table = open(&bytes, &Arc::new(Cache::new(1 << 20))).expect("intact");
        assert_eq!(table.block_count(), blocks as usize);
        (Arc::new(table), bytes)
    }

    /// The reads of a walk from block to block.
    fn walk(table: &Arc<Table>, from: usize, direction: Direction) -> Vec<NeedsBlock> {
        let (mut window, mut asked, mut at) = (Window::default(), Vec::new(), Some(from));
        while let Some(block_no) = at {
            let needed = window.ask(table, block_no, (direction, NOTHING));
            assert_eq!(needed.block_no, block_no);
            let blocks = needed.blocks();
            let last = if direction == Direction::Forward { blocks.end - 1 } else { blocks.start };
            at = direction.next_of(last, table.block_count());
            asked.push(needed);
        }
        asked
    }

    #[test]
    fn windows_double_up_to_a_bound_and_end_with_the_table() {
        let (table, _) = table_of(60, 3000);
        let blocks = |walk: Vec<NeedsBlock>| walk.iter().map(NeedsBlock::blocks).collect::<Vec<_>>();
        let forward = [0..1, 1..4, 4..10, 10..22, 22..43, 43..60];
        assert_eq!(blocks(walk(&table, 0, Direction::Forward)), forward);
        let backward = [59..60, 56..59, 50..56, 38..50, 17..38, 0..17];
        assert_eq!(blocks(walk(&table, 59, Direction::Backward)), backward);
        let (table, _) = table_of(5, READ_BYTES_MAX);
        assert_eq!(blocks(walk(&table, 0, Direction::Forward)), [0..1, 1..2, 2..3, 3..4, 4..5]);
    }

    #[test]
    fn a_window_begins_with_what_is_expected() {
        let (table, _) = table_of(200, 300);
        let blocks = |entries, among| {
            let (mut window, expected) = (Window::default(), Expected { entries, among, values: false });
            let mut ask =
                |block_no| window.ask(&table, block_no, (Direction::Forward, expected)).blocks().len();
            [ask(0), ask(40), ask(80)]
        };
        // An entry a block; in a source of two or ten, as many of the entries are in this one.
        assert_eq!(blocks(10, 200), [11, 5, 10]);
        assert_eq!(blocks(10, 400), [6, 3, 6]);
        assert_eq!(blocks(10, 2000), [2, 3, 6]);
        assert_eq!(blocks(10, 4000), [1, 3, 6]);
        assert_eq!(blocks(u64::MAX, 0), [128, 64, 120]);
    }

    #[test]
    fn the_kernel_is_told_once_of_what_follows_a_long_walk() {
        let (table, _) = table_of(400, 4000);
        for (from, direction) in [(0, Direction::Forward), (399, Direction::Backward)] {
            let asked = walk(&table, from, direction);
            let is_short = |needed: &NeedsBlock| needed.block_no.abs_diff(from) < 22;
            assert!(asked.iter().all(|needed| !is_short(needed) || needed.soon().is_none()));
            let soon: Vec<_> = asked.iter().filter_map(NeedsBlock::soon).collect();
            assert!(soon.len() > 3);
            let sum: usize = soon.iter().map(|(_, len)| len).sum();
            assert!(soon.iter().all(|(_, len)| *len <= WINDOW_BYTES_MAX - READ_BYTES_MAX / 2));
            // No part twice: the parts are disjoint if they come to no more than the span of all.
            let start = soon.iter().map(|(offset, _)| *offset).min().unwrap();
            let end = soon.iter().map(|(offset, len)| offset + *len as u64).max().unwrap();
            assert!(sum as u64 <= end - start);
        }
    }

    #[test]
    fn no_window_ends_with_cached_blocks_or_goes_beyond_a_limit() {
        let (table, bytes) = table_of(60, 1000);
        table.admit(5, read_block(&table, &bytes, 5).expect("intact"));
        let mut window = Window { blocks: 2, ..Window::default() };
        assert_eq!(window.ask(&table, 2, (Direction::Forward, NOTHING)).blocks(), 2..5);
        assert_eq!(window.ask(&table, 3, (Direction::Forward, NOTHING)).blocks(), 3..11);
        assert_eq!(window.ask(&table, 6, (Direction::Forward, NOTHING)).blocks(), 6..22);
        window.restart();
        assert_eq!(window.ask(&table, 6, (Direction::Forward, NOTHING)).blocks(), 6..7);
        for (block_no, direction, limit, expected) in [
            (20, Direction::Forward, 23_u64, 20..24),
            (20, Direction::Forward, 3, 20..21),
            (20, Direction::Forward, 59, 20..36),
            (40, Direction::Backward, 37, 37..41),
            (40, Direction::Backward, 50, 40..41),
            (40, Direction::Backward, 0, 25..41),
        ] {
            let mut window = Window { blocks: 8, ..Window::default() };
            let mut needed = window.ask(&table, block_no, (direction, NOTHING));
            needed.stop_at(None);
            needed.stop_at(Some(&limit.to_be_bytes()));
            assert_eq!(needed.blocks(), expected);
        }
        for (direction, limit, expected) in [
            (Direction::Forward, 130_u64, 95..131),
            (Direction::Forward, 90, 0..0),
            (Direction::Backward, 5, 5..6),
            (Direction::Backward, 25, 0..0),
        ] {
            let (table, _) = table_of(200, 12_000);
            let mut window = Window { blocks: 100, ..Window::default() };
            let from = if direction == Direction::Forward { 90 } else { 10 };
            let mut needed = window.ask(&table, from, (direction, NOTHING));
            needed.stop_at(Some(&limit.to_be_bytes()));
            let place = (!expected.is_empty()).then(|| table.location_of_blocks(expected));
            assert_eq!(needed.soon(), place);
        }
    }

    #[test]
    fn what_is_wrong_with_a_block_read_ahead_is_told_when_it_is_read_by_itself() {
        let (table, mut bytes) = table_of(20, 1000);
        let (offset, _) = table.block_location(6);
        bytes[offset as usize + 40] ^= 1;
        let mut window = Window { blocks: 2, ..Window::default() };
        let needed = window.ask(&table, 4, (Direction::Forward, NOTHING));
        assert_eq!(needed.blocks(), 4..8);
        let read = |needed: &NeedsBlock, cut: usize| {
            let (offset, len) = needed.location();
            needed.make(bytes[offset as usize..][..len - cut].to_vec().into())
        };
        // Less than all of it was there, and what was is not all right.
        read(&needed, 1200).expect("the block itself is intact");
        let take = |window: &mut Window, block_no| window.take(&table, block_no, Direction::Forward);
        assert!(take(&mut window, 5).is_some() && table.is_cached(5));
        assert!(take(&mut window, 6).is_none() && take(&mut window, 7).is_none());
        assert!(!table.is_cached(6) && !table.is_cached(7));
        let alone =
            window.ask(&table, 6, (Direction::Forward, NOTHING)).without_others().expect("it has others");
        let Err(error) = read(&alone, 0) else { panic!("the block is damaged") };
        assert!(error.to_string().contains(&format!("offset {offset}")), "{error}");
    }
}
