//! Pages of the tree: nodes in the order of their keys, and above the leaves a child for each.
//!
//! A page has the *heads* of its keys beside each other: eight bytes behind what all keys between the page's bounds
//! have in common. So a search compares numbers in a few lines of the cache and looks at a whole key only where
//! two heads are alike.
//!
//! Readers take no lock. They note the version, read, and ask whether the version is [still](PageRef::is_still) the
//! same; what they read meanwhile may be of two moments, but each pointer is to something whole, because nothing in
//! a memtable's arena is ever taken away.

use std::cmp::Ordering as Order;
use std::marker::PhantomData;
use std::ptr::{self, NonNull};

use super::arena::Arena;
use super::node::{Node, NodeRef};
use crate::base::key::key_head;
use crate::base::prefetch::prefetch_at;
use crate::base::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering, fence};
use crate::base::sync::{give_way, mutant};

/// Nodes of a page. A model has few, so that pages are split in it.
pub(super) const FANOUT: usize = if cfg!(loom) { 2 } else { 32 };

/// A page, which is a leaf, or the first part of an [`Inner`].
#[repr(C)]
pub(super) struct Page {
    /// Odd while a writer has it.
    version: AtomicU32,
    count: AtomicU32,
    /// Bytes that all keys between the bounds begin with.
    prefix_len: AtomicU32,
    /// Pages below it on the way to a leaf.
    level: u32,
    /// The least key that belongs here; null if none is less. Never changes.
    lower: *mut Node,
    /// The first key that does not belong here any more; null if none is greater.
    upper: AtomicPtr<Node>,
    /// The leaf behind this leaf.
    next: AtomicPtr<Page>,
    heads: [AtomicU64; FANOUT],
    /// Of an inner page: the least key of each child, but of the first child.
    nodes: [AtomicPtr<Node>; FANOUT],
}

/// A page above others.
#[repr(C)]
struct Inner {
    page: Page,
    children: [AtomicPtr<Page>; FANOUT],
}

/// What a search in a page found.
pub(super) struct Found<'a> {
    /// The first place that is not before what was sought.
    pub(super) place: usize,
    /// The node of the key, if it is there.
    pub(super) node: Option<NodeRef<'a>>,
}

/// A page of an arena that lives at least as long as `'a`.
#[derive(Clone, Copy)]
pub(super) struct PageRef<'a>(NonNull<Page>, PhantomData<&'a Arena>);

impl PartialEq for PageRef<'_> {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl<'a> PageRef<'a> {
    /// An empty page that nobody else has.
    pub(super) fn new(arena: &'a Arena, level: u32, lower: Option<NodeRef<'a>>) -> Self {
        let page = Page {
            version: AtomicU32::new(0),
            count: AtomicU32::new(0),
            prefix_len: AtomicU32::new(0),
            level,
            lower: lower.map_or(ptr::null_mut(), NodeRef::as_ptr),
            upper: AtomicPtr::new(ptr::null_mut()),
            next: AtomicPtr::new(ptr::null_mut()),
            heads: std::array::from_fn(|_| AtomicU64::new(0)),
            nodes: std::array::from_fn(|_| AtomicPtr::new(ptr::null_mut())),
        };
        let len = if level == 0 { size_of::<Page>() } else { size_of::<Inner>() };
        let memory = arena.alloc(len);
        // SAFETY: the arena has just given out so many bytes at an address that suits a pointer, to nobody else.
        unsafe {
            if level == 0 {
                memory.cast::<Page>().write(page);
            } else {
                let children = std::array::from_fn(|_| AtomicPtr::new(ptr::null_mut()));
                memory.cast::<Inner>().write(Inner { page, children });
            }
        }
        Self(memory.cast(), PhantomData)
    }

    /// The page at a pointer.
    ///
    /// # Safety
    /// Null, or a page of an arena that lives as long as `'a`, complete for this thread.
    #[inline]
    pub(super) unsafe fn from_ptr(page: *mut Page) -> Option<Self> {
        NonNull::new(page).map(|page| Self(page, PhantomData))
    }

    #[inline]
    pub(super) fn as_ptr(self) -> *mut Page {
        self.0.as_ptr()
    }

    #[inline]
    fn page(self) -> &'a Page {
        // SAFETY: a page is complete before anybody has a reference to it, and lives as long as the arena.
        unsafe { self.0.as_ref() }
    }

    #[inline]
    fn children(self) -> &'a [AtomicPtr<Page>; FANOUT] {
        assert!(!self.is_leaf());
        // SAFETY: all pages but leaves are of this type.
        unsafe { &self.0.cast::<Inner>().as_ref().children }
    }

    #[inline]
    pub(super) fn is_leaf(self) -> bool {
        self.page().level == 0
    }

    #[inline]
    pub(super) fn level(self) -> u32 {
        self.page().level
    }

    /// How many nodes it has. What a reader is told may be too many for what it is told else, never for the page.
    #[inline]
    pub(super) fn count(self) -> usize {
        (self.page().count.load(Ordering::Relaxed) as usize).min(FANOUT)
    }

    #[inline]
    pub(super) fn is_full(self) -> bool {
        self.count() == FANOUT
    }

    #[inline]
    pub(super) fn node(self, place: usize) -> Option<NodeRef<'a>> {
        // SAFETY: nodes of the same arena; Acquire pairs with the Release in `set`.
        unsafe { NodeRef::from_ptr(self.page().nodes[place].load(Ordering::Acquire)) }
    }

    #[inline]
    pub(super) fn child(self, place: usize) -> Option<Self> {
        // SAFETY: pages of the same arena; Acquire pairs with the Release in `set`.
        unsafe { Self::from_ptr(self.children()[place].load(Ordering::Acquire)) }
    }

    /// The leaf behind this leaf.
    #[inline]
    pub(super) fn next(self) -> Option<Self> {
        // SAFETY: pages of the same arena; Acquire pairs with the Release in `split`.
        unsafe { Self::from_ptr(self.page().next.load(Ordering::Acquire)) }
    }

    /// The least key that belongs here, if there are lesser ones elsewhere.
    #[inline]
    pub(super) fn lower(self) -> Option<NodeRef<'a>> {
        // SAFETY: a node of the same arena, complete before the page was.
        unsafe { NodeRef::from_ptr(self.page().lower) }
    }

    #[inline]
    fn upper(self) -> Option<NodeRef<'a>> {
        // SAFETY: as for `node`, with the Release in `bound`.
        unsafe { NodeRef::from_ptr(self.page().upper.load(Ordering::Acquire)) }
    }

    /// Asks for the memory that a search in this page reads.
    #[inline]
    pub(super) fn prefetch(self) {
        let start = self.0.as_ptr().cast::<u8>();
        for line in 0..(std::mem::offset_of!(Page, nodes) / 64) {
            prefetch_at(start.wrapping_add(line * 64));
        }
    }

    /// Looks for the first place whose key is not below `key`.
    #[inline]
    pub(super) fn search(self, key: &[u8]) -> Found<'a> {
        let mut node = None;
        let place = self.first_not(key, 0, |found, order| {
            if order.is_eq() {
                node = Some(found);
            }
            order.is_lt()
        });
        Found { place, node }
    }

    /// The first place from `from` on that is not before what is sought: `is_before` tells it of a node from where
    /// its key stands to `key`, which lies between the bounds of the page.
    #[inline]
    pub(super) fn first_not(
        self,
        key: &[u8],
        from: usize,
        mut is_before: impl FnMut(NodeRef<'a>, Order) -> bool,
    ) -> usize {
        let head = head_behind(key, self.page().prefix_len.load(Ordering::Relaxed) as usize);
        let (mut low, mut high) = (from, self.count());
        while low < high {
            let middle = (low + high) / 2;
            let before = match self.page().heads[middle].load(Ordering::Relaxed).cmp(&head) {
                Order::Less => true,
                Order::Greater => false,
                // No node: read while the page changed, the answer will not count.
                Order::Equal => self.node(middle).is_none_or(|node| is_before(node, node.key().cmp(key))),
            };
            if before { low = middle + 1 } else { high = middle }
        }
        low
    }

    /// The version to ask with later; waits while a writer has the page.
    #[inline]
    pub(super) fn begin_read(self) -> u32 {
        let mut looks = 0;
        loop {
            // Acquire pairs with the Release in `unlock`.
            let version = self.page().version.load(Ordering::Acquire);
            if version.is_multiple_of(2) {
                return version;
            }
            give_way(looks);
            looks += 1;
        }
    }

    /// Whether nothing has changed since: what was read is of one moment.
    #[inline]
    pub(super) fn is_still(self, version: u32) -> bool {
        // What was read before must not be read later than the version.
        fence(Ordering::Acquire);
        self.page().version.load(Ordering::Relaxed) == version || mutant!("page_not_validated")
    }

    /// Takes the page for writing, if nothing has changed since it had this version.
    pub(super) fn lock(self, version: u32) -> bool {
        let page = self.page();
        let locked = page
            .version
            .compare_exchange(version, version.wrapping_add(1), Ordering::Acquire, Ordering::Relaxed)
            .is_ok();
        // Who sees something of what follows sees the odd version.
        fence(Ordering::Release);
        locked
    }

    /// Takes the page for writing.
    pub(super) fn lock_now(self) {
        while !self.lock(self.begin_read()) {}
    }

    /// Gives the page back.
    pub(super) fn unlock(self) {
        let version = self.page().version.load(Ordering::Relaxed);
        self.page().version.store(version.wrapping_add(1), Ordering::Release);
    }

    /// Sets an entry of a page that is locked or that nobody else has.
    fn set(self, place: usize, node: Option<NodeRef<'a>>, child: Option<Self>) {
        let prefix_len = self.page().prefix_len.load(Ordering::Relaxed) as usize;
        let head = node.map_or(0, |node| head_behind(node.key(), prefix_len));
        self.page().heads[place].store(head, Ordering::Relaxed);
        // Release: who finds them finds them complete.
        self.page().nodes[place].store(node.map_or(ptr::null_mut(), NodeRef::as_ptr), Ordering::Release);
        if !self.is_leaf() {
            self.children()[place].store(child.map_or(ptr::null_mut(), Self::as_ptr), Ordering::Release);
        }
    }

    /// Puts an entry before those from `place` on. The page is locked or nobody else's, and has room.
    pub(super) fn insert(self, place: usize, node: Option<NodeRef<'a>>, child: Option<Self>) {
        let (page, count) = (self.page(), self.count());
        assert!(count < FANOUT);
        for to in (place + 1..=count).rev() {
            page.heads[to].store(page.heads[to - 1].load(Ordering::Relaxed), Ordering::Relaxed);
            page.nodes[to].store(page.nodes[to - 1].load(Ordering::Relaxed), Ordering::Release);
            if !self.is_leaf() {
                let children = self.children();
                children[to].store(children[to - 1].load(Ordering::Relaxed), Ordering::Release);
            }
        }
        self.set(place, node, child);
        page.count.store(count as u32 + 1, Ordering::Relaxed);
    }

    /// Moves the upper half of a full page to a new page behind it, which is returned. The page is locked.
    pub(super) fn split(self, arena: &'a Arena) -> Self {
        let half = FANOUT / 2;
        let middle = self.node(half).expect("a full page has a node at each place");
        let right = Self::new(arena, self.level(), Some(middle));
        for place in half..FANOUT {
            let child = if self.is_leaf() { None } else { self.child(place) };
            right.insert(place - half, self.node(place), child);
        }
        right.bound(self.upper());
        let page = self.page();
        right.page().next.store(page.next.load(Ordering::Relaxed), Ordering::Relaxed);
        page.count.store(half as u32, Ordering::Relaxed);
        self.bound(Some(middle));
        // Release: who finds the page finds it complete.
        page.next.store(right.as_ptr(), Ordering::Release);
        right
    }

    /// Sets the upper bound, and what follows from it.
    fn bound(self, upper: Option<NodeRef<'a>>) {
        let page = self.page();
        page.upper.store(upper.map_or(ptr::null_mut(), NodeRef::as_ptr), Ordering::Release);
        let (Some(lower), Some(upper)) = (self.lower(), upper) else { return };
        let common = lower.key().iter().zip(upper.key()).take_while(|(one, other)| one == other).count();
        page.prefix_len.store(common as u32, Ordering::Relaxed);
        for place in 0..self.count() {
            let head = self.node(place).map_or(0, |node| head_behind(node.key(), common));
            page.heads[place].store(head, Ordering::Relaxed);
        }
    }
}

/// The head of a key behind its first `prefix_len` bytes.
#[inline]
fn head_behind(key: &[u8], prefix_len: usize) -> u64 {
    key_head(key.get(prefix_len..).unwrap_or_default())
}
