//! Damaged and missing files: an error that names the place, or the loss of an unsynced tail.
//! Never other data than was written, never a panic.
//!
//! A database is made once with files in L2 and L3 and a log to replay. Each case copies it, harms
//! one file, opens the copy and reads everything.

mod log;
mod manifest;
mod tables;

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
        db.write(last, WriteOptions::new().durability(Durability::Power)).unwrap();
        put(IN_TABLES + POWER_SAFE..IN_TABLES + IN_LOG);
        let stats = db.stats();
        let path = |id: u64| scratch.dir().join(format!("table-{id:08}"));
        let l2 = path(stats.flushed[0].id);
        let l3 = path(stats.runs().next().unwrap().id);
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
        Error::Corruption { .. } | Error::UnsupportedFormat { .. } | Error::Io { .. } => {}
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
fn files_of_another_release_are_refused_by_their_version() {
    use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};
    let check = |path: &Path, supported: u32, harm: &dyn Fn(&mut Vec<u8>)| {
        let (scratch, path) = harmed(path, harm);
        let expected = format!(
            "{} has format version 9, this release reads version {supported}: open it with the release that wrote \
             it",
            path.display()
        );
        assert_eq!(outcome(&scratch.dir(), "newer"), Outcome::Error(expected));
    };
    check(&original().l3, 1, &|bytes| {
        let footer = bytes.len() - 104;
        let file_id = u64::from_le_bytes(bytes[footer..footer + 8].try_into().unwrap());
        bytes[footer + 80] = 9;
        let seed = file_id.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ footer as u64;
        let check = xxh3_64_with_seed(&bytes[footer..footer + 88], seed);
        bytes[footer + 88..footer + 96].copy_from_slice(&check.to_le_bytes());
    });
    check(&only("MANIFEST-"), 2, &|bytes| {
        bytes[8] = 9;
        let check = xxh3_64(&bytes[..24]);
        bytes[24..32].copy_from_slice(&check.to_le_bytes());
    });
    check(&segments_of(&original().dir)[0], 2, &|bytes| {
        bytes[8] = 9;
        let check = xxh3_64(&bytes[..56]);
        bytes[56..64].copy_from_slice(&check.to_le_bytes());
    });
    check(&only("stage-"), 2, &|bytes| {
        bytes[8] = 9;
        let check = xxh3_64(&bytes[..48]);
        bytes[48..56].copy_from_slice(&check.to_le_bytes());
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
