//! A program of tokio-uring's: its tasks read the database on the runtime's own ring.
//!
//! `cargo run --release --features tokio-uring --example tokio_uring`

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use rabi::{Db, Options, TokioUringDb};

const TASKS: usize = 64;
const KEYS: usize = 10_000;

fn key(number: usize) -> String {
    format!("user:{:08}", number * 7919 % KEYS)
}

/// Looks up its share of the keys, one after the other; the others do so at the same time.
async fn look_up(db: TokioUringDb, task: usize) -> rabi::Result<usize> {
    let mut bytes = 0;
    for number in (task..KEYS).step_by(TASKS) {
        bytes += db.get(key(number)).await?.map_or(0, |value| value.len());
    }
    Ok(bytes)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = tempfile::tempdir()?;
    // A small cache, so that there is something to read.
    let options = Options::new().cache_size_bytes(64 << 10);
    let blocking = Db::open(dir.path(), options)?;
    for number in 0..KEYS {
        blocking.put(key(number), [7; 500])?;
    }
    blocking.compact()?;

    tokio_uring::start(async {
        let db = blocking.to_async().on_tokio_uring();
        let tasks: Vec<_> = (0..TASKS).map(|task| tokio_uring::spawn(look_up(db.clone(), task))).collect();
        let mut bytes = 0;
        for task in tasks {
            bytes += task.await??;
        }
        println!("{bytes} bytes");
        let mut range = db.prefix("user:0000");
        let mut count = 0;
        while let Some(entry) = range.next().await {
            entry?;
            count += 1;
        }
        println!("{count} users in the range");
        Ok::<(), Box<dyn std::error::Error>>(())
    })?;
    Ok(blocking.close()?)
}
