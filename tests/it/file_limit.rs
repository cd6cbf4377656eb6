//! Open files and their limit (`RLIMIT_NOFILE`): each table is open, as long as the database is.

use std::fs::File;

use rabi::{Db, Error};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::scratch::{Scratch, contents, small, wait_until};
use crate::system::run_alone;

/// Opens files until no more can be.
fn use_up() -> Vec<File> {
    let open = || File::open("/dev/null").ok();
    std::iter::from_fn(open).collect()
}

fn soft_limit() -> u64 {
    getrlimit(Resource::Nofile).current.expect("it was set")
}

#[test]
#[ignore = "runs in a process of its own, by the test below"]
fn scene_of_many_files() {
    let (soft, hard) = (100, 1500);
    setrlimit(Resource::Nofile, Rlimit { current: Some(soft), maximum: Some(hard) }).unwrap();
    let scratch = Scratch::new();
    let db = Db::open(scratch.dir(), small()).unwrap();
    let mut others = use_up();
    assert_eq!(soft_limit(), soft, "it is raised when it is in the way");
    db.put("a", "1").unwrap();
    db.flush().unwrap();
    assert_eq!(soft_limit(), 1024);
    others.extend(use_up());
    db.put("b", "2").unwrap();
    db.flush().unwrap();
    assert_eq!(soft_limit(), hard, "no further than permitted");
    // What the database closes in the background meanwhile may serve once.
    let attempt = || {
        others.extend(use_up());
        db.put("c", "3").unwrap();
        db.flush().err()
    };
    let refused =
        std::iter::repeat_with(attempt).take(100).find_map(|refused| refused).expect("no file can be opened");
    let is_limit = |source: &rabi::IoSource| source.raw_os_error() == Some(libc::EMFILE);
    assert!(matches!(&refused, Error::Io { source, .. } if is_limit(source)), "{refused}");
    assert_eq!(contents(&db).len(), 3);
    drop(others);
    wait_until("the flush is tried again", || db.flush().is_ok());
    db.close().unwrap();
}

#[test]
#[ignore = "runs in a process of its own, by the test below"]
fn scene_of_closes() {
    let open_in = |dir: &std::path::Path| {
        let links = std::fs::read_dir("/proc/self/fd")
            .unwrap()
            .filter_map(|name| name.unwrap().path().read_link().ok());
        links.filter(|link| link.starts_with(dir)).collect::<Vec<_>>()
    };
    let mut left = Vec::new();
    for round in 0..60_u32 {
        let scratch = Scratch::new();
        let db = Db::open(scratch.dir(), small()).unwrap();
        for number in 0..round % 7 {
            db.put(number.to_be_bytes(), [1; 100]).unwrap();
            db.flush().unwrap();
        }
        assert!(!open_in(&scratch.dir()).is_empty());
        db.put("last", "1").unwrap();
        db.close().unwrap();
        left.extend(open_in(&scratch.dir()));
    }
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_closed_database_has_no_file_open() {
    run_alone("file_limit::scene_of_closes");
}

#[test]
fn the_soft_limit_of_open_files_is_raised_where_it_is_in_the_way() {
    if getrlimit(Resource::Nofile).maximum.is_some_and(|maximum| maximum < 1500) {
        println!("not checked: fewer files are permitted here");
        return;
    }
    run_alone("file_limit::scene_of_many_files");
}
