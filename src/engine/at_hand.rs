//! Blocks for a scan that were read together, until its moves ask for them one after another.

use crate::base::error::Result;
use crate::base::ids::FileId;
use crate::base::sync::Arc;
use crate::cursor::NeedsBlock;
use crate::table::Block;
use crate::tree::view_cursor::ViewCursor;

/// See the module.
#[derive(Default)]
pub(super) struct AtHand {
    blocks: Vec<(NeedsBlock, Arc<Block>)>,
    /// The file that was read last.
    last: Option<FileId>,
    elsewhere: u64,
}

impl AtHand {
    /// What is to be read for a move that needs a block: where a seek waits for several, all those that are not at hand,
    /// `needed` first. Nothing is read for the sake of keys behind `limit`.
    pub(super) fn missing(
        &mut self,
        cursor: &ViewCursor,
        needed: &NeedsBlock,
        limit: Option<&[u8]>,
    ) -> Vec<NeedsBlock> {
        let is_missing = |other: &&NeedsBlock| !other.is_for(needed) && self.position(other).is_none();
        let others = cursor.waiting_for().filter(is_missing);
        let mut missing: Vec<_> = std::iter::once(needed).chain(others).cloned().collect();
        for needed in &mut missing {
            needed.stop_at(limit);
            let last = self.last.replace(needed.table.id());
            self.elsewhere += u64::from(last.is_some_and(|last| last != needed.table.id()));
        }
        missing
    }

    /// Whether anything had to be read.
    pub(super) fn has_read(&self) -> bool {
        self.last.is_some()
    }

    /// How often something was read in another file than before: in a tree of one run hardly ever.
    pub(super) fn reads_elsewhere(&self) -> u64 {
        self.elsewhere
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
        self.blocks.extend(asked.zip(read).filter_map(|(needed, block)| Some((needed, block.ok()?))));
        first
    }

    /// A block, if it is at hand.
    pub(super) fn take(&mut self, needed: &NeedsBlock) -> Option<Arc<Block>> {
        let position = self.position(needed)?;
        Some(self.blocks.swap_remove(position).1)
    }

    fn position(&self, needed: &NeedsBlock) -> Option<usize> {
        self.blocks.iter().position(|(other, _)| other.is_for(needed))
    }
}
