//! A transfer as one batch, and a snapshot that does not see it.
//!
//! `cargo run --example batches_and_snapshots`
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;

use rabi::{Db, Options, Snapshot, WriteBatch, WriteOptions};

fn main() -> Result<(), Box<dyn Error>> {
    let dir = tempfile::tempdir()?;
    let db = Db::open(dir.path(), Options::new())?;
    db.put("account:ann", "90")?;
    db.put("account:bob", "10")?;

    let before = db.snapshot();

    // Readers, snapshots and recovery see all of a batch or none of it.
    let mut transfer = WriteBatch::new();
    transfer.put("account:ann", "60");
    transfer.put("account:bob", "40");
    transfer.put("log:1", "ann to bob: 30");
    db.write(transfer, WriteOptions::default())?;

    let after = db.snapshot();
    println!("before: {}", accounts(&before)?);
    println!("after:  {}", accounts(&after)?);
    println!("the log entry is in the old snapshot: {}", before.get("log:1")?.is_some());

    // A snapshot keeps the database open and old versions on disk: drop it when it is done.
    drop((before, after));
    db.close()?;
    Ok(())
}

fn accounts(at: &Snapshot) -> Result<String, Box<dyn Error>> {
    let mut line = Vec::new();
    for entry in at.prefix("account:") {
        let (key, value) = entry?;
        line.push(format!("{} = {}", key.escape_ascii(), value.escape_ascii()));
    }
    Ok(line.join(", "))
}
