//! A database is its directory, not the path that once led to it: the directory may be renamed,
//! another may take its place, a symbolic link on the way may be switched, and the process may
//! change its current directory, all while the database is open.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use rabi::{Db, Durability, Error, IoBackend, Options, WriteBatch, WriteOptions};

use crate::scratch::{Scratch, contents, small};

/// Tells the child in which directory to work.
const CHILD: &str = "RABI_IDENTITY_DIR";

/// Writes between two moves; enough to begin and recycle several segments, to flush and to compact.
const WRITES: usize = 1500;

fn options(backend: IoBackend) -> Options {
    small().io_backend(backend).durability(Durability::Process)
}

/// Runs `body` on each backend that the machine permits.
fn check(body: impl Fn(&Scratch, Options)) {
    for backend in [IoBackend::Blocking, IoBackend::Uring] {
        let scratch = Scratch::new();
        match Db::open(scratch.beside("probe"), options(backend)) {
            Err(Error::RingDenied { cause, .. }) => println!("not checked on rings: {cause}"),
            db => {
                db.unwrap().close().unwrap();
                body(&scratch, options(backend));
            }
        }
    }
}

fn entry(of: &str, number: usize) -> (String, Vec<u8>) {
    (format!("{of}{number:05}"), format!("{of} {number} ").repeat(12).into_bytes())
}

/// Writes entries `from..from + WRITES`, some of them durably.
fn write(db: &Db, of: &str, from: usize) {
    for number in from..from + WRITES {
        let (key, value) = entry(of, number);
        if number % 10 == 0 {
            let mut batch = WriteBatch::new();
            batch.put(key, value);
            db.write(batch, WriteOptions::new().durability(Durability::Power)).unwrap();
        } else {
            db.put(key, value).unwrap();
        }
    }
}

/// Opens what is at `dir`: it must hold the first `count` entries and nothing else.
fn verify(dir: &Path, options: Options, of: &str, count: usize) {
    let db = Db::open(dir, options.create_if_missing(false)).unwrap();
    let expected: Vec<_> = (0..count).map(|number| entry(of, number)).collect();
    let found = contents(&db);
    assert_eq!(found.len(), expected.len(), "{of}: entries that are there, and that should be");
    for ((key, value), (expected_key, expected_value)) in found.iter().zip(&expected) {
        assert_eq!((key.as_slice(), value), (expected_key.as_bytes(), expected_value));
    }
    db.close().unwrap();
}

/// Opens at `path`, lets `move_away` make `path` mean another place, opens there as well, writes to
/// both by turns, and finds everything at `first` and at `path`.
fn both_keep_what_is_theirs(options: Options, path: &Path, first: &Path, move_away: impl FnOnce()) {
    let one = Db::open(path, options.clone()).unwrap();
    write(&one, "one", 0);
    move_away();
    let other = Db::open(path, options.clone()).unwrap();
    write(&other, "other", 0);
    write(&one, "one", WRITES);
    one.compact().unwrap();
    write(&other, "other", WRITES);
    write(&one, "one", 2 * WRITES);
    match Db::open(first, options.clone()) {
        Err(Error::Locked { dir, holder }) => {
            assert_eq!(dir, first);
            assert!(holder.starts_with(&format!("process {} (", std::process::id())), "{holder}");
        }
        other => panic!("{other:?}"),
    }
    drop((one, other));
    verify(first, options.clone(), "one", 3 * WRITES);
    verify(path, options, "other", 2 * WRITES);
}

#[test]
fn a_renamed_database_and_the_one_in_its_place_keep_what_is_theirs() {
    check(|scratch, options| {
        let (path, away) = (scratch.dir(), scratch.beside("away"));
        both_keep_what_is_theirs(options, &path, &away, || fs::rename(&path, &away).unwrap());
    });
}

#[test]
fn a_database_behind_a_symbolic_link_stays_where_it_is_when_the_link_is_switched() {
    check(|scratch, options| {
        let (link, one, other) = (scratch.dir(), scratch.beside("one"), scratch.beside("other"));
        fs::create_dir(&one).unwrap();
        fs::create_dir(&other).unwrap();
        symlink(&one, &link).unwrap();
        both_keep_what_is_theirs(options, &link, &one, || {
            fs::remove_file(&link).unwrap();
            symlink(&other, &link).unwrap();
        });
    });
}

#[test]
fn a_relative_path_means_what_it_meant_at_open_whatever_the_current_directory() {
    // The current directory belongs to the whole process, so a child of its own changes it.
    if let Some(root) = std::env::var_os(CHILD) {
        let (root, path) = (PathBuf::from(root), Path::new("db"));
        for (number, backend) in [IoBackend::Blocking, IoBackend::Auto].into_iter().enumerate() {
            let (here, there) = (root.join(format!("here{number}")), root.join(format!("there{number}")));
            fs::create_dir(&here).unwrap();
            fs::create_dir(&there).unwrap();
            std::env::set_current_dir(&here).unwrap();
            let first = here.join("db");
            both_keep_what_is_theirs(options(backend), path, &first, || {
                std::env::set_current_dir(&there).unwrap();
            });
        }
        return;
    }
    let root = Scratch::new();
    let name = "identity::a_relative_path_means_what_it_meant_at_open_whatever_the_current_directory";
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(CHILD, root.beside(""))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&child.stdout).into_owned() + &String::from_utf8_lossy(&child.stderr);
    assert!(child.status.success(), "{text}");
}
