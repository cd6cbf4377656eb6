//! Marks on the paths that tests should have taken: recovery, errors, compaction, waiting.
//!
//! `reached!("name")` counts a mark on this thread if the feature `sim` is on, and is nothing at all
//! otherwise. The names stand in `MARKS`, so that those never reached can be listed; a name that
//! does not stand there is an error of compilation, one that is used nowhere fails a test.
//!
//! A mark tells something only if runs differ in it: a path that every run takes gets none.

/// Counts a mark of `MARKS`.
#[cfg(feature = "sim")]
macro_rules! reached {
    ($name:literal) => {
        $crate::base::coverage::reach(const { $crate::base::coverage::place_of($name) })
    };
}

/// Nothing: marks are counted with the feature `sim` only. The name stays, or the compiler would
/// find branches that differ in their marks alike.
#[cfg(not(feature = "sim"))]
macro_rules! reached {
    ($name:literal) => {{
        let _mark = $name;
    }};
}

pub(crate) use reached;

/// The marks there are.
#[cfg(any(feature = "sim", test))]
pub(crate) const MARKS: &[&str] = &[
    "allocate: zeros were written instead",
    "block: damaged",
    "close: could not settle",
    "close: settled",
    "close: waits for a caller's write",
    "commit: a table that nobody reads is removed",
    "commit: no space for an edit",
    "commit: refused after a failure",
    "commit: something retired is still read",
    "commit: the manifest failed",
    "commit: the manifest was rotated",
    "compaction: a tombstone was dropped",
    "compaction: a tombstone was kept for a snapshot",
    "compaction: adds a run",
    "compaction: an L2 file has nothing for a partition",
    "compaction: an empty partition",
    "compaction: beside another",
    "compaction: merges neighbours",
    "compaction: merges the newest runs",
    "compaction: nothing is left of a partition",
    "compaction: nothing to do for a partition",
    "compaction: paid by scans",
    "compaction: part of an L2 file was compacted before",
    "compaction: rewrites several runs as one",
    "compaction: split",
    "compaction: there is space again",
    "compaction: took cached blocks",
    "compaction: waits for space",
    "files: a table is written where an older one was",
    "files: an older table cannot be written anew",
    "files: one could not be removed",
    "files: one was removed later",
    "files: tables that were kept are removed",
    "flush: L2 is full",
    "flush: a tombstone was kept for a snapshot",
    "flush: ended by a failed log or manifest",
    "flush: nothing was left",
    "flush: told why it cannot end",
    "guest: panicked",
    "guest: panicked while it was dropped",
    "job: failed and will be tried again",
    "job: succeeded after a failure",
    "job: what it made is removed",
    "log: a caller drained a group",
    "log: a caller leaves the next group to the writer task",
    "log: a copy of the stage's marks may be torn",
    "log: a segment was begun",
    "log: a segment was recycled",
    "log: a spare too many was removed",
    "log: a spare was made ahead",
    "log: can be drained again",
    "log: cannot be drained for now",
    "log: drained in more than one group",
    "log: failed for good",
    "log: failed under a caller",
    "log: more than one spare is wanted",
    "log: no room for a larger stage",
    "log: no room to pad",
    "log: no room to write the stage",
    "log: no time to fill a spare",
    "log: several spares were made at once",
    "log: several writes in a group",
    "log: tables made way for a spare",
    "log: the device is full",
    "log: the head could not be marked",
    "log: the name of a spare could not be synced",
    "log: the stage grew",
    "log: the writer task waits for a caller's write",
    "log: there is room again",
    "manifest: a record of more than a piece",
    "manifest: a sync failed for want of space",
    "manifest: a torn edit was ignored",
    "manifest: damaged",
    "manifest: the first record is unfinished",
    "manifest: too long",
    "multi_get: a filter spared a block",
    "multi_get: more keys than are looked up at once",
    "open: a batch with a wrong seqno",
    "open: a log was never begun",
    "open: a segment of another length",
    "open: a segment serves again",
    "open: an old manifest was removed",
    "open: an old segment was removed",
    "open: an old stage was removed",
    "open: an orphaned table was removed",
    "open: an unfinished manifest was passed over",
    "open: no manifest is whole",
    "open: the log fills more than one memtable",
    "open: the log was replayed",
    "open: the stage is gone",
    "open: what the log holds is written to two files side by side",
    "open: what was written from the log is removed again",
    "open: without the stage, as permitted",
    "operation: completed after its waiter had gone",
    "range: a gap is known at once",
    "range: a gap that was noted is known",
    "range: a gap was noted",
    "range: began in what was compacted",
    "range: jumped over a gap, backward",
    "range: jumped over a gap, forward",
    "range: skipped what was compacted, backward",
    "range: skipped what was compacted, forward",
    "range: walked along a block beside other sources",
    "range: walked along a block up to what was compacted",
    "range: went on to the next partition",
    "read: a core has read for its own guest",
    "read: a core has read for who awaits it",
    "read: a filter spared a block",
    "read: began again with a block in hand",
    "read: found as a record",
    "read: found in L1",
    "read: past a page cache that is short",
    "readers: an old one holds versions",
    "replay: a batch from the stage",
    "replay: a damaged stage",
    "replay: a later record proves damage",
    "replay: a record begins in a segment and ends in the stage",
    "replay: a segment is missing",
    "replay: a segment is short",
    "replay: behind the end of the log lies something else",
    "replay: damaged marks of a stage",
    "replay: no segment of the log",
    "replay: the begun segment proves damage",
    "replay: the log ends",
    "replay: the log should not have ended",
    "replay: the log starts behind its segments",
    "replay: the stage should hold more",
    "replay: the stage was torn by the loss of power",
    "retention: a snapshot keeps a version",
    "retention: a version was dropped",
    "table: another length than the manifest says",
    "table: found a block by a part of the index",
    "table: what an older one had behind its end is cut off",
    "tick: readers that miss are left alone",
    "tick: the database has settled",
    "write: a core enters a large batch",
    "write: a large batch",
    "write: a large batch waits for another",
    "write: a large batch waits for room to be staged",
    "write: a large batch waits for the stage",
    "write: cut a gap",
    "write: gave up a large batch",
    "write: in the order, but perhaps not for long",
    "write: refused after a failure",
    "write: refused by a full device",
    "write: refused while the log cannot be drained",
    "write: slowed",
    "write: stalled, and told why",
    "write: waits for a large batch",
    "write: waits for memtables",
    "write: waits for room",
    "write: waits for the stage",
];

#[cfg(feature = "sim")]
pub use counts::{coverage, marks};
#[cfg(feature = "sim")]
pub(crate) use counts::{place_of, reach};

#[cfg(feature = "sim")]
mod counts {
    //! How often this thread has reached each mark.

    use std::cell::Cell;
    use std::collections::BTreeMap;

    use super::MARKS;

    thread_local! {
        static COUNTS: [Cell<u64>; MARKS.len()] = const { [const { Cell::new(0) }; MARKS.len()] };
    }

    /// Where a name stands in [`MARKS`].
    pub(crate) const fn place_of(name: &str) -> usize {
        let mut place = 0;
        while place < MARKS.len() {
            if equal(MARKS[place].as_bytes(), name.as_bytes()) {
                return place;
            }
            place += 1;
        }
        panic!("add the mark to MARKS in src/base/coverage.rs")
    }

    const fn equal(a: &[u8], b: &[u8]) -> bool {
        if a.len() != b.len() {
            return false;
        }
        let mut at = 0;
        while at < a.len() {
            if a[at] != b[at] {
                return false;
            }
            at += 1;
        }
        true
    }

    /// Counts a mark.
    pub(crate) fn reach(place: usize) {
        COUNTS.with(|counts| counts[place].set(counts[place].get() + 1));
    }

    /// The marks that this thread has reached, with how often.
    #[must_use]
    pub fn coverage() -> BTreeMap<&'static str, u64> {
        let counts = COUNTS.with(|counts| counts.each_ref().map(Cell::get));
        MARKS.iter().copied().zip(counts).filter(|(_, count)| *count > 0).collect()
    }

    /// All marks there are, sorted.
    #[must_use]
    pub fn marks() -> &'static [&'static str] {
        MARKS
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn collect(dir: &Path, text: &mut String) {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                collect(&path, text);
            } else if !path.ends_with("base/coverage.rs") {
                text.push_str(&std::fs::read_to_string(path).unwrap());
            }
        }
    }

    #[test]
    fn each_mark_stands_at_one_place_and_in_order() {
        let mut text = String::new();
        collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut text);
        for mark in MARKS {
            let places = text.matches(&format!("reached!(\"{mark}\")")).count();
            assert_eq!(places, 1, "the mark `{mark}` stands at {places} places");
        }
        assert_eq!(text.matches("reached!(\"").count(), MARKS.len(), "a mark is missing in MARKS");
        assert!(MARKS.is_sorted(), "keep MARKS sorted");
    }
}
