//! Files of tables that nothing needs any more are written anew, and disturb nobody by that.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::SystemTime;

use rabi::Db;

use crate::generator::Random;
use crate::scratch::{Scratch, number, small, wait_until};

const KEYS: usize = 2000;

fn key(number: usize) -> String {
    format!("user{number:05}")
}

/// Writes over keys, so that tables come and go.
fn overwrite(db: &Db, random: &mut Random, model: &mut BTreeMap<usize, Vec<u8>>) {
    for _ in 0..KEYS {
        let (number, value) = (random.below(KEYS), random.bytes(100));
        db.put(key(number), &value).unwrap();
        model.insert(number, value);
    }
}

/// What tells a file apart, also from a later one with its number.
type File = (u64, SystemTime);

/// Names of the tables in a directory, with their files.
fn tables(dir: &Path) -> Vec<(String, File)> {
    let entries = fs::read_dir(dir).unwrap().map(Result::unwrap);
    let tables = entries.filter_map(|entry| {
        let name = entry.file_name().into_string().unwrap();
        // Another may go while they are listed.
        let metadata = entry.metadata().ok()?;
        name.starts_with("table-").then_some((name, (metadata.ino(), metadata.created().unwrap())))
    });
    tables.collect()
}

/// Length of all these files.
fn bytes(tables: &[(String, File)], dir: &Path) -> u64 {
    tables.iter().filter_map(|(name, _)| Some(fs::metadata(dir.join(name)).ok()?.len())).sum()
}

fn check(db: &Db, model: &BTreeMap<usize, Vec<u8>>) {
    for (number, value) in model {
        assert_eq!(db.get(key(*number)).unwrap().as_deref(), Some(&value[..]), "{number}");
    }
}

#[test]
fn a_file_holds_one_table_after_another_until_none_is_made() {
    let scratch = Scratch::new();
    let db = Db::open(scratch.dir(), small()).unwrap();
    let (mut random, mut model) = (Random::new("spare tables"), BTreeMap::new());
    let mut names_of: BTreeMap<File, Vec<String>> = BTreeMap::new();
    wait_until("a file has had three names", || {
        overwrite(&db, &mut random, &mut model);
        for (name, file) in tables(&scratch.dir()) {
            let names = names_of.entry(file).or_default();
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names_of.values().any(|names| names.len() >= 3)
    });
    assert!(number(&db.stats(), "spare_table_bytes") <= 4 * (16 << 10));
    check(&db, &model);
    let named = || {
        let stats = db.stats();
        stats.flushed.len() + stats.runs().count()
    };
    wait_until("files that nothing needs are removed", || tables(&scratch.dir()).len() == named());
    assert_eq!(number(&db.stats(), "spare_table_bytes"), 0);
    db.close().unwrap();
    check(&Db::open(scratch.dir(), small()).unwrap(), &model);
}

#[test]
fn a_database_that_is_closed_or_dropped_leaves_no_file_to_be_written_anew() {
    for is_closed in [true, false] {
        let scratch = Scratch::new();
        let db = Db::open(scratch.dir(), small()).unwrap();
        let (mut random, mut model) = (Random::new("spare tables, closed"), BTreeMap::new());
        wait_until("files are kept", || {
            overwrite(&db, &mut random, &mut model);
            db.compact().unwrap();
            number(&db.stats(), "spare_table_bytes") > 0
        });
        let named = || {
            let stats = db.stats();
            stats.flushed.iter().chain(stats.runs()).map(|file| file.bytes).sum::<u64>()
        };
        let of_all = || bytes(&tables(&scratch.dir()), &scratch.dir());
        // What was replaced just now may still be read.
        wait_until("all others are kept or removed", || {
            of_all() == named() + number(&db.stats(), "spare_table_bytes")
        });
        let named = named();
        if is_closed {
            db.close().unwrap();
        } else {
            drop(db);
        }
        assert_eq!(bytes(&tables(&scratch.dir()), &scratch.dir()), named);
    }
}

#[test]
fn a_file_with_another_name_is_left_as_it_is() {
    let scratch = Scratch::new();
    let db = Db::open(scratch.dir(), small()).unwrap();
    let (mut random, mut model) = (Random::new("spare tables, linked"), BTreeMap::new());
    for _ in 0..4 {
        overwrite(&db, &mut random, &mut model);
    }
    db.compact().unwrap();
    let links = scratch.beside("links");
    fs::create_dir(&links).unwrap();
    let linked: Vec<String> = db
        .stats()
        .runs()
        .map(|run| format!("table-{:08}", run.id))
        .filter(|name| fs::hard_link(scratch.dir().join(name), links.join(name)).is_ok())
        .collect();
    assert!(linked.len() > 3, "{linked:?}");
    let contents = |name: &String| fs::read(links.join(name)).unwrap();
    let before: Vec<Vec<u8>> = linked.iter().map(contents).collect();
    let is_there = |name: &String| scratch.dir().join(name).exists();
    wait_until("none of them is needed any more", || {
        overwrite(&db, &mut random, &mut model);
        !linked.iter().any(is_there)
    });
    for _ in 0..4 {
        overwrite(&db, &mut random, &mut model);
    }
    assert!(linked.iter().map(contents).eq(before), "what a link leads to was written");
    check(&db, &model);
    db.close().unwrap();
}
