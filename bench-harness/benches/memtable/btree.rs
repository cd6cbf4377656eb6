//! A B+-tree whose readers take no locks: they read a node, and read it again if its version has changed meanwhile
//! (Leis and others, "The ART of Practical Synchronization", 2016).
//!
//! One writer at a time. A node has the heads of its keys beside each other: eight bytes behind what all keys between
//! its bounds have in common. Full nodes are split on the way down, with the parent locked. Nodes, records and values lie
//! in chunks that live as long as the tree; an overwritten value stays there unused. Nothing is taken out, so a pointer that
//! was read is always to something whole.

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::ptr::null_mut;
use std::sync::Mutex;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicPtr, AtomicU64, AtomicUsize, fence};

use super::Candidate;

/// Entries of a node.
const FANOUT: usize = 64;
const CHUNK_BYTES: usize = 2 << 20;

/// A value; its bytes follow.
#[repr(C)]
struct Value {
    seqno: u64,
    len: usize,
}

/// A key and its newest value; the key's bytes follow.
#[repr(C)]
struct Record {
    value: AtomicPtr<Value>,
    key_len: usize,
}

/// Keys in order with a record each, or in an inner node separators with a child each, the first of them unused.
struct Node {
    /// Odd while the writer is at it.
    version: AtomicU64,
    count: AtomicUsize,
    /// Bytes that all keys between the bounds begin with.
    prefix_len: AtomicUsize,
    heads: [AtomicU64; FANOUT],
    records: [AtomicPtr<Record>; FANOUT],
    /// All null in a leaf.
    children: [AtomicPtr<Node>; FANOUT],
    /// The leaf behind this one.
    next: AtomicPtr<Node>,
    /// Bounds: the least key of the node, and of the next one; null for none.
    lower: AtomicPtr<Record>,
    upper: AtomicPtr<Record>,
}

pub struct Tree {
    root: AtomicPtr<Node>,
    writer: Mutex<Arena>,
}

// SAFETY: pointers lead into the arena, which lives as long as the tree; readers validate, the writer is alone.
unsafe impl Sync for Tree {}

struct Arena {
    chunks: Vec<*mut u8>,
    used: usize,
}

// SAFETY: the chunks are memory that the arena owns.
unsafe impl Send for Arena {}

impl Arena {
    fn layout() -> Layout {
        Layout::from_size_align(CHUNK_BYTES, 64).expect("a constant")
    }

    /// Zeroed memory at a multiple of eight.
    fn take(&mut self, len: usize) -> *mut u8 {
        let len = len.next_multiple_of(8);
        assert!(len <= CHUNK_BYTES, "a benchmark has no such values");
        if self.chunks.is_empty() || self.used + len > CHUNK_BYTES {
            // SAFETY: the length is not zero.
            self.chunks.push(unsafe { alloc_zeroed(Self::layout()) });
            self.used = 0;
        }
        let chunk = *self.chunks.last().expect("one was pushed");
        self.used += len;
        // SAFETY: within the chunk.
        unsafe { chunk.add(self.used - len) }
    }

    fn value(&mut self, seqno: u64, bytes: &[u8]) -> *mut Value {
        let value = self.take(size_of::<Value>() + bytes.len()).cast::<Value>();
        // SAFETY: fresh memory of this length.
        unsafe {
            value.write(Value { seqno, len: bytes.len() });
            value.add(1).cast::<u8>().copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
        }
        value
    }

    fn record(&mut self, key: &[u8], value: *mut Value) -> *mut Record {
        let record = self.take(size_of::<Record>() + key.len()).cast::<Record>();
        // SAFETY: fresh memory of this length.
        unsafe {
            record.write(Record { value: AtomicPtr::new(value), key_len: key.len() });
            record.add(1).cast::<u8>().copy_from_nonoverlapping(key.as_ptr(), key.len());
        }
        record
    }

    fn node(&mut self) -> &'static Node {
        // SAFETY: zeroes are a node without entries; the tree hands out no reference that outlives it.
        unsafe { &*self.take(size_of::<Node>()).cast::<Node>() }
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        for chunk in &self.chunks {
            // SAFETY: allocated in `take` with this layout.
            unsafe { dealloc(*chunk, Self::layout()) };
        }
    }
}

impl Value {
    fn bytes(&self) -> &[u8] {
        // SAFETY: so many bytes were written behind it.
        unsafe { std::slice::from_raw_parts(std::ptr::from_ref(self).add(1).cast(), self.len) }
    }
}

impl Record {
    fn key(&self) -> &[u8] {
        // SAFETY: so many bytes were written behind it.
        unsafe { std::slice::from_raw_parts(std::ptr::from_ref(self).add(1).cast(), self.key_len) }
    }

    fn value(&self) -> &Value {
        // SAFETY: a record always has a value, which lives as long as the tree.
        unsafe { &*self.value.load(Acquire) }
    }
}

/// Eight bytes of the key, as a number in the same order.
#[inline]
fn head(key: &[u8], prefix_len: usize) -> u64 {
    let rest = key.get(prefix_len..).unwrap_or_default();
    if let Some(eight) = rest.first_chunk::<8>() {
        return u64::from_be_bytes(*eight);
    }
    let mut bytes = [0; 8];
    bytes[..rest.len()].copy_from_slice(rest);
    u64::from_be_bytes(bytes)
}

impl Node {
    fn record(&self, place: usize) -> Option<&Record> {
        // SAFETY: null, or to a whole record: pointers are stored with Release.
        unsafe { self.records[place].load(Acquire).as_ref() }
    }

    fn child(&self, place: usize) -> Option<&'static Node> {
        // SAFETY: null, or to a node that lives as long as the tree.
        unsafe { self.children[place].load(Acquire).as_ref() }
    }

    fn is_leaf(&self) -> bool {
        self.children[0].load(Acquire).is_null()
    }

    fn is_full(&self) -> bool {
        self.count.load(Relaxed) == FANOUT
    }

    /// The first place from `from` on whose key is not below `key`. An answer means something once it is validated.
    #[inline]
    fn lower_bound(&self, key: &[u8], from: usize) -> usize {
        let head = head(key, self.prefix_len.load(Relaxed));
        let (mut low, mut high) = (from, self.count.load(Relaxed).min(FANOUT));
        while low < high {
            let middle = (low + high) / 2;
            if self.heads[middle].load(Relaxed) < head { low = middle + 1 } else { high = middle }
        }
        while low < self.count.load(Relaxed).min(FANOUT) && self.heads[low].load(Relaxed) == head {
            if self.record(low).is_none_or(|record| record.key() >= key) {
                break;
            }
            low += 1;
        }
        low
    }

    /// The place of the child that has `key`.
    #[inline]
    fn child_of(&self, key: &[u8]) -> usize {
        let place = self.lower_bound(key, 1);
        let count = self.count.load(Relaxed).min(FANOUT);
        let is_it = place < count && self.record(place).is_some_and(|record| record.key() == key);
        if is_it { place } else { place - 1 }
    }

    /// The version to validate with; waits while the writer is at the node.
    #[inline]
    fn begin_read(&self) -> u64 {
        loop {
            let version = self.version.load(Acquire);
            if version.is_multiple_of(2) {
                return version;
            }
            std::hint::spin_loop();
        }
    }

    /// Whether nothing has changed since.
    #[inline]
    fn is_still(&self, version: u64) -> bool {
        fence(Acquire);
        self.version.load(Relaxed) == version
    }

    fn lock(&self) {
        self.version.store(self.version.load(Relaxed) + 1, Relaxed);
        fence(Release);
    }

    fn unlock(&self) {
        self.version.store(self.version.load(Relaxed) + 1, Release);
    }

    /// Sets an entry. The node is locked, or nobody has it yet.
    fn set(&self, place: usize, record: *mut Record, child: *mut Node) {
        // SAFETY: null, or a whole record.
        let key = unsafe { record.as_ref() }.map_or(&[][..], Record::key);
        self.heads[place].store(head(key, self.prefix_len.load(Relaxed)), Relaxed);
        self.records[place].store(record, Release);
        self.children[place].store(child, Release);
    }

    /// Inserts an entry before `place`, with the node locked.
    fn insert_at(&self, place: usize, record: *mut Record, child: *mut Node) {
        let count = self.count.load(Relaxed);
        for to in (place + 1..=count).rev() {
            self.heads[to].store(self.heads[to - 1].load(Relaxed), Relaxed);
            self.records[to].store(self.records[to - 1].load(Relaxed), Release);
            self.children[to].store(self.children[to - 1].load(Relaxed), Release);
        }
        self.set(place, record, child);
        self.count.store(count + 1, Relaxed);
    }

    /// Sets the bounds, and what follows from them for the first `count` entries.
    fn bound(&self, lower: *mut Record, upper: *mut Record, count: usize) {
        self.lower.store(lower, Relaxed);
        self.upper.store(upper, Relaxed);
        // SAFETY: null, or whole records.
        let prefix_len = match unsafe { (lower.as_ref(), upper.as_ref()) } {
            (Some(lower), Some(upper)) => {
                lower.key().iter().zip(upper.key()).take_while(|(one, other)| one == other).count()
            }
            _ => 0,
        };
        self.prefix_len.store(prefix_len, Relaxed);
        self.count.store(count, Relaxed);
        for place in 0..count {
            self.set(place, self.records[place].load(Relaxed), self.children[place].load(Relaxed));
        }
    }
}

impl Tree {
    /// Goes down to the leaf of `key` and reads there; begins again when the writer came between.
    fn read<R>(&self, key: &[u8], read: impl Fn(&Node) -> R) -> R {
        'again: loop {
            // SAFETY: there is a root, which lives as long as the tree.
            let mut node = unsafe { &*self.root.load(Acquire) };
            let mut version = node.begin_read();
            if !std::ptr::eq(self.root.load(Acquire), node) {
                continue;
            }
            loop {
                if node.is_leaf() {
                    let read = read(node);
                    if node.is_still(version) {
                        return read;
                    }
                    continue 'again;
                }
                let Some(child) = node.child(node.child_of(key)) else { continue 'again };
                let child_version = child.begin_read();
                if !node.is_still(version) {
                    continue 'again;
                }
                (node, version) = (child, child_version);
            }
        }
    }

    /// Splits the full child at `place` of `parent`, which has room.
    fn split(arena: &mut Arena, parent: &Node, place: usize, child: &Node) {
        let (right, half) = (arena.node(), FANOUT / 2);
        let middle = child.records[half].load(Relaxed);
        for from in half..FANOUT {
            right.records[from - half].store(child.records[from].load(Relaxed), Relaxed);
            right.children[from - half].store(child.children[from].load(Relaxed), Relaxed);
        }
        right.bound(middle, child.upper.load(Relaxed), FANOUT - half);
        right.next.store(child.next.load(Relaxed), Relaxed);
        let right = std::ptr::from_ref(right).cast_mut();
        parent.lock();
        child.lock();
        child.bound(child.lower.load(Relaxed), middle, half);
        child.next.store(right, Release);
        parent.insert_at(place + 1, middle, right);
        child.unlock();
        parent.unlock();
    }
}

impl Candidate for Tree {
    const NAME: &str = "b-plus-tree";

    fn new(_size_bytes: u64) -> Self {
        let mut arena = Arena { chunks: Vec::new(), used: 0 };
        let root = AtomicPtr::new(std::ptr::from_ref(arena.node()).cast_mut());
        Self { root, writer: Mutex::new(arena) }
    }

    fn insert(&self, key: &[u8], seqno: u64, value: &[u8]) {
        let mut arena = self.writer.lock().expect("no writer has panicked");
        let value = arena.value(seqno, value);
        // SAFETY: there is a root, which lives as long as the tree.
        let mut node = unsafe { &*self.root.load(Relaxed) };
        if node.is_full() {
            let root = arena.node();
            root.insert_at(0, null_mut(), std::ptr::from_ref(node).cast_mut());
            Self::split(&mut arena, root, 0, node);
            self.root.store(std::ptr::from_ref(root).cast_mut(), Release);
            node = root;
        }
        while !node.is_leaf() {
            let place = node.child_of(key);
            let child = node.child(place).expect("an inner node has children");
            if child.is_full() {
                Self::split(&mut arena, node, place, child);
            } else {
                node = child;
            }
        }
        let place = node.lower_bound(key, 0);
        let found = (place < node.count.load(Relaxed)).then(|| node.record(place)).flatten();
        if let Some(record) = found.filter(|record| record.key() == key) {
            assert!(record.value().seqno < seqno);
            record.value.store(value, Release);
            return;
        }
        let record = arena.record(key, value);
        node.lock();
        node.insert_at(place, record, null_mut());
        node.unlock();
    }

    fn get(&self, key: &[u8], found: impl FnOnce(&[u8])) -> bool {
        let record = self.read(key, |leaf| {
            let place = leaf.lower_bound(key, 0);
            let is_there = place < leaf.count.load(Relaxed);
            if is_there { leaf.records[place].load(Acquire) } else { null_mut() }
        });
        // SAFETY: null, or a whole record.
        let record = unsafe { record.as_ref() }.filter(|record| record.key() == key);
        record.map(|record| found(record.value().bytes())).is_some()
    }

    fn scan(&self, from: &[u8], count: usize, mut each: impl FnMut(&[u8], &[u8])) -> usize {
        let entries = |leaf: &Node, place: usize| {
            let mut records = [null_mut::<Record>(); FANOUT];
            let len = leaf.count.load(Relaxed).min(FANOUT).saturating_sub(place);
            (0..len).for_each(|at| records[at] = leaf.records[place + at].load(Acquire));
            (records, len, leaf.next.load(Acquire))
        };
        let (mut records, mut len, mut next) =
            self.read(from, |leaf| entries(leaf, leaf.lower_bound(from, 0)));
        let mut seen = 0;
        loop {
            for record in &records[..len.min(count - seen)] {
                // SAFETY: a whole record, as was validated.
                let record = unsafe { &**record };
                each(record.key(), record.value().bytes());
                seen += 1;
            }
            // SAFETY: null, or a leaf that lives as long as the tree.
            let Some(leaf) = (unsafe { next.as_ref() }).filter(|_| seen < count) else { return seen };
            (records, len, next) = loop {
                let version = leaf.begin_read();
                let read = entries(leaf, 0);
                if leaf.is_still(version) {
                    break read;
                }
            };
        }
    }
}
