//! Reads, each held against the model.

use rabi::{Db, Keys, Range, Result, Snapshot, Value};

use crate::model::{Bytes, Expected};
use crate::random::Random;
use crate::run::Run;
use crate::workload::{show_key, show_value};

/// A range with values or without.
pub(crate) enum Walk {
    Entries(Range),
    Keys(Keys),
}

impl Walk {
    /// Mostly with values.
    pub(crate) fn draw(range: Range, random: &mut Random) -> Self {
        if random.chance(25) { Self::Keys(range.into_keys()) } else { Self::Entries(range) }
    }

    fn step(&mut self, backward: bool) -> Option<Result<(Vec<u8>, Option<Value>)>> {
        match self {
            Self::Entries(range) => {
                let entry = if backward { range.next_back() } else { range.next() };
                entry.map(|entry| entry.map(|(key, value)| (key, Some(value))))
            }
            Self::Keys(keys) => {
                let key = if backward { keys.next_back() } else { keys.next() };
                key.map(|key| key.map(|key| (key, None)))
            }
        }
    }
}

/// A range half read, with what it has still to show.
pub(crate) struct HeldRange {
    pub(crate) walk: Walk,
    pub(crate) expected: Expected,
    /// The seqno it was made at, for the record.
    pub(crate) at: u64,
}

/// A snapshot, and its seqno.
pub(crate) struct HeldSnapshot {
    pub(crate) snapshot: Snapshot,
    pub(crate) at: u64,
}

/// How a range is read.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Way {
    Forward,
    Backward,
    BothEnds,
}

/// Looks a key up as of now.
pub(crate) fn check_get(run: &Run, db: &Db, key: &[u8]) {
    let from = run.model.borrow().visible();
    let found = db.get(key);
    // What was written during the lookup may be seen or not.
    let to = run.model.borrow().visible();
    match found {
        Ok(found) => compare_get(run, key, found.as_deref(), from, to),
        Err(error) => run.permit_read("get", &error),
    }
}

/// Looks several keys up as of one moment, of now or of a snapshot.
pub(crate) fn check_multi_get(run: &Run, db: &Db, held: Option<&HeldSnapshot>, keys: &[Vec<u8>]) {
    let from = held.map_or_else(|| run.model.borrow().visible(), |held| held.at);
    let found = held.map_or_else(|| db.multi_get(keys), |held| held.snapshot.multi_get(keys));
    let to = held.map_or_else(|| run.model.borrow().visible(), |held| held.at);
    compare_multi_get(run, keys, found, from, to);
}

/// Holds what several keys were found to have against each moment at which they may have been looked up.
pub(crate) fn compare_multi_get(
    run: &Run,
    keys: &[Vec<u8>],
    found: Vec<Result<Option<Value>>>,
    from: u64,
    to: u64,
) {
    assert_eq!(found.len(), keys.len(), "multi_get answers each key");
    let mut read = Vec::new();
    for (key, found) in keys.iter().zip(found) {
        match found {
            Ok(found) => read.push((key, found)),
            Err(error) => run.permit_read("multi_get", &error),
        }
    }
    run.figures.borrow_mut().reads += read.len() as u64;
    let model = run.model.borrow();
    let is_of =
        |at: u64| read.iter().all(|(key, found)| model.at(key, at).map(AsRef::as_ref) == found.as_deref());
    if !(from..=to).any(is_of) {
        let lines = read.iter().map(|(key, found)| {
            let expected = show_value(model.at(key, to).map(AsRef::as_ref));
            format!("{} found {}, expected {expected}", show_key(key), show_value(found.as_deref()))
        });
        let lines: Vec<String> = lines.collect();
        panic!("multi_get at one seqno of {from} to {to}: {}", lines.join("; "));
    }
}

/// Asks whether a key has a value, as of now.
pub(crate) fn check_presence(run: &Run, db: &Db, key: &[u8]) {
    let from = run.model.borrow().visible();
    let found = db.contains_key(key);
    let to = run.model.borrow().visible();
    match found {
        Ok(found) => {
            run.figures.borrow_mut().reads += 1;
            let is_right = run.model.borrow().allows_presence(key, found, from, to);
            assert!(is_right, "contains_key {} at seqno {from} to {to}: found {found}", show_key(key));
        }
        Err(error) => run.permit_read("contains_key", &error),
    }
}

/// Looks a key up as of a snapshot.
pub(crate) fn check_snapshot_get(run: &Run, held: &HeldSnapshot, key: &[u8]) {
    match held.snapshot.contains_key(key) {
        Ok(found) => {
            let expected = run.model.borrow().at(key, held.at).is_some();
            assert!(
                found == expected,
                "contains_key {} at snapshot {}: found {found}",
                show_key(key),
                held.at
            );
        }
        Err(error) => run.permit_read("contains_key of a snapshot", &error),
    }
    match held.snapshot.get(key) {
        Ok(found) => compare_get(run, key, found.as_deref(), held.at, held.at),
        Err(error) => run.permit_read("get of a snapshot", &error),
    }
}

fn compare_get(run: &Run, key: &[u8], found: Option<&[u8]>, from: u64, to: u64) {
    run.figures.borrow_mut().reads += 1;
    let model = run.model.borrow();
    if !model.allows(key, found, from, to) {
        let expected = show_value(model.at(key, to).map(AsRef::as_ref));
        let found = show_value(found);
        panic!("get {} at seqno {from} to {to}: found {found}, expected {expected}", show_key(key));
    }
}

/// What a read of a range came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    Going,
    Ended,
    Failed,
}

/// Takes up to `count` entries and compares each with what is expected at that end; at the end of
/// the range nothing may be left.
pub(crate) fn read_range(run: &Run, held: &mut HeldRange, way: Way, count: usize) -> Reading {
    for step in 0..count {
        let backward = match way {
            Way::Forward => false,
            Way::Backward => true,
            Way::BothEnds => step % 2 == 1,
        };
        let found = held.walk.step(backward);
        let expected = if backward { held.expected.pop_back() } else { held.expected.pop_front() };
        let found = match found {
            Some(Err(error)) => {
                run.permit_read("range", &error);
                return Reading::Failed;
            }
            Some(Ok(found)) => Some(found),
            None => None,
        };
        run.figures.borrow_mut().reads += 1;
        match (found, expected) {
            (None, None) => return Reading::Ended,
            (Some((key, value)), Some((expected_key, expected_value)))
                if key == expected_key
                    && value.as_ref().is_none_or(|value| value[..] == expected_value[..]) => {}
            (found, expected) => {
                let found = found.map(|(key, value)| show_entry(&key, value.as_deref()));
                let expected = expected.map(|(key, value): (_, Bytes)| show_entry(&key, Some(&value)));
                let nothing = || "nothing".to_owned();
                let (found, expected) = (found.unwrap_or_else(nothing), expected.unwrap_or_else(nothing));
                panic!("range at seqno {}, {way:?}: found {found}, expected {expected}", held.at);
            }
        }
    }
    Reading::Going
}

fn show_entry(key: &[u8], value: Option<&[u8]>) -> String {
    format!("{} with {}", show_key(key), show_value(value))
}
