//! What a reader pins: the view and the seqno of one moment.

use crate::base::error::Result;
use crate::base::key::SeqNo;
use crate::base::sync::{Arc, epoch};
use crate::cursor::Fetch;
use crate::cursor::merge::{Course, Merge};
use crate::engine::Handle;
use crate::tree::view::View;

/// A moment of a database, for iterators. Files and memtables of it stay until it is dropped.
pub(super) struct Moment {
    handle: Arc<Handle>,
    view: Arc<View>,
    pub(super) seqno: SeqNo,
}

impl Moment {
    /// Now, or as a snapshot at seqno `at` sees it.
    pub(super) fn new(handle: &Arc<Handle>, at: Option<SeqNo>) -> Self {
        let engine = &handle.0;
        let guard = epoch::pin();
        let (view, newest) = engine.visible.moment(&engine.published, &guard);
        Self { handle: Arc::clone(handle), view: Arc::clone(view), seqno: at.unwrap_or(newest) }
    }

    /// All sources in one order, upwards from `bound` on or downwards from before it.
    pub(super) fn merge(&self, bound: Option<&[u8]>, course: Course) -> Result<Merge> {
        let fetch: Arc<dyn Fetch> = Arc::clone(&self.handle.0.blocks) as Arc<dyn Fetch>;
        Merge::new(&self.view, &fetch, self.seqno, bound, course)
    }

    /// Refuses to go on in a child of the process that opened the database, and once the database is closed.
    pub(super) fn check_open(&self) -> Result<()> {
        self.handle.0.check_open()
    }
}

impl Drop for Moment {
    fn drop(&mut self) {
        if !self.handle.0.process.is_current() {
            // What it pins is the parent's, who may be the only one to take it apart.
            std::mem::forget(Arc::clone(&self.view));
        }
    }
}
