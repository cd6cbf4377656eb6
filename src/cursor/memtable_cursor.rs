//! A cursor over a shared memtable, of what a reader sees of it: each key once.

use super::{Cursor, Foresight, Moved};
use crate::base::direction::Direction;
use crate::base::key::{SeqNo, Tag};
use crate::base::sync::Arc;
use crate::memtable::{Memtable, Position};
use crate::table::Block;

/// A position in a memtable. It never needs a block.
pub(crate) struct MemtableCursor {
    position: Position,
    direction: Direction,
}

impl MemtableCursor {
    /// A cursor on no entry yet, over the newest version at or below `reader` of each key.
    pub(crate) fn new(memtable: Arc<Memtable>, direction: Direction, reader: SeqNo) -> Self {
        Self { position: Position::new(memtable, reader), direction }
    }
}

impl Cursor for MemtableCursor {
    fn seek(&mut self, bound: Option<&[u8]>) -> Moved {
        self.position.seek(self.direction, bound);
        Ok(())
    }

    fn foresee(&mut self, bound: Option<&[u8]>, step: Foresight) {
        if step == Foresight::Place {
            self.position.foresee(self.direction, bound);
        }
    }

    #[inline]
    fn advance(&mut self) -> Moved {
        self.position.advance(self.direction);
        Ok(())
    }

    fn supply(&mut self, _block: Arc<Block>) -> Moved {
        unreachable!("a memtable has no blocks")
    }

    #[inline]
    fn head(&self) -> Option<(&[u8], Tag)> {
        self.position.head()
    }

    #[inline]
    fn value(&self) -> &[u8] {
        self.position.value()
    }
}
