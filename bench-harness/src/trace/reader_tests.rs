//! Our own traces come back as they were written, and damage anywhere in them is an error.

use super::*;
use crate::trace::format::header;
use crate::trace::step::{Action, Record, drain};
use crate::trace::writer::Writer;

/// Every kind of operation, with keys of any bytes.
fn steps() -> Vec<Step> {
    let key = |text: &str| text.as_bytes().to_vec();
    let actions = [
        Action::Read { key: key("user1"), value_bytes: None },
        Action::Read { key: vec![0, 255, b'\n'], value_bytes: Some(300) },
        Action::Insert(Record::new(b"user2", 1018)),
        Action::Update(Record::new(b"", 0)),
        Action::ReadModifyWrite(Record::new(&[7; 300], 1)),
        Action::Delete { key: key("user3") },
        Action::Scan { start: key("user"), limit: 100 },
        Action::ReverseScan { start: key("v"), limit: 1 },
        Action::MultiRead { keys: vec![key("a"), key("bb")] },
        Action::Batch { records: vec![Record::new(b"c", 5), Record::new(b"d", 70_000)] },
    ];
    let times_ns = (0_u64..).map(|number| number * 1_000_003);
    times_ns.zip(actions).map(|(time_ns, action)| Step { time_ns, action }).collect()
}

fn written(steps: &[Step]) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new()).unwrap();
    for step in steps {
        writer.add(step).unwrap();
    }
    let (bytes, total) = writer.end().unwrap();
    assert_eq!(total, steps.len() as u64);
    bytes
}

/// All operations, or those before the error.
fn read(bytes: &[u8]) -> (Vec<Step>, Option<String>) {
    let (steps, _, error) = drain(Reader::new(Path::new("t.trace"), bytes));
    (steps, error)
}

#[test]
fn what_was_written_is_read_over_many_blocks() {
    let once = steps();
    let many: Vec<Step> = (0..5_000_u64)
        .flat_map(|round| once.iter().map(move |step| (round, step)))
        .map(|(round, step)| Step { time_ns: round * 10_000_000_000 + step.time_ns, ..step.clone() })
        .collect();
    let bytes = written(&many);
    assert!(bytes.len() > 20 * (64 << 10), "{}", bytes.len());
    assert!(read(&bytes) == (many, None));
    assert_eq!(read(&written(&[])), (Vec::new(), None));
}

/// The bytes that bench-harness/docs/trace-format.md shows; a file of version 1 stays readable.
#[test]
fn the_bytes_are_those_of_the_page() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/trace-format.md"));
    let page = page.unwrap();
    let example = page.split("```hex\n").nth(1).unwrap().split("```").next().unwrap();
    let shown = example.lines().flat_map(|line| line.split("  ").next().unwrap().split(' '));
    let shown: Vec<u8> = shown.map(|two| u8::from_str_radix(two, 16).unwrap()).collect();
    let steps = [
        Step { time_ns: 1_000, action: Action::Insert(Record::new(b"k1", 100)) },
        Step { time_ns: 1_500, action: Action::Read { key: b"k1".to_vec(), value_bytes: None } },
    ];
    assert_eq!(read(&shown), (steps.to_vec(), None));
    assert_eq!(written(&steps), shown);
}

#[test]
fn every_changed_byte_is_an_error_that_names_the_place_and_gives_no_other_operations() {
    let steps = steps();
    let bytes = written(&steps);
    for at in 0..bytes.len() {
        for change in [1_u8, 0x80, 0xFF] {
            let mut damaged = bytes.clone();
            damaged[at] ^= change;
            let (found, error) = read(&damaged);
            let error = error.unwrap_or_else(|| panic!("byte {at} changed by {change} passed unseen"));
            assert!(error.contains("t.trace is "), "{error}");
            assert!(error.contains(" at offset ") && error.contains(": expected "), "{error}");
            assert!(steps.starts_with(&found), "byte {at}: operations that were never written");
        }
    }
}

#[test]
fn every_cut_and_every_byte_too_many_is_an_error() {
    let steps = steps();
    let bytes = written(&steps);
    for length in 0..bytes.len() {
        let (found, error) = read(&bytes[..length]);
        let error = error.unwrap_or_else(|| panic!("cut to {length} bytes passed unseen"));
        assert!(error.contains(&format!("cut off at offset {length}: expected ")), "{error}");
        assert!(steps.starts_with(&found));
    }
    let more = [bytes.as_slice(), b"x"].concat();
    let error = read(&more).1.unwrap();
    assert!(error.contains(&format!("at offset {}: expected the end of the file", bytes.len())), "{error}");
}

/// A checksum says that the bytes were written so, not that they make sense.
#[test]
fn nonsense_under_a_right_checksum_is_an_error_as_well() {
    let block = |payload: &[u8], operations: u32| {
        let header = header();
        let head = crate::trace::format::block_head(payload, operations, header.len() as u64);
        [&header[..], &head[..], payload].concat()
    };
    for (payload, operations, expected) in [
        (&[99, 0][..], 1, "damaged at offset 32: expected an operation from 1 to 10, found 99"),
        (&[1, 0, 5, b'k'], 1, "damaged at offset 35: expected a key of 5 bytes, found 1 bytes to the end"),
        (
            &[1, 0, 0, 9],
            1,
            "damaged at offset 35: expected the end of a block of 1 operations, found 1 bytes more",
        ),
        (&[4, 0, 0xFF, 0xFF, 0xFF, 0x7F], 1, "expected a length of a key of at most 65535, found 268435455"),
        (&[8, 0, 0xFF, 0xFF, 0xFF, 0x7F], 1, "expected a number of keys of at most 65536, found 268435455"),
        (&[7; 8], 0, "damaged at offset 32: expected the end of a trace of 0 operations, found"),
    ] {
        let error = read(&block(payload, operations)).1.unwrap();
        assert!(error.contains(expected), "{error}");
    }
    let mut newer = header();
    newer[8] = 2;
    let check = xxh3_64(&newer[..12]) as u32;
    newer[12..].copy_from_slice(&check.to_le_bytes());
    let error = read(&newer).1.unwrap();
    assert!(error.contains("expected version 1 (a newer rabi-bench may read others), found 2"), "{error}");
}
