//! Damage to the log and its stage: what was durable is held against marks behind it, and what is not is a tail.

use super::*;
use crate::scratch::lose_stage;

/// A log that goes on through many segments; everything is in it, nothing in tables.
fn options_of_many_segments() -> Options {
    options().wal_segment_size_bytes(64 << 10)
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
        lose_stage(&scratch.dir());
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

/// All that was written, or an error that names the stage and says where: never less without a word.
fn check_stage(what: &str, outcome: &Outcome) {
    match outcome {
        Outcome::Holds(count) => {
            assert_eq!(*count, IN_TABLES + IN_LOG, "{what}: writes are gone without a word")
        }
        Outcome::Error(text) => {
            assert!(text.contains("/stage-") && text.contains(" at offset "), "{what}: {text}");
            // A copy of other files alone, or a device that was taken away, is opened with it.
            assert!(text.contains("(see `Options::open_without_stage`)"), "{what}: {text}");
        }
    }
}

#[test]
fn every_changed_byte_of_the_stage_is_found_or_does_no_harm() {
    let stage = only("stage-");
    let bytes = fs::read(&stage).unwrap();
    let word = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
    // Every bit of what the stage says of itself, and of the first records; then a byte here and there.
    let head = (4096 + word(64) % word(80)) as usize;
    let marks = (0..56).chain(64..96).chain(128..160).chain(192..200);
    let mut places: Vec<u64> = marks.chain(head..head + 40).map(|at| at as u64).collect();
    let scratch = Scratch::new();
    copy_dir(&original().dir, &scratch.dir());
    let path = scratch.dir().join(stage.file_name().unwrap());
    let mut random = Random::new("stage bits");
    places.extend((0..60).map(|_| (head + random.below(4000)) as u64));
    let mut errors = 0;
    for at in places {
        let (scratch, _) = harmed(&stage, flip(at, random.below(8) as u8));
        let outcome = outcome(&scratch.dir(), "a bit of the stage");
        check_stage(&format!("byte {at} of the stage"), &outcome);
        errors += usize::from(matches!(outcome, Outcome::Error(_)));
    }
    assert!(path.exists() && errors > 100, "only {errors} were found");
}

#[test]
fn a_stage_that_is_missing_cut_extended_or_replaced_is_named() {
    let stage = only("stage-");
    let power_safe = IN_TABLES + POWER_SAFE;
    let len = stage.metadata().unwrap().len() as usize;
    let check = |what: &str, scratch: &Scratch, harm: &dyn Fn(&Path)| {
        let path = scratch.dir().join(stage.file_name().unwrap());
        harm(&path);
        let before = files(&scratch.dir(), "");
        let Outcome::Error(text) = outcome(&scratch.dir(), what) else { panic!("{what}: unnoticed") };
        assert!(text.starts_with(&format!("{} is damaged at offset ", path.display())), "{what}: {text}");
        check_stage(what, &Outcome::Error(text));
        assert_eq!(files(&scratch.dir(), ""), before, "{what}: a refused opening changes nothing");
        let db = Db::open(scratch.dir(), options().open_without_stage(true)).unwrap();
        let count = contents(&db).len();
        assert!(contents(&db) == after(count) && count >= power_safe, "{what}: {count} are left");
    };
    let copy = || {
        let scratch = Scratch::new();
        copy_dir(&original().dir, &scratch.dir());
        scratch
    };
    check("missing", &copy(), &|path| fs::remove_file(path).unwrap());
    for left in [0, 100, 4096, 30_000, len - 1] {
        let cut =
            |path: &Path| fs::File::options().write(true).open(path).unwrap().set_len(left as u64).unwrap();
        check(&format!("cut off at {left}"), &copy(), &cut);
    }
    let extend = |path: &Path| {
        fs::File::options().write(true).open(path).unwrap().set_len(len as u64 + 4096).unwrap();
    };
    check("extended", &copy(), &extend);
    let other = Scratch::new();
    Db::open(other.dir(), options()).unwrap().put("another", "database").unwrap();
    let foreign = files(&other.dir(), "stage-").remove(0);
    check("replaced", &copy(), &|path| assert!(fs::copy(&foreign, path).unwrap() > 0));
    check("zeros", &copy(), &|path| fs::write(path, vec![0; len]).unwrap());
    let zeros_in_ring = |path: &Path| {
        let mut bytes = fs::read(path).unwrap();
        bytes[4096..].fill(0);
        fs::write(path, bytes).unwrap();
    };
    check("an empty ring", &copy(), &zeros_in_ring);
    // An intact stage is used all the same.
    let db = Db::open(copy().dir(), options().open_without_stage(true)).unwrap();
    assert_eq!(contents(&db).len(), IN_TABLES + IN_LOG);
}

#[test]
fn a_stage_of_an_impossible_size_is_an_error_and_takes_no_memory() {
    let stage = only("stage-");
    for size in [0, 1, 4096, 65_537, 1 << 31, 1 << 63, u64::MAX, u64::MAX - 4095] {
        expect_damage(&stage, &format!("size {size}"), 24, |bytes| {
            bytes[24..32].copy_from_slice(&u64::to_le_bytes(size));
            let check = xxhash_rust::xxh3::xxh3_64(&bytes[..48]);
            bytes[48..56].copy_from_slice(&check.to_le_bytes());
        });
    }
}

/// A directory whose log is longer than a few segments, with the last write power-safe.
fn long_log() -> (Scratch, Vec<PathBuf>) {
    let scratch = Scratch::new();
    let db = Db::open(scratch.dir(), options_of_many_segments()).unwrap();
    (0..IN_TABLES + IN_LOG).for_each(|number| db.put(key(number), value(number)).unwrap());
    let mut padding = WriteBatch::new();
    padding.delete("no such key");
    db.write(padding, WriteOptions::new().durability(Durability::Power)).unwrap();
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
                lose_stage(&scratch.dir());
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
    lose_stage(&scratch.dir());
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
        lose_stage(&scratch.dir());
        segments[2..].iter().for_each(|path| fs::remove_file(path).unwrap());
        let mut bytes = fs::read(&segments[1]).unwrap();
        bytes[sector * 4096..].fill(0);
        fs::write(&segments[1], bytes).unwrap();
        let Outcome::Holds(count) = outcome(&scratch.dir(), "cut") else { panic!("taken for damage") };
        assert!(count > 100, "{count}");
    }
}

#[test]
fn an_opening_that_fails_in_the_middle_of_the_log_leaves_no_table_behind() {
    let (scratch, segments) = long_log();
    let mut bytes = fs::read(segments.last().unwrap()).unwrap();
    let at = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    bytes[at - 2000] ^= 4;
    fs::write(segments.last().unwrap(), bytes).unwrap();
    let tables = || files(&scratch.dir(), "table-").len();
    let before = tables();
    for cores in [1, 2, 3, 4] {
        let options = options_of_many_segments().memtable_size_bytes(64 << 10).cores(cores);
        let error = Db::open(scratch.dir(), options).unwrap_err();
        assert!(matches!(error, Error::Corruption { .. }), "{error}");
        assert_eq!(tables(), before, "with {cores} cores");
    }
}
