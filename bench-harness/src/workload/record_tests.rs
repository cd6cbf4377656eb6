//! Records as they are built, checked and taken apart.

use super::*;

const RANDOM: FieldContent = FieldContent::Random { compressibility: 0.0 };

fn shape(fields: u64, length: u64, content: FieldContent) -> RecordShape {
    RecordShape { fields, lengths: LengthDistribution::Constant(length), content }
}

fn record(key: &[u8], shape: RecordShape, new_version: u32) -> Vec<u8> {
    let pool = Pool::new(1, &shape);
    let mut random = Stream::new(1, "load").operation(3);
    let mut builder = RecordBuilder::new(&pool, shape);
    builder.fill(key, &mut random);
    builder.set_version(key, new_version);
    builder.bytes().to_vec()
}

#[test]
fn ten_fields_of_a_hundred_bytes_make_one_kilobyte() {
    let record = record(b"user1", shape(10, 100, RANDOM), 0);
    assert_eq!(record.len(), 1018);
    assert!((0..10).all(|index| field(&record, index).unwrap().len() == 100));
    assert_eq!(field(&record, 10), None);
}

#[test]
fn long_fields_have_longer_lengths() {
    let record = record(b"user1", shape(2, 300, RANDOM), 0);
    assert_eq!(record.len(), 8 + 2 * 302);
    assert_eq!(field(&record, 1).unwrap().len(), 300);
}

#[test]
fn damage_and_a_foreign_key_are_recognised() {
    let intact = record(b"user1", shape(10, 100, RANDOM), 7);
    assert_eq!(version(b"user1", &intact), Some(7));
    assert_eq!(version(b"user2", &intact), None);
    assert_eq!(version(b"user1", &intact[..1017]), None);
    assert_eq!(version(b"user1", &intact[..5]), None);
    for place in [0, 4, 8, 500, 1017] {
        let mut damaged = intact.clone();
        damaged[place] ^= 1;
        assert_eq!(version(b"user1", &damaged), None, "at {place}");
    }
}

#[test]
fn the_compressible_share_of_each_field_is_one_character() {
    for (compressibility, filler) in [(0.0, 0), (0.25, 25), (0.5, 50), (1.0, 100)] {
        let record = record(b"user1", shape(3, 100, FieldContent::Random { compressibility }), 0);
        for index in 0..3 {
            let bytes = field(&record, index).unwrap();
            assert!(bytes[100 - filler..].iter().all(|byte| *byte == FILLER));
            // Of 95 characters one is the filler, so that a few of the others may be it by chance.
            let others = bytes.iter().filter(|byte| **byte != FILLER).count();
            assert!((90_usize.saturating_sub(filler)..=100 - filler).contains(&others), "{others}");
        }
    }
}

/// CoreWorkload.java lines 602 to 615 (YCSB d9faaac) in Python, with Java's String.hashCode:
///     def h(s): v = 0; for c in s: v = (v * 31 + ord(c)) % 2**32; return v - 2**32 if v >= 2**31 else v
///     s = key + ":" + name
///     while len(s) < size: s += ":" + str(h(s + ":"))
///     s[:size]
/// The colon is appended before the hash is taken.
#[test]
fn values_of_dataintegrity_are_those_of_ycsb() {
    let content = || FieldContent::Deterministic { name_prefix: "field".to_owned() };
    let value = |key: &str, index, length| {
        let record = record(key.as_bytes(), shape(10, length, content()), 0);
        String::from_utf8(field(&record, index).unwrap().to_vec()).unwrap()
    };
    assert_eq!(
        value("user6284781860667377211", 0, 100),
        "user6284781860667377211:field0:-56807877:2032869390:-165488160:1762371712:-169193395:-1039977118:-10"
    );
    assert_eq!(value("user8517097267634966620", 9, 30), "user8517097267634966620:field9");
    assert_eq!(value("user1", 0, 5), "user1");
}

#[test]
fn values_of_dataintegrity_are_compared_field_by_field_whatever_the_version() {
    let shape = shape(2, 40, FieldContent::Deterministic { name_prefix: "f".to_owned() });
    let pool = Pool::new(1, &shape);
    let mut builder = RecordBuilder::new(&pool, shape.clone());
    let mut written = record(b"user1", shape, 9);
    assert!(builder.has_fields_of(b"user1", &written));
    assert!(!builder.has_fields_of(b"user2", &written));
    written[20] ^= 1;
    assert!(!builder.has_fields_of(b"user1", &written));
}

#[test]
fn records_of_a_stated_length_have_it_and_are_recognised() {
    let shape = RecordShape {
        fields: 1,
        lengths: LengthDistribution::Constant(1),
        content: FieldContent::Random { compressibility: 0.5 },
    };
    let pool = Pool::new(1, &shape);
    let mut records = RecordBuilder::new(&pool, shape);
    let mut random = Stream::new(1, "x").operation(0);
    for length in [1, 4, 7, 8, 9, 500, 3 << 20, 9 << 20] {
        let record = records.fill_to_length(b"key", length, &mut random).to_vec();
        assert_eq!((record.len(), version(b"key", &record)), (length, Some(0)));
        assert_eq!(version(b"other", &record), None, "{length} bytes under another key");
        for at in [0, length / 2, length - 1] {
            let mut damaged = record.clone();
            damaged[at] ^= 1;
            assert_eq!(version(b"key", &damaged), None, "byte {at} of {length}");
        }
        if length >= 500 {
            let filler = record.iter().filter(|byte| **byte == FILLER).count();
            assert!(filler >= (length - HEAD_BYTES) / 2, "{filler} of {length}");
        }
    }
    assert_eq!(records.fill_to_length(b"key", 0, &mut random).len(), 1);
    assert_eq!(version(b"key", b""), None);
}
