//! Where the search for a key begins in a block: landmarks, one for every entry or every few of them.
//!
//! A landmark is the four bytes that its key has after the prefix which all keys of the block begin with, and
//! its offset. They lie in the block's head, so that a search touches two places: the head, and the entry
//! found. Without them it goes from the list of restarts to one restart and walks from there.
//!
//! Built of a verified block in one walk, which decodes its entries a second time. A block of more entries than
//! [`ENTRIES_MAX`], among them those of one key with many versions, gets none.

use crate::base::ablation::ablated;
use std::ops::Range;

use super::block_builder::common_prefix_len;
use super::entry::Entry;

/// So many landmarks make the head of a block of 4 KiB five hundredths of it.
const LANDMARKS_MAX: usize = 32;

/// With more, the walk from a landmark to an entry becomes longer than the one from a restart.
const ENTRIES_MAX: usize = 4 * LANDMARKS_MAX;

/// With a prefix up to this length, the head of a block is four lines long and a half.
const SHORT_PREFIX_MAX: usize = 20;

/// The landmarks of a block.
pub(super) struct Directory {
    heads: [u32; LANDMARKS_MAX],
    offsets: [u16; LANDMARKS_MAX],
    /// None if it is zero.
    count: u8,
    /// Whether each entry is one.
    is_complete: bool,
    /// The prefix that all keys begin with, in the block: part of the first key, which stands there in full.
    prefix: (u16, u16),
    /// The same, if it is short: it is looked at before the entries have arrived.
    short_prefix: [u8; SHORT_PREFIX_MAX],
}

/// Where a search begins.
pub(super) enum Start {
    /// The key is not in the block.
    Nowhere,
    /// At this entry. All before it are of lesser keys; so many bytes that the key before it begins with begin the
    /// key sought as well.
    At(usize, usize),
    /// Behind this entry, whose key is below the one sought and has so many bytes in common with it, unless it is
    /// shorter.
    Behind(usize, usize),
    /// From the restarts.
    Unknown,
}

/// Where a walk from a key on begins.
pub(super) enum Landing {
    /// At this entry: all before it are of lesser keys, and it is the first that may not be. Its key begins with the
    /// prefix of all keys and these bytes, as far as it is that long.
    At(usize, [u8; HEAD_LEN]),
    /// Behind all entries.
    End,
    /// From the restarts.
    Unknown,
}

impl Directory {
    /// For a block that is not searched for single keys.
    pub(super) const NONE: Self = Self {
        heads: [u32::MAX; LANDMARKS_MAX],
        offsets: [0; LANDMARKS_MAX],
        count: 0,
        is_complete: false,
        prefix: (0, 0),
        short_prefix: [0; SHORT_PREFIX_MAX],
    };

    /// The landmarks of a verified block's entries, or none if it has too many entries, or too large ones.
    pub(super) fn of(entries: &[u8]) -> Self {
        if ablated!(Landmarks) {
            return Self::NONE;
        }
        Self::try_of(entries).unwrap_or(Self::NONE)
    }

    fn try_of(entries: &[u8]) -> Option<Self> {
        let (entry_count, prefix) = survey(entries)?;
        let step = entry_count.div_ceil(LANDMARKS_MAX);
        let start = u16::try_from(prefix.start).ok()?;
        let prefix_len = u16::try_from(prefix.len()).ok()?;
        let mut directory = Self { is_complete: step == 1, prefix: (start, prefix_len), ..Self::NONE };
        if let Some(short) = directory.short_prefix.get_mut(..prefix.len()) {
            short.copy_from_slice(&entries[prefix.clone()]);
        }
        let (mut at, mut head) = (0, 0);
        for entry_no in 0..entry_count {
            let entry = Entry::verified(entries, at);
            let suffix = &entries[entry.suffix.clone()];
            // What of the head stays as it was: the bytes shared beyond the prefix.
            head = match entry.shared.checked_sub(prefix.len()) {
                None => head_of(&suffix[prefix.len() - entry.shared..]),
                Some(kept @ 0..4) => {
                    let kept_bits = 8 * kept as u32;
                    let mask = u32::MAX.checked_shr(kept_bits).unwrap_or(0);
                    head & !mask | head_of(suffix) >> kept_bits
                }
                Some(_) => head,
            };
            if entry_no.is_multiple_of(step) {
                let place = usize::from(directory.count);
                directory.heads[place] = head;
                directory.offsets[place] = u16::try_from(at).ok()?;
                directory.count += 1;
            }
            at = entry.end;
        }
        Some(directory)
    }

    /// Where to look for `key`.
    #[inline]
    pub(super) fn start(&self, entries: &[u8], key: &[u8]) -> Start {
        let count = usize::from(self.count);
        if count == 0 {
            return Start::Unknown;
        }
        let (prefix, len) = (self.prefix(entries), usize::from(self.prefix.1));
        let Some(tail) = key.strip_prefix(prefix) else { return Start::Nowhere };
        let wanted = head_of(tail);
        let before = self.count_below(wanted);
        if self.is_complete {
            if before == count || self.heads[before] != wanted {
                return Start::Nowhere;
            }
            // What the entry shares with the one before is known to be the key's if the head reaches that far.
            let at = usize::from(self.offsets[before]);
            let shared = Entry::verified(entries, at).shared;
            if shared <= (len + HEAD_LEN).min(key.len()) {
                return Start::At(at, shared);
            }
        }
        match before.checked_sub(1) {
            None => Start::At(0, 0),
            Some(last) => {
                let common = (self.heads[last] ^ wanted).leading_zeros() as usize / 8;
                Start::Behind(usize::from(self.offsets[last]), len + common)
            }
        }
    }

    /// Where the entries at or after `key` begin, or a little before.
    #[inline]
    pub(super) fn landing(&self, entries: &[u8], key: &[u8]) -> Landing {
        let count = usize::from(self.count);
        if count == 0 {
            return Landing::Unknown;
        }
        let prefix = self.prefix(entries);
        let Some(tail) = key.strip_prefix(prefix) else {
            return if key < prefix { Landing::At(0, [0; HEAD_LEN]) } else { Landing::End };
        };
        let wanted = head_of(tail);
        let before = self.count_below(wanted);
        // The entries between two landmarks may be at or after the key, those behind the last one as well.
        let place = if self.is_complete { before } else { before.saturating_sub(1) };
        if place == count {
            return Landing::End;
        }
        Landing::At(usize::from(self.offsets[place]), self.heads[place].to_be_bytes())
    }

    /// How many landmarks are below a head. Without a branch: those behind the last one are the greatest there is, so none of
    /// them counts.
    #[inline(always)]
    fn count_below(&self, wanted: u32) -> usize {
        self.heads.iter().map(|&head| usize::from(head < wanted)).sum()
    }

    /// What all keys of a block with landmarks begin with.
    #[inline]
    pub(super) fn prefix<'a>(&'a self, entries: &'a [u8]) -> &'a [u8] {
        let (start, len) = (usize::from(self.prefix.0), usize::from(self.prefix.1));
        match self.short_prefix.get(..len) {
            Some(short) => short,
            None => &entries[start..start + len],
        }
    }
}

/// Bytes of a head.
const HEAD_LEN: usize = size_of::<u32>();

/// The first four bytes as a number that sorts like them, zeros for those that are missing.
#[inline]
fn head_of(tail: &[u8]) -> u32 {
    if let Some(bytes) = tail.first_chunk() {
        return u32::from_be_bytes(*bytes);
    }
    let mut bytes = [0; HEAD_LEN];
    bytes[..tail.len()].copy_from_slice(tail);
    u32::from_be_bytes(bytes)
}

/// The number of entries, unless there are too many, and where the prefix of all keys is.
fn survey(entries: &[u8]) -> Option<(usize, Range<usize>)> {
    let first = Entry::verified(entries, 0);
    let first_key = &entries[first.suffix.clone()];
    let (mut at, mut count, mut common) = (first.end, 1, first_key.len());
    while at < entries.len() {
        let entry = Entry::verified(entries, at);
        count += 1;
        if count > ENTRIES_MAX {
            return None;
        }
        // A restart is compared with the first key. All others have in common with it what they share with the
        // one before and that one has in common.
        common = common.min(match entry.shared {
            0 => common_prefix_len(first_key, &entries[entry.suffix.clone()]),
            shared => shared,
        });
        at = entry.end;
    }
    let start = first.suffix.start;
    Some((count, start..start + common))
}
