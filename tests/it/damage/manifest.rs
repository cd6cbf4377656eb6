//! Damaged and missing manifests: all but the last edit is known to have been whole.

use super::*;

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

/// A little-endian base-128 number at `at`, which moves behind it.
fn varint(bytes: &[u8], at: &mut usize) -> u64 {
    let mut value = 0;
    for shift in (0..).step_by(7) {
        let byte = bytes[*at];
        *at += 1;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            break;
        }
    }
    value
}

fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// A manifest like `bytes`, whose only record has this payload and a checksum that fits.
fn with_state(bytes: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut forged = bytes[..32].to_vec();
    append(&mut forged, payload);
    forged
}

/// Appends a record with a checksum that fits.
fn append(manifest: &mut Vec<u8>, payload: &[u8]) {
    let number = u64::from_le_bytes(manifest[16..24].try_into().unwrap());
    let seed = number.rotate_left(40) ^ manifest.len() as u64;
    manifest.extend_from_slice(&(payload.len() as u32).to_le_bytes());
    manifest.extend_from_slice(&xxhash_rust::xxh3::xxh3_64_with_seed(payload, seed).to_le_bytes());
    manifest.extend_from_slice(payload);
}

/// The payload of the first record.
fn state(bytes: &[u8]) -> &[u8] {
    let len = u32::from_le_bytes(bytes[32..36].try_into().unwrap()) as usize;
    &bytes[44..44 + len]
}

/// The payload with the log's LSN, the seqno or the next file number (0, 1, 2) replaced.
fn with_number(payload: &[u8], which: usize, value: u64) -> Vec<u8> {
    let mut at = 16;
    let mut forged = payload[..at].to_vec();
    for field in 0..3 {
        let found = varint(payload, &mut at);
        put_varint(&mut forged, if field == which { value } else { found });
    }
    forged.extend_from_slice(&payload[at..]);
    forged
}

#[test]
fn numbers_at_the_end_of_their_range_are_damage_although_the_checksum_fits() {
    let manifest = only("MANIFEST-");
    let names = ["the log's LSN", "the seqno", "the next file number"];
    for (which, name) in names.iter().enumerate() {
        for value in [u64::MAX, u64::MAX - 4096, u64::MAX >> 1, (1 << 62) + 1] {
            let what = format!("{name} {value}");
            let forge =
                |bytes: &mut Vec<u8>| *bytes = with_state(bytes, &with_number(state(bytes), which, value));
            expect_damage(&manifest, &what, 32, forge);
        }
    }
    let last_seqno = (1 << 56) - 1;
    expect_damage(&manifest, "the last seqno", 32, |bytes| {
        *bytes = with_state(bytes, &with_number(state(bytes), 1, last_seqno));
    });
    // The same in an edit: a flush without a file.
    for (which, name) in names.iter().enumerate() {
        let mut edit = vec![1, 0];
        (0..3).for_each(|field| put_varint(&mut edit, if field == which { u64::MAX } else { 1 << 40 }));
        let len = 44 + state(&fs::read(original().dir.join(manifest.file_name().unwrap())).unwrap()).len();
        expect_damage(&manifest, &format!("{name} of an edit"), len, |bytes| {
            *bytes = with_state(bytes, state(bytes));
            append(bytes, &edit);
        });
    }
}

#[test]
fn counts_and_lengths_without_end_are_damage_at_once() {
    let manifest = only("MANIFEST-");
    let start = std::time::Instant::now();
    // Counts of L2 files, of the consumed ranges of one, of partitions.
    let file = [5, 100, 1, b'a', 1, b'b'];
    for before in [&[][..], &[&[1], &file[..]].concat(), &[0]] {
        expect_damage(&manifest, "a count", 32, |bytes| {
            let payload = state(bytes);
            let mut at = 16;
            for _ in 0..3 {
                varint(payload, &mut at);
            }
            let forged = [&payload[..at], before, &[0xff; 9], &[1]].concat();
            *bytes = with_state(bytes, &forged);
        });
    }
    assert!(start.elapsed() < std::time::Duration::from_secs(20));
}

#[test]
fn a_file_with_the_last_number_is_damage() {
    for name in ["table", "wal", "stage", "MANIFEST"] {
        let scratch = Scratch::new();
        copy_dir(&original().dir, &scratch.dir());
        let path = scratch.dir().join(format!("{name}-{}", u64::MAX));
        fs::write(&path, "").unwrap();
        let Outcome::Error(text) = outcome(&scratch.dir(), name) else { panic!("{name} is not noticed") };
        assert!(
            text.starts_with(&format!("{} is damaged at offset 0: file number", path.display())),
            "{text}"
        );
        assert!(text.contains(&format!("found {}", u64::MAX)), "{text}");
    }
}

/// The most memory that this process has had, in bytes.
fn memory_max() -> u64 {
    let text = fs::read_to_string("/proc/self/status").unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

#[test]
fn a_manifest_that_a_hole_extends_is_damage_and_takes_neither_time_nor_memory() {
    let extend = |what: &str, hole: u64, harm: &dyn Fn(&mut Vec<u8>)| {
        let (scratch, path) = harmed(&only("MANIFEST-"), |bytes| harm(bytes));
        let len = fs::metadata(&path).unwrap().len();
        fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(len + hole).unwrap();
        let (start, before) = (std::time::Instant::now(), memory_max());
        let outcome = outcome(&scratch.dir(), what);
        let grown = memory_max() - before;
        assert!(grown < 256 << 20, "{what}: {grown} bytes of memory");
        assert!(start.elapsed() < std::time::Duration::from_secs(20), "{what}: {:?}", start.elapsed());
        let Outcome::Error(text) = outcome else { panic!("{what} is not noticed") };
        assert!(text.starts_with(&format!("{} is damaged at offset ", path.display())), "{what}: {text}");
        text
    };
    let text = extend("behind whole records", 3 << 30, &|_| {});
    assert!(text.contains("manifest length: expected at most "), "{text}");
    // A record that states the length of the hole, behind others and as the first.
    extend("a long edit", 3 << 30, &|bytes| {
        *bytes = with_state(bytes, state(bytes));
        bytes.extend_from_slice(&(3_u32 << 30).to_le_bytes());
    });
    extend("a long first record", 512 << 20, &|bytes| {
        bytes[32..36].copy_from_slice(&(512_u32 << 20).to_le_bytes());
    });
    // Lengths everywhere, each of which might be a record's.
    extend("many lengths", 0, &|bytes| {
        *bytes = with_state(bytes, state(bytes));
        bytes.extend((0..1 << 18).flat_map(|_| [0, 0, 8, 0]));
    });
}
