//! Which version of a key a reader sees: the one place where that is decided.
//!
//! A reader at seqno `s` sees of each key the newest version at or below `s`; if that is a delete, the
//! key has no value for it. So a version `v` whose next newer version is `n` is what the readers at `v`
//! and above see, up to but without `n`, and the newest version of all is what every later reader sees.
//!
//! Scans ask [`seen`] of one version after another; lookups, which find the newest version at or below
//! `s` by searching for it, ask [`is_value`] of that one. Whoever writes tables asks [`readers_of`], to
//! leave out what nobody sees. A test holds the two ways against each other.
//!
//! A range tombstone would be consulted here and nowhere else. It is a delete, at a seqno, of every key
//! of a range: `seen` and `is_value` would be told the seqno of the newest one that covers the key and
//! that the reader sees (at or below `s`), and a version below that seqno would be deleted; `readers_of` would
//! take the oldest one above the version for a newer version, if it is older than that. Finding
//! it is for the sources of a lookup or merge, each of which would hold its own.

use super::key::{Kind, SeqNo, Tag};
use super::planted::planted;

/// What a version says to a reader that has met no newer version which it sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// The key has this version's value.
    Value,
    /// The key has no value.
    Deleted,
    /// Nothing: it was written after the reader's moment, and an older version decides.
    TooNew,
}

/// What `version` says to a reader at `reader`.
#[inline]
pub(crate) fn seen(version: Tag, reader: SeqNo) -> Seen {
    if version.seqno() > reader {
        return Seen::TooNew;
    }
    if is_value(version) { Seen::Value } else { Seen::Deleted }
}

/// Whether a key has a value for a reader, the newest version that it sees being `version`.
#[inline]
pub(crate) fn is_value(version: Tag) -> bool {
    version.kind() == Kind::Put
}

/// Those of `readers`, which ascend, that see the version with seqno `version`, the next newer version
/// of the key having seqno `newer`.
pub(crate) fn readers_of(readers: &[SeqNo], version: SeqNo, newer: SeqNo) -> &[SeqNo] {
    let first = readers
        .partition_point(|reader| *reader < version || (planted!(SnapshotBoundWrong) && *reader == version));
    let behind = readers.partition_point(|reader| *reader < newer);
    readers.get(first..behind).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_sees_the_newest_version_at_or_below_its_seqno() {
        let check = |kind, seqno, reader, expected| {
            assert_eq!(seen(Tag::new(SeqNo(seqno), kind), SeqNo(reader)), expected)
        };
        check(Kind::Put, 5, 4, Seen::TooNew);
        check(Kind::Put, 5, 5, Seen::Value);
        check(Kind::Put, 5, 9, Seen::Value);
        check(Kind::Delete, 5, 4, Seen::TooNew);
        check(Kind::Delete, 5, 5, Seen::Deleted);
    }

    #[test]
    fn the_readers_of_a_version_are_those_that_see_it_first() {
        let readers: Vec<SeqNo> = (0..12).map(SeqNo).collect();
        for versions in [vec![11, 9, 8, 3, 1], vec![7, 6, 5], vec![4], vec![10, 0]] {
            let versions: Vec<SeqNo> = versions.into_iter().map(SeqNo).collect();
            let mut seen_by_walking = vec![Vec::new(); versions.len()];
            for reader in &readers {
                let sees = |seqno: &SeqNo| seen(Tag::new(*seqno, Kind::Put), *reader) == Seen::Value;
                if let Some(first) = versions.iter().position(sees) {
                    seen_by_walking[first].push(*reader);
                }
            }
            for (number, pair) in versions.windows(2).enumerate() {
                assert_eq!(readers_of(&readers, pair[1], pair[0]), seen_by_walking[number + 1]);
            }
        }
        let (version, newer) = (SeqNo(3), SeqNo(7));
        assert!(readers_of(&[], version, newer).is_empty());
        assert_eq!(readers_of(&[2, 3, 6, 7].map(SeqNo), version, newer), [SeqNo(3), SeqNo(6)]);
    }
}
