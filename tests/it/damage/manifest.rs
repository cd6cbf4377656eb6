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
