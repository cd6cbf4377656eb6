//! Bounds of a range in one shape: from `lower` on, up to but without `upper`.

use std::ops::{Bound, RangeBounds};

use crate::base::key::prefix_end;

/// Half-open bounds; `None` above is above every key.
pub(super) struct Bounds {
    pub(super) lower: Vec<u8>,
    pub(super) upper: Option<Vec<u8>>,
}

/// The smallest key after `key`.
pub(super) fn successor(key: &[u8]) -> Vec<u8> {
    let mut next = Vec::with_capacity(key.len() + 1);
    next.extend_from_slice(key);
    next.push(0);
    next
}

impl Bounds {
    pub(super) fn of_range<K: AsRef<[u8]>>(range: &impl RangeBounds<K>) -> Self {
        let lower = match range.start_bound() {
            Bound::Included(key) => key.as_ref().to_vec(),
            Bound::Excluded(key) => successor(key.as_ref()),
            Bound::Unbounded => Vec::new(),
        };
        let upper = match range.end_bound() {
            Bound::Included(key) => Some(successor(key.as_ref())),
            Bound::Excluded(key) => Some(key.as_ref().to_vec()),
            Bound::Unbounded => None,
        };
        Self { lower, upper }
    }

    pub(super) fn of_prefix(prefix: &[u8]) -> Self {
        Self { lower: prefix.to_vec(), upper: prefix_end(prefix) }
    }

    /// Whether no key can be within.
    pub(super) fn is_empty(&self) -> bool {
        self.upper.as_ref().is_some_and(|upper| *upper <= self.lower)
    }
}
