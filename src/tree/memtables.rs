//! L0 and L1: when L0 is full, and how it goes to L1.
//!
//! Everything here that changes something runs under the commit lock: the place in the log at which one memtable
//! ends and the next begins must not move meanwhile.

use super::Tree;
use super::levels::LogMark;
use super::view::View;
use crate::base::ids::MemtableId;
use crate::base::sync::{Arc, epoch};

/// L0 goes to L1 when the log since its beginning is so many times as long as memtables may be, however little
/// of what was written is left: all of that log is replayed after a crash.
const LOG_FACTOR_MAX: u64 = 2;

impl Tree {
    /// Whether L0 takes another batch; one that is full goes to L1 first, if there is room, which is noted in `froze`.
    /// `end` is the end of the log. Under the commit lock.
    pub(crate) fn make_room(&self, end: LogMark, froze: &mut bool) -> bool {
        let guard = epoch::pin();
        let view = self.published.load(&guard);
        let log_bytes = end.lsn - view.memtable.wal_start();
        if !view.memtable.is_full() && log_bytes < LOG_FACTOR_MAX * self.options.memtable_size_bytes {
            return true;
        }
        let has_room = self.has_room_in_l1(view);
        if has_room {
            self.freeze(end);
            *froze = true;
        }
        has_room
    }

    /// Whether L0 may go to L1.
    pub(crate) fn has_room_in_l1(&self, view: &View) -> bool {
        view.frozen.len() < self.options.max_frozen_memtables
    }

    /// L0 goes to L1, a new one takes its place, for what is written from `end` on. Under the commit lock; who calls this
    /// tells whoever flushes, but not before the lock is given back: callers that wait are woken, too, and what a
    /// waker does is theirs.
    pub(crate) fn freeze(&self, end: LogMark) {
        let view = self.published.update(|old| {
            let memtable = Arc::new(old.memtable.successor(end.lsn, end.seqno));
            let mut frozen = Vec::with_capacity(old.frozen.len() + 1);
            frozen.push(Arc::clone(&old.memtable));
            frozen.extend(old.frozen.iter().cloned());
            View { memtable, frozen, files: Arc::clone(&old.files), records: old.records.clone() }
        });
        self.set_throttle(&view);
    }

    /// Whether memtables up to `target` are all in L2.
    pub(crate) fn is_flushed(&self, target: MemtableId) -> bool {
        self.view().frozen.iter().all(|memtable| memtable.id() > target)
    }
}
