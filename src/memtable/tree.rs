//! The nodes in the order of their keys: a B+-tree that is read without locks while it grows.
//!
//! After V. Leis and others, "The ART of Practical Synchronization" (2016): optimistic lock coupling. A reader goes
//! down from the root, each time asking whether the page above is still the same once it has the version of
//! the page below, and begins again if not. A writer does so, too, and locks only the leaf. Pages are split under a
//! lock of the tree, bottom up, while all pages that the split changes are locked. No node is ever taken out and no
//! page is given back before the memtable is: what a reader holds on to stays true, it only lacks what came later.

use super::arena::Arena;
use super::node::{NodeRef, VersionRef};
use super::page::{Page, PageRef};
use crate::base::sync::atomic::{AtomicPtr, Ordering};
use crate::base::sync::{Mutex, lock};

/// A page is at least half full, so that so many levels are enough for 2^40 nodes.
const LEVELS_MAX: usize = if cfg!(loom) { 20 } else { 10 };

/// See the module.
pub(super) struct Tree {
    root: AtomicPtr<Page>,
    /// Held by who splits pages.
    splitting: Mutex<()>,
}

/// Which leaf to go down to.
#[derive(Clone, Copy)]
pub(super) enum Toward<'k> {
    /// The first.
    First,
    /// The last.
    Last,
    /// The one where the key is or belongs.
    Key(&'k [u8]),
    /// The one with the greatest key below this one.
    Below(&'k [u8]),
}

impl Tree {
    pub(super) fn new(arena: &Arena) -> Self {
        let root = PageRef::new(arena, 0, None);
        Self { root: AtomicPtr::new(root.as_ptr()), splitting: Mutex::new(()) }
    }

    #[inline]
    fn root(&self) -> PageRef<'_> {
        // SAFETY: a page of the arena that the memtable keeps as long as the tree; Acquire pairs with the Release in
        // `split`.
        unsafe { PageRef::from_ptr(self.root.load(Ordering::Acquire)) }.expect("a tree has a root")
    }

    /// A leaf, with its version from a moment when it was the right one.
    #[inline]
    pub(super) fn leaf(&self, toward: Toward<'_>) -> (PageRef<'_>, u32) {
        'root: loop {
            let mut page = self.root();
            let mut version = page.begin_read();
            if self.root() != page {
                continue;
            }
            while !page.is_leaf() {
                let Some(child) = page.child(child_place(page, toward)) else { continue 'root };
                child.prefetch();
                let child_version = child.begin_read();
                if !page.is_still(version) {
                    continue 'root;
                }
                (page, version) = (child, child_version);
            }
            return (page, version);
        }
    }

    /// Asks for the memory of a leaf, or of another one if pages are split meanwhile.
    pub(super) fn prefetch_leaf(&self, toward: Toward<'_>) {
        let mut page = self.root();
        while !page.is_leaf() {
            let Some(child) = page.child(child_place(page, toward)) else { return };
            if page.level() == 1 {
                return child.prefetch();
            }
            page = child;
        }
    }

    /// The node of `key`.
    pub(super) fn find(&self, key: &[u8]) -> Option<NodeRef<'_>> {
        loop {
            let (leaf, version) = self.leaf(Toward::Key(key));
            let found = leaf.search(key);
            if leaf.is_still(version) {
                return found.node;
            }
        }
    }

    /// The node of `key`, which gets `newest` if it is made now; and whether it was.
    pub(super) fn get_or_insert<'a>(
        &'a self,
        arena: &'a Arena,
        key: &[u8],
        newest: VersionRef<'a>,
    ) -> (NodeRef<'a>, bool) {
        let mut made = None;
        loop {
            let (leaf, version) = self.leaf(Toward::Key(key));
            let found = leaf.search(key);
            if let Some(node) = found.node {
                if leaf.is_still(version) {
                    return (node, false);
                }
            } else if leaf.is_full() {
                if leaf.is_still(version) {
                    self.split(arena, key);
                }
            } else {
                // Made before the page is locked, and of no use if another writer comes first with this key.
                let node = *made.get_or_insert_with(|| NodeRef::new(arena, key, Some(newest)));
                if leaf.lock(version) {
                    leaf.insert(found.place, Some(node), None);
                    leaf.unlock();
                    return (node, true);
                }
            }
        }
    }

    /// Makes room in the leaf where `key` belongs, unless another writer has.
    #[cold]
    fn split<'a>(&'a self, arena: &'a Arena, key: &[u8]) {
        let _alone = lock(&self.splitting);
        // From here on leaves change, pages above them do not.
        let mut path = Path { pages: [self.root(); LEVELS_MAX], len: 1 };
        while let Some(page) = path.pages().last().filter(|page| !page.is_leaf()) {
            let child = page.child(child_place(*page, Toward::Key(key)));
            path.push(child.expect("an inner page has children"));
        }
        let path = path.pages();
        let leaf = path[path.len() - 1];
        leaf.lock_now();
        if !leaf.is_full() {
            return leaf.unlock();
        }
        // The pages that are split, and the one above them that has room.
        let split = path.iter().rev().take_while(|page| page.is_full()).count();
        let changed = &path[path.len() - (split + 1).min(path.len())..];
        changed.iter().rev().skip(1).for_each(|page| page.lock_now());
        let mut added = None;
        for page in changed.iter().rev() {
            added = add_child(arena, *page, added);
        }
        if let Some(right) = added {
            let root = PageRef::new(arena, changed[0].level() + 1, None);
            root.insert(0, None, Some(changed[0]));
            root.insert(1, right.lower(), Some(right));
            self.root.store(root.as_ptr(), Ordering::Release);
        }
        changed.iter().for_each(|page| page.unlock());
    }
}

/// The pages from the root down to a leaf.
struct Path<'a> {
    pages: [PageRef<'a>; LEVELS_MAX],
    len: usize,
}

impl<'a> Path<'a> {
    fn pages(&self) -> &[PageRef<'a>] {
        &self.pages[..self.len]
    }

    fn push(&mut self, page: PageRef<'a>) {
        self.pages[self.len] = page;
        self.len += 1;
    }
}

/// Puts a page that was split off below `page` beside the one it comes from. Splits `page` if it is full, and returns
/// what was split off. Both are locked.
fn add_child<'a>(arena: &'a Arena, page: PageRef<'a>, child: Option<PageRef<'a>>) -> Option<PageRef<'a>> {
    let right = page.is_full().then(|| page.split(arena));
    if let Some(child) = child {
        let node = child.lower().expect("what was split off has a lower bound");
        let belongs_right =
            right.filter(|right| right.lower().is_some_and(|lower| lower.key() <= node.key()));
        let home = belongs_right.unwrap_or(page);
        let place = child_place(home, Toward::Key(node.key())) + 1;
        home.insert(place, Some(node), Some(child));
    }
    right
}

/// The place of the child to go down to.
#[inline]
fn child_place(page: PageRef<'_>, toward: Toward<'_>) -> usize {
    match toward {
        Toward::First => 0,
        Toward::Last => page.count().saturating_sub(1),
        Toward::Key(key) => page.first_not(key, 1, |_, order| order.is_le()) - 1,
        Toward::Below(key) => page.first_not(key, 1, |_, order| order.is_lt()) - 1,
    }
}
