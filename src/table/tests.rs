//! Whole tables: built, opened from their bytes, and compared with what went in.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::path::PathBuf;

use super::builder::{Finished, WRITE_LEN};
use super::format::{FOOTER_LEN, Place, TRAILER_LEN};
use super::*;
use crate::base::direction::Direction;
use crate::base::error::{Error, Result};
use crate::base::ids::FileId;
use crate::base::key::key_hash;
use crate::base::key::{Kind, SeqNo, Tag};
use crate::base::limits::KEY_LEN_MAX;
use crate::base::sync::{Arc, epoch};
use crate::cache::Cache;
use crate::io::File;

const FILE_ID: FileId = FileId(42);

/// Entries in the order of a table: newest version first.
pub(crate) type Entries = Vec<(Vec<u8>, Tag, Vec<u8>)>;

/// A small deterministic generator.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound
    }

    /// Few distinct bytes, so that prefixes are shared and keys extend each other.
    pub(crate) fn key(&mut self, len_max: usize) -> Vec<u8> {
        let len = self.below(len_max + 1);
        (0..len).map(|_| [0, b'a', b'b', 0xff][self.below(4)]).collect()
    }
}

pub(crate) fn random_entries(
    seed: u64,
    key_count: usize,
    key_len_max: usize,
    versions_max: usize,
) -> Entries {
    let mut random = Random(seed);
    let mut sorted = BTreeMap::new();
    for _ in 0..key_count {
        let key = random.key(key_len_max);
        for _ in 0..=random.below(versions_max) {
            let kind = if random.below(4) == 0 { Kind::Delete } else { Kind::Put };
            let value_len = if kind == Kind::Delete { 0 } else { random.below(150) };
            let value = vec![random.below(256) as u8; value_len];
            let seqno = SeqNo(random.below(1000) as u64);
            sorted.insert((key.clone(), Reverse(seqno)), (Tag::new(seqno, kind), value));
        }
    }
    sorted.into_iter().map(|((key, _), (tag, value))| (key, tag, value)).collect()
}

fn nothing_kept() -> KeptBlocks {
    KeptBlocks::new(&Arc::new(Cache::new(0)), FILE_ID, Keep::Nothing)
}

/// Where an index is if the cache has no room for it, and none will be free.
pub(crate) const IN_CACHE: IndexIn = IndexIn::MemoryOrCache { freed_bytes: 0 };

pub(crate) fn build(entries: &Entries, options: TableOptions) -> Vec<u8> {
    build_as(FILE_ID, entries, options)
}

/// As [`build`], for one of several.
pub(crate) fn build_as(id: FileId, entries: &Entries, options: TableOptions) -> Vec<u8> {
    let mut builder = Builder::new(id, options, nothing_kept());
    let mut bytes = Vec::new();
    for (key, tag, value) in entries {
        builder.add(key, *tag, value);
        while let Some(buffer) = builder.take_full() {
            assert_eq!(buffer.len(), WRITE_LEN);
            bytes.extend_from_slice(&buffer);
        }
        assert!(builder.len_estimate() > bytes.len() as u64);
    }
    let estimate = builder.len_estimate();
    let Finished { rest, file_len, .. } = builder.finish();
    for buffer in rest {
        bytes.extend_from_slice(&buffer);
    }
    assert_eq!(bytes.len() as u64, file_len);
    assert!(estimate.abs_diff(file_len) <= 100, "{estimate} for {file_len}");
    bytes
}

fn file() -> File {
    let descriptor = std::fs::File::open("/dev/null").expect("there is always /dev/null");
    File::new(PathBuf::from("000042.table"), descriptor.into())
}

pub(crate) fn open(bytes: &[u8], cache: &Arc<BlockCache>) -> Result<Table> {
    open_with(bytes, cache, IndexIn::Memory)
}

/// As [`open`]; if the index may be in parts, it is if the cache is small.
pub(crate) fn open_with(bytes: &[u8], cache: &Arc<BlockCache>, index_in: IndexIn) -> Result<Table> {
    open_as(FILE_ID, bytes, (cache, index_in))
}

/// As [`open_with`], for one of several.
pub(crate) fn open_as(
    id: FileId,
    bytes: &[u8],
    (cache, index_in): (&Arc<BlockCache>, IndexIn),
) -> Result<Table> {
    let file = file();
    let footer = Footer::decode(file.path(), id, bytes.len() as u64, bytes)?;
    let part = |offset: u64, len: u64| bytes[offset as usize..][..len as usize].to_vec();
    let index = part(footer.index_offset, footer.index_len);
    let filter = part(footer.filter_offset, footer.filter_len);
    Table::new(file, id, footer, &index, &filter, (cache, index_in))
}

pub(crate) fn read_block(table: &Table, bytes: &[u8], block_no: usize) -> Result<Arc<Block>> {
    let (offset, len) = table.block_location(block_no);
    table.decode_block_to_keep(block_no, bytes[offset as usize..][..len].to_vec().into())
}

/// Opens the table and walks all of it.
fn read_all(bytes: &[u8]) -> Result<Entries> {
    let table = open(bytes, &Arc::new(Cache::new(0)))?;
    let mut entries = Vec::new();
    for block_no in 0..table.block_count() {
        let mut cursor = BlockCursor::new(read_block(&table, bytes, block_no)?, Direction::Forward, true);
        cursor.seek_to_start();
        while cursor.is_valid() {
            let (key, tag) = cursor.head();
            entries.push((key.to_vec(), tag, cursor.value().to_vec()));
            cursor.advance();
        }
    }
    Ok(entries)
}

/// What a reader of the table finds, going by filter, index, cache and block.
fn lookup(table: &Table, bytes: &[u8], key: &[u8], seqno: SeqNo) -> Option<(Tag, Vec<u8>)> {
    let hash = key_hash(key);
    table.prefetch_filter(hash);
    if !table.may_contain(hash) {
        return None;
    }
    let guard = epoch::pin();
    let read = |number| {
        let block = read_block(table, bytes, number).expect("intact");
        table.admit(number, Arc::clone(&block));
        block
    };
    let find = |number| table.cached_block_shared(number, None).or_else(|| Some(read(number)));
    let block_no = table.find_block(key, find).expect("what is needed is read")?;
    let found = |block: &Block| block.get(key, seqno).map(|(tag, range)| (tag, block.slice(range).to_vec()));
    if let Some(block) = table.cached_block(block_no, &guard) {
        return found(block);
    }
    found(&read(block_no))
}

fn check(entries: &Entries, options: TableOptions) {
    let bytes = build(entries, options);
    assert_eq!(read_all(&bytes).expect("intact"), *entries);
    assert!(!check_lookups(entries, &bytes, 64 << 10));
    // There is no room for the larger ones of the indexes, or for any.
    check_lookups(entries, &bytes, 8 << 10);
    assert!(check_lookups(entries, &bytes, 16));
}

/// Whether the index is in parts.
fn check_lookups(entries: &Entries, bytes: &[u8], cache_bytes: usize) -> bool {
    let cache = Arc::new(Cache::new(cache_bytes));
    let table = open_with(bytes, &cache, IN_CACHE).expect("intact");
    let deletes = entries.iter().filter(|(_, tag, _)| tag.kind() == Kind::Delete).count() as u64;
    let seqnos = || entries.iter().map(|(_, tag, _)| tag.seqno());
    assert_eq!((table.entries(), table.deletes()), (entries.len() as u64, deletes));
    assert_eq!((table.min_key(), table.max_key()), (&entries[0].0[..], &entries[entries.len() - 1].0[..]));
    assert_eq!(Some(table.seqno_range().0), seqnos().min());
    assert_eq!(Some(table.seqno_range().1), seqnos().max());
    assert_eq!(bytes.len() as u64, table.file_len());
    assert_eq!(table.bytes_in_range(b"", None), table.data_bytes());

    let mut random = Random(entries.len() as u64);
    for _ in 0..5000 {
        let near = &entries[random.below(entries.len())];
        let mut key = near.0.clone();
        match random.below(4) {
            0 => key.push(0),
            1 => drop(key.pop()),
            _ => {}
        }
        let seqno = (near.1.seqno() + random.below(3) as u64).saturating_sub(1);
        let expected = entries.iter().find(|(k, tag, _)| *k == key && tag.seqno() <= seqno);
        let expected = expected.map(|(_, tag, value)| (*tag, value.clone()));
        assert_eq!(lookup(&table, bytes, &key, seqno), expected, "{} at {seqno}", key.escape_ascii());
    }
    assert!(cache.stats().used_bytes <= cache_bytes, "{:?}", cache.stats());
    table.index_part_count() > 0
}

#[test]
fn tables_hold_what_was_put_in() {
    let small = TableOptions { block_size_bytes: 300, filter_bits_per_key: 10 };
    check(&random_entries(1, 1, 5, 1), TableOptions::default());
    check(&random_entries(2, 800, 6, 4), TableOptions::default());
    check(&random_entries(3, 800, 30, 2), small);
    check(&random_entries(4, 60, 2, 100), small);
    check(&random_entries(5, 800, 12, 3), TableOptions { filter_bits_per_key: 0, ..small });
    check(&random_entries(6, 300, 12, 3), TableOptions { block_size_bytes: 0, ..small });
}

#[test]
fn the_longest_keys_and_large_values_fit() {
    let put = |key: Vec<u8>, value: Vec<u8>| (key, Tag::new(SeqNo(9), Kind::Put), value);
    let mut entries = vec![put(vec![], vec![])];
    for n in 0..40 {
        let mut key = vec![b'k'; KEY_LEN_MAX];
        key[KEY_LEN_MAX - 1 - n % 2] = 100 + n as u8;
        entries.push(put(key, vec![n as u8; n]));
    }
    entries.push(put(b"m1".to_vec(), vec![7; 3 << 20]));
    entries.push(put(b"m2".to_vec(), vec![8; WRITE_LEN]));
    entries.push(put(b"n".to_vec(), vec![9; 10]));
    entries.sort_by(|a, b| a.0.cmp(&b.0));
    let bytes = build(&entries, TableOptions::default());
    assert_eq!(read_all(&bytes).expect("intact"), entries);
    let cache = Arc::new(Cache::new(8 << 20));
    let table = open(&bytes, &cache).expect("intact");
    assert_eq!((table.min_key().len(), table.max_key()), (0, &b"n"[..]));
    for (key, tag, value) in &entries {
        assert_eq!(lookup(&table, &bytes, key, SeqNo(9)), Some((*tag, value.clone())));
        assert_eq!(lookup(&table, &bytes, key, SeqNo(8)), None);
    }
    let block_no = table.find_block_or_before(b"m1");
    assert!(table.block_location(block_no).1 > 3 << 20);
    assert!(table.cached_block_shared(block_no, None).is_none(), "too large for this cache");
    assert!(table.cached_block_shared(block_no + 1, None).is_some());
}

#[test]
fn blocks_keep_their_size_unless_one_key_is_larger() {
    let entries: Entries = (0..2000)
        .map(|n| (format!("user{n:08}").into_bytes(), Tag::new(SeqNo(n), Kind::Put), vec![1; 100]))
        .collect();
    let bytes = build(&entries, TableOptions::default());
    let table = open(&bytes, &Arc::new(Cache::new(0))).expect("intact");
    for block_no in 0..table.block_count() - 1 {
        let len = table.block_location(block_no).1;
        assert!((3900..=4096).contains(&len), "{len}");
    }
    let per_block = table.memory_bytes() / table.block_count();
    assert!(per_block < 120, "{per_block} bytes of memory per block of 4096");
}

#[test]
fn cursors_go_both_ways_from_everywhere() {
    let entries = random_entries(7, 60, 4, 5);
    let bytes = build(&entries, TableOptions { block_size_bytes: 1 << 20, filter_bits_per_key: 10 });
    let table = open(&bytes, &Arc::new(Cache::new(0))).expect("intact");
    assert_eq!(table.block_count(), 1);
    let block = read_block(&table, &bytes, 0).expect("intact");
    let at = |cursor: &BlockCursor| {
        cursor.is_valid().then(|| {
            let (key, tag) = cursor.head();
            (key.to_vec(), tag, cursor.value().to_vec())
        })
    };
    let mut random = Random(8);
    for direction in [Direction::Forward, Direction::Backward] {
        let mut cursor = BlockCursor::new(Arc::clone(&block), direction, true);
        assert!(!cursor.is_valid());
        // The entries from that number on, and then nothing.
        let check_walk = |cursor: &mut BlockCursor, first: Option<usize>, steps: usize| {
            let mut number = first;
            for _ in 0..steps {
                assert_eq!(at(cursor).as_ref(), number.map(|number| &entries[number]));
                let next = number.and_then(|number| direction.next_of(number, entries.len()));
                if let Some(number) = number.filter(|_| cursor.is_last_of_key()) {
                    assert!(next.is_none_or(|next| entries[next].0 != entries[number].0));
                }
                number = next;
                cursor.advance();
            }
        };
        let start = if direction == Direction::Forward { 0 } else { entries.len() - 1 };
        cursor.seek_to_start();
        check_walk(&mut cursor, Some(start), entries.len() + 2);
        for _ in 0..3000 {
            let (key, seqno) = (random.key(5), SeqNo(random.below(1001) as u64));
            let next = entries
                .iter()
                .position(|(k, tag, _)| crate::base::key::compare(k, tag.seqno(), &key, seqno).is_ge());
            let expected = match direction {
                Direction::Forward => next,
                Direction::Backward => next.unwrap_or(entries.len()).checked_sub(1),
            };
            cursor.seek(&key, seqno);
            check_walk(&mut cursor, expected, random.below(40));
        }
        cursor.reset(Arc::clone(&block));
        assert!(!cursor.is_valid());
        cursor.seek_to_start();
        check_walk(&mut cursor, Some(start), 2);
    }
}

#[test]
fn any_changed_byte_and_any_cut_is_an_error() {
    let entries = random_entries(9, 40, 6, 3);
    let bytes = build(&entries, TableOptions { block_size_bytes: 400, filter_bits_per_key: 10 });
    for at in 0..bytes.len() {
        for flip in [1, 0x80, 0xff] {
            let mut changed = bytes.clone();
            changed[at] ^= flip;
            let e = read_all(&changed).expect_err("a byte was changed");
            assert!(e.to_string().contains("000042.table is damaged at offset"), "{e}");
        }
        assert!(read_all(&bytes[..at]).is_err(), "cut at {at}");
    }
    assert_eq!(read_all(&bytes).expect("unchanged"), entries);
}

#[test]
fn blocks_in_each_others_place_are_found_out() {
    let entry = |key: &[u8]| (key.to_vec(), Tag::new(SeqNo(1), Kind::Put), vec![key[0]; 200]);
    let entries = vec![entry(b"a"), entry(b"b"), entry(b"c")];
    let bytes = build(&entries, TableOptions { block_size_bytes: 100, filter_bits_per_key: 10 });
    let table = open(&bytes, &Arc::new(Cache::new(0))).expect("intact");
    let ((a, len), (b, _)) = (table.block_location(0), table.block_location(1));
    let first = bytes[a as usize..][..len].to_vec();
    let second = bytes[b as usize..][..len].to_vec();
    assert!(table.decode_block(0, first.clone().into()).is_ok());
    assert!(table.decode_block(0, second.into()).is_err());
    assert!(table.decode_block(0, first[..len - 1].to_vec().into()).is_err());
    let elsewhere = Place { path: table.file().path(), file_id: FILE_ID.next(), offset: a };
    assert!(Block::parse(elsewhere, first.into()).is_err());
}

/// A part of an index that has changed since the table was opened.
#[test]
fn any_changed_byte_and_any_cut_of_a_part_is_an_error_that_says_where() {
    let bytes = build(
        &random_entries(12, 300, 12, 3),
        TableOptions { block_size_bytes: 100, filter_bits_per_key: 10 },
    );
    let table = open_with(&bytes, &Arc::new(Cache::new(16)), IN_CACHE).expect("intact");
    assert!(table.index_part_count() > 10);
    for part_no in 0..table.index_part_count() {
        let number = table.block_count() + part_no;
        assert!(table.is_index_part(number) && !table.is_index_part(part_no));
        let (offset, len) = table.block_location(number);
        assert_eq!(table.location_of_blocks(number..number + 1), (offset, len));
        let part = &bytes[offset as usize..][..len];
        table.decode_block(number, part.to_vec().into()).expect("intact");
        for at in 0..len {
            let mut changed = part.to_vec();
            changed[at] ^= 1 << (at % 8);
            for bytes in [changed, part[..at].to_vec()] {
                let Err(error) = table.decode_block_to_keep(number, bytes.into()) else {
                    panic!("it is damaged")
                };
                assert!(
                    matches!(error, Error::Corruption { .. }) && error.to_string().contains("000042.table")
                );
            }
        }
    }
}

/// Bytes of a block changed with the checksum made to fit: whatever comes out, nothing panics.
#[test]
fn forged_blocks_never_panic() {
    let entries = random_entries(10, 30, 5, 3);
    let bytes = build(&entries, TableOptions { block_size_bytes: 2000, filter_bits_per_key: 10 });
    let table = open(&bytes, &Arc::new(Cache::new(0))).expect("intact");
    let (offset, len) = table.block_location(0);
    let body = &bytes[offset as usize..][..len - TRAILER_LEN];
    let mut random = Random(11);
    let mut accepted = 0;
    for round in 0..30_000 {
        let mut forged = body.to_vec();
        for _ in 0..=round % 3 {
            let at = random.below(forged.len());
            forged[at] = [0, 1, 0x7f, 0x80, 0xff, random.below(256) as u8][random.below(6)];
        }
        if round % 5 == 0 {
            forged.truncate(random.below(forged.len()));
        }
        format::seal(&mut forged, FILE_ID, offset);
        let place = Place { path: table.file().path(), file_id: FILE_ID, offset };
        let Ok(block) = Block::parse(place, forged.into()) else { continue };
        accepted += 1;
        for (key, tag, _) in entries.iter().step_by(5) {
            let found = block.get(key, tag.seqno());
            assert!(found.is_none_or(|(_, range)| block.slice(range).len() <= len));
        }
        let block = Arc::new(block);
        for direction in [Direction::Forward, Direction::Backward] {
            let mut cursor = BlockCursor::new(Arc::clone(&block), direction, true);
            cursor.seek(&entries[20].0, SeqNo(500));
            while cursor.is_valid() {
                assert!(cursor.head().0.len() + cursor.value().len() <= 20 * len);
                cursor.advance();
            }
        }
    }
    assert!(accepted > 100, "changed keys and values are not noticed without the checksum");
}

#[test]
#[should_panic(expected = "keys must come in ascending order")]
fn keys_out_of_order_are_our_own_mistake() {
    let mut builder = Builder::new(FileId(1), TableOptions::default(), nothing_kept());
    builder.add(b"b", Tag::new(SeqNo(1), Kind::Put), b"");
    builder.add(b"a", Tag::new(SeqNo(1), Kind::Put), b"");
}

#[test]
#[should_panic(expected = "versions must come newest first")]
fn a_version_twice_is_our_own_mistake() {
    let mut builder = Builder::new(FileId(1), TableOptions::default(), nothing_kept());
    builder.add(b"b", Tag::new(SeqNo(1), Kind::Put), b"");
    builder.add(b"b", Tag::new(SeqNo(1), Kind::Delete), b"");
}

#[test]
fn bytes_shorter_than_a_footer_are_named() {
    let e = open(&[0; FOOTER_LEN - 1], &Arc::new(Cache::new(0))).err().expect("too short");
    assert_eq!(
        e.to_string(),
        "000042.table is damaged at offset 0: table file length: expected at least 104 bytes, found 103; \
         restore the file from a backup"
    );
}
