//! Walks through a memtable in the order of keys: of all versions, for a flush; and a position for a reader,
//! which keeps the memtable.

use super::Memtable;
use super::node::{Node, NodeRef, Version, VersionRef};
use crate::base::direction::Direction;
use crate::base::key::{SeqNo, Tag, key_hash};
use crate::base::sync::Arc;
use crate::base::sync::epoch::Guard;

impl Memtable {
    /// All entries: by key, newest first. Only of a memtable that nobody writes to: old versions are cut off by writers.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&[u8], Tag, &[u8])> {
        entries(self.list.first())
    }

    /// The keys from `key` on, each with the length of its newest version's value. The guard keeps that version: what
    /// is newest under it is not cut off before it ends.
    pub(super) fn keys_from<'a>(
        &'a self,
        key: &[u8],
        _guard: &'a Guard,
    ) -> impl Iterator<Item = (&'a [u8], usize)> {
        let nodes = std::iter::successors(self.list.first_from(key), |node| node.next(0));
        nodes.filter_map(|node| Some((node.key(), node.newest()?.value().len())))
    }

    /// The node after `node` in a direction.
    fn next<'a>(&'a self, node: NodeRef<'a>, direction: Direction) -> Option<NodeRef<'a>> {
        match direction {
            Direction::Forward => node.next(0),
            Direction::Backward => self.list.before(node),
        }
    }
}

fn entries<'a>(first: Option<NodeRef<'a>>) -> impl Iterator<Item = (&'a [u8], Tag, &'a [u8])> {
    let nodes = std::iter::successors(first, |node| node.next(0));
    nodes.flat_map(|node| {
        let versions = std::iter::successors(node.newest(), |version| version.older());
        versions.map(move |version| (node.key(), version.tag(), version.value()))
    })
}

/// A position among the keys of a memtable, at the version that a reader sees. Copies nothing, and keeps the
/// memtable.
///
/// The reader must be one that the [oldest reader](Memtable::insert) of insertions takes into account: what
/// it stands on is not cut off then.
pub(crate) struct Position {
    memtable: Arc<Memtable>,
    reader: SeqNo,
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
        Self { memtable, reader, node: std::ptr::null_mut(), version: std::ptr::null_mut() }
    }

    /// Goes to the first key at or after `bound`, or backward to the last one before it; without a bound to where
    /// the direction begins.
    pub(crate) fn seek(&mut self, direction: Direction, bound: Option<&[u8]>) {
        if !self.memtable.may_show_entries() {
            (self.node, self.version) = (std::ptr::null_mut(), std::ptr::null_mut());
            return;
        }
        let list = &self.memtable.list;
        let node = match (direction, bound) {
            (Direction::Forward, None) => list.first(),
            (Direction::Forward, Some(key)) => self.indexed(direction, key).or_else(|| list.first_from(key)),
            (Direction::Backward, None) => list.last(),
            (Direction::Backward, Some(key)) => self.indexed(direction, key).or_else(|| list.last_below(key)),
        };
        (self.node, self.version) = self.visible_from(node, direction);
    }

    /// Asks for the memory with which a seek begins.
    pub(crate) fn foresee(&self, direction: Direction, bound: Option<&[u8]>) {
        if !self.memtable.may_show_entries() {
            return;
        }
        if let Some(key) = bound.and_then(|bound| indexable(direction, bound)) {
            self.memtable.index.prefetch(key_hash(key));
        }
    }

    /// Where a seek leads, if the index tells: scans mostly begin at a key that is there, and then the list need not be
    /// searched.
    fn indexed(&self, direction: Direction, bound: &[u8]) -> Option<NodeRef<'_>> {
        let key = indexable(direction, bound)?;
        self.memtable.index.find(key_hash(key), key).unwrap_or_default()
    }

    /// Goes on to the next key.
    #[inline]
    pub(crate) fn advance(&mut self, direction: Direction) {
        // SAFETY: null, or of the memtable's arena.
        let Some(node) = (unsafe { NodeRef::from_ptr(self.node) }) else { return };
        (self.node, self.version) = self.visible_from(self.memtable.next(node, direction), direction);
    }

    /// The first node from `node` on that has a version for the reader.
    #[inline]
    fn visible_from<'a>(
        &'a self,
        mut node: Option<NodeRef<'a>>,
        direction: Direction,
    ) -> (*mut Node, *mut Version) {
        while let Some(found) = node {
            if let Some(version) = found.at(self.reader) {
                found.prefetch_beyond(direction);
                return (found.as_ptr(), version.as_ptr());
            }
            node = self.memtable.next(found, direction);
        }
        (std::ptr::null_mut(), std::ptr::null_mut())
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

/// The key that a seek leads to if it is there.
fn indexable(direction: Direction, bound: &[u8]) -> Option<&[u8]> {
    match direction {
        Direction::Forward => Some(bound),
        // No key is between one and the same with a zero behind.
        Direction::Backward => bound.strip_suffix(&[0]),
    }
}
