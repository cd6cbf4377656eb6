//! What the database must hold: every write in the total order, with all its versions.
//!
//! The order is known exactly. A write enters it while its future is polled, on the one thread
//! there is, and the newest visible seqno moves by the number of its entries at that moment; so the
//! batch whose poll moved the seqno from `a` to `b` holds the seqnos `a + 1..=b`. A write that has
//! entered and is not acknowledged has its place as well, and a crash may keep it or not.
//!
//! A crash leaves a prefix of the order. Two floors say how long it is at least: all that was
//! acknowledged at all after the death of the process, all that was promised to be on the device
//! after the loss of power.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::rc::Rc;

/// A value, shared by all that expect it.
pub(crate) type Bytes = Rc<[u8]>;

/// The bounds of a range.
pub(crate) type Bounds = (Bound<Vec<u8>>, Bound<Vec<u8>>);

/// What a range has still to show.
pub(crate) type Expected = VecDeque<(Vec<u8>, Bytes)>;

/// One entry of a batch: a value, or `None` to delete.
pub(crate) type Entry = (Vec<u8>, Option<Bytes>);

#[derive(Debug)]
struct Version {
    seqno: u64,
    value: Option<Bytes>,
}

/// The total order of writes.
#[derive(Debug, Default)]
pub(crate) struct Model {
    /// Versions of each key, oldest first.
    history: BTreeMap<Vec<u8>, Vec<Version>>,
    /// All values that a key ever got, also those that a crash took back.
    ever: BTreeMap<Vec<u8>, Vec<Bytes>>,
    /// Where batches end, ascending; the first is where this opening began.
    borders: Vec<u64>,
    /// What the death of the process must leave.
    process_floor: u64,
    /// What the loss of power must leave.
    power_floor: u64,
}

impl Model {
    /// An empty database.
    pub(crate) fn new() -> Self {
        Self { borders: vec![0], ..Self::default() }
    }

    /// The newest seqno.
    pub(crate) fn visible(&self) -> u64 {
        *self.borders.last().expect("the first border stays")
    }

    /// A batch has entered the order; returns its last seqno.
    pub(crate) fn apply(&mut self, entries: &[Entry]) -> u64 {
        let mut seqno = self.visible();
        for (key, value) in entries {
            seqno += 1;
            let versions = self.history.entry(key.clone()).or_default();
            versions.push(Version { seqno, value: value.clone() });
            self.ever.entry(key.clone()).or_default().extend(value.clone());
        }
        self.borders.push(seqno);
        seqno
    }

    /// The writes up to `seqno` were acknowledged to survive the death of the process.
    pub(crate) fn survives_process_death(&mut self, seqno: u64) {
        self.process_floor = self.process_floor.max(seqno);
    }

    /// The writes up to `seqno` were acknowledged to survive the loss of power.
    pub(crate) fn survives_power_loss(&mut self, seqno: u64) {
        self.survives_process_death(seqno);
        self.power_floor = self.power_floor.max(seqno);
    }

    /// The power went: what only the kernel had counts for nothing from now on.
    pub(crate) fn lose_power(&mut self) {
        self.process_floor = self.power_floor;
    }

    /// The oldest end the next opening may find.
    pub(crate) fn floor(&self) -> u64 {
        self.process_floor
    }

    /// An opening found the order to end at `seqno`: what lay behind never happened.
    ///
    /// # Errors
    /// If `seqno` is no border between batches that the crash may have left; `may_lose` permits it
    /// to lie before what was acknowledged.
    pub(crate) fn recover(&mut self, seqno: u64, may_lose: bool) -> Result<(), String> {
        let (newest, floor) = (self.visible(), self.floor());
        if seqno > newest {
            return Err(format!("seqno {seqno} was recovered, but the newest write has {newest}"));
        }
        if seqno < floor && !may_lose {
            return Err(format!("lost: seqno {seqno} was recovered, acknowledged are all up to {floor}"));
        }
        // What an earlier opening began with has no borders any more; only damage leads back there.
        if seqno < self.borders[0] {
            return Err(format!("seqno {seqno} was recovered, an earlier opening had {}", self.borders[0]));
        }
        if self.borders.binary_search(&seqno).is_err() {
            return Err(format!("half a batch: seqno {seqno} was recovered, borders {}", self.around(seqno)));
        }
        self.forget_after(seqno);
        (self.process_floor, self.power_floor) = (seqno, seqno);
        Ok(())
    }

    fn around(&self, seqno: u64) -> String {
        let at = self.borders.partition_point(|border| *border < seqno);
        format!("{:?}", &self.borders[at.saturating_sub(1)..(at + 1).min(self.borders.len())])
    }

    /// Nobody reads the past of an earlier opening: the newest version of each key is enough.
    fn forget_after(&mut self, seqno: u64) {
        for versions in self.history.values_mut() {
            versions.retain(|version| version.seqno <= seqno);
            versions.drain(..versions.len().saturating_sub(1));
        }
        self.history.retain(|_, versions| versions.iter().any(|version| version.value.is_some()));
        self.borders = vec![seqno];
    }

    /// The value of `key` at `seqno`.
    pub(crate) fn at(&self, key: &[u8], seqno: u64) -> Option<&Bytes> {
        newest(self.history.get(key)?, seqno)
    }

    /// Whether a lookup that began at `from` and ended at `to` may find `value`.
    pub(crate) fn allows(&self, key: &[u8], value: Option<&[u8]>, from: u64, to: u64) -> bool {
        if self.at(key, from).map(AsRef::as_ref) == value {
            return true;
        }
        let versions = self.history.get(key).map_or(&[][..], Vec::as_slice);
        let mut meanwhile = versions.iter().filter(|version| (from + 1..=to).contains(&version.seqno));
        meanwhile.any(|version| version.value.as_deref() == value)
    }

    /// Whether a question that began at `from` and ended at `to` may find that the key has a value, or none.
    pub(crate) fn allows_presence(&self, key: &[u8], is_there: bool, from: u64, to: u64) -> bool {
        if self.at(key, from).is_some() == is_there {
            return true;
        }
        let versions = self.history.get(key).map_or(&[][..], Vec::as_slice);
        let mut meanwhile = versions.iter().filter(|version| (from + 1..=to).contains(&version.seqno));
        meanwhile.any(|version| version.value.is_some() == is_there)
    }

    /// What a range shows at `seqno`. Bounds may cross: then it shows nothing.
    pub(crate) fn range(&self, (lower, upper): &Bounds, seqno: u64) -> Expected {
        let above = |key: &Vec<u8>| match lower {
            Bound::Included(lower) => key >= lower,
            Bound::Excluded(lower) => key > lower,
            Bound::Unbounded => true,
        };
        let below = |key: &Vec<u8>| match upper {
            Bound::Included(upper) => key <= upper,
            Bound::Excluded(upper) => key < upper,
            Bound::Unbounded => true,
        };
        self.filter(seqno, |key| above(key) && below(key))
    }

    /// What a prefix shows at `seqno`.
    pub(crate) fn prefix(&self, prefix: &[u8], seqno: u64) -> Expected {
        self.filter(seqno, |key| key.starts_with(prefix))
    }

    fn filter(&self, seqno: u64, is_within: impl Fn(&Vec<u8>) -> bool) -> Expected {
        let within = self.history.iter().filter(|(key, _)| is_within(key));
        within
            .filter_map(|(key, versions)| Some((key.clone(), Rc::clone(newest(versions, seqno)?))))
            .collect()
    }

    /// Whether `key` was given this value at any time.
    pub(crate) fn was_written(&self, key: &[u8], value: &[u8]) -> bool {
        self.ever.get(key).is_some_and(|values| values.iter().any(|written| written[..] == *value))
    }

    /// All keys that were ever written.
    pub(crate) fn keys_ever(&self) -> impl Iterator<Item = &Vec<u8>> {
        self.ever.keys()
    }

    /// All keys that ever had a value, deleted ones included, since the opening.
    pub(crate) fn keys(&self) -> Vec<Vec<u8>> {
        self.history.keys().cloned().collect()
    }
}

fn newest(versions: &[Version], seqno: u64) -> Option<&Bytes> {
    let behind = versions.partition_point(|version| version.seqno <= seqno);
    versions[..behind].last()?.value.as_ref()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(model: &mut Model, text: &str) -> u64 {
        let entries: Vec<Entry> = text
            .split(' ')
            .map(|entry| match entry.split_once('=') {
                Some((key, value)) => (key.into(), Some(value.as_bytes().into())),
                None => (entry.into(), None),
            })
            .collect();
        model.apply(&entries)
    }

    fn show(model: &Model, seqno: u64) -> String {
        let all = model.prefix(b"", seqno);
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        all.iter().map(|(key, value)| format!("{}={} ", text(key), text(value))).collect()
    }

    #[test]
    fn every_seqno_has_its_contents() {
        let mut model = Model::new();
        put(&mut model, "a=1 b=1 a=2");
        put(&mut model, "a");
        let seen: Vec<String> = (0..=4).map(|seqno| show(&model, seqno)).collect();
        assert_eq!(seen, ["", "a=1 ", "a=1 b=1 ", "a=2 b=1 ", "b=1 "]);
        assert!(model.allows(b"a", None, 3, 4) && model.allows(b"a", Some(b"2"), 3, 4));
        assert!(!model.allows(b"a", Some(b"1"), 3, 4) && !model.allows(b"a", Some(b"2"), 4, 4));
    }

    #[test]
    fn what_was_written_at_some_time_is_told_from_what_never_was() {
        let mut model = Model::new();
        let first = put(&mut model, "a=1");
        put(&mut model, "a=2 b=1");
        put(&mut model, "a");
        model.recover(first, true).unwrap();
        assert!(model.was_written(b"a", b"1") && model.was_written(b"a", b"2"));
        assert!(!model.was_written(b"b", b"2") && !model.was_written(b"c", b"1"));
        assert_eq!(model.keys_ever().count(), 2);
    }

    #[test]
    fn a_recovery_must_keep_whole_batches_and_what_was_acknowledged() {
        let mut model = Model::new();
        let first = put(&mut model, "a=1 b=1");
        let second = put(&mut model, "a=2");
        put(&mut model, "a=3 b=3");
        model.survives_power_loss(first);
        model.survives_process_death(second);
        let text = |result: Result<(), String>| result.unwrap_err();
        assert_eq!(
            text(model.recover(2, false)),
            "lost: seqno 2 was recovered, acknowledged are all up to 3"
        );
        assert_eq!(text(model.recover(4, false)), "half a batch: seqno 4 was recovered, borders [3, 5]");
        assert_eq!(text(model.recover(6, false)), "seqno 6 was recovered, but the newest write has 5");
        model.lose_power();
        model.recover(2, false).unwrap();
        assert_eq!(show(&model, 2), "a=1 b=1 ");
        assert_eq!(model.visible(), 2);
        put(&mut model, "b");
        assert_eq!(model.recover(2, false), Ok(()), "what was not acknowledged may go");
    }
}
