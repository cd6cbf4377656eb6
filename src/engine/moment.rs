//! What a scan pins: the view and the seqno of one moment.

use super::Engine;
use super::caller::Caller;
use super::open::Handle;
use super::read::BlockReader;
use super::readers::ScanReader;
use super::scan::Scan;
use crate::base::direction::Direction;
use crate::base::error::Result;
use crate::base::key::SeqNo;
use crate::base::key_range::KeyRange;
use crate::base::sync::{Arc, epoch};
use crate::tree::view::View;
use crate::tree::view_cursor::{ViewCursor, scan};

/// A moment of a database. Files and memtables of it stay until it is dropped, and so does what its caller keeps.
pub(crate) struct Moment<C: Caller = Arc<Handle>> {
    caller: C,
    view: Arc<View>,
    seqno: SeqNo,
    /// Keeps the versions that it sees.
    reader: ScanReader,
}

impl<C: Caller> Moment<C> {
    /// Now, or as a snapshot at seqno `at` sees it.
    pub(crate) fn new(caller: &C, at: Option<SeqNo>) -> Self {
        let engine = caller.engine();
        let guard = epoch::pin();
        let (view, newest) = engine.visible.moment(&engine.trees.default_tree().published, &guard);
        Self::of(caller, view, at.unwrap_or(newest))
    }

    /// The view and the seqno of one moment, which the caller has found under a guard that it still holds, or the seqno
    /// belongs to a live snapshot.
    pub(super) fn of(caller: &C, view: &Arc<View>, seqno: SeqNo) -> Self {
        let reader = caller.engine().readers.begin_scan(seqno);
        Self { caller: caller.clone(), view: Arc::clone(view), seqno, reader }
    }

    /// A cursor over all keys, on none yet; with `values` they are looked at.
    pub(super) fn cursor(&self, direction: Direction, values: bool) -> ViewCursor {
        let tree = self.engine().trees.default_tree();
        scan(&self.view, (&tree.gaps, &tree.scan_length), self.seqno, direction, values)
    }

    /// Whose moment it is.
    pub(super) fn caller(&self) -> &C {
        &self.caller
    }

    fn engine(&self) -> &Engine {
        self.caller.engine()
    }

    /// Who reads the blocks.
    pub(super) fn blocks(&self) -> &Arc<BlockReader> {
        &self.engine().blocks
    }

    /// What is read.
    pub(super) fn view(&self) -> &View {
        &self.view
    }

    /// Up to which write it is read.
    pub(super) fn seqno(&self) -> SeqNo {
        self.seqno
    }

    /// The keys from `bound` on, or backward from before it, of which those beyond `range` are not wanted.
    pub(super) fn scan(
        &self,
        bound: Option<&[u8]>,
        range: Option<&KeyRange>,
        (direction, values): (Direction, bool),
    ) -> Result<Scan> {
        Scan::begin(self.cursor(direction, values), self.blocks(), bound, range)
    }

    /// Refuses to go on in a child of the process that opened the database, and once the database is closed.
    pub(super) fn check_open(&self) -> Result<()> {
        self.caller.check_open()
    }
}

impl<C: Caller> Drop for Moment<C> {
    fn drop(&mut self) {
        if !self.engine().process.is_current() {
            // What it pins is the parent's, who alone may free it.
            std::mem::forget(Arc::clone(&self.view));
            return;
        }
        self.engine().readers.end_scan(&self.reader);
    }
}
