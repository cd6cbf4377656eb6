//! A data block in memory, verified, and the search for one key in it.
//!
//! Invariant: a [`Block`] exists only if its checksum fits and every entry in it was walked once, so
//! lengths lie inside the block, tags are known and restarts are where they must be. Readers therefore
//! decode without a way to fail. The layout is drawn in [`block_builder`](super::block_builder).

use std::cmp::Ordering;
use std::ops::Range;

use super::block_builder::{common_prefix_len, is_restart};
use super::bytes::Bytes;
use super::directory::{Directory, Landing, Start};
pub(super) use super::entry::Entry;
use super::format::{Place, TRAILER_LEN};
use crate::base::coverage::reached;
use crate::base::direction::Direction;
use crate::base::error::Result;
use crate::base::ids::FileId;
use crate::base::key::{self, SeqNo, Tag};
use crate::base::limits::{KEY_LEN_MAX, VALUE_LEN_MAX};
use crate::base::prefetch::prefetch_at;
use crate::cache::{Cache, Weigh};

/// How far ahead of a walk memory is asked for.
const AHEAD_BYTES: usize = 320;

/// So much of a value is asked for before it is copied.
const VALUE_BYTES: usize = 1280;

/// That of a block that is not found among others. No table has so many: it would be of sixteen terabytes.
const NO_NUMBER: u32 = u32::MAX;

/// The cache as tables use it.
pub(crate) type BlockCache = Cache<Block>;

/// The verified bytes of one data block. Immutable; shared by the cache and by cursors. What is needed first stands
/// first.
#[repr(C)]
pub(crate) struct Block {
    bytes: Bytes,
    /// Where the entries end and the restart offsets begin.
    entries_len: usize,
    restart_count: u32,
    /// Which one of its table it is, and of which table.
    number: u32,
    table: FileId,
    directory: Directory,
}

impl Block {
    /// Verifies `bytes`, the whole block with its trailer, read at `place`.
    ///
    /// # Errors
    /// `Corruption` if they are not the bytes that were written there.
    pub(super) fn parse(place: Place<'_>, bytes: Bytes) -> Result<Self> {
        let body_len = place.verify(&bytes).inspect_err(|_| reached!("block: damaged"))?;
        let Some((entries_len, restart_count)) = layout(&bytes[..body_len]) else {
            return Err(place.damage("table block restarts", "a list inside the block", "a longer one"));
        };
        let block = Self::of_layout(bytes, (entries_len, restart_count));
        match block.first_bad_entry() {
            None => Ok(block),
            Some(at) => Err(place.damage(
                "table block entry",
                "a whole entry",
                format!("none at byte {at} of the block"),
            )),
        }
    }

    /// A block as it was built, with its trailer, which nobody has written or read yet.
    pub(super) fn of_builder(sealed: Bytes) -> Self {
        let body = &sealed[..sealed.len() - TRAILER_LEN];
        let (entries_len, restart_count) = layout(body).expect("a builder ends a block with its restarts");
        Self::of_layout(sealed, (entries_len, restart_count))
    }

    /// What is no block, but cached as one: a part of an index, for [`index_part`](super::index_part) alone.
    pub(super) fn of_index_part(bytes: Bytes) -> Self {
        Self::of_layout(bytes, (0, 0))
    }

    fn of_layout(bytes: Bytes, (entries_len, restart_count): (usize, u32)) -> Self {
        let (number, table, directory) = (NO_NUMBER, FileId(0), Directory::NONE);
        Self { bytes, entries_len, restart_count, number, table, directory }
    }

    /// What a part of an index has.
    pub(super) fn index_entries(&self) -> &[u8] {
        &self.bytes
    }

    /// Adds what makes [`get`](Self::get) fast, for a block that stays.
    pub(super) fn with_directory(mut self) -> Self {
        self.directory = Directory::of(self.entries());
        self
    }

    /// The same as what has this number in a table.
    pub(super) fn numbered(self, table: FileId, number: usize) -> Self {
        Self { table, number: u32::try_from(number).unwrap_or(NO_NUMBER), ..self }
    }

    /// Walks all entries; the offset of the first that breaks a rule.
    fn first_bad_entry(&self) -> Option<usize> {
        let (mut at, mut entry_no, mut restart_no, mut key_len) = (0, 0, 0, 0);
        while at < self.entries_len {
            let Some(entry) = Entry::decode(self.entries(), at) else { return Some(at) };
            if is_restart(entry_no, at) {
                if restart_no == self.restart_count() || self.restart(restart_no) != at || entry.shared != 0 {
                    return Some(at);
                }
                restart_no += 1;
            }
            if entry.shared > key_len || entry.value().len() > VALUE_LEN_MAX {
                return Some(at);
            }
            key_len = entry.shared + entry.suffix.len();
            if key_len > KEY_LEN_MAX {
                return Some(at);
            }
            at = entry.end;
            entry_no += 1;
        }
        (entry_no == 0 || restart_no != self.restart_count()).then_some(at)
    }

    /// Asks for the lines with which a [`get`](Self::get) begins.
    #[inline]
    pub(crate) fn prefetch(&self) {
        let lines = (0..size_of::<Self>()).step_by(64);
        lines.for_each(|line| prefetch_at(std::ptr::from_ref(self).wrapping_byte_add(line)));
    }

    /// The newest version of `key` that is not newer than `seqno`: its tag and where its value is.
    #[inline]
    pub(crate) fn get(&self, key: &[u8], seqno: SeqNo) -> Option<(Tag, Range<usize>)> {
        // How many bytes of `key` the last entry's key begins with; that key is not above `key`. A key
        // sharing more with it than that is as much below `key`; one sharing less is above.
        let (mut at, mut matched) = match self.directory.start(self.entries(), key) {
            Start::Nowhere => return None,
            Start::At(at, matched) => (at, matched),
            Start::Behind(at, common) => {
                let entry = self.entry(at);
                (entry.end, common.min(entry.shared + entry.suffix.len()))
            }
            Start::Unknown => {
                let restarts = self.restarts_up_to(key, seqno);
                (self.restart(restarts.saturating_sub(1)), 0)
            }
        };
        while at < self.entries_len {
            let entry = self.entry(at);
            if entry.shared == 0 {
                // A restart perhaps, whose key stands in full, whatever it has in common with the last.
                matched = 0;
            }
            match entry.shared.cmp(&matched) {
                Ordering::Less => return None,
                Ordering::Greater => {}
                Ordering::Equal => {
                    let (suffix, rest) = (&self.bytes[entry.suffix.clone()], &key[matched..]);
                    let common = common_prefix_len(suffix, rest);
                    match (suffix.get(common), rest.get(common)) {
                        (None, None) if entry.tag.seqno() <= seqno => {
                            return Some((entry.tag, entry.value()));
                        }
                        (Some(_), None) => return None,
                        (Some(found), Some(wanted)) if found > wanted => return None,
                        _ => matched += common,
                    }
                }
            }
            at = entry.end;
        }
        None
    }

    /// Asks for all of a small block: for who comes to some of it, and does not know yet where.
    pub(super) fn prefetch_all(&self) {
        (0..self.bytes.len()).step_by(64).for_each(|at| self.prefetch_offset(at));
    }

    /// Asks for what a cursor needs that enters at an end in a direction.
    pub(super) fn prefetch_entries(&self, direction: Direction) {
        for line in 0..6 {
            self.prefetch_offset(match direction {
                Direction::Forward => 64 * line,
                Direction::Backward => self.entries_len.saturating_sub(64 * line),
            });
        }
    }

    /// Asks for what a cursor needs that seeks `key`.
    pub(super) fn prefetch_search(&self, key: &[u8]) {
        match self.directory.landing(self.entries(), key) {
            Landing::At(at, _) => (0..4).for_each(|line| self.prefetch_offset(at + 64 * line)),
            Landing::End => {}
            // The list of restarts, and about where a block of two restarts has the second.
            Landing::Unknown => {
                [self.entries_len, self.entries_len / 2, 0]
                    .into_iter()
                    .for_each(|at| self.prefetch_offset(at));
            }
        }
    }

    /// Asks for the line at an offset, which may be behind the end.
    #[inline(always)]
    pub(super) fn prefetch_offset(&self, offset: usize) {
        prefetch_at(self.bytes.as_ptr().wrapping_add(offset));
    }

    /// Asks for an entry behind the one from `at` to `end`: of large ones, which are likely as large, for the head of
    /// the next but one.
    #[inline]
    pub(super) fn ask_ahead(&self, at: usize, end: usize) {
        let len = end - at;
        if len > AHEAD_BYTES {
            self.prefetch_offset(end + len);
        } else {
            self.prefetch_offset(end + AHEAD_BYTES);
            self.prefetch_offset(end + AHEAD_BYTES + 64);
        }
    }

    /// Asks for bytes that will be copied, from `start` on: the processor brings a line after the other by itself, but
    /// not across pages, and begins with the first that is missed. Of few, nothing: [`ask_ahead`](Self::ask_ahead) has.
    #[inline]
    pub(super) fn ask_for_value(&self, start: usize, len: usize) {
        if len > AHEAD_BYTES {
            let end = (start + len.min(VALUE_BYTES)).min(self.entries_len);
            (start..end).step_by(64).for_each(|at| self.prefetch_offset(at));
        }
    }

    /// As [`Directory::landing`], and what all keys begin with.
    #[inline]
    pub(super) fn landing(&self, key: &[u8]) -> (Landing, &[u8]) {
        let landing = self.directory.landing(self.entries(), key);
        (landing, self.directory.prefix(self.entries()))
    }

    /// Where the entries end of which it is quickly known that their keys are below `key`.
    pub(super) fn below(&self, key: &[u8]) -> usize {
        match self.directory.landing(self.entries(), key) {
            Landing::At(at, _) => at,
            Landing::End => self.entries_len,
            Landing::Unknown => 0,
        }
    }

    /// Number of restarts that sort at or before `(key, seqno)`.
    #[inline]
    pub(super) fn restarts_up_to(&self, key: &[u8], seqno: SeqNo) -> usize {
        let (mut low, mut high) = (0, self.restart_count());
        while low < high {
            let middle = low + (high - low) / 2;
            let entry = self.entry(self.restart(middle));
            let order = key::compare(&self.bytes[entry.suffix.clone()], entry.tag.seqno(), key, seqno);
            if order == Ordering::Greater { high = middle } else { low = middle + 1 }
        }
        low
    }

    /// Bytes of the block, such as a value found by [`get`](Self::get).
    #[inline]
    pub(crate) fn slice(&self, range: Range<usize>) -> &[u8] {
        &self.bytes[range]
    }

    /// The entries, without what follows them.
    #[inline]
    fn entries(&self) -> &[u8] {
        &self.bytes[..self.entries_len]
    }

    /// Where the entries end.
    pub(super) fn entries_len(&self) -> usize {
        self.entries_len
    }

    /// The entry at `at`, the end of another entry or a restart. Inlined by force, as what it reads.
    #[inline(always)]
    pub(super) fn entry(&self, at: usize) -> Entry {
        Entry::verified(self.entries(), at)
    }

    /// Number of restarts; at least one, since the first entry is one.
    pub(super) fn restart_count(&self) -> usize {
        self.restart_count as usize
    }

    /// Where the entries that begin with a restart end: at the next one, or with the last entry.
    #[inline]
    pub(super) fn end_of_stretch(&self, restart_no: usize) -> usize {
        if restart_no + 1 < self.restart_count() { self.restart(restart_no + 1) } else { self.entries_len }
    }

    /// Offset of a restart.
    #[inline]
    pub(super) fn restart(&self, restart_no: usize) -> usize {
        let at = self.entries_len + 4 * restart_no;
        let offset = self.bytes[at..].first_chunk().expect("parse has found the restarts inside the block");
        u32::from_le_bytes(*offset) as usize
    }
}

/// Compares entries, one after another from a restart on, with a position, without putting their keys together.
pub(super) struct Search<'a> {
    key: &'a [u8],
    seqno: SeqNo,
    /// How many bytes of `key` the last entry's key begins with.
    matched: usize,
}

impl<'a> Search<'a> {
    /// The position of `(key, seqno)`.
    pub(super) fn new(key: &'a [u8], seqno: SeqNo) -> Self {
        Self { key, seqno, matched: 0 }
    }

    /// Whether `entry` sorts before the position. All entries before it did.
    #[inline]
    pub(super) fn is_before(&mut self, entry: &Entry, block: &Block) -> bool {
        // The last key was not above `key`. One that has more in common with it than `key` has is as much
        // below `key`; one that has less in common is above.
        match entry.shared.cmp(&self.matched) {
            Ordering::Less => return false,
            Ordering::Greater => return true,
            Ordering::Equal => {}
        }
        let (suffix, rest) = (&block.bytes[entry.suffix.clone()], &self.key[self.matched..]);
        let common = common_prefix_len(suffix, rest);
        self.matched += common;
        match (suffix.get(common), rest.get(common)) {
            (None, None) => entry.tag.seqno() > self.seqno,
            (Some(_), None) => false,
            (None, Some(_)) => true,
            (Some(found), Some(wanted)) => found < wanted,
        }
    }
}

impl Weigh for Block {
    fn weight_bytes(&self) -> usize {
        // The two counts of an Arc come on top of the block itself.
        self.bytes.memory_bytes() + size_of::<Self>() + 2 * size_of::<usize>()
    }

    fn is(&self, owner: u64, number: usize) -> bool {
        self.number != NO_NUMBER && (self.table.0, self.number as usize) == (owner, number)
    }
}

/// Length of the entries and number of restarts of a block body.
fn layout(body: &[u8]) -> Option<(usize, u32)> {
    let (rest, count) = body.split_last_chunk()?;
    let restart_count = u32::from_le_bytes(*count);
    let entries_len = rest.len().checked_sub((restart_count as usize).checked_mul(4)?)?;
    Some((entries_len, restart_count))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::base::ids::FileId;
    use crate::base::key::Kind;
    use crate::table::block_builder::BlockBuilder;

    fn place() -> Place<'static> {
        Place { path: Path::new("t"), file_id: FileId(1), offset: 0 }
    }

    fn block(entries: &[(&[u8], u64, &[u8])]) -> Block {
        let mut builder = BlockBuilder::default();
        let mut last: &[u8] = b"";
        for &(key, seqno, value) in entries {
            builder.add(common_prefix_len(last, key), key, Tag::new(SeqNo(seqno), Kind::Put), value);
            last = key;
        }
        let bytes = builder.seal(FileId(1), 0).to_vec();
        Block::parse(place(), bytes.into()).expect("just built").with_directory()
    }

    /// Looks into a block, with and without its directory.
    fn get<'a>(block: &'a Block, key: &[u8], seqno: u64) -> Option<&'a [u8]> {
        let bare = Block::parse(place(), block.bytes.to_vec().into()).expect("intact");
        let found = block.get(key, SeqNo(seqno));
        assert_eq!(found, bare.get(key, SeqNo(seqno)), "{} at {seqno}", key.escape_ascii());
        found.map(|(_, range)| block.slice(range))
    }

    #[test]
    fn keys_that_extend_each_other_are_told_apart() {
        let block =
            block(&[(b"", 1, b"e"), (b"a", 1, b"1"), (b"ab", 1, b"2"), (b"abc", 1, b"3"), (b"b", 1, b"4")]);
        let wanted: [(&[u8], Option<&[u8]>); 9] = [
            (b"", Some(b"e")),
            (b"a", Some(b"1")),
            (b"aa", None),
            (b"ab", Some(b"2")),
            (b"abb", None),
            (b"abc", Some(b"3")),
            (b"abcd", None),
            (b"b", Some(b"4")),
            (b"c", None),
        ];
        for (key, value) in wanted {
            assert_eq!(get(&block, key, 9), value, "{}", key.escape_ascii());
            assert_eq!(get(&block, key, 0), None);
        }
    }

    #[test]
    fn versions_are_found_across_restarts() {
        let values: Vec<Vec<u8>> = (0..100_u8).map(|n| vec![n; 3]).collect();
        let mut entries: Vec<(&[u8], u64, &[u8])> = vec![(b"key", 500, b"other")];
        entries.extend((0..100).rev().map(|n| (&b"keys"[..], 2 * n as u64 + 1, &values[n][..])));
        entries.push((b"keyt", 7, b"last"));
        let block = block(&entries);
        assert_eq!(get(&block, b"keys", 0), None);
        for (value, seqno) in values.iter().zip((1..).step_by(2)) {
            assert_eq!(get(&block, b"keys", seqno), Some(&value[..]));
            assert_eq!(get(&block, b"keys", seqno + 1), Some(&value[..]));
        }
        assert_eq!(get(&block, b"keyt", 6), None);
        assert_eq!(get(&block, b"keyt", 7), Some(&b"last"[..]));
        assert_eq!(get(&block, b"key", 499), None);
    }

    #[test]
    fn a_directory_changes_nothing_but_the_time() {
        for seed in 0..60_u64 {
            let mut random = seed;
            let mut next = |below: u64| {
                random =
                    random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (random >> 33) % below
            };
            // Few letters, zero among them, and few lengths: keys that differ late, or in their length alone.
            let prefix = &b"prefix"[..next(7) as usize];
            let (count, letters, len_max) = (1 + next(150), 2 + next(8), 1 + next(9));
            let mut key = |letters| -> Vec<u8> {
                let len = next(len_max + 1);
                prefix.iter().copied().chain((0..len).map(|_| next(letters) as u8)).collect()
            };
            let mut keys: Vec<(Vec<u8>, u64)> = (0..count).map(|n| (key(letters), 1 + n % 5)).collect();
            keys.sort_by(|a, b| key::compare(&a.0, SeqNo(a.1), &b.0, SeqNo(b.1)));
            keys.dedup();
            let entries: Vec<_> =
                keys.iter().map(|(key, seqno)| (&key[..], *seqno, &b"a value of some length"[..])).collect();
            let block = block(&entries);
            let others: Vec<Vec<u8>> =
                (0..200).map(|_| key(letters + 1)).chain([vec![], b"z".to_vec()]).collect();
            for key in keys.iter().map(|(key, _)| key).chain(&others) {
                for seqno in 0..7 {
                    let is_there = keys.iter().any(|(other, of)| other == key && *of <= seqno);
                    assert_eq!(get(&block, key, seqno).is_some(), is_there, "{}", key.escape_ascii());
                }
            }
        }
    }
}
