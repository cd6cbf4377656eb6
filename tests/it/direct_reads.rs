//! Tables read past the page cache: the same answers in every way of reading, and nothing of them left in that cache.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rabi::{Db, IoBackend, Options};

use crate::awaited::block_on;
use crate::generator::Random;
use crate::scratch::{Scratch, contents, files, number, small};

const KEYS: usize = 900;

type Entries = Vec<(Vec<u8>, Vec<u8>)>;

fn key(number: usize) -> Vec<u8> {
    format!("key{number:05}").into_bytes()
}

fn options(backend: IoBackend, cache_size_bytes: u64) -> Options {
    small().io_backend(backend).cache_size_bytes(cache_size_bytes).direct_reads(true)
}

/// Values of all lengths, some longer than several sectors, on every level.
fn fill(db: &Db, random: &mut Random) -> Entries {
    let mut entries = Entries::new();
    for part in 0..3 {
        for number in (0..KEYS).filter(|number| number % 3 == part) {
            let len = if random.chance(3) { random.between(4000, 40_000) } else { random.below(900) };
            let value = random.bytes(len);
            db.put(key(number), &value).unwrap();
            entries.push((key(number), value));
        }
        if part == 0 { db.compact().unwrap() } else { db.flush().unwrap() }
    }
    entries.sort();
    entries
}

/// Whether files here can be read so.
fn is_possible(dir: &Path) -> bool {
    let table = &files(dir, "table-")[0];
    OpenOptions::new().read(true).custom_flags(rustix::fs::OFlags::DIRECT.bits() as i32).open(table).is_ok()
}

/// With which flags this process has tables there open to be read. One that is being written is open to be written.
fn flags_of_tables(dir: &Path) -> Vec<u32> {
    let flags = |descriptor: fs::DirEntry| {
        let file = fs::read_link(descriptor.path()).ok()?;
        let is_table = file.parent() == Some(dir) && file.file_name()?.to_str()?.starts_with("table-");
        let info = fs::read_to_string(Path::new("/proc/self/fdinfo").join(descriptor.file_name())).ok()?;
        let octal = info.lines().find_map(|line| line.strip_prefix("flags:"))?.trim();
        let flags = u32::from_str_radix(octal, 8).unwrap();
        (is_table && flags & rustix::fs::OFlags::ACCMODE.bits() == 0).then_some(flags)
    };
    fs::read_dir("/proc/self/fd").unwrap().filter_map(|descriptor| flags(descriptor.unwrap())).collect()
}

fn check(db: &Db, entries: &Entries) {
    let by_key = |(key, value): &(Vec<u8>, Vec<u8>)| db.get(key).unwrap().as_deref() == Some(&value[..]);
    assert!(entries.iter().all(by_key));
    assert!(contents(db) == *entries);
    let keys: Vec<&[u8]> = entries.iter().map(|(key, _)| &key[..]).collect();
    let found = db.multi_get(&keys);
    assert!(found.into_iter().zip(entries).all(|(found, (_, value))| found.unwrap().unwrap() == **value));
    let mut backward = Entries::new();
    for entry in db.range::<&str>(..).rev() {
        let (key, value) = entry.unwrap();
        backward.insert(0, (key, value.into_vec()));
    }
    assert!(backward == *entries);
    let awaited = db.to_async();
    block_on(async {
        let found = awaited.multi_get(&keys).await;
        assert!(found.into_iter().zip(entries).all(|(found, (_, value))| found.unwrap().unwrap() == **value));
        let mut range = awaited.range::<&str>(..);
        for (key, value) in entries {
            let (found, its) = range.next().await.unwrap().unwrap();
            assert!(found == *key && its == **value);
        }
    });
    let copies = entries.clone();
    let task = db.spawn_on(0, move |db| async move {
        for (key, value) in &copies {
            assert!(db.get(key).await.unwrap().as_deref() == Some(&value[..]));
        }
    });
    block_on(task).unwrap();
}

#[test]
fn every_way_of_reading_gives_what_was_written_and_the_page_cache_nothing() {
    for backend in [IoBackend::Auto, IoBackend::Blocking] {
        for cache_size_bytes in [0, 64 << 10, 16 << 20] {
            let (scratch, mut random) = (Scratch::new(), Random::new("direct"));
            let db = Db::open(scratch.dir(), options(backend, cache_size_bytes)).unwrap();
            let entries = fill(&db, &mut random);
            check(&db, &entries);
            drop(db);
            let db = Db::open(scratch.dir(), options(backend, cache_size_bytes)).unwrap();
            check(&db, &entries);
            if is_possible(&scratch.dir()) {
                assert!(db.stats().direct_reads);
                let flags = flags_of_tables(&scratch.dir().canonicalize().unwrap());
                assert!(!flags.is_empty());
                assert!(
                    flags.iter().all(|flags| flags & rustix::fs::OFlags::DIRECT.bits() != 0),
                    "{flags:?}"
                );
                assert_eq!(number(&db.stats(), "page_cache_reads"), 0);
            }
        }
    }
}

#[test]
fn a_database_may_be_opened_with_it_and_without_it_in_turn() {
    let (scratch, mut random) = (Scratch::new(), Random::new("in turn"));
    for is_direct in [false, true, true, false, true] {
        let options = small().cache_size_bytes(32 << 10).direct_reads(is_direct);
        let db = Db::open(scratch.dir(), options).unwrap();
        let entries = fill(&db, &mut random);
        check(&db, &entries);
    }
}

#[test]
fn what_was_just_written_is_in_the_cache_while_it_has_room() {
    let scratch = Scratch::new();
    let options = Options::new().memtable_size_bytes(1 << 20).cache_size_bytes(16 << 20);
    let db = Db::open(scratch.dir(), options.direct_reads(true)).unwrap();
    let entries = fill(&db, &mut Random::new("warm"));
    let before = number(&db.stats(), "cache_misses");
    check(&db, &entries);
    assert_eq!(number(&db.stats(), "cache_misses"), before);
}

#[test]
fn a_file_that_was_cut_is_damaged_and_not_the_end() {
    let (scratch, mut random) = (Scratch::new(), Random::new("cut"));
    let db = Db::open(scratch.dir(), options(IoBackend::Auto, 0)).unwrap();
    let entries = fill(&db, &mut random);
    db.compact().unwrap();
    let tables = files(&scratch.dir(), "table-");
    for table in &tables {
        // Those that the compaction has replaced are removed meanwhile.
        let Ok(file) = OpenOptions::new().write(true).open(table) else { continue };
        let len = file.metadata().unwrap().len();
        file.set_len(len * 2 / 5).unwrap();
    }
    let failed = entries.iter().filter_map(|(key, value)| match db.get(key) {
        Ok(found) => {
            assert_eq!(found.as_deref(), Some(&value[..]));
            None
        }
        Err(error) => Some(error.to_string()),
    });
    let failed: Vec<String> = failed.collect();
    assert!(!failed.is_empty());
    assert!(failed.iter().all(|error| error.contains("length of the file")), "{failed:?}");
}
