//! What differs between an engine on the machine it runs on and one in a simulated world.

use crate::base::sync::Arc;
use crate::io::Io;
use crate::table::BlockCache;
use crate::tree::published::Published;
use crate::tree::view::View;

/// Where an engine runs; told to it by whoever opens it.
#[derive(Clone, Copy)]
pub(super) struct Environment {
    /// A manifest grows to this many bytes, or to four times its first record, before a new one is begun.
    pub(super) manifest_len_max: u64,
    /// Publishes the first view: readers on any thread, or all of them on this one.
    pub(super) publish: fn(View) -> Published<View>,
    /// Whether all readers and writers are on one thread.
    pub(super) on_one_thread: bool,
    /// Makes the cache, of so many bytes.
    pub(super) cache: fn(usize, &Arc<dyn Io>) -> BlockCache,
}

impl Environment {
    /// The machine that this process runs on.
    pub(super) const HOST: Self = Self {
        manifest_len_max: 1 << 20,
        publish: Published::new,
        on_one_thread: false,
        cache: BlockCache::new_with_thread,
    };

    /// A simulated world: one thread, and few edits that must lead to a new manifest all the same.
    #[cfg(feature = "sim")]
    pub(super) const SIMULATED: Self = Self {
        manifest_len_max: 8 << 10,
        publish: Published::new_on_one_thread,
        on_one_thread: true,
        cache: |bytes, _| BlockCache::new_on_one_thread(bytes),
    };
}
