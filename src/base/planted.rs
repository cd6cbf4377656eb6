//! Mistakes made on purpose, to show that the simulator would find them.
//!
//! `planted!(Name)` is `false` unless the feature `sim` is on and this thread has planted that bug.
//! Each stands for a kind of mistake of the engine's own logic that storage engines have been known for. Mistakes in what
//! is asked of the disk (a forgotten sync, an ignored error) are not planted here: the simulated disk plays
//! them (`src/io/sim/lies.rs`).

/// Whether the bug of this name is planted.
#[cfg(feature = "sim")]
macro_rules! planted {
    ($bug:ident) => {
        $crate::base::planted::is_planted($crate::base::planted::Bug::$bug)
    };
}

/// Whether the bug of this name is planted: never, without the feature `sim`.
#[cfg(not(feature = "sim"))]
macro_rules! planted {
    ($bug:ident) => {
        false
    };
}

pub(crate) use planted;

#[cfg(feature = "sim")]
pub(crate) use selector::is_planted;
#[cfg(feature = "sim")]
pub use selector::{BUGS, Bug, plant};

#[cfg(feature = "sim")]
mod selector {
    //! The planted bug of this thread.

    use std::cell::Cell;

    /// Makes the enum, the list of all, and their texts.
    macro_rules! bugs {
        ($($name:ident: $text:literal,)+) => {
            /// A mistake to be made on purpose.
            #[derive(Clone, Copy, Debug, PartialEq, Eq)]
            pub enum Bug {
                $(#[doc = $text] $name,)+
            }

            /// All of them.
            pub const BUGS: &[Bug] = &[$(Bug::$name,)+];

            impl std::fmt::Display for Bug {
                fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    f.write_str(match self {
                        $(Self::$name => $text,)+
                    })
                }
            }
        };
    }

    bugs! {
        IndexEntryLost: "a memtable's index lacks a key that is in its list",
        ScanVersionsCut: "versions that a running scan sees are cut off in memtables",
        SnapshotVersionsCut: "versions that a snapshot sees are cut off in memtables",
        AcknowledgedEarly: "a Power write is acknowledged before its sync",
        TombstoneDropped: "a flush drops tombstones while older files hold the key",
        NewerPastOlder: "a compaction takes the newest flushed file past the older ones",
        ChecksumIgnored: "a block is used although its checksum is wrong",
        BatchReplayedInPart: "replay leaves out an entry of a batch now and then",
        SplitBoundWrong: "a partition begins behind its first key",
        LiveFileRemoved: "an opening removes a table that the manifest names",
        SeqnoReused: "an opening goes on with seqnos that were used before",
        StageOverrun: "the stage is overwritten while a write to a segment reads it",
        SnapshotIgnored: "a compaction drops versions that a snapshot sees",
        FilterIncomplete: "a filter lacks some of its keys",
        LogReleasedEarly: "segments are recycled before their memtable is flushed",
        StageMissed: "an opening goes on without a stage that is missing",
        StageGrownWithoutCopy: "the stage grows without moving what has another place then",
        StageNotReplayed: "an opening reads the segments only, not the stage",
        ReverseBoundWrong: "a reverse iteration leaves out the key at its lower bound",
        ConsumedIgnored: "a lookup reads in an L2 file what was compacted from it",
        FailureForgotten: "writes go on after the log has failed",
        FullForever: "writes do not resume when there is room again",
        WakeupLost: "writers that wait for the device are not woken",
        FileNumberReused: "an opening gives new files the numbers of old ones",
        SnapshotBoundWrong: "a version written just before a snapshot is dropped",
        CompleteMarkAhead: "the log says that half a record is durable as a whole",
        GroupNotSynced: "the writes of a group in the log count as durable without a sync",
        HeaderNotSynced: "durable writes behind a segment's header pass for a sync of it",
        LateFollowersAcknowledged: "a caller that drains acknowledges those who came after it closed its group",
        LeadNotHandedOn: "who drains goes without calling those who still wait",
        LeadGivenUpUnseen: "a caller that cannot drain its group gives up and keeps the turn",
        SpareExchanged: "after a failed write to a segment that begins, another segment begins there",
        GenerationReused: "the log goes on behind a torn tail instead of beginning anew",
        LogStartWrong: "a flush passes for one of all frozen memtables",
        LooseNames: "a name with another zero in front passes for one of ours",
        FullnessUnseen: "a Power write waits on while the log cannot be drained",
        LargeBatchBlind: "a large batch waits on although there is no room for it",
        RemovalFailureFails: "an edit fails because the old manifest cannot be removed",
        ForwardBoundWrong: "a forward iteration includes its upper bound",
        CursorTurnsInPlace: "a cursor that turns forward stays on its key",
        DurabilityIgnored: "a write that names no durability is Process, whatever the options say",
        HoleBoundWrong: "a key at a partition's lower bound counts as none of it",
        HolesRewritten: "a partition is rewritten although it receives no key",
        HoleTooWide: "a hole of a flushed file takes in the key behind it",
        GarbageForgotten: "what dropped snapshots held is never taken out",
        SourceOpenedLate: "a scan opens a table only behind the key that it begins with",
        RangeLeftLate: "a scan goes on in an L2 file only behind the key at which it is not consumed any more",
        WalkPastOthers: "a walk along a block passes entries that other sources have before its own",
        WalkShowsOld: "a walk along a block shows an older version of a key that it has shown",
        RunnerUpKeyIgnored: "a scan takes a source for the first although another has the same key",
        NeededTombstoneDropped: "a compaction drops a tombstone and keeps what it hides",
        RunAddedAsOldest: "a run is added behind the runs that stay in its partition",
        TombstoneDroppedAbove: "a compaction of the newest runs drops tombstones that hide what is in older ones",
        WaitedForSkipped: "a lookup of several keys goes on behind the file whose block it waited for",
        LargeBatchInCaller: "a large batch is entered by the future of its caller, who may drop it half way",
        GapOutlivesPut: "a put does not cut the note of a gap that it falls into",
        GapTakenUnknown: "a scan jumps over a gap of which nobody knows whether puts have missed the note",
        GuestPanicUncaught: "a panic of a future on a core ends the core",
        GuestForgotten: "a future on a core is not polled again when it is woken",
        GuestTurnEndless: "a future on a core goes on however long its turn has been",
        GuestReadsSwapped: "the blocks that a core reads for its own guest come in another order",
        RecordOutdated: "a flush does not renew the records of its keys",
        RecordOfOldFiles: "a record is added though a flush has begun since its files were published",
        KeptBlockMisplaced: "a block that is kept for the cache when a table is written goes into the slot of another",
        PieceGivenTwice: "memory of a cached block that was freed is given twice",
        ReadAheadMisplaced: "a block that a scan has read ahead goes into the cache's slot of the next",
        TableRewrittenTooEarly: "the file of a table is written anew before the manifest has given the table up",
        TableRewrittenWhileRead: "the file of a table is written anew while readers still have the table",
        SharedSlotUnchecked: "of blocks that share a slot of the cache one passes for another",
        IndexPartShifted: "a part of an index leads to the block before the one that may hold a key",
        LogFilesSwapped: "of two files that an opening has written from the log, the newer passes for the older",
        RunLeftOut: "a compaction takes the place of a run that it has not read",
    }

    thread_local! {
        static PLANTED: Cell<Option<Bug>> = const { Cell::new(None) };
    }

    /// Plants a bug for all that this thread does from now on; `None` removes it.
    pub fn plant(bug: Option<Bug>) {
        PLANTED.set(bug);
    }

    /// Whether this bug is planted.
    pub(crate) fn is_planted(bug: Bug) -> bool {
        PLANTED.get() == Some(bug)
    }
}
