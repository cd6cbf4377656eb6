//! Notes of gaps against a model: scans, puts and deletes in any order, readers of any age.

use std::collections::BTreeMap;

use super::gap_notes::{Left, Notes, WORTH_MIN};
use super::gaps::Gaps;
use crate::base::direction::Direction;
use crate::base::ids::MemtableId;
use crate::base::key::{Kind, SeqNo, Tag};
use crate::base::key_range::KeyRange;
use crate::base::keyspace::KeyspaceId;
use crate::base::lsn::Lsn;
use crate::base::sync::Arc;
use crate::cache::Cache;
use crate::memtable::{Memtable, Pool};
use crate::table::tests::Random;
use crate::tree::records::TreeRecords;
use crate::tree::scan_length::ScanLength;
use crate::tree::view::{Files, Partition, View};
use crate::tree::view_cursor::scan;

fn range(lower: &str, upper: &str) -> KeyRange {
    let upper = (!upper.is_empty()).then(|| upper.as_bytes().to_vec());
    KeyRange { lower: lower.as_bytes().to_vec(), upper }
}

/// The notes after a reader at `reader` has crossed a range while `given` was the newest seqno.
fn left(notes: &Notes, range: KeyRange, reader: u64, given: u64) -> Notes {
    match notes.crossed(range, 2 * WORTH_MIN, SeqNo(reader)) {
        Left::Nothing => notes.clone(),
        Left::Known(notes) => notes,
        Left::Watched(notes) => notes.watched_from(SeqNo(given), SeqNo(reader)),
    }
}

fn found(notes: &Notes, point: &str, direction: Direction, reader: u64) -> Option<String> {
    let point = (point != "end").then_some(point.as_bytes());
    let range = notes.find(point, direction, SeqNo(reader))?;
    let bound = |key: &[u8]| key.escape_ascii().to_string();
    Some(format!("{}..{}", bound(&range.lower), range.upper.as_deref().map_or(String::new(), bound)))
}

#[test]
fn a_gap_is_known_when_no_put_can_have_missed_the_note() {
    use Direction::{Backward, Forward};
    let notes = left(&Notes::default(), range("b", "k"), 7, 7);
    for point in ["b", "c", "jzz"] {
        assert_eq!(found(&notes, point, Forward, 7).as_deref(), Some("b..k"), "{point}");
        assert_eq!(found(&notes, point, Forward, 6), None);
    }
    for point in ["a", "k", "z"] {
        assert_eq!(found(&notes, point, Forward, 7), None, "{point}");
    }
    for (point, is_found) in [("b", false), ("c", true), ("k", true), ("k\0", false), ("end", false)] {
        assert_eq!(found(&notes, point, Backward, 7).is_some(), is_found, "{point}");
    }
    // Others write: the first scan notes the gap, one that sees all that may have missed it knows.
    let notes = left(&Notes::default(), range("b", "k"), 7, 9);
    assert_eq!(found(&notes, "c", Forward, 100), None);
    let notes = left(&notes, range("a", "h"), 8, 12);
    assert_eq!(found(&notes, "c", Forward, 100), None);
    let notes = left(&notes, range("a", "h"), 9, 12);
    assert_eq!(found(&notes, "c", Forward, 9).as_deref(), Some("b..h"));
    // What lies beside it becomes one with it.
    let notes = left(&notes, range("h", ""), 13, 13);
    assert_eq!(found(&notes, "c", Forward, 12), None);
    assert_eq!(found(&notes, "c", Forward, 13).as_deref(), Some("b.."));
    assert_eq!(found(&notes, "end", Backward, 13).as_deref(), Some("b.."));
}

#[test]
fn a_put_cuts_a_gap_in_two() {
    let notes = left(&Notes::default(), range("b", "k"), 7, 7);
    assert!(notes.cut(b"a").is_none() && notes.cut(b"k").is_none());
    let cut = notes.cut(b"d").expect("it is in the gap");
    assert_eq!(found(&cut, "c", Direction::Forward, 7).as_deref(), Some("b..d"));
    assert_eq!(found(&cut, "d", Direction::Forward, 7), None);
    assert_eq!(found(&cut, "d\0", Direction::Forward, 7).as_deref(), Some("d\\x00..k"));
    // Puts that go through it in order soon cost nothing.
    let (mut notes, mut cuts) = (notes, 0);
    for number in 0..100_u8 {
        if let Some(cut) = notes.cut(&[b'b', number]) {
            (notes, cuts) = (cut, cuts + 1);
        }
    }
    assert!(cuts < 5, "{cuts}");
}

#[test]
fn notes_are_few_and_those_worth_most() {
    let mut notes = Notes::default();
    let key = |number: u32| number.to_be_bytes().to_vec();
    let range_of = |number: u32| KeyRange { lower: key(2 * number), upper: Some(key(2 * number + 1)) };
    for number in 0..1000 {
        let worth = if number == 0 { 1 << 40 } else { WORTH_MIN + u64::from(number) };
        if let Left::Watched(watched) = notes.crossed(range_of(number), worth, SeqNo(1)) {
            notes = watched.watched_from(SeqNo(1), SeqNo(1));
        }
    }
    let is_there = |number: &u32| notes.of(&key(2 * number)).is_some();
    assert_eq!((0..1000).filter(is_there).count(), 64);
    assert!(is_there(&0));
    let long = KeyRange { lower: vec![1; 5000], upper: None };
    assert!(matches!(notes.crossed(long, 1000, SeqNo(1)), Left::Nothing));
}

/// One memtable, its notes, and all writes.
struct World {
    view: View,
    gaps: Arc<Gaps>,
    seqno: u64,
    writes: BTreeMap<Vec<u8>, Vec<(u64, Kind)>>,
}

impl World {
    fn new() -> Self {
        let pool = Pool::of_size(4 << 20);
        let memtable = Arc::new(Memtable::new(&pool, MemtableId::FIRST, Lsn::ZERO, SeqNo::ZERO));
        let partitions = vec![Partition { lower: Vec::new(), runs: Vec::new() }];
        let files = Arc::new(Files::new(Vec::new(), partitions));
        let records = TreeRecords::new(&Arc::new(Cache::new(0)), KeyspaceId::DEFAULT);
        let view = View { memtable, frozen: Vec::new(), files, records };
        Self { view, gaps: Arc::default(), seqno: 0, writes: BTreeMap::new() }
    }

    fn write(&mut self, key: &[u8], kind: Kind) {
        self.seqno += 1;
        self.gaps.give(SeqNo(self.seqno));
        if kind == Kind::Put {
            self.gaps.put(key);
        }
        self.view.memtable.insert(key, Tag::new(SeqNo(self.seqno), kind), b"value", SeqNo::ZERO);
        self.writes.entry(key.to_vec()).or_default().push((self.seqno, kind));
    }

    /// Up to so many keys; and how many entries it took.
    fn scan(
        &self,
        reader: u64,
        direction: Direction,
        bound: Option<&[u8]>,
        limit: usize,
    ) -> (Vec<Vec<u8>>, u64) {
        let mut cursor =
            scan(&self.view, (&self.gaps, &ScanLength::default()), SeqNo(reader), direction, true);
        assert!(cursor.seek(bound).is_ok());
        let mut found = Vec::new();
        while found.len() < limit && matches!(cursor.next(), Ok(true)) {
            found.push(cursor.key().expect("it is on a key").to_vec());
        }
        (found, cursor.passed().skipped())
    }

    fn expected(
        &self,
        reader: u64,
        direction: Direction,
        bound: Option<&[u8]>,
        limit: usize,
    ) -> Vec<Vec<u8>> {
        let is_ahead =
            |key: &[u8]| bound.is_none_or(|bound| (key >= bound) == (direction == Direction::Forward));
        let is_shown = |writes: &[(u64, Kind)]| {
            writes
                .iter()
                .rev()
                .find(|(seqno, _)| *seqno <= reader)
                .is_some_and(|(_, kind)| *kind == Kind::Put)
        };
        let shown = self.writes.iter().filter(|(key, writes)| is_ahead(key) && is_shown(writes));
        let mut shown: Vec<_> = shown.map(|(key, _)| key.clone()).collect();
        if direction == Direction::Backward {
            shown.reverse();
        }
        shown.truncate(limit);
        shown
    }
}

#[test]
fn scans_see_the_same_with_notes_whoever_left_them() {
    for seed in 0..60 {
        let (mut world, mut random) = (World::new(), Random(seed));
        let keys = [100, 400][random.below(2)];
        let key = |number: usize| format!("{number:03}").into_bytes();
        // From time to time a stretch is deleted, otherwise single keys are written.
        for _ in 0..400 {
            match random.below(6) {
                0 => {
                    let (from, len) = (random.below(keys), random.below(keys));
                    (from..(from + len).min(keys)).for_each(|number| world.write(&key(number), Kind::Delete));
                }
                1 => world.write(&key(random.below(keys)), Kind::Put),
                _ => {
                    // Old readers, too, which know less than they note.
                    let age = [0, 0, 1, 5, 50][random.below(5)];
                    let reader = world.seqno.saturating_sub(age);
                    let direction = [Direction::Forward, Direction::Backward][random.below(2)];
                    let bound = (random.below(4) > 0).then(|| key(random.below(keys)));
                    let limit = [1, 2, 1000][random.below(3)];
                    let found = world.scan(reader, direction, bound.as_deref(), limit).0;
                    assert_eq!(
                        found,
                        world.expected(reader, direction, bound.as_deref(), limit),
                        "seed {seed} at {reader} of {} {direction:?} {bound:?}",
                        world.seqno
                    );
                }
            }
        }
    }
}

#[test]
fn the_next_scan_jumps_over_what_the_last_one_has_crossed() {
    let mut world = World::new();
    let key = |number: usize| format!("{number:05}").into_bytes();
    (0..10_000).for_each(|number| world.write(&key(number), Kind::Put));
    (1000..9000).for_each(|number| world.write(&key(number), Kind::Delete));
    for direction in [Direction::Forward, Direction::Backward] {
        for round in 0..3 {
            let world = &world;
            let scan = |bound: usize, limit| world.scan(world.seqno, direction, Some(&key(bound)), limit);
            let (inside, before) = match direction {
                Direction::Forward => (scan(1000, 1), scan(990, 20)),
                Direction::Backward => (scan(9000, 1), scan(9010, 20)),
            };
            assert_eq!((inside.0.len(), before.0.len()), (1, 20));
            if round > 0 {
                assert!(inside.1 < 20 && before.1 < 50, "{} and {}", inside.1, before.1);
            }
        }
    }
    // A queue: each scan finds the head beside what was popped since.
    let mut most = 0;
    for number in 0..900 {
        let (found, skipped) = world.scan(world.seqno, Direction::Forward, None, 1);
        assert_eq!(found[0], key(number));
        most = most.max(skipped);
        world.write(&key(number), Kind::Delete);
        world.write(&key(20_000 + number), Kind::Put);
    }
    assert!(most < 50, "{most}");
}
