//! Which versions of a key somebody can still see: the newest always, for the readers to come, and
//! those that a live snapshot sees ([`readers_of`]).

use crate::base::coverage::reached;
use crate::base::key::SeqNo;
use crate::base::visibility::readers_of;

/// Why a version is kept, or that it is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// It is the newest of its key.
    Newest,
    /// Snapshots see it: one with the first of these seqnos, one with the last, and perhaps others
    /// between.
    Snapshots(SeqNo, SeqNo),
    /// Nobody sees it any more.
    Nobody,
}

/// Judges the versions of one key after another, newest first.
pub(crate) struct Retention {
    /// Seqnos of the snapshots, ascending.
    snapshots: Vec<SeqNo>,
    /// Whether nothing older lies below what is judged.
    bottommost: bool,
    /// Seqno of the version before, if it was of the same key.
    newer: Option<SeqNo>,
}

impl Retention {
    /// For these snapshots, in ascending order.
    pub(crate) fn new(snapshots: Vec<SeqNo>, bottommost: bool) -> Self {
        assert!(snapshots.is_sorted());
        Self { snapshots, bottommost, newer: None }
    }

    /// Whether a tombstone may go with the versions that it hides: nothing older is left for it to hide.
    pub(crate) fn bottommost(&self) -> bool {
        self.bottommost
    }

    /// The next versions are of another key.
    pub(crate) fn next_key(&mut self) {
        self.newer = None;
    }

    /// Who needs the next version of the key.
    pub(crate) fn need(&mut self, seqno: SeqNo) -> Need {
        let Some(newer) = self.newer.replace(seqno) else { return Need::Newest };
        let seen_by = readers_of(&self.snapshots, seqno, newer);
        let (Some(first), Some(last)) = (seen_by.first(), seen_by.last()) else {
            reached!("retention: a version was dropped");
            return Need::Nobody;
        };
        reached!("retention: a snapshot keeps a version");
        Need::Snapshots(*first, *last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_lives_as_long_as_a_snapshot_between_it_and_the_next_newer_one() {
        let check = |snapshots: &[u64], versions: &[u64], expected: &[u64]| {
            let mut retention = Retention::new(snapshots.iter().copied().map(SeqNo).collect(), true);
            let kept: Vec<_> = versions
                .iter()
                .copied()
                .filter(|seqno| retention.need(SeqNo(*seqno)) != Need::Nobody)
                .collect();
            assert_eq!(kept, expected, "snapshots {snapshots:?}");
        };
        check(&[], &[9, 7, 3], &[9]);
        check(&[8], &[9, 7, 3], &[9, 7]);
        check(&[7], &[9, 7, 3], &[9, 7]);
        check(&[6, 8], &[9, 7, 3], &[9, 7, 3]);
        check(&[2, 9, 12], &[9, 7, 3], &[9]);
        let mut retention = Retention::new([4, 5, 6, 8].map(SeqNo).to_vec(), true);
        let snapshots = |first, last| Need::Snapshots(SeqNo(first), SeqNo(last));
        let needs = [9, 7, 3, 2].map(|seqno| retention.need(SeqNo(seqno)));
        assert_eq!(needs, [Need::Newest, snapshots(8, 8), snapshots(4, 6), Need::Nobody]);
    }
}
