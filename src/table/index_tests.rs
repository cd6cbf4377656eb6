//! Indexes that a builder has made, and those that none has made.

use std::path::Path;

use super::*;
use crate::base::ids::FileId;
use crate::table::block::Block;
use crate::table::format;
use crate::table::index_part::find_in_part;

fn index(separators: &[&[u8]], key_max: &[u8]) -> Result<Index> {
    let mut builder = IndexBuilder::default();
    for (block_no, separator) in separators.iter().enumerate() {
        builder.add(separator, block_no + 1, block_no as u64);
    }
    let data_bytes = (1..=separators.len() as u64).sum();
    let deletes = (0..separators.len() as u64).sum();
    parse(builder.finish(key_max).to_vec(), data_bytes, deletes)
}

/// Reads an index as a whole, and in parts: that makes no difference to what is wrong with it.
fn parse(mut body: Vec<u8>, data_bytes: u64, deletes: u64) -> Result<Index> {
    format::seal(&mut body, FileId(1), 2);
    let parse = |has_room| Index::parse(place(), &body, Sums { data_bytes, deletes }, |_, _| has_room);
    let (whole, parts) = (parse(true), parse(false));
    match (&whole, &parts) {
        (Ok(whole), Ok(parts)) => check_parts(whole, parts, &body),
        (whole, parts) => assert_eq!(whole.is_ok(), parts.is_ok()),
    }
    whole
}

fn place() -> Place<'static> {
    Place { path: Path::new("t"), file_id: FileId(1), offset: 2 }
}

/// The parts of `body` as they are read.
fn read_part(index: &Index, part_no: usize, body: &[u8]) -> Result<Block> {
    let parts = index.parts().expect("it is in parts");
    let (start, len) = parts.location(part_no);
    parts.decode(part_no, place(), body[start as usize..][..len].to_vec().into())
}

/// Compares an index in parts with the same as a whole.
fn check_parts(whole: &Index, index: &Index, body: &[u8]) {
    assert!(whole.parts().is_none());
    let places = index.parts().expect("it is in parts");
    let parts: Vec<Block> =
        (0..places.count()).map(|part_no| read_part(index, part_no, body).expect("just checked")).collect();
    let blocks: Vec<usize> = (0..parts.len()).flat_map(|part_no| places.blocks(part_no)).collect();
    assert!(blocks.iter().copied().eq(0..whole.block_count()), "each block is in one part");
    assert!(places.blocks(parts.len()).is_empty());
    assert_eq!((index.key_min(), index.key_max()), (whole.key_min(), whole.key_max()));
    assert_eq!(index.largest_block_len(), whole.largest_block_len());
    let separators: Vec<Vec<u8>> =
        (0..whole.block_count()).map(|block_no| whole.separator(block_no)).collect();
    for (block_no, separator) in separators.iter().enumerate() {
        assert_eq!(index.block_range(block_no), whole.block_range(block_no));
        for last in [&b""[..], b"\0", b"z", b"\xff\xff"] {
            for len in [separator.len().saturating_sub(1), separator.len()] {
                let key = [&separator[..len], last].concat();
                let found = index.find(&key, |_| ()).map(|part_no| {
                    places.blocks(part_no).start
                        + find_in_part(&parts[part_no], &key, index.shared_with(part_no, &key))
                });
                assert_eq!(found, whole.find(&key, |_| ()), "{}", key.escape_ascii());
                check_ranges(whole, index, &key, &separators);
            }
        }
    }
}

/// What is known of a range comes from all parts that have some of it, and nothing is sure that is not.
fn check_ranges(whole: &Index, index: &Index, lo: &[u8], separators: &[Vec<u8>]) {
    for hi in separators.iter().map(|hi| Some(&hi[..])).chain([None]).step_by(3) {
        let blocks = whole.kept_in_range(lo, hi);
        let places = index.parts().expect("it is in parts");
        let of = |block_no| (0..places.count()).map(|no| places.blocks(no)).find(|of| of.contains(&block_no));
        let (first, last) = (of(blocks.start), of(blocks.end.saturating_sub(1)));
        let is_some = !blocks.is_empty();
        let blocks = first.zip(last).filter(|_| is_some).map(|(first, last)| first.start..last.end);
        let bytes = |blocks: Range<usize>| {
            whole.block_range(blocks.end - 1).end - whole.block_range(blocks.start).start
        };
        if let Some(blocks) = blocks {
            assert_eq!(index.bytes_in_range(lo, hi), bytes(blocks));
        }
        assert!(index.deletes_in_range(lo, hi) >= whole.deletes_in_range(lo, hi));
        assert!(whole.surely_holds(lo, hi) || !index.surely_holds(lo, hi));
    }
}

/// Compares every lookup around the separators with a plain search, where all keys begin alike and where not.
fn check(separators: &[&[u8]]) {
    let last = separators.last().expect("there is a block");
    check_with(separators, &[last, &b"z"[..]].concat());
    check_with(separators, &[0xff; 40]);
}

fn check_with(separators: &[&[u8]], key_max: &[u8]) {
    let index = index(separators, key_max).expect("just built");
    assert_eq!(index.key_min(), separators[0]);
    let mut probes: Vec<Vec<u8>> = vec![vec![], vec![0], vec![0xff; 3], vec![0xff; 40]];
    for separator in separators {
        for end in 0..=separator.len() {
            for last in [&b""[..], b"\0", b"\x01", b"z", b"\xff"] {
                probes.push([&separator[..end], last].concat());
            }
        }
    }
    for key in &probes {
        let expected = separators.iter().rposition(|separator| *separator <= &key[..]);
        assert_eq!(index.find(key, |_| ()), expected, "{}", key.escape_ascii());
        for hi in probes.iter().step_by(probes.len().div_ceil(20)) {
            // Above the greatest key there is no block.
            let below_hi = separators.iter().filter(|separator| **separator < &hi[..]).count();
            let end = if key[..] > *key_max { 0 } else { below_hi };
            let bytes = (expected.unwrap_or(0)..end).map(|block_no| block_no as u64 + 1).sum::<u64>();
            assert_eq!(index.bytes_in_range(key, Some(hi)), bytes);
            let deletes = (expected.unwrap_or(0)..end).map(|block_no| block_no as u64).sum::<u64>();
            assert_eq!(index.deletes_in_range(key, Some(hi)), deletes);
            let whole = separators.windows(2).any(|pair| &key[..] <= pair[0] && pair[1] <= &hi[..]);
            let ends = [separators[0], key_max].iter().any(|end| key[..] <= **end && **end < hi[..]);
            assert_eq!(index.surely_holds(key, Some(hi)), whole || ends, "{}", key.escape_ascii());
        }
    }
}

#[test]
fn blocks_are_found_as_by_a_plain_search() {
    check(&[b""]);
    check(&[b"user1"]);
    check(&[b"", b"\0", b"\0\0", b"\0\0\0\0\0\0\0\0\0", b"\x01"]);
    check(&[b"user1", b"user12", b"user2", b"user200", b"user3"]);
    check(&[b"useraaaaaaaa1", b"useraaaaaaaa2", b"useraaaaaaaa3", b"useraaaaaaab", b"userb"]);
    check(&[b"a", b"b\xff\xff\xff\xff\xff\xff\xff\xff", b"b\xff\xff\xff\xff\xff\xff\xff\xff\xff", b"c"]);
    let many: Vec<Vec<u8>> = (0..100).map(|n| format!("key{:05}", n * 3).into_bytes()).collect();
    check(&many.iter().map(Vec::as_slice).collect::<Vec<_>>());
}

#[test]
fn ranges_count_each_block_once() {
    let index = index(&[b"b", b"d", b"f"], b"g").expect("just built");
    assert_eq!(index.bytes_in_range(b"", None), 6);
    assert_eq!(index.bytes_in_range(b"e", None), 5);
    assert_eq!(index.bytes_in_range(b"h", None), 0);
    assert_eq!(index.bytes_in_range(b"", Some(b"b")), 0);
    assert_eq!(index.bytes_in_range(b"c", Some(b"d")), 1);
    assert_eq!(index.bytes_in_range(b"c", Some(b"d1")), 3);
    assert_eq!(index.bytes_in_range(b"f", Some(b"a")), 0);
}

#[test]
fn an_index_that_contradicts_itself_is_damage() {
    assert!(index(&[b"b", b"d"], b"c").is_err(), "greatest key below the last block");
    let good = [1, b'x', 2, 0, 1, b'a', 5, 1, 0, 1, b'b', 6, 2];
    assert!(parse(good.to_vec(), 11, 3).is_ok());
    assert!(parse(good.to_vec(), 12, 3).is_err(), "other sum of lengths");
    assert!(parse(good.to_vec(), 11, 2).is_err(), "other sum of deletes");
    for len in 0..good.len() {
        assert!(parse(good[..len].to_vec(), 11, 3).is_err(), "cut at {len}");
    }
    for (at, value) in [(2, 1), (2, 3), (2, 0), (3, 1), (8, 2), (9, 0), (10, b'a'), (4, 0x7f), (0, 0x7f)] {
        let mut bad = good.to_vec();
        bad[at] = value;
        assert!(parse(bad, 11, 3).is_err(), "{at} = {value}");
    }
    let shorter_than_all_keys = b"\x03ab9\x02\0\x03ab1\x05\0\0\x01b\x06\0";
    assert!(parse(shorter_than_all_keys.to_vec(), 11, 0).is_err());
    let huge_count = [1, b'x', 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1];
    assert!(parse(huge_count.to_vec(), 11, 3).is_err());
    let overflowing =
        [&[1, b'x', 2, 0, 1, b'a'][..], &[0xff; 9], &[1, 0, 0, 1, b'b'], &[0xff; 9], &[1, 0]].concat();
    assert!(parse(overflowing, 11, 0).is_err());
    let many_deletes =
        [&[1, b'x', 2, 0, 1, b'a', 5][..], &[0xff; 9], &[1, 0, 1, b'b', 6], &[0xff; 9], &[1]].concat();
    assert!(parse(many_deletes, 11, 3).is_err());
}
