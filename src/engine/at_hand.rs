//! Blocks for a scan that were read together, until its moves ask for them one after another.

use crate::base::error::Result;
use crate::base::sync::Arc;
use crate::cursor::NeedsBlock;
use crate::table::Block;
use crate::tree::view_cursor::ViewCursor;

/// See the module.
#[derive(Default)]
pub(super) struct AtHand(Vec<(NeedsBlock, Arc<Block>)>);

impl AtHand {
    /// What is to be read for a move that needs a block: where a seek waits for several, all those that are not at hand,
    /// `needed` first. Nothing is read for the sake of keys behind `limit`.
    pub(super) fn missing(
        &self,
        cursor: &ViewCursor,
        needed: &NeedsBlock,
        limit: Option<&[u8]>,
    ) -> Vec<NeedsBlock> {
        let is_missing = |other: &&NeedsBlock| !other.is_for(needed) && self.position(other).is_none();
        let others = cursor.waiting_for().filter(is_missing);
        let mut missing: Vec<_> = std::iter::once(needed).chain(others).cloned().collect();
        missing.iter_mut().for_each(|needed| needed.stop_at(limit));
        missing
    }

    /// Takes in what was read; the first block tells of an error. The others, which may turn out to be spare, are read
    /// again if they could not be.
    pub(super) fn add(
        &mut self,
        asked: impl IntoIterator<Item = NeedsBlock>,
        read: Vec<Result<Arc<Block>>>,
    ) -> Result<Arc<Block>> {
        let mut read = read.into_iter();
        let mut asked = asked.into_iter();
        asked.next();
        let first = read.next().expect("as many blocks come as were asked for");
        self.0.extend(asked.zip(read).filter_map(|(needed, block)| Some((needed, block.ok()?))));
        first
    }

    /// A block, if it is at hand.
    pub(super) fn take(&mut self, needed: &NeedsBlock) -> Option<Arc<Block>> {
        let position = self.position(needed)?;
        Some(self.0.swap_remove(position).1)
    }

    fn position(&self, needed: &NeedsBlock) -> Option<usize> {
        self.0.iter().position(|(other, _)| other.is_for(needed))
    }
}
