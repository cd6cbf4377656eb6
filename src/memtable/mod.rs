//! A memtable: an ordered map of entries in memory, readable without locks while it is written.
//!
//! | file | content |
//! | --- | --- |
//! | `pool`, `arena` | the memory |
//! | `node` | how a key and its versions lie in it |
//! | `page`, `tree` | the keys in order: a B+-tree |
//! | `index` | the keys by hash |
//! | `versions` | the versions of a key: adding one, cutting off what nobody sees |
//! | `walk` | going through it |
//! | `estimate` | bytes of a range |
//!
//! A lookup asks the index, which knows with one line of the cache that a key is not there. A scan walks the leaves of the tree. An
//! insertion of a key that is there adds a version and touches neither; one of a new key puts a node into both. From its creation a memtable knows where in the WAL its first record stands.

mod arena;
mod estimate;
mod index;
#[cfg(all(test, loom))]
mod loom_tests;
mod node;
mod page;
mod pool;
mod tree;
mod versions;
mod walk;

use crate::base::ablation::ablated;
use crate::base::ids::MemtableId;
use crate::base::key::{SeqNo, Tag, key_hash};
use crate::base::lsn::Lsn;
use crate::base::planted::planted;
use crate::base::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use crate::base::sync::{Arc, mutant};

pub(crate) use pool::Pool;
pub(crate) use walk::Position;

use arena::Arena;
use index::{Index, Overflowed};
use node::NodeRef;
use tree::Tree;
use versions::FreeVersions;

/// What an entry costs beside its key and value: node, version and slot of the index.
const ENTRY_OVERHEAD_BYTES: u64 = 96;

/// What so many entries with so many bytes of keys and values count for in a memtable.
pub(crate) fn memtable_bytes(entries: usize, payload_bytes: usize) -> u64 {
    payload_bytes as u64 + entries as u64 * ENTRY_OVERHEAD_BYTES
}

/// Entries of a contiguous range of the log, in key order.
pub(crate) struct Memtable {
    index: Index,
    tree: Tree,
    free: FreeVersions,
    /// What entries that were not cut off count for.
    bytes: AtomicU64,
    /// Keys that were ever inserted.
    keys: AtomicUsize,
    /// LSN of the first record that may have entries here.
    wal_start: Lsn,
    /// Seqno of the newest write before those here.
    seqno_before: SeqNo,
    id: MemtableId,
    pool: Arc<Pool>,
    /// What index and tree point into.
    arena: Arena,
}

impl Memtable {
    /// An empty memtable whose records begin at `wal_start` in the log, after `seqno_before`.
    pub(crate) fn new(pool: &Arc<Pool>, id: MemtableId, wal_start: Lsn, seqno_before: SeqNo) -> Self {
        let arena = pool.arena();
        Self {
            index: pool.take_index(),
            tree: Tree::new(&arena),
            free: FreeVersions::new(),
            bytes: AtomicU64::new(0),
            keys: AtomicUsize::new(0),
            wal_start,
            seqno_before,
            id,
            pool: Arc::clone(pool),
            arena,
        }
    }

    /// The empty memtable that takes the place of this one, of the same pool.
    pub(crate) fn successor(&self, wal_start: Lsn, seqno_before: SeqNo) -> Self {
        Self::new(&self.pool, self.id.next(), wal_start, seqno_before)
    }

    /// Seqno of the newest write before those here.
    pub(crate) fn seqno_before(&self) -> SeqNo {
        self.seqno_before
    }

    /// LSN of the first record that may have entries here.
    pub(crate) fn wal_start(&self) -> Lsn {
        self.wal_start
    }

    /// Its number, in order of creation.
    pub(crate) fn id(&self) -> MemtableId {
        self.id
    }

    /// What its entries count for, in bytes. What was cut off does not.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Memory used, in bytes, the index included.
    pub(crate) fn memory_bytes(&self) -> u64 {
        self.arena.bytes() + self.index.memory_bytes()
    }

    /// Memory of all memtables of its tree, in bytes: this one, others that wait to be flushed or that readers still
    /// have, and what is kept for the next.
    pub(crate) fn memory_bytes_of_all(&self) -> u64 {
        self.pool.memory_bytes()
    }

    /// Gives memory back to the system that no memtable of its tree has needed for some calls. To be called each second or so.
    pub(crate) fn free_unused_memory(&self) {
        self.pool.free_unused();
    }

    /// Whether it takes no more: its memory is used up, or its index.
    pub(crate) fn is_full(&self) -> bool {
        self.memory_bytes() >= self.pool.memtable_size()
            || self.keys.load(Ordering::Relaxed) >= self.index.capacity()
    }

    /// Whether nothing was inserted.
    pub(crate) fn is_empty(&self) -> bool {
        self.keys.load(Ordering::Relaxed) == 0
    }

    /// Whether a reader may see an entry. A settled database has an empty L0, whose index is in no cache. Each writer
    /// counts its bytes before its entry is visible, so a reader that sees an entry sees that there is one.
    #[inline]
    fn may_show_entries(&self) -> bool {
        self.bytes() != 0
    }

    /// Adds an entry. Each `(key, seqno)` is inserted once. No reader, now or later, is below `oldest_reader`:
    /// versions of the key that only such a one would see are cut off.
    pub(crate) fn insert(&self, key: &[u8], tag: Tag, value: &[u8], oldest_reader: SeqNo) {
        let hash = key_hash(key);
        let version = self.free.make(&self.arena, tag, value);
        self.bytes.fetch_add(memtable_bytes(1, key.len() + value.len()), Ordering::Relaxed);
        if let Ok(Some(node)) = self.index.find(hash, key) {
            return self.add_version(node, version, oldest_reader);
        }
        let (node, is_new) = self.tree.get_or_insert(&self.arena, key, version);
        // Also of a node that another writer has just made: its slot must be there before this entry is visible.
        let is_left_out = planted!(IndexEntryLost) && hash.is_multiple_of(64);
        if !is_left_out && (is_new || !mutant!("index_entry_left_to_another")) {
            self.index.insert(hash, node);
        }
        if is_new {
            self.keys.fetch_add(1, Ordering::Relaxed);
        } else {
            self.add_version(node, version, oldest_reader);
        }
    }

    fn add_version(&self, node: NodeRef<'_>, version: node::VersionRef<'_>, oldest_reader: SeqNo) {
        versions::add(node, version);
        if ablated!(VersionsCut) {
            return;
        }
        let _looked = versions::cut(node, oldest_reader, &self.free, |cut| {
            let bytes = memtable_bytes(1, node.key().len() + cut.value().len());
            self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        });
    }

    /// Asks for the memory with which a [`get`](Self::get) of a key with this hash begins.
    #[inline]
    pub(crate) fn prefetch(&self, hash: u64) {
        self.index.prefetch(hash);
    }

    /// Asks for the node that the line of the index names, which is there.
    #[inline]
    pub(crate) fn prefetch_node(&self, hash: u64) {
        self.index.prefetch_node(hash);
    }

    /// Asks for the newest version behind the node, which is there.
    #[inline]
    pub(crate) fn prefetch_version(&self, hash: u64) {
        self.index.prefetch_version(hash);
    }

    /// The newest version of `key`, whose hash is `hash`, at `reader`, handed to `found`.
    #[inline]
    pub(crate) fn get<R>(
        &self,
        key: &[u8],
        hash: u64,
        reader: SeqNo,
        found: impl FnOnce(Tag, &[u8]) -> R,
    ) -> Option<R> {
        if !self.may_show_entries() {
            return None;
        }
        let node = match self.index.find(hash, key) {
            Ok(node) => node?,
            Err(Overflowed) => self.tree.find(key)?,
        };
        let version = node.at(reader)?;
        Some(found(version.tag(), version.value()))
    }
}

impl Drop for Memtable {
    fn drop(&mut self) {
        self.pool.give_back(std::mem::replace(&mut self.index, Index::none()));
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
