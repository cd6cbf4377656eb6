//! RocksDB's traces: one that it wrote itself, and bytes made by hand after its source.

use super::*;
use crate::trace::bytes::push_varint;
use crate::trace::step::{Record, drain};

/// Written by RocksDB 11.8.1 itself, by a program that put, read, wrote a batch, removed, sought and read
/// several keys between `StartTrace` and `EndTrace`.
const WRITTEN_BY_ROCKSDB: &[u8] = include_bytes!("rocksdb_11_8.trace");

/// The steps, what was skipped, and the error behind them.
fn read(bytes: &[u8]) -> (Vec<Step>, Vec<(&'static str, u64)>, Option<String>) {
    drain(RocksDb::new(Path::new("r.trace"), bytes))
}

#[test]
fn a_trace_that_rocksdb_wrote_is_understood() {
    let (steps, skipped, error) = read(WRITTEN_BY_ROCKSDB);
    assert_eq!(error, None);
    let key = |text: &str| text.as_bytes().to_vec();
    let delete = |text| Action::Delete { key: key(text) };
    let get = |text| Action::Read { key: key(text), value_bytes: None };
    let expected = [
        Action::Update(Record::new(b"apple", 100)),
        get("apple"),
        get("missing"),
        Action::Batch { records: vec![Record::new(b"pear", 300), Record::new(b"plum", 1)] },
        delete("apple"),
        delete("plum"),
        delete("pear"),
        Action::Scan { start: key("p"), limit: 1 },
        Action::ReverseScan { start: key("q"), limit: 1 },
        Action::Scan { start: key("pe"), limit: 1 },
        Action::MultiRead { keys: vec![key("apple"), key("pear"), key("zoo")] },
    ];
    assert_eq!(steps.iter().map(|step| step.action.clone()).collect::<Vec<_>>(), expected);
    assert_eq!(skipped, [("delete-range", 1)]);
    // The put was at ...333c, the get at ...343d.
    assert_eq!((steps[0].time_ns, steps[1].time_ns), (0, 257_000));
    assert!(steps.iter().is_sorted_by_key(|step| step.time_ns));
}

fn record(time_us: u64, kind: u8, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_le_bytes();
    [&time_us.to_le_bytes()[..], &[kind], &length, payload].concat()
}

fn first(version: &str) -> Vec<u8> {
    let text = format!("feedcafedeadbeef\tTrace Version: {version}\tRocksDB Version: 6.2\tFormat: ...\n");
    record(5, BEGIN, text.as_bytes())
}

fn pieces(pieces: &[&[u8]]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for piece in pieces {
        push_varint(&mut bytes, piece.len() as u64);
        bytes.extend_from_slice(piece);
    }
    bytes
}

fn batch(entries: &[&[u8]]) -> Vec<u8> {
    [&[0; 8][..], &(entries.len() as u32).to_le_bytes(), &entries.concat()].concat()
}

/// In version 0.1 a payload is the batch itself, or a column family and a key: `trace_file_version < 2`
/// in `DecodeTraceRecord`.
#[test]
fn payloads_without_fields_are_those_of_version_0_1() {
    let put = [&[1_u8][..], &pieces(&[b"k", b"value"])].concat();
    let get = [&[0; 4][..], &pieces(&[b"k"])].concat();
    let bytes =
        [first("0.1"), record(9, WRITE, &batch(&[&put])), record(12, GET, &get), record(13, END, b"")];
    let (steps, _, error) = read(&bytes.concat());
    assert_eq!(error, None);
    let expected =
        [Action::Update(Record::new(b"k", 5)), Action::Read { key: b"k".to_vec(), value_bytes: None }];
    assert_eq!(steps.iter().map(|step| step.action.clone()).collect::<Vec<_>>(), expected);
    assert_eq!(steps[1].time_ns, 3_000);
}

#[test]
fn every_tag_of_a_batch_is_replayed_or_counted() {
    let tagged =
        |tag: u8, column_family: &[u8], parts: &[&[u8]]| [&[tag][..], column_family, &pieces(parts)].concat();
    let entries = [
        tagged(0x05, &[7], &[b"a", b"12"]),
        tagged(0x06, &[7], &[b"b", b"123"]),
        tagged(0x03, &[], &[b"a blob for the log"]),
        tagged(0x16, &[], &[b"c", b"columns"]),
        tagged(0x04, &[0x80, 1], &[b"d"]),
        tagged(0x0D, &[], &[]),
        tagged(0x02, &[], &[b"e", b"1"]),
        tagged(0x0E, &[1], &[b"f", b"g"]),
        tagged(0x08, &[1], &[b"h"]),
    ];
    let decoded = rocksdb_batch::actions(&batch(&entries.iter().map(Vec::as_slice).collect::<Vec<_>>()));
    let records = vec![Record::new(b"a", 2), Record::new(b"b", 3), Record::new(b"c", 7)];
    let expected = vec![
        Action::Batch { records },
        Action::Delete { key: b"d".to_vec() },
        Action::Update(Record::new(b"e", 1)),
        Action::Delete { key: b"h".to_vec() },
    ];
    let decoded = decoded.unwrap();
    assert_eq!((decoded.actions, decoded.skipped), (expected, vec!["delete-range"]));
}

#[test]
fn what_is_wrong_is_named_with_its_place() {
    let end = record(9, END, b"");
    let get = |fields: u64, rest: &[u8]| record(6, GET, &[&fields.to_le_bytes()[..], rest].concat());
    // The first record has 13 bytes of head and 73 of text.
    let base = first("0.2").len();
    for (bytes, expected) in [
        (first("0.3"), "damaged at offset 13: expected trace version 0.1 or 0.2, found '0.3'".to_owned()),
        (first("0.2"), format!("cut off at offset {base}: expected a record, or the last one (type 2)")),
        (
            [first("0.2"), record(6, 9, b"")].concat(),
            format!("offset {}: expected a record of type 2 to 6 or 13", base + 8),
        ),
        (
            [first("0.2"), get(2, b"")].concat(),
            format!("offset {}: expected the fields 0x30, found 0x2", base + 13),
        ),
        (
            [first("0.2"), get(12, b"\0\0\0\0\x05key"), end.clone()].concat(),
            format!("offset {}: expected a key of 5 bytes, found 3 bytes to the end", base + 13 + 13),
        ),
        (
            [first("0.2"), record(6, WRITE, b"\x02\0\0\0\0\0\0\0\x0d\0\0\0\0\0\0\0\0\0\0\0\0\x63"), end]
                .concat(),
            format!("offset {}: expected an entry of a write batch of a tag", base + 13 + 21),
        ),
    ] {
        let error = read(&bytes).2.unwrap();
        assert!(error.contains(&expected), "{error}\nexpected {expected}");
    }
}

/// There is no checksum, so that changed bytes may give other operations; they must not give a panic,
/// or take memory for a length that is not there.
#[test]
fn no_changed_or_missing_byte_leads_to_a_panic() {
    for at in 0..WRITTEN_BY_ROCKSDB.len() {
        for change in [1_u8, 0x80, 0xFF] {
            let mut damaged = WRITTEN_BY_ROCKSDB.to_vec();
            damaged[at] ^= change;
            if let Some(error) = read(&damaged).2 {
                assert!(error.contains(" at offset ") && error.contains("expected "), "{error}");
            }
        }
        let error = read(&WRITTEN_BY_ROCKSDB[..at]).2.unwrap();
        assert!(error.contains(" at offset ") && error.contains("expected "), "{error}");
    }
}
