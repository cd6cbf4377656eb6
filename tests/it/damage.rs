//! Damaged and missing files: an error that names the place, or the loss of an unsynced tail.
//! Never other data than was written, never a panic.
//!
//! A database is made once with files in L2 and L3 and a log to replay. Each case copies it, harms
//! one file, opens the copy and reads everything.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use rabi::{Db, Durability, Error, Options, WriteBatch, WriteOptions};

use crate::generator::Random;
use crate::scratch::{Scratch, contents, copy_dir, files, small};

/// Writes in tables, and writes that only the log has.
const IN_TABLES: usize = 900;
const IN_LOG: usize = 200;
/// Of the writes in the log, so many were acknowledged as power-safe.
const POWER_SAFE: usize = 150;

fn options() -> Options {
    // No compaction while cases are compared, and none in the background of the original.
    small()
        .cores(1)
        .max_flushed_files(64)
        .cache_size_bytes(0)
        .memtable_size_bytes(1 << 20)
        .wal_segment_size_bytes(1 << 20)
}

/// A log that goes on through many segments; everything is in it, nothing in tables.
fn options_of_many_segments() -> Options {
    options().wal_segment_size_bytes(64 << 10)
}

fn key(number: usize) -> Vec<u8> {
    format!("key{:05}", number * 7919 % 100_003).into_bytes()
}

fn value(number: usize) -> Vec<u8> {
    Random::new(number).bytes(40 + number % 100)
}

/// The contents after the first `count` writes, each of which puts a new key.
fn after(count: usize) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut entries: Vec<_> = (0..count).map(|number| (key(number), value(number))).collect();
    entries.sort();
    entries
}

struct Original {
    _scratch: Scratch,
    dir: PathBuf,
    l2: PathBuf,
    l3: PathBuf,
}

fn original() -> &'static Original {
    static ORIGINAL: OnceLock<Original> = OnceLock::new();
    ORIGINAL.get_or_init(|| {
        let scratch = Scratch::new();
        let db = Db::open(scratch.dir(), options()).unwrap();
        let put = |range: std::ops::Range<usize>| {
            range.for_each(|number| db.put(key(number), value(number)).unwrap());
        };
        put(0..IN_TABLES * 2 / 3);
        db.compact().unwrap();
        put(IN_TABLES * 2 / 3..IN_TABLES);
        db.close().unwrap();
        // Another opening, whose log begins at the head of a segment.
        let db = Db::open(scratch.dir(), options()).unwrap();
        let put = |range: std::ops::Range<usize>| {
            range.for_each(|number| db.put(key(number), value(number)).unwrap());
        };
        put(IN_TABLES..IN_TABLES + POWER_SAFE - 1);
        let mut last = WriteBatch::new();
        let number = IN_TABLES + POWER_SAFE - 1;
        last.put(key(number), value(number));
        db.write(last, WriteOptions { durability: Durability::Power }).unwrap();
        put(IN_TABLES + POWER_SAFE..IN_TABLES + IN_LOG);
        let stats = db.stats();
        let path = |id: u64| scratch.dir().join(format!("table-{id:08}"));
        let l2 = path(stats.flushed[0].id);
        let l3 = path(stats.partitions.iter().find_map(|(_, file)| file.as_ref()).unwrap().id);
        let dir = scratch.beside("original");
        drop(db);
        copy_dir(&scratch.dir(), &dir);
        Original { l2, l3, dir, _scratch: scratch }
    })
}

/// What became of a damaged copy.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    /// Opening or reading failed with this text.
    Error(String),
    /// All reads gave what the first so many writes left.
    Holds(usize),
}

/// Opens the copy and reads everything, by scans in both directions and by key.
fn outcome(dir: &Path, what: &str) -> Outcome {
    let db = match Db::open(dir, options()) {
        Ok(db) => db,
        Err(error) => return failed(&error, what),
    };
    let forward: rabi::Result<Vec<_>> = db.range::<&str>(..).collect();
    let backward: rabi::Result<Vec<_>> = db.range::<&str>(..).rev().collect();
    let mut found = 0;
    for number in 0..IN_TABLES + IN_LOG {
        match db.get(key(number)) {
            Ok(None) => {}
            Ok(Some(found_value)) => {
                assert!(found_value[..] == value(number), "{what}: wrong data under key {number}");
                found += 1;
            }
            Err(error) => return failed(&error, what),
        }
    }
    match (forward, backward) {
        (Ok(forward), Ok(backward)) => {
            let forward: Vec<_> = forward.into_iter().map(|(key, value)| (key, value.into_vec())).collect();
            let count = forward.len();
            assert!(forward == after(count), "{what}: not what the first {count} writes left");
            assert_eq!((backward.len(), found), (count, count), "{what}: reads differ");
            Outcome::Holds(count)
        }
        (Err(error), _) | (_, Err(error)) => failed(&error, what),
    }
}

fn failed(error: &Error, what: &str) -> Outcome {
    let text = error.to_string();
    match error {
        Error::Corruption { .. } | Error::NewerFormat { .. } | Error::Io { .. } => {}
        error => panic!("{what}: an error of another kind: {error:?}"),
    }
    Outcome::Error(text)
}

/// A copy of the original with one file harmed.
fn harmed(path: &Path, harm: impl FnOnce(&mut Vec<u8>)) -> (Scratch, PathBuf) {
    let (scratch, name) = (Scratch::new(), path.file_name().unwrap());
    copy_dir(&original().dir, &scratch.dir());
    let path = scratch.dir().join(name);
    let mut bytes = fs::read(&path).unwrap();
    harm(&mut bytes);
    fs::write(&path, bytes).unwrap();
    (scratch, path)
}

fn check_harm(path: &Path, what: &str, harm: impl FnOnce(&mut Vec<u8>)) -> Outcome {
    let (scratch, path) = harmed(path, harm);
    let outcome = outcome(&scratch.dir(), what);
    if let Outcome::Error(text) = &outcome {
        assert!(text.contains(path.to_str().unwrap()), "{what}: the file is not named: {text}");
    }
    outcome
}

fn expect_damage(path: &Path, what: &str, offset: impl ToString, harm: impl FnOnce(&mut Vec<u8>)) {
    let name = path.file_name().unwrap().to_string_lossy();
    match check_harm(path, what, harm) {
        Outcome::Error(text) => {
            let expected = format!("/{name} is damaged at offset {}: ", offset.to_string());
            assert!(text.contains(&expected), "{what}: {text}");
            assert!(text.ends_with("; restore the file from a backup"), "{what}: {text}");
        }
        Outcome::Holds(count) => panic!("{what}: unnoticed, {count} entries are shown"),
    }
}

/// Filter offset, index offset and footer offset of a table, from its footer.
fn parts(table: &Path) -> (u64, u64, u64) {
    let bytes = fs::read(original().dir.join(table.file_name().unwrap())).unwrap();
    let footer = bytes.len() - 104;
    let word = |at: usize| u64::from_le_bytes(bytes[footer + at..footer + at + 8].try_into().unwrap());
    (word(8), word(24), footer as u64)
}

/// The paths that one file of each kind has in the original.
fn only(prefix: &str) -> PathBuf {
    let mut paths = files(&original().dir, prefix);
    assert_eq!(paths.len(), 1, "{prefix}");
    paths.remove(0)
}

/// Segments that the newest log of a directory uses, in order.
fn segments_of(dir: &Path) -> Vec<PathBuf> {
    let word = |bytes: &[u8], at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
    let stage = fs::read(&files(dir, "stage-")[0]).unwrap();
    let mut segments: Vec<(u64, PathBuf)> = Vec::new();
    for path in files(dir, "wal-") {
        let bytes = fs::read(&path).unwrap();
        // A spare one has no header, or that of an earlier log.
        if bytes.starts_with(b"RABIWAL1") && word(&bytes, 16) == word(&stage, 16) {
            segments.push((word(&bytes, 24), path));
        }
    }
    segments.sort();
    segments.into_iter().map(|(_, path)| path).collect()
}

fn flip(at: u64, bit: u8) -> impl FnOnce(&mut Vec<u8>) {
    move |bytes| bytes[at as usize] ^= 1 << bit
}

#[test]
fn the_unharmed_copy_holds_everything() {
    let scratch = Scratch::new();
    copy_dir(&original().dir, &scratch.dir());
    assert_eq!(outcome(&scratch.dir(), "unharmed"), Outcome::Holds(IN_TABLES + IN_LOG));
    assert!(segments_of(&original().dir).len() == 1, "the log is in one segment");
}

#[test]
fn a_changed_bit_anywhere_in_a_table_is_found() {
    let mut random = Random::new("table bits");
    for table in [&original().l2, &original().l3] {
        let (filter, index, footer) = parts(table);
        let len = footer + 104;
        expect_damage(table, "first data block", 0, flip(3, 0));
        expect_damage(table, "filter", filter, flip(filter + 20, 5));
        expect_damage(table, "index", index, flip(index + 9, 7));
        expect_damage(table, "footer", footer, flip(footer + 44, 1));
        expect_damage(table, "magic", footer, flip(len - 1, 1));
        for _ in 0..12 {
            let (at, bit) = (random.below(len as usize) as u64, random.below(8) as u8);
            let outcome = check_harm(table, "a bit of a table", flip(at, bit));
            assert!(matches!(outcome, Outcome::Error(_)), "byte {at} bit {bit}: {outcome:?}");
        }
    }
}

#[test]
fn a_table_of_another_length_is_found() {
    for table in [&original().l2, &original().l3] {
        let len = parts(table).2 + 104;
        expect_damage(table, "one byte short", len - 1, |bytes| bytes.truncate(len as usize - 1));
        expect_damage(table, "half", len / 2, |bytes| bytes.truncate(len as usize / 2));
        expect_damage(table, "empty", 0, Vec::clear);
        expect_damage(table, "one byte more", len + 1, |bytes| bytes.push(0));
    }
}

#[test]
fn a_table_in_the_place_of_another_is_found() {
    let (l2, l3) = (&original().l2, &original().l3);
    let other = fs::read(original().dir.join(l3.file_name().unwrap())).unwrap();
    let outcome = check_harm(l2, "exchanged", |bytes| *bytes = other);
    assert!(matches!(outcome, Outcome::Error(_)), "{outcome:?}");
}

#[test]
fn a_missing_table_is_named() {
    for table in [&original().l2, &original().l3] {
        let scratch = Scratch::new();
        copy_dir(&original().dir, &scratch.dir());
        let path = scratch.dir().join(table.file_name().unwrap());
        fs::remove_file(&path).unwrap();
        let expected = format!("cannot open {}: No such file or directory (os error 2)", path.display());
        assert_eq!(outcome(&scratch.dir(), "missing"), Outcome::Error(expected));
    }
}

#[test]
fn a_changed_bit_in_what_the_log_made_durable_is_found() {
    let segment = segments_of(&original().dir).pop().unwrap();
    let mut random = Random::new("log bits");
    let mut noticed = 0;
    for _ in 0..20 {
        // The power-safe writes take more than this behind the header.
        let at = 8192 + random.below(POWER_SAFE * 60) as u64;
        match check_harm(&segment, "a bit of the log", flip(at, random.below(8) as u8)) {
            Outcome::Error(text) => {
                assert!(text.contains("is damaged at offset "), "byte {at}: {text}");
                noticed += 1;
            }
            // The zeros that fill a record up to eight bytes mean nothing.
            Outcome::Holds(count) => assert_eq!(count, IN_TABLES + IN_LOG, "byte {at}"),
        }
    }
    assert!(noticed >= 15, "only {noticed} of 20 were noticed");
    // Without the stage the later records' own marks are the proof.
    for _ in 0..20 {
        let at = 8192 + random.below(POWER_SAFE * 30) as u64;
        let (scratch, _) = harmed(&segment, flip(at, random.below(8) as u8));
        for stage in files(&scratch.dir(), "stage-") {
            fs::remove_file(stage).unwrap();
        }
        match outcome(&scratch.dir(), "a bit of the log, no stage") {
            Outcome::Error(text) => assert!(text.contains("is damaged at offset "), "byte {at}: {text}"),
            // What no mark covers is a torn tail, as after a loss of power.
            Outcome::Holds(count) => assert!(count >= IN_TABLES, "byte {at}: {count}"),
        }
    }
}

#[test]
fn a_segment_without_a_header_or_missing_is_found() {
    let segment = segments_of(&original().dir).pop().unwrap();
    // One whole copy of the header is enough.
    assert_eq!(check_harm(&segment, "first header", flip(20, 3)), Outcome::Holds(IN_TABLES + IN_LOG));
    assert_eq!(check_harm(&segment, "second header", flip(4096 + 20, 3)), Outcome::Holds(IN_TABLES + IN_LOG));
    let check = |what: &str, harm: &dyn Fn(&Path)| {
        let scratch = Scratch::new();
        copy_dir(&original().dir, &scratch.dir());
        harm(&scratch.dir().join(segment.file_name().unwrap()));
        let Outcome::Error(text) = outcome(&scratch.dir(), what) else { panic!("{what} is not found") };
        let expected = format!("{} is damaged at offset 0: log segment: ", scratch.dir().display());
        assert!(text.starts_with(&expected), "{what}: {text}");
        assert!(text.contains("expected one that holds LSN "), "{what}: {text}");
    };
    check("both headers", &|path| {
        let mut bytes = fs::read(path).unwrap();
        bytes[20] ^= 1;
        bytes[4096 + 20] ^= 1;
        fs::write(path, bytes).unwrap();
    });
    check("missing segment", &|path| fs::remove_file(path).unwrap());
    let outcome = check_harm(&segment, "half a segment", |bytes| bytes.truncate(9000));
    assert!(matches!(outcome, Outcome::Error(_)), "{outcome:?}");
}

#[test]
fn a_harmed_stage_costs_at_most_what_was_not_synced() {
    let stage = only("stage-");
    let mut random = Random::new("stage");
    let power_safe = IN_TABLES + POWER_SAFE;
    let check = |what: &str, outcome: Outcome| match outcome {
        Outcome::Holds(count) => assert!(count >= power_safe, "{what}: only {count} are left"),
        Outcome::Error(text) => assert!(text.contains(" is damaged at offset "), "{what}: {text}"),
    };
    let scratch = Scratch::new();
    copy_dir(&original().dir, &scratch.dir());
    fs::remove_file(scratch.dir().join(stage.file_name().unwrap())).unwrap();
    check("no stage", outcome(&scratch.dir(), "no stage"));
    for len in [0, 100, 4096, 30_000] {
        let (scratch, _) = harmed(&stage, |bytes| bytes.truncate(len));
        check("a shorter stage", outcome(&scratch.dir(), "a shorter stage"));
    }
    let len = stage.metadata().unwrap().len() as usize;
    for round in 0..40 {
        let at = if round < 15 { random.below(80) } else { random.below(len) } as u64;
        let (scratch, _) = harmed(&stage, flip(at, random.below(8) as u8));
        check(&format!("byte {at} of the stage"), outcome(&scratch.dir(), "stage"));
    }
}

#[test]
fn a_harmed_manifest_is_found() {
    let manifest = only("MANIFEST-");
    expect_damage(&manifest, "magic", 0, flip(0, 0));
    expect_damage(&manifest, "number", 0, flip(17, 0));
    expect_damage(&manifest, "first record", 0, flip(50, 0));
    expect_damage(&manifest, "empty", 0, Vec::clear);
    expect_damage(&manifest, "half a header", 0, |bytes| bytes.truncate(20));
}

#[test]
fn an_edit_that_others_follow_is_missed_and_the_last_one_counts_as_never_completed() {
    let scratch = Scratch::new();
    let db = Db::open(scratch.dir(), options()).unwrap();
    for number in 0..4 {
        db.put(key(number), value(number)).unwrap();
        db.flush().unwrap();
    }
    drop(db);
    let manifest = files(&scratch.dir(), "MANIFEST-").pop().unwrap();
    let bytes = fs::read(&manifest).unwrap();
    let len = |at: usize| 12 + u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
    let first_edit = 32 + len(32);
    let damaged = |at: usize| {
        let mut bytes = bytes.clone();
        bytes[at] ^= 8;
        fs::write(&manifest, bytes).unwrap();
        Db::open(scratch.dir(), options())
    };
    for at in [first_edit + 1, first_edit + 6, first_edit + 20, first_edit + len(first_edit) + 15] {
        let text = damaged(at).unwrap_err().to_string();
        assert!(text.starts_with(&format!("{} is damaged at offset ", manifest.display())), "{text}");
        assert!(text.contains("expected a valid record, since one follows, found none"), "{text}");
    }
    // The last edit again: its writes are still in the log.
    let mut last = first_edit;
    while last + len(last) < bytes.len() && bytes[last + len(last)..].iter().any(|byte| *byte != 0) {
        last += len(last);
    }
    let db = damaged(last + 15).unwrap();
    assert!(contents(&db) == after(4));
    db.close().unwrap();
}

#[test]
fn a_missing_manifest_is_no_database() {
    let scratch = Scratch::new();
    copy_dir(&original().dir, &scratch.dir());
    fs::remove_file(scratch.dir().join(only("MANIFEST-").file_name().unwrap())).unwrap();
    let error = Db::open(scratch.dir(), options()).unwrap_err();
    assert!(matches!(error, Error::NotADatabase { .. }), "{error}");
    assert!(!files(&scratch.dir(), "table-").is_empty(), "nothing was removed");
}

#[test]
fn files_of_a_newer_release_are_refused_by_their_version() {
    use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};
    let check = |path: &Path, harm: &dyn Fn(&mut Vec<u8>)| {
        let (scratch, path) = harmed(path, harm);
        let expected = format!(
            "{} has format version 9, this release reads up to 1: open it with the release that wrote it, \
             or a later one",
            path.display()
        );
        assert_eq!(outcome(&scratch.dir(), "newer"), Outcome::Error(expected));
    };
    check(&original().l3, &|bytes| {
        let footer = bytes.len() - 104;
        let file_id = u64::from_le_bytes(bytes[footer..footer + 8].try_into().unwrap());
        bytes[footer + 80] = 9;
        let seed = file_id.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ footer as u64;
        let check = xxh3_64_with_seed(&bytes[footer..footer + 88], seed);
        bytes[footer + 88..footer + 96].copy_from_slice(&check.to_le_bytes());
    });
    check(&only("MANIFEST-"), &|bytes| {
        bytes[8] = 9;
        let check = xxh3_64(&bytes[..24]);
        bytes[24..32].copy_from_slice(&check.to_le_bytes());
    });
    check(&segments_of(&original().dir)[0], &|bytes| {
        bytes[8] = 9;
        let check = xxh3_64(&bytes[..48]);
        bytes[48..56].copy_from_slice(&check.to_le_bytes());
    });
    check(&only("stage-"), &|bytes| {
        bytes[8] = 9;
        let check = xxh3_64(&bytes[..32]);
        bytes[32..40].copy_from_slice(&check.to_le_bytes());
    });
}

#[test]
fn a_refused_opening_changes_nothing() {
    let (scratch, table) = harmed(&original().l3, flip(3, 0));
    let (other, path) = harmed(&original().l2, |bytes| bytes.truncate(100));
    let before = files(&other.dir(), "");
    for _ in 0..3 {
        assert!(matches!(Db::open(other.dir(), options()), Err(Error::Corruption { .. })));
    }
    assert_eq!(files(&other.dir(), ""), before);
    fs::copy(original().dir.join(path.file_name().unwrap()), &path).unwrap();
    assert_eq!(outcome(&other.dir(), "restored"), Outcome::Holds(IN_TABLES + IN_LOG));

    // A damaged block is found by the reads that need it; others go on, and so do writes.
    let db = Db::open(scratch.dir(), options()).unwrap();
    let results: Vec<bool> = (0..IN_TABLES).map(|number| db.get(key(number)).is_ok()).collect();
    let lost = results.iter().filter(|ok| !**ok).count();
    assert!(lost > 0 && lost < IN_TABLES / 10, "{lost} reads failed");
    db.put("still", "writable").unwrap();
    let error = db.compact().unwrap_err().to_string();
    assert!(error.starts_with(&format!("{} is damaged at offset 0: ", table.display())), "{error}");
    assert_eq!(db.get("still").unwrap().as_deref(), Some(&b"writable"[..]));
    drop(db);
    assert!(contents(&Db::open(other.dir(), options()).unwrap()).len() == IN_TABLES + IN_LOG);
}

/// A directory whose log is longer than a few segments, with the last write power-safe.
fn long_log() -> (Scratch, Vec<PathBuf>) {
    let scratch = Scratch::new();
    let db = Db::open(scratch.dir(), options_of_many_segments()).unwrap();
    (0..IN_TABLES + IN_LOG).for_each(|number| db.put(key(number), value(number)).unwrap());
    let mut padding = WriteBatch::new();
    padding.delete("no such key");
    db.write(padding, WriteOptions { durability: Durability::Power }).unwrap();
    drop(db);
    let segments = segments_of(&scratch.dir());
    assert!(segments.len() >= 3, "{} segments", segments.len());
    (scratch, segments)
}

#[test]
fn a_hole_in_a_long_log_is_found_with_and_without_the_stage() {
    for with_stage in [true, false] {
        for harmed in 0..2 {
            let (scratch, segments) = long_log();
            fs::remove_file(&segments[harmed]).unwrap();
            if !with_stage {
                files(&scratch.dir(), "stage-").iter().for_each(|path| fs::remove_file(path).unwrap());
            }
            let Outcome::Error(text) = outcome(&scratch.dir(), "hole") else { panic!("segment {harmed}") };
            assert!(text.contains("is damaged at offset 0: place in the log: expected a segment"), "{text}");
        }
        let (scratch, segments) = long_log();
        let mut bytes = fs::read(&segments[1]).unwrap();
        bytes[40_000] ^= 4;
        fs::write(&segments[1], bytes).unwrap();
        let Outcome::Error(text) = outcome(&scratch.dir(), "flip") else { panic!("the flip is unnoticed") };
        assert!(text.contains(segments[1].to_str().unwrap()), "{text}");
    }
}

/// Loss of power just after a segment was begun: the record that goes over into it is torn, though
/// the log was durable up to its middle.
#[test]
fn a_record_torn_between_two_segments_is_a_tail_and_no_damage() {
    let (scratch, segments) = long_log();
    files(&scratch.dir(), "stage-").iter().for_each(|path| fs::remove_file(path).unwrap());
    let last = segments.last().unwrap();
    let mut bytes = fs::read(last).unwrap();
    bytes[8192..].fill(0);
    fs::write(last, bytes).unwrap();
    let Outcome::Holds(count) = outcome(&scratch.dir(), "torn") else { panic!("taken for damage") };
    assert!(count > IN_TABLES / 2, "{count}");
}

#[test]
fn a_cut_in_the_middle_of_a_drain_is_a_tail_and_no_damage() {
    // What a power cut leaves: nothing of the stage, the segments up to any sector.
    for sector in [3, 5, 9, 10, 13] {
        let (scratch, segments) = long_log();
        files(&scratch.dir(), "stage-").iter().for_each(|path| fs::remove_file(path).unwrap());
        segments[2..].iter().for_each(|path| fs::remove_file(path).unwrap());
        let mut bytes = fs::read(&segments[1]).unwrap();
        bytes[sector * 4096..].fill(0);
        fs::write(&segments[1], bytes).unwrap();
        let Outcome::Holds(count) = outcome(&scratch.dir(), "cut") else { panic!("taken for damage") };
        assert!(count > 100, "{count}");
    }
}
