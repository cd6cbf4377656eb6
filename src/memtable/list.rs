//! The nodes in the order of their keys: a skip list that is read without locks while it grows.
//!
//! After W. Pugh, "Skip Lists: A Probabilistic Alternative to Balanced Trees" (1990), with nodes linked by compare
//! and swap from the lowest level up, as in LevelDB's and RocksDB's memtables. Nothing is ever taken out, so a
//! link that was read stays true: later nodes come between, none goes.

use std::cmp::Ordering as Order;

use super::arena::Arena;
use super::node::{HEIGHT_MAX, NodeRef, VersionRef};
use crate::base::key::key_head;
use crate::base::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

use super::node::Node;

/// Of so many nodes of a level, one is in the next, as a power of two.
const BRANCHING_BITS: u32 = 2;

/// See the module.
pub(super) struct List {
    /// A node without a key, before all.
    head: AtomicPtr<Node>,
    /// Levels in use.
    height: AtomicUsize,
}

/// Where a key belongs on each level.
struct Splice<'a> {
    before: [NodeRef<'a>; HEIGHT_MAX],
    after: [Option<NodeRef<'a>>; HEIGHT_MAX],
    /// The node that has the key.
    found: Option<NodeRef<'a>>,
}

impl List {
    pub(super) fn new(arena: &Arena) -> Self {
        let head = NodeRef::new(arena, b"", HEIGHT_MAX, None);
        Self { head: AtomicPtr::new(head.as_ptr()), height: AtomicUsize::new(1) }
    }

    #[inline]
    fn head(&self) -> NodeRef<'_> {
        // SAFETY: a node of the arena that the memtable keeps as long as the list.
        unsafe { NodeRef::from_ptr(self.head.load(Ordering::Relaxed)) }.expect("a list has a head")
    }

    fn splice(&self, key: &[u8]) -> Splice<'_> {
        let (head, key_head) = (self.head(), key_head(key));
        let mut splice = Splice { before: [head; HEIGHT_MAX], after: [None; HEIGHT_MAX], found: None };
        let (mut before, mut not_before) = (head, None);
        for level in (0..self.height.load(Ordering::Relaxed)).rev() {
            let mut after = before.next(level);
            // A node that the level above ended at is not compared again.
            while let Some(node) = after.filter(|node| Some(*node) != not_before) {
                node.prefetch_next(level);
                match node.compare(key, key_head) {
                    Order::Less => (before, after) = (node, node.next(level)),
                    Order::Equal => {
                        splice.found = Some(node);
                        return splice;
                    }
                    Order::Greater => break,
                }
            }
            not_before = after;
            (splice.before[level], splice.after[level]) = (before, after);
        }
        splice
    }

    /// The node of `key`, which gets `newest` if it is made now; and whether it was.
    pub(super) fn get_or_insert<'a>(
        &'a self,
        arena: &'a Arena,
        key: &[u8],
        random: u64,
        newest: VersionRef<'a>,
    ) -> (NodeRef<'a>, bool) {
        let mut splice = self.splice(key);
        if let Some(found) = splice.found {
            return (found, false);
        }
        let height = height(random);
        self.height.fetch_max(height, Ordering::Relaxed);
        let node = NodeRef::new(arena, key, height, Some(newest));
        for level in 0..height {
            loop {
                let (before, after) = (splice.before[level], splice.after[level]);
                let after = after.map_or(std::ptr::null_mut(), NodeRef::as_ptr);
                node.link(level).store(after, Ordering::Relaxed);
                if level == 0 {
                    node.before().store(before.as_ptr(), Ordering::Relaxed);
                }
                // Release: who finds the node finds it complete.
                let linked = before.link(level).compare_exchange(
                    after,
                    node.as_ptr(),
                    Ordering::Release,
                    Ordering::Relaxed,
                );
                if linked.is_ok() {
                    break;
                }
                // Another node came between. Another with this key can only on the lowest level: there all are.
                splice = self.splice_around(key, &splice);
                if level == 0
                    && let Some(found) = splice.found
                {
                    return (found, false);
                }
            }
        }
        if let Some(after) = node.next(0) {
            after.before().store(node.as_ptr(), Ordering::Release);
        }
        (node, true)
    }

    /// The splice anew, after another node was linked.
    #[cold]
    fn splice_around<'a>(&'a self, key: &[u8], old: &Splice<'a>) -> Splice<'a> {
        let key_head = key_head(key);
        let mut splice = Splice { before: old.before, after: old.after, found: None };
        for level in 0..HEIGHT_MAX {
            let mut before = old.before[level];
            let mut after = before.next(level);
            while let Some(node) = after {
                match node.compare(key, key_head) {
                    Order::Less => (before, after) = (node, node.next(level)),
                    // Its own node, on a level where it is linked; or that of another writer.
                    Order::Equal => {
                        splice.found = Some(node);
                        break;
                    }
                    Order::Greater => break,
                }
            }
            (splice.before[level], splice.after[level]) = (before, after);
        }
        splice
    }

    /// The first node.
    pub(super) fn first(&self) -> Option<NodeRef<'_>> {
        self.head().next(0)
    }

    /// The last node.
    pub(super) fn last(&self) -> Option<NodeRef<'_>> {
        self.last_where(|_| true)
    }

    /// The node with the least key that is not below `key`.
    pub(super) fn first_from(&self, key: &[u8]) -> Option<NodeRef<'_>> {
        let splice = self.splice(key);
        splice.found.or(splice.after[0])
    }

    /// The node with the greatest key below `key`.
    pub(super) fn last_below(&self, key: &[u8]) -> Option<NodeRef<'_>> {
        let head = key_head(key);
        self.last_where(|node| node.compare(key, head).is_lt())
    }

    /// The last of the nodes for which `holds` is true, which are the first ones.
    fn last_where(&self, holds: impl Fn(NodeRef<'_>) -> bool) -> Option<NodeRef<'_>> {
        let head = self.head();
        let (mut last, mut not_held) = (head, None);
        for level in (0..self.height.load(Ordering::Relaxed)).rev() {
            let mut next = last.next(level);
            while let Some(node) = next.filter(|node| Some(*node) != not_held && holds(*node)) {
                node.prefetch_next(level);
                (last, next) = (node, node.next(level));
            }
            not_held = next;
        }
        (last != head).then_some(last)
    }

    /// The node before `node`.
    pub(super) fn before<'a>(&'a self, node: NodeRef<'a>) -> Option<NodeRef<'a>> {
        // What is noted was before it at some time: nodes that came between are behind that one.
        // SAFETY: links lead to nodes of the arena; Acquire pairs with the Release that noted it.
        let noted = unsafe { NodeRef::from_ptr(node.before().load(Ordering::Acquire)) };
        let mut before = noted.unwrap_or_else(|| self.head());
        while let Some(next) = before.next(0).filter(|next| *next != node) {
            before = next;
        }
        (before != self.head()).then_some(before)
    }
}

/// A node's height from random bits.
fn height(random: u64) -> usize {
    (1 + (random.trailing_zeros() / BRANCHING_BITS) as usize).min(HEIGHT_MAX)
}
