//! Damage to the log and its stage: what was durable is held against marks behind it, and what is not is a tail.

use super::*;

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
