//! Every error a caller can bring about, with its exact text, and what still works afterwards.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use rabi::{
    BATCH_LEN_MAX, Db, Error, IoBackend, KEY_LEN_MAX, Options, VALUE_LEN_MAX, WriteBatch, WriteOptions,
};

use crate::scratch::{Scratch, contents, files, number, small};

fn text_of(opened: rabi::Result<Db>) -> String {
    opened.expect_err("the directory must be refused").to_string()
}

fn own_name() -> String {
    let name = fs::read_to_string("/proc/self/comm").unwrap();
    format!("process {} ({})", std::process::id(), name.trim_end())
}

#[test]
fn a_directory_with_other_files_is_refused_and_left_alone() {
    let scratch = Scratch::new();
    let dir = scratch.dir();
    fs::create_dir(&dir).unwrap();
    fs::write(dir.join("photo.jpg"), "").unwrap();
    let expected = format!(
        "{} is not a Rabi database: it holds \"photo.jpg\" but no manifest; name an empty or a new directory",
        dir.display()
    );
    assert_eq!(text_of(Db::open(&dir, Options::new())), expected);
    assert_eq!(files(&dir, ""), [dir.join("photo.jpg")]);
}

#[test]
fn an_absent_or_empty_directory_is_missing_if_none_may_be_made() {
    let scratch = Scratch::new();
    let dir = scratch.dir();
    let expected =
        format!("{} holds no Rabi database; set `create_if_missing(true)` to make one", dir.display());
    let open = || Db::open(&dir, Options::new().create_if_missing(false));
    assert_eq!(text_of(open()), expected);
    assert!(!dir.exists());
    fs::create_dir(&dir).unwrap();
    assert_eq!(text_of(open()), expected);
    Db::open(&dir, Options::new()).unwrap().close().unwrap();
    open().unwrap().close().unwrap();
}

#[test]
fn a_database_that_exists_is_an_error_where_a_new_one_is_wanted() {
    let scratch = Scratch::new();
    let dir = scratch.dir();
    let open = || Db::open(&dir, small().error_if_exists(true));
    let db = open().unwrap();
    db.put("key", "value").unwrap();
    assert!(matches!(open(), Err(Error::Locked { .. })));
    drop(db);
    let expected = format!(
        "{} holds a Rabi database already; name another directory, or open it without `error_if_exists`",
        dir.display()
    );
    assert_eq!(text_of(open()), expected);
    // The refusal has changed nothing and holds nothing.
    let db = Db::open(&dir, small()).unwrap();
    assert_eq!(contents(&db).len(), 1);
    db.close().unwrap();
    assert_eq!(text_of(open()), expected);
}

#[test]
fn of_several_that_want_a_new_database_one_gets_it() {
    for _ in 0..10 {
        let scratch = Scratch::new();
        let dir = scratch.dir();
        let open = || match Db::open(&dir, small().cores(1).error_if_exists(true)) {
            Ok(db) => db.close().map(|()| true),
            Err(Error::Exists { .. } | Error::Locked { .. }) => Ok(false),
            Err(error) => Err(error),
        };
        let made = std::thread::scope(|scope| {
            let openings: Vec<_> = (0..4).map(|_| scope.spawn(open)).collect();
            openings.into_iter().map(|one| one.join().unwrap().unwrap()).filter(|made| *made).count()
        });
        assert_eq!(made, 1);
    }
}

#[test]
fn a_file_in_the_place_of_the_directory_is_named() {
    let scratch = Scratch::new();
    let dir = scratch.dir();
    fs::write(&dir, "").unwrap();
    let expected = format!("cannot open directory {}: Not a directory (os error 20)", dir.display());
    assert_eq!(text_of(Db::open(&dir, Options::new())), expected);
}

#[test]
fn an_empty_path_is_named() {
    let expected = "cannot open directory : the path is empty (`.` is the current directory)";
    assert_eq!(text_of(Db::open("", Options::new())), expected);
}

#[test]
fn what_is_no_file_of_the_database_does_not_stop_an_opening() {
    let scratch = Scratch::new();
    let dir = scratch.dir();
    // As a file system is that was just made and mounted.
    fs::create_dir_all(dir.join("lost+found")).unwrap();
    let open = || Db::open(&dir, small()).unwrap();
    open().put("key", "value").unwrap();
    let foreign = ["table-00000100", "wal-00000200", "stage-00000300", "MANIFEST-00000400", "lost+found"];
    for name in foreign {
        fs::create_dir_all(dir.join(name)).unwrap();
    }
    // With another zero in front, a copy of a segment is no segment.
    let segment = files(&dir, "wal-0").remove(0);
    let copy = dir.join(format!("wal-0{}", &segment.file_name().unwrap().to_str().unwrap()[4..]));
    fs::copy(&segment, &copy).unwrap();
    for _ in 0..3 {
        let db = open();
        assert_eq!(db.get("key").unwrap().unwrap(), b"value"[..]);
        for number in 0..500 {
            db.put(format!("key{number}"), [0; 300]).unwrap();
        }
        db.compact().unwrap();
        db.close().unwrap();
    }
    assert!(foreign.iter().all(|name| dir.join(name).is_dir()) && copy.is_file());
}

#[test]
fn a_second_opening_names_the_holder() {
    let scratch = Scratch::new();
    let dir = scratch.dir();
    let db = Db::open(&dir, small()).unwrap();
    let expected = format!("{} is in use by {}: close it there first", dir.display(), own_name());
    assert_eq!(text_of(Db::open(&dir, small())), expected);
    assert_eq!(said_by_another_process(&dir), expected);

    // The refused openings have done no harm, and closing gives the directory free at once.
    db.put("key", "value").unwrap();
    let clone = db.clone();
    db.close().unwrap();
    assert_eq!(said_by_another_process(&dir), "opened");
    let db = Db::open(&dir, small()).unwrap();
    assert_eq!(db.get("key").unwrap().as_deref(), Some(&b"value"[..]));
    assert!(matches!(clone.get("key"), Err(Error::Closed)), "the old handle stays closed");
}

const OTHER_DIR: &str = "RABI_ERRORS_DIR";

#[test]
#[ignore = "the other process of the test above; does nothing on its own"]
fn child_that_opens_once() {
    let Ok(dir) = std::env::var(OTHER_DIR) else { return };
    let said = match Db::open(dir, small()) {
        Ok(_) => "opened".to_owned(),
        Err(error) => error.to_string(),
    };
    println!("\nsaid: {said}");
}

fn said_by_another_process(dir: &Path) -> String {
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "errors::child_that_opens_once", "--ignored", "--nocapture"])
        .env(OTHER_DIR, dir)
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    let out = String::from_utf8(child.stdout).unwrap();
    out.lines().find_map(|line| line.strip_prefix("said: ")).unwrap().to_owned()
}

#[test]
fn a_key_that_is_too_long_is_refused_and_nothing_is_written() {
    let scratch = Scratch::new();
    let db = Db::open(scratch.dir(), small()).unwrap();
    let (longest, too_long) = (vec![b'k'; KEY_LEN_MAX], vec![b'k'; KEY_LEN_MAX + 1]);
    let expected = "the key has 65536 bytes, at most 65535 are allowed";
    assert_eq!(db.put(&too_long, "").unwrap_err().to_string(), expected);
    assert_eq!(db.delete(&too_long).unwrap_err().to_string(), expected);
    let mut batch = WriteBatch::new();
    batch.put("before", "");
    batch.put(&too_long, "");
    batch.put("after", "");
    assert_eq!(db.write(batch, WriteOptions::default()).unwrap_err().to_string(), expected);
    assert_eq!(contents(&db), []);
    assert_eq!(number(&db.stats(), "last_seqno"), 0);
    // Reading it is no error: there just is no such key.
    assert_eq!(db.get(&too_long).unwrap(), None);

    db.put(&longest, "longest").unwrap();
    db.compact().unwrap();
    assert_eq!(db.get(&longest).unwrap().as_deref(), Some(&b"longest"[..]));
    db.close().unwrap();
}

#[test]
fn a_value_that_is_too_long_is_refused_and_nothing_is_written() {
    let scratch = Scratch::new();
    let db = Db::open(scratch.dir(), small()).unwrap();
    // Zeroed memory is not touched, so that half a gigabyte costs nothing here.
    let too_long = vec![0; VALUE_LEN_MAX + 1];
    let expected = "the value has 536870913 bytes, at most 536870912 are allowed";
    assert_eq!(db.put("key", &too_long).unwrap_err().to_string(), expected);
    let mut batch = WriteBatch::new();
    batch.put("other", "");
    batch.put("key", &too_long);
    assert_eq!(db.write(batch, WriteOptions::default()).unwrap_err().to_string(), expected);
    assert_eq!(contents(&db), []);
    db.put("key", vec![1; 1 << 20]).unwrap();
    assert_eq!(db.get("key").unwrap().unwrap().len(), 1 << 20);
    db.close().unwrap();
}

#[test]
#[ignore = "takes a gigabyte of memory"]
fn a_batch_that_is_too_large_is_refused_and_nothing_is_written() {
    let scratch = Scratch::new();
    let db = Db::open(scratch.dir(), small()).unwrap();
    let value = vec![0; BATCH_LEN_MAX / 2 - 100];
    let mut batch = WriteBatch::new();
    batch.put("1", &value);
    batch.put("2", &value);
    batch.put("3", [0; 400]);
    let error = db.write(batch, WriteOptions::default()).unwrap_err().to_string();
    let len = 2 * (value.len() + 7) + 1 + 400 + 9;
    assert_eq!(error, format!("the batch has {len} bytes, at most 1073741824 are allowed: split it"));
    assert_eq!(contents(&db), []);
    db.close().unwrap();
}

#[test]
fn options_out_of_range_are_refused_before_anything_is_made() {
    let scratch = Scratch::new();
    let check = |options: Options, expected: &str| {
        assert_eq!(text_of(Db::open(scratch.dir(), options)), expected);
        assert!(!scratch.dir().exists());
    };
    check(Options::new().cores(65), "option `cores` is 65, but must be between 0 and 64");
    check(
        Options::new().max_frozen_memtables(0),
        "option `max_frozen_memtables` is 0, but must be between 1 and 64",
    );
    check(
        Options::new().partition_size_bytes(1000),
        "option `partition_size_bytes` is 1000, but must be between 16384 and 68719476736",
    );
    check(
        Options::new().block_size_bytes(2 << 20),
        "option `block_size_bytes` is 2097152, but must be between 512 and 1048576",
    );
    check(
        Options::new().filter_bits_per_key(33),
        "option `filter_bits_per_key` is 33, but must be between 0 and 32",
    );
    check(
        Options::new().stage_size_bytes(96 << 10),
        "option `stage_size_bytes` is 98304, but must be a power of two",
    );
}

#[test]
fn every_call_on_a_closed_database_says_that_it_is_closed() {
    let scratch = Scratch::new();
    let db = Db::open(scratch.dir(), small()).unwrap();
    (0..2000).for_each(|key| db.put(format!("{key:04}"), [0; 50]).unwrap());
    let (clone, snapshot) = (db.clone(), db.snapshot());
    let (mut fresh, mut half_read) = (snapshot.range::<&str>(..), db.prefix("1"));
    half_read.next().unwrap().unwrap();
    half_read.next_back().unwrap().unwrap();
    db.close().unwrap();

    let check = |result: rabi::Result<()>| {
        let error = result.expect_err("the database is closed");
        assert_eq!(error.to_string(), "the database is closed");
        assert!(matches!(error, Error::Closed));
    };
    let mut batch = WriteBatch::new();
    batch.put("k", "v");
    check(clone.put("k", "v"));
    check(clone.delete("k"));
    check(clone.write(batch, WriteOptions::default()));
    check(clone.get("0001").map(drop));
    check(clone.flush());
    check(clone.compact());
    check(snapshot.get("0001").map(drop));
    check(snapshot.clone().get("0001").map(drop));
    for range in [&mut fresh, &mut half_read, &mut clone.range::<&str>(..), &mut snapshot.prefix("1")] {
        check(range.next().expect("an error first").map(drop));
        assert!(range.next().is_none(), "then the end");
        assert!(range.next_back().is_none());
    }
    check(clone.range::<&str>(..).next_back().expect("an error first").map(drop));
    check(clone.close());
}

#[test]
fn rings_that_were_demanded_and_denied_are_an_error_with_a_remedy() {
    let scratch = Scratch::new();
    match Db::open(scratch.dir(), small().io_backend(IoBackend::Uring)) {
        Ok(db) => db.close().unwrap(),
        Err(error @ Error::RingDenied { .. }) => {
            let text = error.to_string();
            assert!(text.starts_with("io_uring cannot be used: "), "{text}");
            assert!(text.ends_with("or choose the blocking backend"), "{text}");
            assert!(!scratch.dir().exists(), "nothing was made");
        }
        Err(error) => panic!("{error}"),
    }
}
