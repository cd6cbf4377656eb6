//! What callers ask for: keys, values, batches and ranges.

use std::ops::Bound;

use rabi::{KEY_LEN_MAX, WriteBatch};

use crate::model::{Bounds, Entry};
use crate::random::Random;

/// What one caller does, as weights; they change in the course of a run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mix {
    /// Weights of: single writes, batches, large batches, gets, ranges, snapshots, flushes,
    /// compactions, looks at the statistics, openings of what is open, refused writes.
    pub(crate) weights: [usize; 11],
    /// Deletes among the entries written, in per cent.
    deletes: usize,
    /// Writes of the kind `Power`, in per cent.
    pub(crate) power: usize,
    /// Pauses between operations, in per cent of operations.
    pub(crate) pauses: usize,
}

impl Mix {
    /// A mix: mostly writing, mostly reading, or both.
    pub(crate) fn draw(random: &mut Random) -> Self {
        let weights = [
            [400, 100, 2, 60, 40, 40, 4, 3, 5, 2, 2],
            [60, 20, 1, 400, 120, 80, 2, 1, 5, 2, 2],
            [200, 60, 3, 150, 80, 60, 10, 8, 5, 2, 2],
            [300, 300, 12, 20, 20, 20, 2, 2, 2, 1, 1],
        ];
        Self {
            weights: random.pick(&weights),
            deletes: random.pick(&[0, 20, 20, 50, 90]),
            power: random.pick(&[0, 10, 50, 100]),
            pauses: random.pick(&[0, 5, 30]),
        }
    }
}

/// Draws keys and values for one run.
#[derive(Clone, Debug)]
pub(crate) struct Workload {
    keys: usize,
    /// Per cent of keys that come from the hot tenth.
    hot: usize,
    /// Most bytes of an ordinary value.
    value_len_max: usize,
}

impl Workload {
    /// A workload over `keys` keys.
    pub(crate) fn draw(random: &mut Random, keys: usize) -> Self {
        Self { keys, hot: random.pick(&[0, 50, 95]), value_len_max: random.pick(&[30, 250, 900]) }
    }

    /// A key of the space: short, long, with common prefixes, prefixes of each other, full bytes.
    pub(crate) fn key(&self, random: &mut Random) -> Vec<u8> {
        let end = if random.chance(self.hot) { (self.keys / 10).max(1) } else { self.keys };
        let number = random.below(end);
        match number % 16 {
            0 if number == 0 => Vec::new(),
            0 => vec![(number / 16) as u8],
            1 => vec![0xff; 1 + number / 16 % 40],
            2 => vec![b'u'; 1 + number / 16 % 40],
            3 if number == 259 => vec![b'v'; KEY_LEN_MAX],
            3 => [vec![b'w'; 700], number.to_be_bytes().to_vec()].concat(),
            4..=8 => format!("user{number:06}").into_bytes(),
            9..=11 => format!("user{:06}/name", number - 5).into_bytes(),
            _ => number.to_be_bytes()[4..].to_vec(),
        }
    }

    fn value(&self, random: &mut Random) -> Vec<u8> {
        let len = match random.below(400) {
            0 => random.between(64 << 10, 200 << 10),
            1..=4 => random.between(4 << 10, 20 << 10),
            5..=40 => random.below(3),
            _ => random.magnitude(self.value_len_max),
        };
        random.bytes(len)
    }

    fn entry(&self, random: &mut Random, mix: &Mix) -> Entry {
        let key = self.key(random);
        let value = (!random.chance(mix.deletes)).then(|| self.value(random).into());
        (key, value)
    }

    /// A batch of one entry.
    pub(crate) fn single(&self, random: &mut Random, mix: &Mix) -> Vec<Entry> {
        vec![self.entry(random, mix)]
    }

    /// A batch of some entries or none, keys among them that occur more than once.
    pub(crate) fn batch(&self, random: &mut Random, mix: &Mix) -> Vec<Entry> {
        let len_max = random.pick(&[4, 12, 40]);
        let len = random.below(len_max);
        (0..len).map(|_| self.entry(random, mix)).collect()
    }

    /// A batch that may be larger than half the stage, or than all of it: it enters in pieces.
    pub(crate) fn large(&self, random: &mut Random) -> Vec<Entry> {
        let len = random.between(30 << 10, 300 << 10);
        let (mut entries, mut total) = (Vec::new(), 0);
        while total < len {
            let value_len = random.between(1 << 10, 9 << 10);
            entries.push((self.key(random), Some(random.bytes(value_len).into())));
            total += value_len;
        }
        entries
    }

    /// The bounds of a range; they may cross.
    pub(crate) fn bounds(&self, random: &mut Random) -> Bounds {
        let mut bound = || match random.below(5) {
            0 => Bound::Unbounded,
            1 | 2 => Bound::Excluded(self.key(random)),
            _ => Bound::Included(self.key(random)),
        };
        (bound(), bound())
    }

    /// A prefix of some keys.
    pub(crate) fn prefix(&self, random: &mut Random) -> Vec<u8> {
        let mut prefix = self.key(random);
        prefix.truncate(random.below(7));
        prefix
    }
}

/// The batch as the engine takes it.
pub(crate) fn batch_of(entries: &[Entry]) -> WriteBatch {
    let mut batch = WriteBatch::new();
    for (key, value) in entries {
        match value {
            Some(value) => batch.put(key, value),
            None => batch.delete(key),
        }
    }
    batch
}

/// A key as text: what of it tells it from others.
pub(crate) fn show_key(key: &[u8]) -> String {
    let shown = &key[..key.len().min(24)];
    let rest = if shown.len() < key.len() { format!("..({})", key.len()) } else { String::new() };
    format!("\"{}\"{rest}", shown.escape_ascii())
}

/// A value as text: its length and its first bytes.
pub(crate) fn show_value(value: Option<&[u8]>) -> String {
    match value {
        None => "nothing".into(),
        Some(value) => {
            format!("{} bytes {}", value.len(), value[..value.len().min(4)].escape_ascii())
        }
    }
}
