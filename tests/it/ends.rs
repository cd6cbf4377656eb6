//! Whoever waits for an engine that ends is told so.

use std::time::{Duration, Instant};

use rabi::{Db, Durability, Error, Options, WriteBatch, WriteOptions};

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
