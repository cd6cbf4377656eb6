//! The quick way along a block: from entry to entry while nothing else has to be looked at.
//!
//! A scan mostly shows the next entry of the block it is in. A cursor over a block, among others in a merge that shows
//! each key once, does much for it that has no effect then. So the cursor [lends](BlockWalk) its place, and as long as
//! the next entry is of another key, is what the reader sees, and comes before all that other cursors have, a step
//! decodes it, brings the key up to date, and no more. At the first entry of which that is not known to be true the place is
//! given back.

use std::ops::Range;

use super::block::Block;
use crate::base::key::{SeqNo, Tag};
use crate::base::planted::planted;
use crate::base::short_copy::replace_from;
use crate::base::sync::Arc;
use crate::base::visibility::is_value;

/// A place in a block, on an entry, which moves forward.
pub(crate) struct BlockWalk {
    block: Arc<Block>,
    /// Where the entry behind it begins.
    next: usize,
    /// From here on entries are not walked.
    stop: usize,
    tag: Tag,
    value: Range<usize>,
    /// Whether values are looked at.
    values: bool,
}

impl BlockWalk {
    /// On an entry before the first place, to walk up to the second.
    #[inline]
    pub(super) fn new(
        block: &Arc<Block>,
        (next, stop): (usize, usize),
        (tag, value): (Tag, Range<usize>),
        values: bool,
    ) -> Self {
        Self { block: Arc::clone(block), next, stop, tag, value, values }
    }

    /// Walks only keys below `limit`. Whether there may be such.
    #[inline]
    pub(crate) fn stop_before(&mut self, limit: &[u8]) -> bool {
        if !planted!(WalkPastOthers) {
            self.stop = self.stop.min(self.block.below(limit));
        }
        self.next < self.stop
    }

    /// Goes to the next entry and makes `key`, which is that of the entry where it is, the next one's, if that is another
    /// key, `reader` sees a value in the entry, and it is before the limit; else it stays.
    #[inline(always)]
    pub(crate) fn step(&mut self, key: &mut Vec<u8>, reader: SeqNo) -> bool {
        if self.next >= self.stop {
            return false;
        }
        let entry = self.block.entry(self.next);
        // Whoever comes near the end of a block does so with its cursor, which looks ahead.
        if entry.end > self.stop {
            return false;
        }
        let suffix = self.block.slice(entry.suffix.clone());
        let is_shown = entry.tag.seqno() <= reader
            && is_value(entry.tag)
            && (is_other(&key[entry.shared..], suffix) || planted!(WalkShowsOld));
        if !is_shown {
            return false;
        }
        self.block.ask_ahead(self.next, entry.end);
        if self.values {
            // While this one is copied: the next is likely as long.
            self.block.ask_for_value(entry.end, entry.end - self.next);
        }
        replace_from(key, entry.shared, suffix);
        (self.next, self.tag, self.value) = (entry.end, entry.tag, entry.value());
        true
    }

    /// The value of the entry.
    #[inline]
    pub(crate) fn value(&self) -> &[u8] {
        self.block.slice(self.value.clone())
    }

    /// Where the entry behind it begins, and seqno, kind and value of the entry.
    pub(super) fn place(&self) -> (usize, Tag, Range<usize>) {
        (self.next, self.tag, self.value.clone())
    }
}

/// Whether keys differ that are alike before these ends. The first byte mostly tells, without a call.
#[inline(always)]
fn is_other(one: &[u8], other: &[u8]) -> bool {
    one.len() != other.len() || one.first() != other.first() || one != other
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_differ_in_length_or_bytes() {
        assert!(
            is_other(b"", b"a") && is_other(b"a", b"") && is_other(b"ab", b"ac") && is_other(b"bb", b"cb")
        );
        assert!(!is_other(b"", b"") && !is_other(b"ab", b"ab"));
    }
}
