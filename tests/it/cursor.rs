//! A cursor against a `BTreeMap`: random seeks and steps, turning at any place, now and at snapshots,
//! over all levels, while others write, flush and compact.

use std::collections::BTreeMap;
use std::ops::Bound;

use rabi::{Cursor, Db, Error, Options, Read};

use crate::generator::Random;
use crate::model::{key, value};
use crate::scratch::{Scratch, files, number, small};

type Map = BTreeMap<Vec<u8>, Vec<u8>>;

/// The write of one key: a value, or none to delete it.
type Write = (Vec<u8>, Option<Vec<u8>>);

fn draw_write(random: &mut Random) -> Write {
    let key = key(random);
    (key, (!random.chance(25)).then(|| value(random)))
}

fn write(db: &Db, (key, value): &Write) {
    match value {
        Some(value) => db.put(key, value).unwrap(),
        None => db.delete(key).unwrap(),
    }
}

fn apply(map: &mut Map, (key, value): Write) {
    match value {
        Some(value) => drop(map.insert(key, value)),
        None => drop(map.remove(&key)),
    }
}

/// A cursor and the place where it must be.
struct Case<'a> {
    cursor: Cursor,
    map: &'a Map,
    place: Option<Vec<u8>>,
    turns: usize,
}

impl Case<'_> {
    fn step(&mut self, random: &mut Random) {
        let sought = key(random);
        let from = |bound: Bound<&Vec<u8>>| self.map.range((bound.cloned(), Bound::Unbounded)).next();
        let to = |bound: Bound<&Vec<u8>>| self.map.range((Bound::Unbounded, bound.cloned())).next_back();
        let (what, moved, expected) = match random.below(16) {
            0 => ("seek", self.cursor.seek(&sought), from(Bound::Included(&sought))),
            1 => ("seek_for_prev", self.cursor.seek_for_prev(&sought), to(Bound::Included(&sought))),
            2 if random.chance(30) => ("seek_to_first", self.cursor.seek_to_first(), self.map.iter().next()),
            2 if random.chance(40) => {
                ("seek_to_last", self.cursor.seek_to_last(), self.map.iter().next_back())
            }
            3..=9 => {
                let place = self.place.as_ref();
                ("next", self.cursor.next(), place.and_then(|place| from(Bound::Excluded(place))))
            }
            _ => {
                let place = self.place.as_ref();
                ("prev", self.cursor.prev(), place.and_then(|place| to(Bound::Excluded(place))))
            }
        };
        let is_on_entry = moved.unwrap();
        let entry = self.cursor.entry();
        let show = |key: &[u8]| key.escape_ascii().to_string();
        assert_eq!(
            entry.map(|(key, _)| show(key)),
            expected.map(|(key, _)| show(key)),
            "{what} from {:?}, sought {}",
            self.place.as_deref().map(show),
            show(&sought)
        );
        assert!(entry.map(|(_, value)| value) == expected.map(|(_, value)| &value[..]), "value after {what}");
        assert_eq!((is_on_entry, self.cursor.is_on_entry()), (expected.is_some(), expected.is_some()));
        assert_eq!(self.cursor.key().zip(self.cursor.value()), entry);
        self.turns += usize::from(is_on_entry && matches!(what, "next" | "prev"));
        self.place = expected.map(|(key, _)| key.clone());
    }
}

/// Moves at random; what is written meanwhile must not show.
fn walk(source: &impl Read, map: &Map, random: &mut Random) -> usize {
    let mut case = Case { cursor: source.cursor(), map, place: None, turns: 0 };
    for _ in 0..300 {
        case.step(random);
    }
    case.turns
}

#[test]
fn a_cursor_moves_as_on_a_map_while_writes_go_on() {
    let (scratch, mut random, mut map) = (Scratch::new(), Random::new("cursor"), Map::new());
    let options = small().memtable_size_bytes(8 << 10).max_frozen_memtables(3);
    let db = Db::open(scratch.dir(), options).unwrap();
    let (mut turns, mut flushed_max, mut partitions_max) = (0, 0, 0);
    for round in 0..12_u64 {
        for _ in 0..150 {
            let one = draw_write(&mut random);
            write(&db, &one);
            apply(&mut map, one);
        }
        let (snapshot, before) = (db.snapshot(), map.clone());
        for _ in 0..50 {
            let one = draw_write(&mut random);
            write(&db, &one);
            apply(&mut map, one);
        }
        let stats = db.stats();
        flushed_max = flushed_max.max(stats.flushed.len());
        partitions_max = partitions_max.max(stats.partitions.len());
        // Made before the writer begins, so that it is known what it shows.
        let mut now = Case { cursor: db.cursor(), map: &map, place: None, turns: 0 };
        let written = std::thread::scope(|scope| {
            let (writing, mut draws) = (&db, Random::new(("writer", round)));
            let writer = scope.spawn(move || {
                let writes: Vec<Write> = (0..300).map(|_| draw_write(&mut draws)).collect();
                for (at, one) in writes.iter().enumerate() {
                    write(writing, one);
                    if at == 150 && round % 2 == 0 {
                        writing.flush().unwrap();
                    }
                    if at == 250 && round % 3 == 0 {
                        writing.compact().unwrap();
                    }
                }
                writes
            });
            for _ in 0..300 {
                now.step(&mut random);
            }
            turns += now.turns + walk(&snapshot, &before, &mut random);
            writer.join().unwrap()
        });
        written.into_iter().for_each(|one| apply(&mut map, one));
        turns += walk(&db, &map, &mut random);
        // A cursor keeps what it shows, also when its snapshot is gone.
        let outliving = snapshot.cursor();
        drop(snapshot);
        db.compact().unwrap();
        let mut outliving = Case { cursor: outliving, map: &before, place: None, turns: 0 };
        for _ in 0..50 {
            outliving.step(&mut random);
        }
    }
    assert!(
        turns > 3000 && flushed_max >= 1 && partitions_max >= 3,
        "{turns} {flushed_max} {partitions_max}"
    );
    assert!(number(&db.stats(), "flushes") > 20);
    db.close().unwrap();
}

#[test]
fn off_an_entry_only_a_seek_leads_back() {
    let scratch = Scratch::new();
    let db = Db::open(scratch.dir(), small()).unwrap();
    assert!(!db.cursor().seek_to_first().unwrap() && !db.cursor().seek_to_last().unwrap());
    db.put("b", "1").unwrap();
    db.put("d", "2").unwrap();
    let mut cursor = db.cursor();
    assert_eq!(cursor.entry(), None);
    assert!(!cursor.next().unwrap() && !cursor.prev().unwrap(), "it has not been anywhere yet");
    assert!(!cursor.seek("e").unwrap() && !cursor.prev().unwrap());
    assert!(!cursor.seek_for_prev("a").unwrap() && !cursor.next().unwrap());
    assert!(cursor.seek_to_last().unwrap() && !cursor.next().unwrap() && !cursor.prev().unwrap());
    assert_eq!((cursor.key(), cursor.value()), (None, None));
    assert!(cursor.seek("c").unwrap());
    assert_eq!(cursor.entry(), Some((&b"d"[..], &b"2"[..])));
    assert_eq!(format!("{cursor:?}"), "Cursor { key: Some(\"d\"), seqno: 2 }");
    db.close().unwrap();
}

#[test]
fn a_cursor_says_which_move_met_an_error_and_may_go_on_elsewhere() {
    let scratch = Scratch::new();
    let options = || Options::new().cores(1).cache_size_bytes(0).block_size_bytes(512);
    let db = Db::open(scratch.dir(), options()).unwrap();
    (0..200_u32).for_each(|key| db.put(key.to_be_bytes(), [7; 60]).unwrap());
    db.compact().unwrap();
    db.close().unwrap();
    let table = files(&scratch.dir(), "table-").pop().unwrap();
    let mut bytes = std::fs::read(&table).unwrap();
    let (len, middle) = (bytes.len(), bytes.len() / 2);
    bytes[middle] ^= 1;
    std::fs::write(&table, bytes).unwrap();

    let db = Db::open(scratch.dir(), options()).unwrap();
    let mut cursor = db.cursor();
    assert!(cursor.seek_to_first().unwrap());
    let error = loop {
        match cursor.next() {
            Ok(is_on_entry) => assert!(is_on_entry, "the damage in the middle of {len} bytes was passed"),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, Error::Corruption { .. }), "{error}");
    assert_eq!(cursor.entry(), None);
    assert!(!cursor.next().unwrap() && !cursor.prev().unwrap(), "an error is told once");
    assert!(cursor.seek(199_u32.to_be_bytes()).unwrap() && cursor.prev().unwrap());
    assert_eq!(cursor.key(), Some(&198_u32.to_be_bytes()[..]));
    db.close().unwrap();
    for moved in [cursor.prev(), cursor.next(), cursor.seek(""), cursor.seek_to_last()] {
        assert!(matches!(moved, Err(Error::Closed)), "{moved:?}");
    }
    assert_eq!(cursor.entry(), None);
}
