//! The trees of a database, by keyspace.

use crate::base::key::SeqNo;
use crate::base::keyspace::KeyspaceId;
use crate::base::sync::Arc;
use crate::base::sync::epoch::Guard;
use crate::memtable::Memtable;
use crate::tree::Tree;
use crate::tree::gaps::Gaps;

/// All trees. There is one today, of the default keyspace.
pub(crate) struct Trees {
    default: Arc<Tree>,
}

impl Trees {
    /// With the tree of the default keyspace.
    pub(super) fn new(default: Tree) -> Self {
        assert!(default.keyspace == KeyspaceId::DEFAULT);
        Self { default: Arc::new(default) }
    }

    /// The tree of the default keyspace.
    #[inline]
    pub(crate) fn default_tree(&self) -> &Arc<Tree> {
        &self.default
    }

    /// The tree of a keyspace.
    #[inline]
    pub(crate) fn get(&self, keyspace: KeyspaceId) -> Option<&Arc<Tree>> {
        (keyspace == KeyspaceId::DEFAULT).then_some(&self.default)
    }

    /// The L0 of each, to be written to under the guard.
    #[inline]
    pub(super) fn memtables<'g>(&'g self, guard: &'g Guard) -> Memtables<'g> {
        let tree = &self.default;
        Memtables { default: (&tree.published.load(guard).memtable, &tree.gaps) }
    }

    /// A write has got its seqno, the last of which is `last`. Under the commit lock.
    #[inline]
    pub(super) fn give(&self, last: SeqNo) {
        self.default.gaps.give(last);
    }

    /// All of them.
    #[inline]
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Tree>> {
        std::iter::once(&self.default)
    }
}

/// The memtables that take writes at one moment, by keyspace, and the notes that writes look at.
pub(super) struct Memtables<'g> {
    default: (&'g Memtable, &'g Gaps),
}

impl<'g> Memtables<'g> {
    /// The one of a keyspace.
    #[inline]
    pub(super) fn get(&self, keyspace: KeyspaceId) -> Option<(&'g Memtable, &'g Gaps)> {
        (keyspace == KeyspaceId::DEFAULT).then_some(self.default)
    }
}
