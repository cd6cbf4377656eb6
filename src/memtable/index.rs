//! The index by hash in front of the tree: whether a memtable has a key, and where.
//!
//! Slots in lines of the cache, filled from a key's line on, from front to back; nothing is ever taken out, so
//! the first empty slot ends a search. A slot is a node's address with sixteen bits of the hash above it: a
//! lookup that misses looks at one line as a rule, one that hits at the node besides.

use super::node::{Node, NodeRef};
use crate::base::ablation::ablated;
use crate::base::prefetch::{prefetch, prefetch_at};
use crate::base::sync::atomic::{AtomicBool, AtomicPtr, Ordering};
use crate::io::{ADDRESS_BITS, Line, Lines, POINTERS_PER_LINE as SLOTS_PER_LINE};

/// Lines that a search looks at: without a bound, a batch with more keys than there are slots would go through all of
/// them for each key. A node that finds no slot there is found by the tree.
const LINES_MAX: usize = 128;

/// See the module.
pub(super) struct Index {
    lines: Lines<Node>,
    /// A node found no slot: the tree alone knows.
    overflowed: AtomicBool,
}

impl Index {
    /// With at least so many slots.
    pub(super) fn new(slots: usize) -> Self {
        let count = slots.div_ceil(SLOTS_PER_LINE).next_power_of_two();
        Self { lines: Lines::of(count), overflowed: AtomicBool::new(false) }
    }

    /// One that is never asked.
    pub(super) fn none() -> Self {
        Self { lines: Lines::of(0), overflowed: AtomicBool::new(true) }
    }

    /// How many nodes it takes before searches become long.
    pub(super) fn capacity(&self) -> usize {
        self.lines.len() * SLOTS_PER_LINE / 8 * 7
    }

    /// Memory in bytes.
    pub(super) fn memory_bytes(&self) -> u64 {
        size_of_val(&*self.lines) as u64
    }

    /// Empties it.
    pub(super) fn clear(&mut self) {
        for line in &*self.lines {
            for slot in &line.0 {
                slot.store(std::ptr::null_mut(), Ordering::Relaxed);
            }
        }
        self.overflowed.store(false, Ordering::Relaxed);
    }

    /// The slots in the order in which a key's are filled.
    #[inline]
    fn slots(&self, hash: u64) -> impl Iterator<Item = &AtomicPtr<Node>> {
        let (mask, first) = (self.lines.len() - 1, (hash >> 32) as usize);
        (0..self.lines.len().min(LINES_MAX)).flat_map(move |step| &self.lines[(first + step) & mask].0)
    }

    /// Asks for the line that a search for the hash begins with.
    #[inline]
    pub(super) fn prefetch(&self, hash: u64) {
        prefetch(&self.lines[(hash >> 32) as usize & (self.lines.len() - 1)]);
    }

    /// The first slot in the key's line with its bits of the hash: as a rule its node's, if it has one.
    #[inline]
    fn likely(&self, hash: u64) -> Option<*mut Node> {
        if cfg!(loom) {
            // A model would take the look for one that matters.
            return None;
        }
        let line = &self.lines[(hash >> 32) as usize & (self.lines.len() - 1)];
        // Acquire pairs with the Release in `insert`: the node is complete.
        let mut entries = line.0.iter().map(|slot| slot.load(Ordering::Acquire));
        entries.find(|entry| !entry.is_null() && tag(*entry) == hash as u16).map(untagged)
    }

    /// Asks for the node that [`find`](Self::find) will look at.
    #[inline]
    pub(super) fn prefetch_node(&self, hash: u64) {
        if let Some(node) = self.likely(hash) {
            prefetch_at(node);
            // Its key may lie in the next line.
            prefetch_at(node.wrapping_byte_add(size_of::<Line<Node>>()));
        }
    }

    /// Asks for the newest version of the node that [`find`](Self::find) will look at.
    #[inline]
    pub(super) fn prefetch_version(&self, hash: u64) {
        // SAFETY: `insert` was given a node of the memtable's arena.
        if let Some(node) = self.likely(hash).and_then(|node| unsafe { NodeRef::from_ptr(node) }) {
            node.prefetch_newest();
        }
    }

    /// The node of `key`; nothing if it has none. `Err` if the index cannot tell.
    #[inline]
    pub(super) fn find<'a>(&'a self, hash: u64, key: &[u8]) -> Result<Option<NodeRef<'a>>, Overflowed> {
        if ablated!(MemtableIndex) {
            return Err(Overflowed);
        }
        for slot in self.slots(hash) {
            // Acquire pairs with the Release in `insert`: the node is complete.
            let entry = slot.load(Ordering::Acquire);
            if entry.is_null() {
                break;
            }
            if tag(entry) == hash as u16 {
                // SAFETY: `insert` was given a node of the memtable's arena.
                let node = unsafe { NodeRef::from_ptr(untagged(entry)) };
                if node.is_some_and(|node| node.key() == key) {
                    return Ok(node);
                }
            }
        }
        if self.overflowed.load(Ordering::Acquire) { Err(Overflowed) } else { Ok(None) }
    }

    /// Notes a node, unless it is there.
    pub(super) fn insert(&self, hash: u64, node: NodeRef<'_>) {
        if ablated!(MemtableIndex) {
            return;
        }
        let entry = tagged(node.as_ptr(), hash as u16);
        for slot in self.slots(hash) {
            let mut found = slot.load(Ordering::Relaxed);
            if found.is_null() {
                let taken = slot.compare_exchange(found, entry, Ordering::Release, Ordering::Relaxed);
                match taken {
                    Ok(_) => return,
                    Err(other) => found = other,
                }
            }
            if found == entry {
                return;
            }
        }
        self.overflowed.store(true, Ordering::Release);
    }
}

/// The index has no room left: it does not know all nodes.
pub(super) struct Overflowed;

fn tagged(node: *mut Node, tag: u16) -> *mut Node {
    assert!(node.addr() >> ADDRESS_BITS == 0, "an address of more than 48 bits");
    node.map_addr(|address| address | usize::from(tag) << ADDRESS_BITS)
}

#[inline]
fn tag(entry: *mut Node) -> u16 {
    (entry.addr() >> ADDRESS_BITS) as u16
}

#[inline]
fn untagged(entry: *mut Node) -> *mut Node {
    entry.map_addr(|address| address & ((1 << ADDRESS_BITS) - 1))
}
