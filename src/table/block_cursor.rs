//! Walks a block in one direction.
//!
//! Forward, an entry is decoded when the cursor comes to it. Backward, the entries from one restart to the
//! next are decoded together, since each needs the key before it, and then gone through from the last. The
//! cursor shares the block: it may outlive the block's stay in the cache.

use std::ops::Range;

use super::block::{Block, Entry, Search};
use super::block_walk::BlockWalk;
use super::directory::Landing;
use crate::base::direction::Direction;
use crate::base::key::{Kind, SeqNo, Tag};
use crate::base::short_copy::replace_from;
use crate::base::sync::Arc;

/// Forward, the end is near so many bytes before it: five hundred nanoseconds with entries of a hundred bytes.
const NEAR_BYTES: usize = 1024;

/// Keys of a walk may be so much longer than its first one before the buffer for them grows.
const GROWTH_BYTES: usize = 16;

/// A decoded entry.
struct Position {
    /// The whole key, in `BlockCursor::keys`. Versions of one key share it.
    key: Range<usize>,
    tag: Tag,
    /// The value, in the block.
    value: Range<usize>,
}

/// A place among the entries of one block, or outside of them. Starts outside.
pub(crate) struct BlockCursor {
    block: Arc<Block>,
    direction: Direction,
    /// Whether values are looked at.
    values: bool,
    /// Whether it is on an entry.
    is_valid: bool,
    current: Position,
    /// Forward the current key alone, backward the keys of all entries decoded.
    keys: Vec<u8>,
    /// Forward: where the entry after the current one begins.
    next: usize,
    /// Backward: the restart that the entries decoded begin with.
    restart_no: usize,
    /// Backward: the entries decoded and not yet gone through.
    before: Vec<Position>,
}

impl BlockCursor {
    /// A cursor on `block` that goes in `direction`; with `values` it asks for them before they are looked at.
    pub(crate) fn new(block: Arc<Block>, direction: Direction, values: bool) -> Self {
        let current = Position { key: 0..0, tag: Tag::new(SeqNo::ZERO, Kind::Delete), value: 0..0 };
        let (keys, before) = (Vec::new(), Vec::new());
        Self { block, direction, values, is_valid: false, current, keys, next: 0, restart_no: 0, before }
    }

    /// Goes to another block and uses the memory again.
    pub(crate) fn reset(&mut self, block: Arc<Block>) {
        self.block = block;
        self.is_valid = false;
    }

    /// Whether it is on an entry; if not, the accessors must not be called.
    #[inline]
    pub(crate) fn is_valid(&self) -> bool {
        self.is_valid
    }

    /// Goes to the entry at which a walk in its direction begins: the first, or the last.
    pub(crate) fn seek_to_start(&mut self) {
        match self.direction {
            Direction::Forward => {
                self.next = 0;
                self.step_forward();
            }
            Direction::Backward => {
                self.decode_from(self.block.restart_count() - 1);
                self.step_backward();
            }
        }
    }

    /// Goes to the first entry at or after `(key, seqno)`, or backward to the last one before it;
    /// outside if there is none.
    pub(crate) fn seek(&mut self, key: &[u8], seqno: SeqNo) {
        if self.direction == Direction::Forward && seqno == SeqNo::MAX && self.land(key) {
            return;
        }
        let restarts = self.block.restarts_up_to(key, seqno);
        let mut search = Search::new(key, seqno);
        match self.direction {
            Direction::Forward => {
                self.next = self.block.restart(restarts.saturating_sub(1));
                // The restart behind sorts after what is sought.
                let stop = self.block.end_of_stretch(restarts.saturating_sub(1));
                while self.next < stop {
                    let entry = self.block.entry(self.next);
                    let is_before = search.is_before(&entry, &self.block);
                    self.take_forward(entry);
                    if !is_before {
                        return;
                    }
                }
                self.step_forward();
            }
            Direction::Backward if restarts == 0 => self.is_valid = false,
            Direction::Backward => {
                self.decode_while(restarts - 1, |entry, block| search.is_before(entry, block));
                self.step_backward();
            }
        }
    }

    /// Goes forward to the first entry at or after `key` by the block's directory; `false` if that does not help.
    #[inline]
    fn land(&mut self, key: &[u8]) -> bool {
        let (at, head, prefix) = match self.block.landing(key) {
            (Landing::At(at, head), prefix) => (at, head, prefix),
            (Landing::End, _) => {
                (self.is_valid, self.next) = (false, self.block.entries_len());
                return true;
            }
            (Landing::Unknown, _) => return false,
        };
        let entry = self.block.entry(at);
        if entry.shared > prefix.len() + head.len() {
            return false;
        }
        // What the entry shares with the one before it begins its own key.
        self.keys.clear();
        self.keys.reserve(prefix.len() + head.len() + entry.suffix.len() + GROWTH_BYTES);
        self.keys.extend_from_slice(prefix);
        self.keys.extend_from_slice(&head);
        self.next = at;
        self.take_forward(entry);
        while self.is_valid && self.head().0 < key {
            self.step_forward();
        }
        true
    }

    /// Goes to the next entry in its direction; from the last one there, and from outside, to outside.
    #[inline]
    pub(crate) fn advance(&mut self) {
        if self.is_valid {
            match self.direction {
                Direction::Forward => self.step_forward(),
                Direction::Backward => self.step_backward(),
            }
        }
    }

    /// User key of the entry, and its seqno and kind.
    #[inline]
    pub(crate) fn head(&self) -> (&[u8], Tag) {
        assert!(self.is_valid, "callers ask is_valid first");
        (&self.keys[self.current.key.clone()], self.current.tag)
    }

    /// Value of the entry; empty for a delete.
    #[inline]
    pub(crate) fn value(&self) -> &[u8] {
        assert!(self.is_valid, "callers ask is_valid first");
        self.block.slice(self.current.value.clone())
    }

    /// Whether the next entry is surely of another key. False says nothing.
    #[inline]
    pub(crate) fn is_last_of_key(&self) -> bool {
        match (self.direction, self.before.last()) {
            // All versions of a key are in one block.
            (Direction::Forward, _) => self.next == self.block.entries_len(),
            (Direction::Backward, Some(next)) => next.key != self.current.key,
            (Direction::Backward, None) => self.restart_no == 0,
        }
    }

    /// Whether a walk comes to the end of the block soon: after some entries, unless they are large.
    #[inline]
    pub(crate) fn is_near_end(&self) -> bool {
        match self.direction {
            Direction::Forward => self.block.entries_len() - self.next <= NEAR_BYTES,
            Direction::Backward => self.restart_no == 0,
        }
    }

    /// Lends its place on an entry, for a walk forward up to where the end of the block is near, or if that was noticed
    /// to the end.
    #[inline]
    pub(crate) fn lend(&self, to_end: bool) -> Option<BlockWalk> {
        if !self.is_valid || self.direction == Direction::Backward {
            return None;
        }
        let len = self.block.entries_len();
        let stop = if to_end { len } else { len.saturating_sub(NEAR_BYTES) };
        let Position { tag, value, .. } = &self.current;
        let stretch = (self.next, stop);
        if self.values && self.next < stop {
            self.block.ask_for_value(self.next, value.len());
        }
        (self.next < stop).then(|| BlockWalk::new(&self.block, stretch, (*tag, value.clone()), self.values))
    }

    /// Goes to where a walk has come.
    pub(crate) fn give_back(&mut self, walk: &BlockWalk, key: &[u8]) {
        let (next, tag, value) = walk.place();
        replace_from(&mut self.keys, 0, key);
        self.next = next;
        self.current = Position { key: 0..key.len(), tag, value };
    }

    #[inline]
    fn step_forward(&mut self) {
        if self.next == self.block.entries_len() {
            self.is_valid = false;
            return;
        }
        let entry = self.block.entry(self.next);
        self.take_forward(entry);
    }

    /// Goes to `entry`, which begins at `next` and whose key begins as the current one does.
    #[inline]
    fn take_forward(&mut self, entry: Entry) {
        self.block.ask_ahead(self.next, entry.end);
        replace_from(&mut self.keys, entry.shared, self.block.slice(entry.suffix.clone()));
        self.next = entry.end;
        self.current = Position { key: 0..self.keys.len(), tag: entry.tag, value: entry.value() };
        if self.values {
            // In a merge entries of others mostly come before it.
            self.block.ask_for_value(self.current.value.start, self.current.value.len());
        }
        self.is_valid = true;
    }

    #[inline]
    fn step_backward(&mut self) {
        if let Some(position) = self.before.pop() {
            self.current = position;
            self.is_valid = true;
        } else {
            self.step_before_restart();
        }
    }

    fn step_before_restart(&mut self) {
        self.is_valid = self.restart_no > 0;
        if self.is_valid {
            self.decode_from(self.restart_no - 1);
            self.current = self.before.pop().expect("a restart is an entry");
        }
    }

    /// Decodes the entries from a restart up to the next one.
    fn decode_from(&mut self, restart_no: usize) {
        self.decode_while(restart_no, |_, _| true);
    }

    /// Decodes them up to the first that `is_wanted` refuses.
    fn decode_while(&mut self, restart_no: usize, mut is_wanted: impl FnMut(&Entry, &Block) -> bool) {
        self.restart_no = restart_no;
        self.keys.clear();
        self.before.clear();
        let (mut at, mut last) = (self.block.restart(restart_no), 0..0);
        let end = self.block.end_of_stretch(restart_no);
        while at < end {
            let entry = self.block.entry(at);
            self.block.ask_ahead(at, entry.end);
            if !is_wanted(&entry, &self.block) {
                return;
            }
            let suffix = self.block.slice(entry.suffix.clone());
            // One copy for all versions: not only shorter, a long key's many versions could fill the
            // memory. `parse` has checked that the last key has `shared` bytes.
            let replaced = &self.keys[last.start + entry.shared..last.end];
            // The first byte mostly tells, without a call.
            if suffix.first() != replaced.first() || suffix != replaced {
                let start = self.keys.len();
                self.keys.extend_from_within(last.start..last.start + entry.shared);
                self.keys.extend_from_slice(suffix);
                last = start..self.keys.len();
            }
            self.before.push(Position { key: last.clone(), tag: entry.tag, value: entry.value() });
            at = entry.end;
        }
    }
}
