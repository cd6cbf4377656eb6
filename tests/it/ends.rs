//! Whoever waits for an engine that ends is told so.

use std::fs;
use std::time::{Duration, Instant};

use rabi::{Db, Durability, Error, Options, WriteBatch, WriteOptions};

use crate::scratch::{Scratch, wait_until};
use crate::system::{fork, run_alone};

#[test]
fn writes_that_wait_for_cores_that_end_are_refused() {
    let root = tempfile::tempdir().unwrap();
    let options = Options::new().cores(1).stage_size_bytes(64 << 10);
    let (mut stepper, mut opening) = Db::open_stepped(root.path().join("db"), options).unwrap();
    let db = loop {
        stepper.turn(0);
        if let Some(opened) = opening.poll() {
            break opened.unwrap();
        }
    };
    db.put("first", "").unwrap();
    let durable = db.clone();
    let durable = std::thread::spawn(move || {
        let mut batch = WriteBatch::new();
        batch.put("key", "value");
        durable.write(batch, WriteOptions::new().durability(Durability::Power))
    });
    let crowded = db.clone();
    let crowded = std::thread::spawn(move || {
        loop {
            crowded.put("other", vec![0; 10_000])?;
        }
    });
    let flushing = db.clone();
    let flushing = std::thread::spawn(move || flushing.flush());
    std::thread::sleep(Duration::from_millis(50));
    drop(stepper);
    let start = Instant::now();
    let waiting = [durable, crowded, flushing];
    while !waiting.iter().all(std::thread::JoinHandle::is_finished) {
        assert!(start.elapsed() < Duration::from_secs(20), "somebody waits in vain");
        std::thread::sleep(Duration::from_millis(5));
    }
    let [durable, crowded, flushing] = waiting.map(|thread| thread.join().unwrap());
    for ended in [&crowded, &flushing] {
        assert!(matches!(ended, Err(Error::Poisoned { .. })), "{ended:?}");
    }
    // It may have led: then its own thread has brought it to the device.
    assert!(matches!(durable, Ok(()) | Err(Error::Poisoned { .. })), "{durable:?}");
    assert_eq!(&db.get("key").unwrap().unwrap()[..], b"value");
}

/// Whether the process has a thread of this name.
fn has_thread(name: &str) -> bool {
    let tasks = fs::read_dir("/proc/self/task").unwrap();
    let names = tasks.filter_map(|task| fs::read_to_string(task.unwrap().path().join("comm")).ok());
    names.into_iter().any(|found| found.trim_end() == name)
}

#[test]
#[ignore = "runs in a process of its own, by the test below"]
fn scene_of_a_large_cache() {
    let scratch = Scratch::new();
    for (cache_size_bytes, is_large) in [(256 << 20, false), (2 << 30, true)] {
        let db = Db::open(scratch.dir(), Options::new().cores(1).cache_size_bytes(cache_size_bytes)).unwrap();
        for number in 0..200 {
            // Blocks as long as a huge page, too.
            let len = if number % 40 == 0 { 1_980_000 } else { 1000 };
            db.put(format!("{number:03}"), vec![7; len]).unwrap();
        }
        db.compact().unwrap();
        assert!(db.iter().all(|entry| entry.unwrap().1.iter().all(|byte| *byte == 7)));
        if is_large {
            wait_until("the thread starts", || has_thread("rabi-pages"));
        } else {
            assert!(!has_thread("rabi-pages"));
        }
        let child = {
            let db = db.clone();
            fork(move || {
                assert!(db.get("007").is_err() && db.stats().get("cache_memory_bytes").is_some());
                drop(db);
            })
        };
        child.wait().unwrap();
        let (other, snapshot) = (db.clone(), db.snapshot());
        db.close().unwrap();
        assert!(!has_thread("rabi-pages") && !has_thread("rabi-core-0"));
        drop((other, snapshot));
    }
}

#[test]
fn no_thread_is_left_of_a_database_that_is_closed() {
    run_alone("ends::scene_of_a_large_cache");
}
