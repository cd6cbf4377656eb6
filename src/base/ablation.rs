//! Mechanisms that a measurement turns off, one at a time, to see what each is worth.
//!
//! `ablated!(Name)` is `false` unless the feature `ablation` is on and the environment variable `RABI_ABLATE` of
//! the process names the mechanism. What is turned off costs speed or memory, never an answer or durability.

/// Whether the mechanism of this name is turned off.
#[cfg(feature = "ablation")]
macro_rules! ablated {
    ($mechanism:ident) => {
        $crate::base::ablation::is_off($crate::base::ablation::Mechanism::$mechanism)
    };
}

/// Whether the mechanism of this name is turned off: never, without the feature `ablation`.
#[cfg(not(feature = "ablation"))]
macro_rules! ablated {
    ($mechanism:ident) => {
        false
    };
}

pub(crate) use ablated;

#[cfg(feature = "ablation")]
pub(crate) use switch::{Mechanism, is_off};

#[cfg(feature = "ablation")]
mod switch {
    //! The mechanism that this process does without.

    use std::sync::LazyLock;

    /// What can be turned off.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) enum Mechanism {
        /// Memtables have no index by hash: lookups and insertions go down the tree.
        MemtableIndex,
        /// Memtables keep versions that nobody sees.
        VersionsCut,
        /// Each memtable asks the system for its memory anew.
        MemoryReused,
        /// Nobody asks for huge pages.
        HugePages,
        /// Entries are inserted under the commit lock.
        InsertsSideBySide,
        /// Tables are searched whatever their filters say.
        Filters,
        /// Blocks are searched without their landmarks.
        Landmarks,
        /// Blocks that were read are not kept.
        BlockCache,
        /// Nothing that was read is kept as a record.
        RecordCache,
        /// Blocks that a flush or compaction writes are not kept.
        WarmOutputs,
        /// Writers never sleep before they must.
        Throttle,
        /// Tables go to the device when they are synced.
        WriteBack,
        /// Scans do not lend themselves a place in a block: each step asks the merge.
        BlockWalks,
        /// Scans read nothing ahead before they have shown how far they go.
        ScanLengths,
        /// Every table gets a new file.
        TableFilesReused,
        /// What the page cache does not have is read through it, also where it has no room.
        PageCacheSpared,
        /// Indexes are in memory as a whole, also where they are more than a part of the cache.
        IndexParts,
    }

    const ALL: [Mechanism; 17] = [
        Mechanism::MemtableIndex,
        Mechanism::VersionsCut,
        Mechanism::MemoryReused,
        Mechanism::HugePages,
        Mechanism::InsertsSideBySide,
        Mechanism::Filters,
        Mechanism::Landmarks,
        Mechanism::BlockCache,
        Mechanism::RecordCache,
        Mechanism::WarmOutputs,
        Mechanism::Throttle,
        Mechanism::WriteBack,
        Mechanism::BlockWalks,
        Mechanism::ScanLengths,
        Mechanism::TableFilesReused,
        Mechanism::PageCacheSpared,
        Mechanism::IndexParts,
    ];

    static OFF: LazyLock<Option<Mechanism>> = LazyLock::new(|| {
        let name = std::env::var("RABI_ABLATE").ok().filter(|name| !name.is_empty())?;
        let named = ALL.into_iter().find(|mechanism| format!("{mechanism:?}") == name);
        Some(named.unwrap_or_else(|| panic!("RABI_ABLATE is {name}, but must be one of {ALL:?}")))
    });

    pub(crate) fn is_off(mechanism: Mechanism) -> bool {
        *OFF == Some(mechanism)
    }
}
