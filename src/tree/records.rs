//! The records of a tree in the cache, and when they are the newest.
//!
//! A record holds what *files* have for a key. A view says of which generation its files are; each flush begins a new one
//! before it renews records, and publishes it with its files. So a reader's record is taken only if no flush has begun since
//! its view was published, and whatever a flush has made outdated is gone before anybody sees its file.
//!
//! A record may be used in any view, older or newer than that it was read in, if its seqno is not above the reader's: the
//! memtables of that view had no version which the reader sees, and of all versions at or below a seqno that files have, the
//! newest stays the newest. It is taken only from a reader that sees all of the files: else a newer version may lie beside it.

use crate::base::key::{Kind, SeqNo, Tag};
use crate::base::keyspace::KeyspaceId;
use crate::base::planted::planted;
use crate::base::sync::Arc;
use crate::base::sync::atomic::{AtomicU64, Ordering};
use crate::base::sync::epoch::Guard;
use crate::cache::{RecordId, RecordLine, RecordRef};
use crate::exec::Local;
use crate::memtable::Memtable;
use crate::table::BlockCache;

/// Keys renewed between two looks at the clock.
const YIELD_INTERVAL: usize = 16;

/// How far ahead of a key that is renewed its line is asked for.
const AHEAD: usize = 8;

/// What is common to all views of a tree.
struct Shared {
    cache: Arc<BlockCache>,
    keyspace: KeyspaceId,
    /// The newest flush that has begun to renew.
    generation: AtomicU64,
}

/// The records, and the generation of a view's files.
#[derive(Clone)]
pub(crate) struct TreeRecords {
    shared: Arc<Shared>,
    generation: u64,
}

impl TreeRecords {
    /// Those of a tree that was just opened.
    pub(crate) fn new(cache: &Arc<BlockCache>, keyspace: KeyspaceId) -> Self {
        let shared = Shared { cache: Arc::clone(cache), keyspace, generation: AtomicU64::new(0) };
        Self { shared: Arc::new(shared), generation: 0 }
    }

    fn id<'a>(&self, key: &'a [u8], hash: u64) -> RecordId<'a> {
        RecordId { keyspace: self.shared.keyspace, key, hash }
    }

    /// Where records of this hash are, which is asked for; none if there are no records at all.
    #[inline]
    pub(crate) fn line(&self, hash: u64) -> Option<RecordLine<'_>> {
        self.shared.cache.record_line(hash)
    }

    /// The record of a key that the memtables of the view do not have for this reader, if it is the version that it sees.
    pub(crate) fn find<'g>(
        &'g self,
        line: RecordLine<'g>,
        (key, hash): (&[u8], u64),
        reader: SeqNo,
        guard: &'g Guard,
    ) -> Option<RecordRef<'g>> {
        let found = self.shared.cache.find_record(line, &self.id(key, hash), guard)?;
        (found.seqno() <= reader).then_some(found)
    }

    /// Whether what was found in a cached block is to become a record, so long a key and value together.
    #[inline]
    pub(crate) fn is_turn(&self, len: usize) -> bool {
        self.shared.cache.is_turn_of_record(len)
    }

    /// Adds the record of what files have for a key, if they are the newest, and there is room.
    pub(crate) fn add(&self, key: &[u8], hash: u64, (tag, value): (Tag, &[u8])) {
        let generation = &self.shared.generation;
        let is_current =
            || generation.load(Ordering::Relaxed) == self.generation || planted!(RecordOfOldFiles);
        if is_current() {
            self.shared.cache.add_record(&self.id(key, hash), tag, value, is_current);
        }
    }

    /// A new generation, and the records of what `memtable` has renewed. One flush of a tree does this at a time.
    /// The view that it publishes has what is returned.
    pub(crate) async fn renewed(&self, local: &Local, memtable: &Memtable) -> Self {
        let generation = self.shared.generation.load(Ordering::Relaxed) + 1;
        self.shared.generation.store(generation, Ordering::Relaxed);
        let renewed = Self { shared: Arc::clone(&self.shared), generation };
        if !self.shared.cache.begin_renewal() {
            return renewed;
        }
        let mut newest = Vec::with_capacity(YIELD_INTERVAL);
        let mut key_before = None;
        for (key, tag, value) in memtable.entries() {
            if key_before.replace(key) == Some(key) {
                continue;
            }
            newest.push((RecordId::of(self.shared.keyspace, key), tag, value));
            if newest.len() == YIELD_INTERVAL {
                self.renew_all(&mut newest);
                local.yield_if_due().await;
            }
        }
        self.renew_all(&mut newest);
        renewed
    }

    fn renew_all(&self, newest: &mut Vec<(RecordId<'_>, Tag, &[u8])>) {
        let ahead = |at: usize| newest.get(at).and_then(|(id, ..)| self.line(id.hash));
        (0..AHEAD).filter_map(ahead).for_each(drop);
        for (at, (id, tag, value)) in newest.iter().enumerate() {
            let _ahead = ahead(at + AHEAD);
            let value = (tag.kind() == Kind::Put).then_some(*value);
            self.shared.cache.renew_record(id, *tag, value);
        }
        newest.clear();
    }
}
