//! Walks through a memtable in the order of keys: of all versions, for a flush; and a position for a reader,
//! which keeps the memtable.

use super::Memtable;
use super::node::{Node, NodeRef, Version, VersionRef};
use super::page::{Page, PageRef};
use super::tree::{Toward, Tree};
use crate::base::direction::Direction;
use crate::base::key::{SeqNo, Tag};
use crate::base::prefetch::prefetch_at;
use crate::base::sync::Arc;
use crate::base::sync::epoch::Guard;

/// How many nodes are fetched from a leaf at a time.
const FETCHED_MAX: usize = if cfg!(loom) { 1 } else { 16 };

/// Of a node that so many others lie before, the version is asked for.
const AHEAD: usize = 3;

impl Memtable {
    /// All entries: by key, newest first. Only of a memtable that nobody writes to: old versions are cut off by writers.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&[u8], Tag, &[u8])> {
        self.nodes(Direction::Forward, None).flat_map(|node| {
            let versions = std::iter::successors(node.newest(), |version| version.older());
            versions.map(move |version| (node.key(), version.tag(), version.value()))
        })
    }

    /// The keys from `key` on, each with the length of its newest version's value. The guard keeps that version: what
    /// is newest under it is not cut off before it ends.
    pub(super) fn keys_from<'a>(
        &'a self,
        key: &[u8],
        _guard: &'a Guard,
    ) -> impl Iterator<Item = (&'a [u8], usize)> {
        let nodes = self.nodes(Direction::Forward, Some(key));
        nodes.filter_map(|node| Some((node.key(), node.newest()?.value().len())))
    }

    /// The node that a direction begins with.
    pub(super) fn first(&self, direction: Direction) -> Option<NodeRef<'_>> {
        self.nodes(direction, None).next()
    }

    /// The nodes from the first one at or after `bound` on, or backward from the last one before it; without a bound
    /// from where the direction begins.
    pub(super) fn nodes(
        &self,
        direction: Direction,
        bound: Option<&[u8]>,
    ) -> impl Iterator<Item = NodeRef<'_>> {
        let mut steps = Steps::new();
        let first = steps.seek(&self.tree, direction, bound);
        std::iter::successors(first, move |_| steps.advance(&self.tree, direction))
    }
}

/// Steps from node to node. A few are fetched from a leaf at a time, so that their memory is on its way before it is
/// needed.
struct Steps {
    /// The leaf that was fetched from last, its version then, and the place in it to go on at.
    leaf: *mut Page,
    version: u32,
    place: usize,
    /// What was fetched, and which of it the walk is at. All are in the arena of the memtable.
    fetched: [*mut Node; FETCHED_MAX],
    count: usize,
    at: usize,
}

impl Steps {
    fn new() -> Self {
        let fetched = [std::ptr::null_mut(); FETCHED_MAX];
        Self { leaf: std::ptr::null_mut(), version: 0, place: 0, fetched, count: 0, at: 0 }
    }

    /// Goes to the first node at or after `bound`, or backward to the last one before it; without a bound to where
    /// the direction begins.
    fn seek<'a>(
        &mut self,
        tree: &'a Tree,
        direction: Direction,
        bound: Option<&[u8]>,
    ) -> Option<NodeRef<'a>> {
        loop {
            let (leaf, version) = tree.leaf(toward(direction, bound));
            let place = match (direction, bound) {
                (Direction::Forward, None) => 0,
                (Direction::Backward, None) => leaf.count(),
                (_, Some(key)) => leaf.search(key).place,
            };
            if self.fetch(tree, direction, (leaf, version), place) {
                return self.current(tree);
            }
        }
    }

    /// Goes on to the next node.
    #[inline]
    fn advance<'a>(&mut self, tree: &'a Tree, direction: Direction) -> Option<NodeRef<'a>> {
        self.at += 1;
        if self.at >= self.count {
            self.fetch_more(tree, direction);
        }
        self.current(tree)
    }

    #[inline]
    fn current<'a>(&self, _tree: &'a Tree) -> Option<NodeRef<'a>> {
        let fetched = &self.fetched[..self.count];
        // SAFETY: nodes of the tree that the caller has.
        let node = |place: usize| fetched.get(place).and_then(|node| unsafe { NodeRef::from_ptr(*node) });
        if let Some(ahead) = node(self.at + AHEAD) {
            ahead.prefetch_newest();
        }
        node(self.at)
    }

    fn fetch_more(&mut self, tree: &Tree, direction: Direction) {
        let Some(&last) = self.fetched[..self.count].last() else { return };
        // SAFETY: a leaf and a node of the tree that the caller has.
        let (leaf, last) = unsafe { (PageRef::from_ptr(self.leaf), NodeRef::from_ptr(last)) };
        let (leaf, last) = (leaf.expect("fetched from a leaf"), last.expect("what was fetched is there"));
        if self.fetch(tree, direction, (leaf, self.version), self.place) {
            return;
        }
        loop {
            let (leaf, version, place) = match direction {
                Direction::Forward => {
                    let (leaf, version) = tree.leaf(Toward::Key(last.key()));
                    (leaf, version, leaf.first_not(last.key(), 0, |_, order| order.is_le()))
                }
                Direction::Backward => {
                    let (leaf, version) = tree.leaf(Toward::Below(last.key()));
                    (leaf, version, leaf.search(last.key()).place)
                }
            };
            if self.fetch(tree, direction, (leaf, version), place) {
                return;
            }
        }
    }

    /// Fetches nodes of a leaf from `place` on, or backward those before it, and of the leaf behind or before if there
    /// are none; `false` if the leaf has not had this version any more, and nothing is known.
    fn fetch<'a>(
        &mut self,
        tree: &'a Tree,
        direction: Direction,
        (mut leaf, mut version): (PageRef<'a>, u32),
        mut place: usize,
    ) -> bool {
        loop {
            let places = match direction {
                Direction::Forward => place..leaf.count().min(place + FETCHED_MAX),
                Direction::Backward => place.saturating_sub(FETCHED_MAX)..place.min(leaf.count()),
            };
            let count = places.len();
            for (step, place) in places.clone().enumerate() {
                let to = if direction == Direction::Forward { step } else { count - 1 - step };
                self.fetched[to] = leaf.node(place).map_or(std::ptr::null_mut(), NodeRef::as_ptr);
            }
            let next = leaf.next();
            if !leaf.is_still(version) {
                return false;
            }
            let other = match direction {
                _ if count > 0 => None,
                // All of the leaf behind, whatever becomes of this one: what comes between is newer than the walk.
                Direction::Forward => next.map(|next| (next, next.begin_read())),
                Direction::Backward => leaf.lower().map(|lower| tree.leaf(Toward::Below(lower.key()))),
            };
            let Some(other) = other else {
                (self.leaf, self.version, self.count, self.at) = (leaf.as_ptr(), version, count, 0);
                self.place = if direction == Direction::Forward { places.end } else { places.start };
                self.fetched[..count].iter().for_each(|node| prefetch_at(*node));
                return true;
            };
            (leaf, version) = other;
            place = if direction == Direction::Forward { 0 } else { leaf.count() };
        }
    }
}

/// A position among the keys of a memtable, at the version that a reader sees. Copies nothing, and keeps the
/// memtable.
///
/// The reader must be one that the [oldest reader](Memtable::insert) of insertions takes into account: what
/// it stands on is not cut off then.
pub(crate) struct Position {
    memtable: Arc<Memtable>,
    reader: SeqNo,
    steps: Steps,
    /// Node and version; null behind the end. Both are in the arena of the memtable.
    node: *mut Node,
    version: *mut Version,
}

// SAFETY: the pointers are to what the memtable owns, which may be read from any thread.
unsafe impl Send for Position {}
// SAFETY: as above.
unsafe impl Sync for Position {}

impl Position {
    /// On no entry yet.
    pub(crate) fn new(memtable: Arc<Memtable>, reader: SeqNo) -> Self {
        Self {
            memtable,
            reader,
            steps: Steps::new(),
            node: std::ptr::null_mut(),
            version: std::ptr::null_mut(),
        }
    }

    /// Goes to the first key at or after `bound`, or backward to the last one before it; without a bound to where
    /// the direction begins.
    pub(crate) fn seek(&mut self, direction: Direction, bound: Option<&[u8]>) {
        if !self.memtable.may_show_entries() {
            (self.node, self.version) = (std::ptr::null_mut(), std::ptr::null_mut());
            return;
        }
        let node = self.steps.seek(&self.memtable.tree, direction, bound).map(NodeRef::as_ptr);
        self.stand_on_visible(node, direction);
    }

    /// Asks for the memory with which a seek begins.
    pub(crate) fn foresee(&self, direction: Direction, bound: Option<&[u8]>) {
        if self.memtable.may_show_entries() {
            self.memtable.tree.prefetch_leaf(toward(direction, bound));
        }
    }

    /// Goes on to the next key.
    #[inline]
    pub(crate) fn advance(&mut self, direction: Direction) {
        let node = self.steps.advance(&self.memtable.tree, direction).map(NodeRef::as_ptr);
        self.stand_on_visible(node, direction);
    }

    /// Stands on the first node from `node` on that has a version for the reader.
    #[inline]
    fn stand_on_visible(&mut self, mut node: Option<*mut Node>, direction: Direction) {
        (self.node, self.version) = (std::ptr::null_mut(), std::ptr::null_mut());
        // SAFETY: of the memtable's arena.
        while let Some(found) = node.and_then(|node| unsafe { NodeRef::from_ptr(node) }) {
            if let Some(version) = found.at(self.reader) {
                (self.node, self.version) = (found.as_ptr(), version.as_ptr());
                return;
            }
            node = self.steps.advance(&self.memtable.tree, direction).map(NodeRef::as_ptr);
        }
    }

    /// Key and tag of the entry.
    #[inline]
    pub(crate) fn head(&self) -> Option<(&[u8], Tag)> {
        // SAFETY: null, or of the memtable's arena; a version that the reader sees is not cut off.
        let (node, version) = unsafe { (NodeRef::from_ptr(self.node)?, VersionRef::from_ptr(self.version)?) };
        Some((node.key(), version.tag()))
    }

    /// The value of the entry; there must be one.
    #[inline]
    pub(crate) fn value(&self) -> &[u8] {
        // SAFETY: as in `head`.
        unsafe { VersionRef::from_ptr(self.version) }.expect("on an entry").value()
    }
}

/// Where the first node lies that a walk comes to.
fn toward(direction: Direction, bound: Option<&[u8]>) -> Toward<'_> {
    match (direction, bound) {
        (Direction::Forward, None) => Toward::First,
        (Direction::Forward, Some(key)) => Toward::Key(key),
        (Direction::Backward, None) => Toward::Last,
        (Direction::Backward, Some(key)) => Toward::Below(key),
    }
}
