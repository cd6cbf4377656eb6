//! The trees of a database, by keyspace.

use crate::base::keyspace::KeyspaceId;
use crate::base::sync::Arc;
use crate::tree::Tree;

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

    /// All of them.
    #[inline]
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Tree>> {
        std::iter::once(&self.default)
    }
}
