//! A counter of visits in a program of tokio's: many tasks, one database, no thread of theirs ever waits for it.
//!
//! `cargo run --example tokio`

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use rabi::{AsyncDb, Db, Options, WriteBatch};

const TASKS: u64 = 8;
const VISITS: u64 = 1_000;

/// Notes visits, each a log entry and nothing else; the last ticket says when all are on the device.
async fn visit(db: AsyncDb, task: u64) -> rabi::Result<u64> {
    let mut last = None;
    for number in 0..VISITS {
        let mut batch = WriteBatch::new();
        batch.put(format!("visit:{task}:{number:06}"), format!("page {}", number % 7));
        batch.put(format!("last:{task}"), number.to_string());
        last = Some(db.submit(batch).await?); // visible, and safe from kill -9
    }
    let last = last.expect("there were visits");
    last.durable().await?; // safe from loss of power, with all before it
    Ok(last.seqno())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = tempfile::tempdir()?;
    let db = Db::open(dir.path(), Options::new())?.to_async();

    let tasks: Vec<_> = (0..TASKS).map(|task| tokio::spawn(visit(db.clone(), task))).collect();
    for task in tasks {
        println!("durable up to write {}", task.await??);
    }

    let last = db.multi_get((0..TASKS).map(|task| format!("last:{task}"))).await;
    assert!(last.into_iter().all(|value| value.is_ok_and(|value| value.is_some())));

    // The value of a key, or up to 10 ms: a future that is dropped leaves nothing behind.
    let within = std::time::Duration::from_millis(10);
    match tokio::time::timeout(within, db.get("visit:3:000500")).await {
        Ok(page) => println!("visit 500 of task 3: {}", page?.expect("it was noted").escape_ascii()),
        Err(_elapsed) => println!("not within {within:?}"),
    }

    let mut visits = db.prefix("visit:5:");
    let mut count = 0;
    while let Some(entry) = visits.next().await {
        entry?;
        count += 1;
    }
    drop(visits);
    println!("task 5 noted {count} visits");
    Ok(db.close().await?)
}
