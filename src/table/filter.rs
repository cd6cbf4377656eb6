//! The filter of a table: a blocked Bloom filter, one cache line per probe.
//!
//! ```text
//! body    | line 0 (64) | line 1 (64) | ... | probe count (1) |
//! ```
//!
//! A line is 512 bits, bit `b` being bit `b % 8` of byte `b / 8`. A key's hash `h` is XXH3-64 of the
//! user key. Its line is `h * lines >> 64`; its bits are the topmost groups of nine bits of
//! `h * 0x9e3779b97f4a7c15` (mod 2^64), `probe count` of them. No lines: everything may be contained.

use super::format::{Place, TRAILER_LEN};
use crate::base::ablation::ablated;
use crate::base::error::Result;
use crate::base::limits::{REQUEST_LEN_MAX, SECTOR};
use crate::base::prefetch::prefetch;
use crate::io::{Array, Buffer};

/// Length of a line in bytes: the cache line of every processor in question.
const LINE_LEN: usize = 64;

/// 64 bits hold seven groups of nine.
const PROBE_COUNT_MAX: u8 = 7;

/// 2^64 / phi, odd: its product's top bits depend on all bits of the hash.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

#[derive(Clone, Copy)]
#[repr(align(64))]
struct Line([u64; LINE_LEN / 8]);

/// Collects the hashes of all user keys of a table.
pub(super) struct FilterBuilder {
    bits_per_key: usize,
    /// Eight bytes a hash. In buffers, of which there are some at hand: one vector of so many, which grows, would be
    /// most of what a compaction takes.
    hashes: Vec<Buffer>,
    count: usize,
}

impl FilterBuilder {
    /// `bits_per_key` zero makes a filter that lets everything pass.
    pub(super) fn new(bits_per_key: usize) -> Self {
        Self { bits_per_key, hashes: Vec::new(), count: 0 }
    }

    /// Adds a user key's hash; once per key, or the filter grows for nothing.
    pub(super) fn add(&mut self, hash: u64) {
        if self.bits_per_key > 0 {
            if self.hashes.last().is_none_or(|buffer| buffer.room() == 0) {
                // The first is small: a table may have few keys.
                let len = if self.hashes.is_empty() { SECTOR } else { REQUEST_LEN_MAX / 2 };
                self.hashes.push(Buffer::with_capacity(len));
            }
            let buffer = self.hashes.last_mut().expect("just added");
            buffer.extend_from_slice(&hash.to_ne_bytes());
            self.count += 1;
        }
    }

    /// Length of the body if it were built now.
    pub(super) fn len(&self) -> usize {
        self.line_count() * LINE_LEN + 1
    }

    fn line_count(&self) -> usize {
        (self.count * self.bits_per_key).div_ceil(8 * LINE_LEN)
    }

    /// Each probe halves what passes while the line is at most half full: `bits * ln 2` of them.
    fn probe_count(&self) -> u8 {
        (self.bits_per_key * 69 / 100).clamp(1, usize::from(PROBE_COUNT_MAX)) as u8
    }

    /// The body of the filter block, with room for a trailer.
    pub(super) fn finish(self) -> Buffer {
        let (probe_count, line_count) = (self.probe_count(), self.line_count());
        let mut body = Buffer::with_capacity(self.len() + TRAILER_LEN);
        body.zero_to(line_count * LINE_LEN);
        for buffer in self.hashes {
            let (hashes, _) = buffer.as_chunks();
            for &hash in hashes {
                let hash = u64::from_ne_bytes(hash);
                let line = &mut body[line_no(hash, line_count) * LINE_LEN..][..LINE_LEN];
                bits(hash, probe_count).for_each(|bit| line[bit / 8] |= 1 << (bit % 8));
            }
        }
        body.extend_from_slice(&[probe_count]);
        body
    }
}

/// Line of a hash: scales the hash from 64 bits down to `line_count`.
#[inline]
fn line_no(hash: u64, line_count: usize) -> usize {
    ((u128::from(hash) * line_count as u128) >> 64) as usize
}

/// Bits of a hash inside its line.
#[inline]
fn bits(hash: u64, probe_count: u8) -> impl Iterator<Item = usize> {
    let mut spread = hash.wrapping_mul(SPREAD);
    (0..probe_count).map(move |_| {
        let bit = (spread >> 55) as usize;
        spread <<= 9;
        bit
    })
}

/// A filter in memory.
pub(crate) struct Filter {
    lines: Array<Line>,
    probe_count: u8,
}

impl Filter {
    /// Verifies the filter block read at `place`.
    pub(super) fn parse(place: Place<'_>, bytes: &[u8]) -> Result<Self> {
        let body = &bytes[..place.verify(bytes)?];
        let Some((&probe_count, lines)) =
            body.split_last().filter(|(_, lines)| lines.len().is_multiple_of(LINE_LEN))
        else {
            return Err(place.damage("table filter length", "whole lines and a byte", body.len()));
        };
        if probe_count > PROBE_COUNT_MAX {
            let expected = format!("at most {PROBE_COUNT_MAX}");
            return Err(place.damage("table filter probe count", expected, probe_count));
        }
        let words = |line: &[u8; LINE_LEN]| {
            let (words, _) = line.as_chunks();
            std::array::from_fn(|word_no| u64::from_le_bytes(words[word_no]))
        };
        let (lines, _) = lines.as_chunks();
        Ok(Self { lines: Array::from_fn(lines.len(), |line_no| Line(words(&lines[line_no]))), probe_count })
    }

    /// Memory in bytes.
    pub(super) fn memory_bytes(&self) -> usize {
        size_of_val(&*self.lines)
    }

    /// Asks for the hash's line ahead of [`may_contain`](Self::may_contain), so that the lines of
    /// several filters arrive together.
    #[inline]
    pub(super) fn prefetch(&self, hash: u64) {
        if let Some(line) = self.lines.get(line_no(hash, self.lines.len())) {
            prefetch(line);
        }
    }

    /// False only if no key with this hash was added.
    #[inline]
    pub(super) fn may_contain(&self, hash: u64) -> bool {
        if ablated!(Filters) {
            return true;
        }
        let Some(line) = self.lines.get(line_no(hash, self.lines.len())) else { return true };
        // All probes without a branch: they hit the same line, so none is worth skipping.
        bits(hash, self.probe_count).fold(1, |all, bit| all & (line.0[bit / 64] >> (bit % 64))) & 1 == 1
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::base::ids::FileId;
    use crate::base::key::key_hash;
    use crate::table::format;

    fn parse(body: &[u8]) -> Result<Filter> {
        let mut body = body.to_vec();
        format::seal(&mut body, FileId(1), 2);
        Filter::parse(Place { path: Path::new("t"), file_id: FileId(1), offset: 2 }, &body)
    }

    fn filter(bits_per_key: usize, keys: std::ops::Range<u64>) -> Filter {
        let mut builder = FilterBuilder::new(bits_per_key);
        for key in keys {
            builder.add(key_hash(&key.to_be_bytes()));
        }
        let len = builder.len();
        let body = builder.finish();
        assert_eq!(body.len(), len);
        parse(&body).expect("just built")
    }

    #[test]
    fn all_keys_pass_and_few_others_do() {
        for (bits_per_key, key_count, rate_max) in
            [(10, 1_000_000, 0.015), (10, 1000, 0.015), (5, 100_000, 0.12)]
        {
            let filter = filter(bits_per_key, 0..key_count);
            assert!((0..key_count).all(|key| filter.may_contain(key_hash(&key.to_be_bytes()))));
            let probes = 200_000;
            let passed = (key_count..key_count + probes)
                .filter(|key| {
                    let hash = key_hash(&key.to_be_bytes());
                    filter.prefetch(hash);
                    filter.may_contain(hash)
                })
                .count();
            let rate = passed as f64 / probes as f64;
            assert!(rate <= rate_max, "{bits_per_key} bits, {key_count} keys: {rate}");
        }
    }

    #[test]
    fn without_bits_everything_passes() {
        let filter = filter(0, 0..1000);
        assert_eq!(filter.memory_bytes(), 0);
        filter.prefetch(5);
        assert!((0..1000).all(|hash| filter.may_contain(hash << 54)));
    }

    #[test]
    fn broken_lines_and_unknown_probe_counts_are_damage() {
        for body in [vec![], vec![0; LINE_LEN], vec![PROBE_COUNT_MAX + 1; LINE_LEN + 1]] {
            assert!(parse(&body).is_err());
        }
    }
}
